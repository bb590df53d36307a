//! A generator of stanzas that are nearly always well-formed; prefixes are often unbound and attributes sometimes there twice.
//!
//! What it makes much of is where a reader by vectors may go wrong: lengths around the width of a vector, and something odd at any
//! place among much that is plain.

use proptest::prelude::*;
use proptest::sample::select;

/// Lengths up to 100, half of them around 8, 16, 32, 48 and 64.
pub fn length() -> impl Strategy<Value = usize> {
    let near = [7, 8, 9, 14, 15, 16, 17, 18, 30, 31, 32, 33, 34, 47, 48, 49, 62, 63, 64, 65, 66];
    prop_oneof![3 => select(near.to_vec()), 1 => 0..8usize, 2 => 0..100usize]
}

/// A local name of ASCII: 1 to 40 bytes. Half of them begin with the same eight letters.
fn local() -> impl Strategy<Value = String> {
    let lengths = select(vec![1, 2, 7, 8, 9, 10, 15, 16, 17, 30, 31, 32, 33, 40]);
    let rest = select(b"abyzABYZ_-.0189".to_vec());
    let grown = (select(b"aZ_".to_vec()), prop::collection::vec(rest, 40), lengths);
    let grown = grown.prop_map(|(first, rest, length)| {
        let bytes = std::iter::once(first).chain(rest).take(length).collect();
        String::from_utf8(bytes).expect("ASCII")
    });
    let alike = select(vec![
        "",
        "i",
        "j",
        "0",
        "ijklmno",
        "ijklmnop",
        "ijklmnoq",
        "ijklmnopqrstuvwxyz-abcde",
    ]);
    prop_oneof![grown, alike.prop_map(|rest| format!("abcdefgh{rest}"))]
}

/// Those that the usual header binds, and some that it does not.
fn prefix() -> impl Strategy<Value = &'static str> {
    select(vec![
        "cap",
        "cap",
        "db",
        "p",
        "q",
        "cap",
        "db",
        "stream",
        "xml",
        "abcdefgh",
        "abcdefghi",
        "s",
        "été",
        "a-prefix-of-some-thirty-letters",
    ])
}

/// A name as it may be written, with or without a prefix.
pub fn name() -> impl Strategy<Value = String> {
    let usual = select(vec![
        "message",
        "iq",
        "presence",
        "body",
        "x",
        "p:x",
        "q:message",
        "cap:x",
        "db:result",
        "stream:features",
        "日本",
        "stream",
        "stream:stream",
        "a-name-that-is-longer-than-any-vector",
        "presences",
        "messages",
        "stream:streams",
        "xmlnsx",
        "body",
        "x",
    ]);
    prop_oneof![
        16 => usual.prop_map(str::to_owned),
        6 => local(),
        1 => (prefix(), local()).prop_map(|(prefix, local)| format!("{prefix}:{local}")),
        1 => select(vec!["cap:1x", "db:-x", "cap:x:y", "cap:", ":x"]).prop_map(str::to_owned),
    ]
}

/// A character reference, of any length, nearly always to a character that XML has.
fn reference() -> impl Strategy<Value = String> {
    let codes = vec![
        9, 10, 13, 0x20, 0x26, 0x3C, 0x41, 0x7F, 0xE9, 0x20AC, 0xD7FF, 0xE000, 0xFFFD, 0x10000,
        0x1_F339, 0x10_FFFF,
    ];
    let odd = vec![0, 8, 0x1F, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF, 0x11_0000, u32::MAX];
    let code = prop_oneof![12 => select(codes), 1 => select(odd)];
    let zeros = prop_oneof![2 => Just(0), 1 => 0..10usize];
    (code, zeros, 0..3).prop_map(|(code, zeros, way)| {
        let zeros = "0".repeat(zeros);
        match way {
            0 => format!("&#{zeros}{code};"),
            1 => format!("&#x{zeros}{code:x};"),
            _ => format!("&#x{zeros}{code:X};"),
        }
    })
}

/// What is not plain, in a value as in text.
fn odd() -> impl Strategy<Value = String> {
    let fixed = select(vec![
        "&amp;",
        "&lt;",
        "&gt;",
        "&apos;",
        "&quot;",
        "\t",
        "\n",
        "\r",
        "\r\n",
        " ",
        "é",
        "日本",
        "\u{1F339}",
        "\u{FFFD}",
        "\u{10FFFF}",
        "\u{D7FF}",
        "\u{E000}",
        "\u{7F}",
        "\u{80}",
        "'",
        "\"",
        "]",
        "]]",
        ">",
        "&",
        "=",
        "/",
        "\" a='",
        "' a=\"",
        "\">",
        "'/>",
    ]);
    let none =
        select(vec!["\u{FFFE}", "\u{FFFF}", "\0", "\u{1}", "\u{1F}", "<", "]]>", "&nbsp;", "&#;"]);
    prop_oneof![
        20 => fixed.prop_map(str::to_owned),
        6 => reference(),
        1 => none.prop_map(str::to_owned),
    ]
}

/// Something long and plain with a few things between that are not.
fn stretch(plain: &'static str) -> impl Strategy<Value = String> {
    let piece = (length(), prop::option::of(odd()));
    prop::collection::vec(piece, 0..3).prop_map(move |pieces| {
        let mut text = String::new();
        for (length, odd) in pieces {
            text.extend(plain.chars().cycle().skip(text.len() % 7).take(length));
            text.push_str(&odd.unwrap_or_default());
        }
        text
    })
}

fn value() -> impl Strategy<Value = String> {
    let usual = select(vec![
        "",
        "juliet@capulet.example/balcony",
        "a b\tc",
        "&lt;&#x41;&amp;",
        "jabber:client",
        "jabber:server",
        "urn:x",
        "urn:&#x78;",
        "urn:&amp;#x78;",
        "urn:y",
        "urn:&#x79;",
        "urn:capulet:1",
        "http://etherx.jabber.org/streams",
        "Zoë \u{1F339}",
        "en",
        "]]>",
    ]);
    prop_oneof![usual.prop_map(str::to_owned), stretch("romeo@montague.example/orchard ")]
}

/// A namespace name, also such as cannot be one.
fn namespace() -> impl Strategy<Value = String> {
    // `urn:x` shares its length and its end with a name that the crate knows, `urn:y` with none: both ways to tell a namespace are taken.
    let usual = select(vec![
        "jabber:client",
        "jabber:server",
        "jabber:component:accept",
        "jabber:server:dialback",
        "urn:x",
        "urn:&#x78;",
        "urn:&amp;#x78;",
        "urn:y",
        "urn:&#x79;",
        "urn:capulet:1",
        "http://etherx.jabber.org/streams",
        "http://www.w3.org/XML/1998/namespace",
        "http://www.w3.org/2000/xmlns/",
        "",
        "urn:x y",
        "urn:x|",
        "urn:été",
    ]);
    let odd = select(vec![
        "", "", "", "", "", " ", "{", "}", "^", "`", "\\", "|", "\u{7F}", "&#10;", "~", "%", "é",
    ]);
    let made = (length(), odd, any::<prop::sample::Index>()).prop_map(|(length, odd, at)| {
        let mut name: String = "urn:example:a-long~name/with_all.kinds#of@bytes!$"
            .chars()
            .cycle()
            .take(length)
            .collect();
        name.insert_str(at.index(length + 1), odd);
        name
    });
    prop_oneof![3 => usual.prop_map(str::to_owned), 2 => made]
}

fn written(name: &str, value: &str, way: u8) -> String {
    // A value that has one kind of quote needs the other; one that has both is faulty.
    let quote =
        if value.contains('\'') || way & 1 == 1 && !value.contains('"') { '"' } else { '\'' };
    match way >> 1 {
        0 => format!(" {name} = {quote}{value}{quote}"),
        1 => format!("\n\t{name}={quote}{value}{quote}"),
        _ => format!(" {name}={quote}{value}{quote}"),
    }
}

/// An attribute with the space before it.
pub fn attribute() -> impl Strategy<Value = String> {
    let usual = select(vec![
        "from",
        "to",
        "id",
        "type",
        "xml:lang",
        "p:a",
        "q:a",
        "cap:a",
        "a",
        "b",
        "été",
        "fromm",
        "t",
        "p:from",
        "xml:langs",
    ]);
    let name = prop_oneof![
        4 => usual.prop_map(str::to_owned),
        1 => local(),
        1 => (prefix(), local()).prop_map(|(prefix, local)| format!("{prefix}:{local}")),
    ];
    let declared = prop_oneof![
        2 => Just("xmlns".to_owned()),
        3 => prefix().prop_map(|prefix| format!("xmlns:{prefix}")),
    ];
    prop_oneof![
        3 => (name, value(), 0..8u8).prop_map(|(name, value, way)| written(&name, &value, way)),
        1 => (declared, namespace(), 0..8u8).prop_map(|(name, value, way)| written(&name, &value, way)),
    ]
}

/// The attributes of a tag: a few, or so many that telling them apart takes other means.
fn attributes() -> impl Strategy<Value = String> {
    let few = prop::collection::vec(attribute(), 0..4).prop_map(|list| list.concat());
    let many = (1..40usize, 0..40usize, 0..4).prop_map(|(count, again, doubled)| {
        let again = (doubled == 0).then_some(again % count);
        let list = (0..count).chain(again).map(|number| format!(" abcdefgh{number}='{number}'"));
        list.collect::<String>()
    });
    prop_oneof![12 => few, 1 => many, 2 => alike()]
}

/// Attributes with prefixes that may stand for one namespace.
fn alike() -> impl Strategy<Value = String> {
    let names = select(vec![
        "urn:x",
        "urn:x",
        "urn:&#x78;",
        "urn:&amp;#x78;",
        "urn:y",
        "urn:&#x79;",
        "urn:capulet:1",
        "jabber:server",
    ]);
    let locals = select(vec!["a", "a", "b", "abcdefgh1", "abcdefgh2"]);
    (prop::collection::vec((names, locals), 1..4), any::<bool>()).prop_map(|(list, borrows)| {
        let mut text = String::new();
        for (number, (name, local)) in list.iter().enumerate() {
            text.push_str(&format!(" xmlns:p{number}='{name}' p{number}:{local}=''"));
        }
        if borrows { text + " cap:a=''" } else { text }
    })
}

fn text() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "Wherefore art thou",
        "&amp;",
        "&#10;",
        "\r\n",
        "\u{1F339}",
        "é",
        "]]",
        ">",
        "<![CDATA[a]]b<>&]]]>",
        "<![CDATA[]]>",
        "]",
    ]);
    let short = prop::collection::vec(piece, 0..3).prop_map(|pieces| pieces.concat());
    let section =
        stretch("plain text in a section, long ").prop_map(|text| format!("<![CDATA[{text}]]>"));
    prop_oneof![3 => short, 3 => stretch("Wherefore art thou Romeo? "), 1 => section]
}

/// A stanza as text.
pub fn element() -> impl Strategy<Value = String> {
    let tag = || (name(), attributes());
    let leaf = tag().prop_map(|(name, attributes)| format!("<{name}{attributes}/>"));
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let child = prop_oneof![inner, text()];
        let space = select(vec!["", "", "", " ", "\n"]);
        (tag(), prop::collection::vec(child, 0..4), space).prop_map(
            |((name, attributes), children, space)| {
                format!("<{name}{attributes}{space}>{}</{name}{space}>", children.concat())
            },
        )
    })
}

/// A stanza whose elements differ by nothing but their namespaces, most of them content namespaces.
pub fn nested() -> impl Strategy<Value = String> {
    let name = select(vec!["message", "x", "x", "p:x", "q:x", "cap:x"]);
    let declared = select(vec![
        "",
        "",
        "",
        " xmlns='jabber:client'",
        " xmlns='jabber:server'",
        " xmlns='urn:x'",
        " xmlns='urn:z'",
        " xmlns=''",
        " xmlns:p='jabber:client'",
        " xmlns:q='urn:x' xmlns:p='jabber:server'",
        " xmlns:q='jabber:component:accept' q:a='' cap:a=''",
        " xmlns:p='jabber:client' xmlns:q='jabber:server' p:a='1' q:a='2'",
    ]);
    let tag = (name, declared);
    let leaf = tag.clone().prop_map(|(name, declared)| format!("<{name}{declared}/>"));
    let inner = leaf.prop_recursive(4, 16, 3, move |inner| {
        let children = prop::collection::vec(inner, 0..4);
        (tag.clone(), children).prop_map(|((name, declared), children)| {
            format!("<{name}{declared}>{}</{name}>", children.concat())
        })
    });
    // Prefixes are mostly bound outside, so that most of it is good.
    let first = select(vec![
        "",
        " xmlns='jabber:client'",
        " xmlns:p='urn:x' xmlns:q='urn:q'",
        " xmlns:p='urn:y' xmlns:q='urn:z'",
        " xmlns:p='urn:x' xmlns:q='jabber:client'",
        " xmlns:p='jabber:server' xmlns:q='urn:x' p:a=''",
    ]);
    (first, prop::collection::vec(inner, 0..3)).prop_map(|(first, children)| {
        format!("<message{first}><y xmlns='urn:y'/>{}</message>", children.concat())
    })
}
