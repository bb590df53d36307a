//! Every key of a scenario: what it takes, its default, what it means. The one place that knows: the check takes ranges and words from
//! here, and the reference in `README.md` is written from it.

use std::fmt::Write as _;

/// One key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    /// In words; `required` when there is none.
    pub(super) default: &'static str,
    pub(super) meaning: &'static str,
}

/// The values that a key takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    Integer(i64, i64),
    Number(f64, f64),
    Bool,
    Text,
    Word(&'static [&'static str]),
    /// A list of these, none twice.
    Words(&'static [&'static str]),
    /// A table of classes of traffic, each with an integer weight in this range.
    Weights(i64, i64),
}

/// A table of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chapter {
    /// Empty for the top of the file.
    pub(super) name: &'static str,
    /// May be there several times, or not at all.
    pub(super) repeated: bool,
    pub(super) meaning: &'static str,
    pub(super) keys: &'static [Key],
}

const RUNGS: &[&str] = &["promiscuous", "verified", "secure", "trusted"];
/// RFC 6120 §8.3.3.
const CONDITIONS: &[&str] = &[
    "bad-request",
    "conflict",
    "feature-not-implemented",
    "forbidden",
    "gone",
    "internal-server-error",
    "item-not-found",
    "jid-malformed",
    "not-acceptable",
    "not-allowed",
    "not-authorized",
    "policy-violation",
    "recipient-unavailable",
    "redirect",
    "registration-required",
    "remote-server-not-found",
    "remote-server-timeout",
    "resource-constraint",
    "service-unavailable",
    "subscription-required",
    "undefined-condition",
    "unexpected-request",
];
/// As `s2s_testkit::corpus::Traffic` names them; a test compares.
pub(super) const CLASSES: &[&str] =
    &["chat", "presence", "pubsub", "avatar", "deep-nesting", "non-ascii", "entities", "mixed"];

#[rustfmt::skip]
pub(super) const CHAPTERS: &[Chapter] = &[
    Chapter {
        name: "", repeated: false,
        meaning: "At the top of the file.",
        keys: &[
            Key { name: "about", takes: Takes::Text, default: "required", meaning: "What it tries, in a sentence. It is the title of the report." },
            Key { name: "seed", takes: Takes::Integer(0, i64::MAX), default: "1", meaning: "Everything that looks random follows from it: order of stanzas, intended times, popularity, text." },
            Key { name: "processes", takes: Takes::Integer(1, 64), default: "1", meaning: "Processes that share the domains, each with a thread, descriptors, a component domain and books of its own. One is enough until it is the bottleneck, or out of descriptors." },
        ],
    },
    Chapter {
        name: "peers", repeated: false,
        meaning: "The remote domains.",
        keys: &[
            Key { name: "domains", takes: Takes::Integer(1, 1_000_000), default: "required", meaning: "How many." },
            Key { name: "addresses", takes: Takes::Integer(1, 1_000_000), default: "one each, at most 1000", meaning: "Loopback addresses, from 127.16.0.1 on, that they share. Each is a listener; the server name in TLS, or the `to` of the stream, says which domain is meant. At most as many as domains." },
            Key { name: "users", takes: Takes::Integer(1, 1000), default: "1", meaning: "Addresses at each domain that send or receive. Order is checked for each." },
        ],
    },
    Chapter {
        name: "peer", repeated: true,
        meaning: "A kind of remote domain, and its share of them. Without any, all are trusted.",
        keys: &[
            Key { name: "name", takes: Takes::Text, default: "required", meaning: "A word of lower-case letters, digits and hyphens; it is part of the domains' names." },
            Key { name: "share", takes: Takes::Integer(1, 1_000_000), default: "1", meaning: "Its part of the domains, against the sum of all shares." },
            Key { name: "rung", takes: Takes::Word(RUNGS), default: "\"trusted\"", meaning: "How it proves its name and wants names proved: not at all; by dialback in the clear; by dialback with both legs under TLS; by certificate (SASL EXTERNAL)." },
            Key { name: "direct_tls", takes: Takes::Bool, default: "false", meaning: "TLS from the first byte (XEP-0368) instead of STARTTLS. Trusted only." },
            Key { name: "version_less", takes: Takes::Bool, default: "false", meaning: "Streams without `version`, as servers before 2004 opened them. Verified only; promiscuous ones never have a version." },
            Key { name: "certificate", takes: Takes::Word(&["valid", "expired", "self-signed", "wrong-name", "server-only", "client-only"]), default: "\"valid\"", meaning: "What is wrong with its certificate. A valid one is for serverAuth and clientAuth; `server-only`, which public authorities issue today, and `client-only` lack the other. Secure and trusted only." },
            Key { name: "names", takes: Takes::Word(&["dns", "srv", "xmpp-addr"]), default: "\"dns\"", meaning: "How the certificate names the domain: dNSName, SRVName or xmppAddr. Secure and trusted only." },
            Key { name: "wildcard", takes: Takes::Bool, default: "false", meaning: "One certificate for all domains of this kind instead of one each, which makes the start of many domains quick. Not with `xmpp-addr`, which knows no wildcards. Secure and trusted only." },
            Key { name: "behaviour", takes: Takes::Word(&["normal", "slow-reader", "slow-sender", "resetting", "silent", "dead", "unlisted"]), default: "\"normal\"", meaning: "`slow-reader` and `slow-sender` keep to `slow_bytes_a_second`; `resetting` resets each of its connections after `reset_after_seconds`; `silent` accepts connections and says nothing; `dead` is published but nothing listens; `unlisted` is not published. The last three receive only." },
            Key { name: "slow_bytes_a_second", takes: Takes::Integer(64, 100_000_000), default: "16384", meaning: "What a slow peer reads or writes on each connection." },
            Key { name: "reset_after_seconds", takes: Takes::Integer(1, 86_400), default: "10", meaning: "How long a connection of a resetting peer lives." },
            Key { name: "bounces", takes: Takes::Words(CONDITIONS), default: "[]", meaning: "Conditions with which stanzas to and from this kind may be bounced. Any other bounce makes the run faulty." },
            Key { name: "may_be_refused", takes: Takes::Bool, default: "false", meaning: "The server may refuse its streams or end them; what was due on them, or written and not read before a stream error, counts as skipped, and the run stays clean." },
            Key { name: "may_lose", takes: Takes::Bool, default: "false", meaning: "Stanzas that were on its connections when they broke may be lost, and the run stays clean. They are counted all the same." },
        ],
    },
    Chapter {
        name: "traffic", repeated: false,
        meaning: "What is sent, when, and to whom. Either `window` or `rate` has to be there.",
        keys: &[
            Key { name: "direction", takes: Takes::Word(&["in", "out", "echo"]), default: "\"in\"", meaning: "`in`: peers to the component. `out`: the component to peers. `echo`: peers to the component and back; one stanza is one round trip." },
            Key { name: "class", takes: Takes::Word(CLASSES), default: "\"chat\"", meaning: "What stanzas look like. `chat`: messages of 310 bytes. `presence`: of a crowded room, 420 bytes. `pubsub`: three items of a microblog, 2.4 KB. `avatar`: 64 KiB in one text. `deep-nesting`: 100 elements inside each other, 6 KB. `non-ascii`: other scripts, 560 bytes. `entities`: references everywhere, 540 bytes. `mixed`: what a server sends in a day, 380 bytes and what marks them." },
            Key { name: "mix", takes: Takes::Weights(1, 1000), default: "none", meaning: "Several classes instead of one, with their weights by number of stanzas: `{ chat = 3, presence = 1 }`." },
            Key { name: "window", takes: Takes::Integer(1, 10_000_000), default: "none", meaning: "Closed loop: so many stanzas under way over all processes, as fast as the server takes them. For throughput and cost; latencies say little." },
            Key { name: "batch", takes: Takes::Integer(1, 1_000_000), default: "none", meaning: "Peers write at most so many stanzas at once, however many wait: each such part is a write, and TLS records, of its own. 1 is the traffic of most pairs on the network; without it everything that waits leaves together." },
            Key { name: "rate", takes: Takes::Number(0.01, 10_000_000.0), default: "none", meaning: "Open loop: stanzas a second over all processes, each at a time fixed before the run. Latency counts from that time, also when the server stalls." },
            Key { name: "arrivals", takes: Takes::Word(&["constant", "poisson", "bursts"]), default: "\"constant\"", meaning: "How the times of an open loop lie: equidistant, independent of each other, or `burst` at once." },
            Key { name: "burst", takes: Takes::Integer(2, 1_000_000), default: "100", meaning: "Stanzas due at the same moment, of each process. The rate stays: the moments are as far apart as it demands." },
            Key { name: "popularity", takes: Takes::Word(&["uniform", "zipf"]), default: "\"uniform\"", meaning: "Whether all addresses have as many turns, or few have many." },
            Key { name: "exponent", takes: Takes::Number(0.0, 3.0), default: "1.0", meaning: "Of Zipf's law: the address of rank k has turns in proportion to 1/k to this power." },
            Key { name: "seconds", takes: Takes::Integer(1, 604_800), default: "required", meaning: "How long stanzas are sent while the clock runs." },
            Key { name: "greet", takes: Takes::Bool, default: "true", meaning: "Before the clock starts, one stanza crosses for each address, so that every domain has been resolved, authenticated and spoken to." },
            Key { name: "warm_up_seconds", takes: Takes::Integer(0, 86_400), default: "0", meaning: "Then the same traffic for so long, checked but not measured." },
            Key { name: "patience_seconds", takes: Takes::Integer(1, 3600), default: "5", meaning: "Seconds without an arrival after which missing stanzas are lost." },
            Key { name: "links_max", takes: Takes::Integer(1, 1_000_000), default: "9000", meaning: "Connections a process keeps open, both directions together; for a further one, the one that has been idle longest is closed in order." },
        ],
    },
    Chapter {
        name: "event", repeated: true,
        meaning: "Something that happens while the clock runs.",
        keys: &[
            Key { name: "at_seconds", takes: Takes::Integer(0, 604_800), default: "required", meaning: "When, from the start of the clock; before its end." },
            Key { name: "what", takes: Takes::Word(&["reconnect", "kill", "raise-minimum"]), default: "required", meaning: "`reconnect`: peers close their streams in order and open them again at once. `kill`: peers reset all connections and stay away; who calls them is reset. `raise-minimum`: the server under test is to demand `minimum` from now on; a server that loadgen did not start gets the time in which its operator does so." },
            Key { name: "percent", takes: Takes::Integer(1, 100), default: "100", meaning: "Of the peers that it happens to; for `reconnect` and `kill`." },
            Key { name: "minimum", takes: Takes::Word(RUNGS), default: "none", meaning: "The rung; for `raise-minimum`, which needs it." },
        ],
    },
];

impl Takes {
    /// The allowed values in words, as an error message ends.
    pub(super) fn allowed(&self) -> String {
        let one_of = |words: &[&str]| {
            words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or ")
        };
        match self {
            Takes::Integer(min, max) => format!("an integer, {min} to {max}"),
            Takes::Number(min, max) => format!("a number, {min} to {max}"),
            Takes::Bool => "true or false".to_owned(),
            Takes::Text => "a text that is not empty".to_owned(),
            Takes::Word(words) => one_of(words),
            Takes::Words(words) => format!("a list of stanza errors: {}", one_of(words)),
            Takes::Weights(min, max) => {
                format!("a table of classes with weights, {min} to {max}: {}", one_of(CLASSES))
            }
        }
    }
}

impl Chapter {
    /// What its header looks like.
    pub(super) fn header(&self) -> String {
        match (self.name, self.repeated) {
            ("", _) => "(top)".to_owned(),
            (name, true) => format!("[[{name}]]"),
            (name, false) => format!("[{name}]"),
        }
    }

    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// How an error names a key of it.
    pub(super) fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// The reference in `README.md`.
pub(crate) fn markdown() -> String {
    let mut text = String::new();
    for chapter in CHAPTERS {
        let title = match chapter.name {
            "" => "Top of the file".to_owned(),
            _ => format!("`{}`", chapter.header()),
        };
        let _ = write!(text, "\n### {title}\n\n{}\n\n", chapter.meaning);
        text.push_str("| key | takes | default | meaning |\n| --- | --- | --- | --- |\n");
        for Key { name, takes, default, meaning } in chapter.keys {
            // Stanza errors are many, and RFC 6120 lists them.
            let takes = match takes {
                Takes::Words(_) => "a list of stanza errors (RFC 6120 §8.3.3)".to_owned(),
                Takes::Weights(min, max) => format!("a table of classes, each {min} to {max}"),
                takes => takes.allowed(),
            };
            let _ = writeln!(text, "| `{name}` | {takes} | {default} | {meaning} |");
        }
    }
    text
}
