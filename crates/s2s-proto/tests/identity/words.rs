//! The vocabulary of the dialogues: every argument of a step is a word of one of these tables.
//!
//! What a word means is written here by hand, from the specifications, so that the model never asks the code under test what a
//! name, a version or a type is.

/// A domain of the play, by its place in [`NAMES`].
pub type Name = u8;

/// A domain pair of the play: sender, target.
pub type Pair = (Name, Name);

pub const BANK: Name = 0;
pub const EVIL: Name = 1;
pub const BOOKS: Name = 2;
pub const US: Name = 3;
pub const US2: Name = 4;
pub const CHAT: Name = 5;
pub const XBANK: Name = 6;
pub const BAN: Name = 7;
pub const BELOW_BANK: Name = 8;
pub const BANK_BELOW_EVIL: Name = 9;
pub const CYRILLIC: Name = 10;
pub const XUS: Name = 11;

/// Canonical forms (RFC 7622 §3.2: A-labels, lower case, no final dot). The near misses are the classic ones: a letter more, a
/// letter less, below, above, a look-alike.
pub const NAMES: &[&str] = &[
    "bank.example",
    "evil.example",
    "xn--bcher-kva.example",
    "capulet.example",
    "montague.example",
    "chat.capulet.example",
    "xbank.example",
    "ban.example",
    "a.bank.example",
    "bank.example.evil.example",
    "xn--bnk-6cd.example",
    "xcapulet.example",
];

/// What an address on the wire is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// The attribute is not there.
    Absent,
    /// It is no domain (or no JID).
    Bad,
    Is(Name),
}

impl Given {
    pub fn name(self) -> Option<Name> {
        match self {
            Given::Is(name) => Some(name),
            Given::Absent | Given::Bad => None,
        }
    }
}

/// A way to write a domain in an attribute.
pub struct Spelling {
    pub word: &'static str,
    /// As it stands in the attribute, escaped.
    pub xml: &'static str,
    pub given: Given,
}

const fn spelling(word: &'static str, xml: &'static str, given: Given) -> Spelling {
    Spelling { word, xml, given }
}

/// The first [`CANONICAL`] are the names as they are, in the order of [`NAMES`].
pub const SPELLINGS: &[Spelling] = &[
    spelling("bank", "bank.example", Given::Is(BANK)),
    spelling("evil", "evil.example", Given::Is(EVIL)),
    spelling("books", "xn--bcher-kva.example", Given::Is(BOOKS)),
    spelling("us", "capulet.example", Given::Is(US)),
    spelling("us2", "montague.example", Given::Is(US2)),
    spelling("chat", "chat.capulet.example", Given::Is(CHAT)),
    spelling("xbank", "xbank.example", Given::Is(XBANK)),
    spelling("ban", "ban.example", Given::Is(BAN)),
    spelling("below-bank", "a.bank.example", Given::Is(BELOW_BANK)),
    spelling("bank-below-evil", "bank.example.evil.example", Given::Is(BANK_BELOW_EVIL)),
    spelling("cyrillic-bank", "b\u{430}nk.example", Given::Is(CYRILLIC)),
    spelling("xus", "xcapulet.example", Given::Is(XUS)),
    spelling("bank-upper", "BANK.Example", Given::Is(BANK)),
    spelling("bank-dot", "bank.example.", Given::Is(BANK)),
    // UTS #46 §4: U+3002 is a full stop, U+FF42 a full-width b, U+00AD is ignored, U+212A is a k.
    spelling("bank-ideographic", "bank\u{3002}example", Given::Is(BANK)),
    spelling("bank-wide", "\u{FF42}ank.example", Given::Is(BANK)),
    spelling("bank-soft", "ba\u{AD}nk.example", Given::Is(BANK)),
    spelling("bank-kelvin", "ban\u{212A}.example", Given::Is(BANK)),
    spelling("bank-escaped", "b&#x61;nk&#46;example", Given::Is(BANK)),
    spelling("evil-upper", "EVIL.EXAMPLE", Given::Is(EVIL)),
    spelling("books-u", "b\u{FC}cher.example", Given::Is(BOOKS)),
    spelling("books-upper", "B\u{DC}CHER.EXAMPLE", Given::Is(BOOKS)),
    spelling("books-combining", "bu\u{308}cher.example", Given::Is(BOOKS)),
    spelling("books-a-upper", "XN--BCHER-KVA.example", Given::Is(BOOKS)),
    spelling("us-upper", "Capulet.EXAMPLE.", Given::Is(US)),
    spelling("cyrillic-a", "xn--bnk-6cd.example", Given::Is(CYRILLIC)),
    spelling("absent", "", Given::Absent),
    spelling("empty", "", Given::Bad),
    spelling("dots", "bank..example", Given::Bad),
    spelling("space", " bank.example", Given::Bad),
    spelling("tab", "bank.example&#9;", Given::Bad),
    spelling("jid", "a@bank.example", Given::Bad),
    spelling("two-dots", "bank.example..", Given::Bad),
    spelling("bad-a", "xn--bank-.example", Given::Bad),
];
pub const CANONICAL: usize = NAMES.len();

/// Around the domain of a stanza's address: before, after, and whether the whole can be a JID. RFC 7622 §3.1: the resourcepart
/// begins at the first `/`, the localpart ends at the first `@` before it.
pub struct JidForm {
    pub word: &'static str,
    pub before: &'static str,
    pub after: &'static str,
    pub is_jid: bool,
}

const fn jid(
    word: &'static str,
    before: &'static str,
    after: &'static str,
    is_jid: bool,
) -> JidForm {
    JidForm { word, before, after, is_jid }
}

pub const JIDS: &[JidForm] = &[
    jid("bare", "u@", "", true),
    jid("domain", "", "", true),
    jid("full", "u@", "/r", true),
    jid("local-is-bank", "bank.example@", "", true),
    jid("resource-is-bank", "", "/bank.example", true),
    jid("resource-is-jid", "u@", "/u@bank.example", true),
    jid("domain-and-jid", "", "/u@bank.example/x", true),
    jid("two-ats", "u@bank.example@", "", false),
    jid("no-local", "@", "", false),
    jid("no-resource", "u@", "/", false),
    jid("after", "u@", "@bank.example", false),
];

/// A plain table: words only.
pub const FORMS: &[&str] = &[
    "plain",
    "own",
    "default",
    "spaced",
    "foreign",
    "bare",
    "wrapped",
    "attributes",
    "twice",
    "open",
];
pub const KINDS: &[&str] = &["message", "presence", "iq"];
pub const IDS: &[&str] = &["S1", "S2", "S3", "absent", "empty", "space", "long", "nbsp", "longest"];
pub const VERSIONS: &[&str] = &["1.0", "absent", "0.9", "2.0", "1", "01.10", "1.x"];
pub const HEADERS: &[&str] = &["ok", "prefix", "nodb", "lang", "content", "stream", "component"];
pub const KEYS: &[&str] = &["a", "b", "padded", "empty", "blank", "long"];
pub const CHECKS: &[&str] = &[
    "ours",
    "padded",
    "previous",
    "other-id",
    "other-pair",
    "swapped",
    "raw",
    "upper",
    "short",
    "shifted",
    "foreign",
    "garbage",
    "empty",
];
pub const TYPES: &[&str] = &["valid", "invalid", "error", "upper", "padded", "none"];
pub const MECHANISMS: &[&str] = &["EXTERNAL", "PLAIN", "absent", "external"];
pub const AUTHZIDS: &[&str] =
    &["equals", "own", "upper", "none", "bank", "evil", "xbank", "junk", "jid"];
pub const YES_NO: &[&str] = &["no", "yes"];
pub const OFFERS: &[&str] = &[
    "none",
    "tls",
    "sasl",
    "dialback",
    "tls+dialback",
    "sasl+dialback",
    "errors",
    "sasl+errors",
    "plain",
    "dialback+bidi",
    "sasl+dialback+bidi",
    "sasl+bidi",
    "bidi",
];
pub const JUNK: &[&str] = &[
    "comment",
    "pi",
    "entity",
    "attributes",
    "tag",
    "stream",
    "nul",
    "utf8",
    "cdata-end",
    "prefix",
];
pub const CONDITIONS: &[&str] =
    &["host-unknown", "see-other-host", "undefined-condition", "bare", "not-authorized"];
pub const STANDINGS: &[&str] = &["stranger", "backend"];
pub const WHOM: &[&str] = &["asked", "reversed", "other"];
pub const DEMANDS: &[&str] = &[
    "assertion",
    "dialback",
    "over-tls",
    "certificate",
    "unknown-host",
    "our-own",
    "policy",
    "foreign",
];
pub const CERTIFICATES: &[&str] = &["none", "proves", "fails"];
pub const WHICH: &[&str] = &["first", "second", "third", "again", "other"];
pub const OUTCOMES: &[&str] = &["valid-tls", "valid-clear", "invalid", "failed", "failed-policy"];
pub const WAITS: &[&str] = &["due", "early", "none", "hour"];
pub const CUTS: &[&str] = &["1", "8", "24", "64", "200"];
pub const HANDSHAKES: &[&str] =
    &["good", "upper", "padded", "other-id", "other-secret", "empty", "short"];
pub const SEVERAL: &[&str] = &["0", "1", "2", "3", "4", "5", "6", "7"];

/// The tables, as the arguments of a step name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Spelling,
    Jid,
    Words(&'static [&'static str]),
}

impl Table {
    pub fn len(self) -> usize {
        match self {
            Table::Spelling => SPELLINGS.len(),
            Table::Jid => JIDS.len(),
            Table::Words(words) => words.len(),
        }
    }

    pub fn word(self, index: u8) -> &'static str {
        let index = usize::from(index);
        match self {
            Table::Spelling => SPELLINGS[index].word,
            Table::Jid => JIDS[index].word,
            Table::Words(words) => words[index],
        }
    }

    pub fn index(self, word: &str) -> Option<u8> {
        (0..self.len() as u8).find(|&index| self.word(index) == word)
    }
}
