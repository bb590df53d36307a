//! The content namespaces of a stream (RFC 6120 §4.8.2).

/// The namespace that the stanzas of a stream live in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// `jabber:server`: a stream between two servers.
    Server,
    /// `jabber:client`: a stream between a client and its server.
    Client,
    /// `jabber:component:accept`: a stream of an external component (XEP-0114).
    Component,
}

impl Content {
    pub(crate) const ALL: [Content; 3] = [Content::Server, Content::Client, Content::Component];

    /// The namespace name.
    pub const fn namespace(self) -> &'static str {
        match self {
            Content::Server => "jabber:server",
            Content::Client => "jabber:client",
            Content::Component => "jabber:component:accept",
        }
    }

    /// The content namespace with this name.
    pub fn from_namespace(name: &str) -> Option<Content> {
        match name {
            "jabber:server" => Some(Content::Server),
            "jabber:client" => Some(Content::Client),
            "jabber:component:accept" => Some(Content::Component),
            _ => None,
        }
    }
}
