//! A first-level element of which it is known where each name has its namespace from, and what follows from that.

use std::collections::HashSet;

use xmpp_frame::{Content, Kind};

use crate::tree::{Name, Tree};

/// What gives a name its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// It is an attribute without a prefix.
    Nothing,
    /// The default namespace of the stream, declared or not.
    Default,
    /// The prefix `xml`.
    Xml,
    /// This prefix of the stream header.
    Header(String),
    /// The declaration with this number within the first-level element.
    Here(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MarkedName {
    pub(super) origin: Origin,
    pub(super) name: Name,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) name: MarkedName,
    pub(super) attributes: Vec<(MarkedName, String)>,
    pub(super) nodes: Vec<MarkedNode>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MarkedNode {
    Element(Marked),
    Text(String),
}

/// A first-level element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stanza {
    pub(super) marked: Marked,
    /// What each declaration in it says.
    pub(super) declared: Vec<String>,
    /// The default namespace of the stream.
    pub(super) default: String,
}

/// Where a stanza goes.
#[derive(Clone, Copy, Debug)]
pub struct Move<'a> {
    /// The content namespace there.
    pub content: Content,
    /// The language of the stream it comes from.
    pub source_lang: Option<&'a str>,
    /// The language of the stream it goes to.
    pub target_lang: Option<&'a str>,
}

/// RFC 6120 §4.8.2 and XEP-0114 §3, written here anew: the framer's own table is one of the things that are looked at.
fn namespace_of(content: Content) -> &'static str {
    match content {
        Content::Server => "jabber:server",
        Content::Client => "jabber:client",
        Content::Component => "jabber:component:accept",
    }
}

/// The content namespace of this name.
pub(crate) fn content_of(namespace: &str) -> Option<Content> {
    let all = [Content::Server, Content::Client, Content::Component];
    all.into_iter().find(|content| namespace_of(*content) == namespace)
}

fn is_content(namespace: &str) -> bool {
    content_of(namespace).is_some()
}

impl Stanza {
    /// Its tree.
    pub fn tree(&self) -> Tree {
        self.marked.tree()
    }

    /// What a framer has to say that it is: by expanded name, in the content namespace of the stream, that of servers or that of clients.
    pub fn kind(&self) -> Kind {
        let Name { namespace, local } = &self.marked.name.name;
        let is_streams = is_content(&self.default) && *namespace == self.default;
        if !is_streams && namespace != "jabber:server" && namespace != "jabber:client" {
            return Kind::Other;
        }
        match local.as_str() {
            "message" => Kind::Message,
            "presence" => Kind::Presence,
            "iq" => Kind::Iq,
            _ => Kind::Other,
        }
    }

    /// Whether some declaration names a content namespace.
    pub fn spells_content_namespace(&self) -> bool {
        self.declared.iter().any(|name| is_content(name))
    }

    /// Whether it uses a prefix that only the header binds.
    pub fn borrows(&self) -> bool {
        let mut names = Vec::new();
        self.marked.names(&mut names);
        names.iter().any(|name| matches!(name.origin, Origin::Header(_)))
    }

    /// Whether one of the stanza's own elements takes from a declaration a content namespace that is not the stream's.
    pub fn is_of_other_content(&self) -> bool {
        let is_other = |name: &&MarkedName| {
            matches!(name.origin, Origin::Here(_)) && name.name.namespace != self.default
        };
        self.marked.own().iter().any(is_other)
    }

    /// Its tree on another stream: its own elements in the content namespace there, and with them whatever takes its namespace from
    /// the same declaration; the language of its stream on it when there is another and it has none. `None` when two attributes
    /// become one by that.
    pub fn moved(&self, there: Move<'_>) -> Option<Tree> {
        let own: HashSet<&Origin> = self.marked.own().iter().map(|name| &name.origin).collect();
        let rename = |name: &MarkedName| {
            let is_content = is_content(&name.name.namespace);
            let moves = name.origin == Origin::Default || own.contains(&name.origin);
            if is_content && moves {
                Name::new(namespace_of(there.content), &name.name.local)
            } else {
                name.name.clone()
            }
        };
        let mut tree = self.marked.renamed(&rename)?;
        let lang = Name::new("http://www.w3.org/XML/1998/namespace", "lang");
        if let Some(source) = there.source_lang
            && !there.target_lang.is_some_and(|target| target.eq_ignore_ascii_case(source))
        {
            tree.attributes.entry(lang).or_insert_with(|| source.to_owned());
        }
        Some(tree)
    }

    /// Whether two attributes of one element differ by nothing but content namespaces.
    pub fn may_clash(&self) -> bool {
        self.marked.may_clash()
    }
}

impl Marked {
    pub(super) fn tree(&self) -> Tree {
        self.renamed(&|name| name.name.clone()).unwrap_or_default()
    }

    /// The tree with other names; `None` when that makes one attribute of two.
    fn renamed(&self, rename: &dyn Fn(&MarkedName) -> Name) -> Option<Tree> {
        let mut tree = Tree::new(rename(&self.name));
        for (name, value) in &self.attributes {
            if tree.attributes.insert(rename(name), value.clone()).is_some() {
                return None;
            }
        }
        for node in &self.nodes {
            match node {
                MarkedNode::Element(child) => tree.push(child.renamed(rename)?),
                MarkedNode::Text(text) => tree.push_text(text),
            }
        }
        Some(tree)
    }

    fn children(&self) -> impl Iterator<Item = &Marked> {
        self.nodes.iter().filter_map(|node| match node {
            MarkedNode::Element(child) => Some(child),
            MarkedNode::Text(_) => None,
        })
    }

    fn names<'a>(&'a self, names: &mut Vec<&'a MarkedName>) {
        names.push(&self.name);
        names.extend(self.attributes.iter().map(|(name, _)| name));
        self.children().for_each(|child| child.names(names));
    }

    /// The names of the stanza's own elements: those in a content namespace whose ancestors are all in one.
    fn own(&self) -> Vec<&MarkedName> {
        let mut own = Vec::new();
        if is_content(&self.name.name.namespace) {
            own.push(&self.name);
            own.extend(self.children().flat_map(Marked::own));
        }
        own
    }

    fn may_clash(&self) -> bool {
        let is_content = |name: &&MarkedName| is_content(&name.name.namespace);
        let in_content = || self.attributes.iter().map(|(name, _)| name).filter(is_content);
        let locals: HashSet<_> = in_content().map(|name| &name.name.local).collect();
        locals.len() < in_content().count() || self.children().any(Marked::may_clash)
    }
}
