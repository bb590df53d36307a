//! The examples of RFC 7622 §3.5, tables 1 and 2.

use xmpp_addr::{AddrError, Jid};

#[test]
fn jids_of_table_1_are_accepted() {
    let table = [
        ("juliet@example.com", Some("juliet"), "example.com", None),
        ("juliet@example.com/foo", Some("juliet"), "example.com", Some("foo")),
        ("juliet@example.com/foo bar", Some("juliet"), "example.com", Some("foo bar")),
        ("juliet@example.com/foo@bar", Some("juliet"), "example.com", Some("foo@bar")),
        ("foo\\20bar@example.com", Some("foo\\20bar"), "example.com", None),
        ("fussball@example.com", Some("fussball"), "example.com", None),
        ("fu\u{DF}ball@example.com", Some("fu\u{DF}ball"), "example.com", None),
        ("\u{3C0}@example.com", Some("\u{3C0}"), "example.com", None),
        ("\u{3A3}@example.com/foo", Some("\u{3A3}"), "example.com", Some("foo")),
        ("\u{3C3}@example.com/foo", Some("\u{3C3}"), "example.com", Some("foo")),
        ("\u{3C2}@example.com/foo", Some("\u{3C2}"), "example.com", Some("foo")),
        ("king@example.com/\u{265A}", Some("king"), "example.com", Some("\u{265A}")),
        ("example.com", None, "example.com", None),
        ("example.com/foobar", None, "example.com", Some("foobar")),
        ("a.example.com/b@example.net", None, "a.example.com", Some("b@example.net")),
    ];
    for (text, local, domain, resource) in table {
        let jid = Jid::parse(text).unwrap_or_else(|error| panic!("{text:?} was refused: {error}"));
        assert_eq!(jid.local(), local, "{text:?}");
        assert_eq!(jid.domain(), domain, "{text:?}");
        assert_eq!(jid.resource(), resource, "{text:?}");
    }
}

#[test]
fn strings_of_table_2_are_refused() {
    let table = [
        ("\"juliet\"@example.com", AddrError::LocalpartChar('"')),
        ("foo bar@example.com", AddrError::LocalpartChar(' ')),
        ("@example.com/", AddrError::LocalpartEmpty),
        ("@example.com", AddrError::LocalpartEmpty),
        ("juliet@example.com/", AddrError::ResourceEmpty),
        ("henry\u{2163}@example.com", AddrError::LocalpartChar('\u{2163}')),
        ("\u{265A}@example.com", AddrError::LocalpartChar('\u{265A}')),
        ("juliet@", AddrError::DomainEmpty),
        ("/foobar", AddrError::DomainEmpty),
    ];
    for (text, expected) in table {
        assert_eq!(Jid::parse(text), Err(expected), "{text:?}");
    }
}

/// Table 2 lists this one, but no rule of OpaqueString forbids it: erratum 4560 removes it.
#[test]
fn leading_space_in_a_resource_is_accepted() {
    let jid = Jid::parse("juliet@example.com/ foo").expect("erratum 4560");
    assert_eq!(jid.resource(), Some(" foo"));
}
