//! Changes that make a good stanza a faulty one, or another.

use proptest::prelude::*;

/// One change to some bytes.
#[derive(Clone, Debug)]
pub enum Change {
    Replace(prop::sample::Index, u8),
    Delete(prop::sample::Index),
    Insert(prop::sample::Index, &'static [u8]),
    Cut(prop::sample::Index),
}

pub fn change() -> impl Strategy<Value = Change> {
    let bytes = prop::sample::select(
        b"<>/&;:='\"! ?][-x\0\n\x01\x7F\x80\xBF\xC0\xC3\xE2\xED\xEF\xF0\xF4\xFF#19".to_vec(),
    );
    let fragments: Vec<&'static [u8]> = vec![
        b"<!-- -->",
        b"<?a?>",
        b"<!DOCTYPE a>",
        b"&nbsp;",
        b"&#0;",
        b"&#xD800;",
        b"]]>",
        b"<![CDATA[",
        b"]]>",
        b" xmlns:p='urn:x'",
        b" xmlns:q='jabber:client'",
        b" xmlns='urn:x'",
        b" xmlns:p='urn:y'",
        b" xmlns='urn:y'",
        b" a='1'",
        b"<a>",
        b"</a>",
        b"<a/>",
        b"\xEF\xBF\xBE",
        b"\xEF\xBF\xBD",
        b"\xED\xA0\x80",
        b"\xC0\xBC",
        b"&lt;",
        b"&#x10FFFF;",
        b"&#x110000;",
        b":",
        b" xml:lang='de'",
        b" xmlns:p=''",
        b" xmlns:xml='urn:x'",
        b"xmlns:",
    ];
    prop_oneof![
        (any::<prop::sample::Index>(), bytes).prop_map(|(at, byte)| Change::Replace(at, byte)),
        any::<prop::sample::Index>().prop_map(Change::Delete),
        (any::<prop::sample::Index>(), prop::sample::select(fragments))
            .prop_map(|(at, some)| Change::Insert(at, some)),
        any::<prop::sample::Index>().prop_map(Change::Cut),
    ]
}

pub fn changed(text: &str, changes: &[Change]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        match change {
            Change::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Delete(at) => {
                bytes.remove(at.index(bytes.len()));
            }
            Change::Insert(at, some) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, some.iter().copied());
            }
            Change::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
        }
    }
    bytes
}
