//! Every key of the configuration file: what it takes, its default, what it means.
//!
//! The one place that knows: the reader takes ranges from here, the reference and `CONFIGURATION.md` are written from it.

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted path without array positions: `domain.component.secret`.
    pub path: &'static str,
    /// What values are allowed.
    pub takes: Takes,
    /// The default in words or as TOML; `required` when there is none.
    pub default: &'static str,
    /// The TOML value that the reference shows.
    pub example: &'static str,
    /// Whether the reference sets it (true) or shows it commented out (false).
    pub set: bool,
    /// What it means; sentences.
    pub meaning: &'static str,
}

/// The values that a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// An integer in a range, with the clause that bounds it.
    Integer(u64, u64, &'static str),
    /// Bytes: an integer or a string with KiB, MiB or GiB.
    Size(u64, u64, &'static str),
    /// Whole seconds: an integer or a string with s, m, h or d.
    Seconds(u64, u64),
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Text; the description says which.
    Text(&'static str),
    /// Text that is never shown again.
    Secret(&'static str),
    /// One text or a list of texts.
    Texts(&'static str),
}

impl Takes {
    /// The allowed values in words, as an error message ends: `10000 to 16777216 (RFC 6120 §13.12)`.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self {
            Takes::Integer(min, max, clause) | Takes::Size(min, max, clause) => {
                let clause = if clause.is_empty() { String::new() } else { format!(" ({clause})") };
                format!("{min} to {max}{clause}")
            }
            Takes::Seconds(min, max) => format!("{min} to {max} seconds"),
            Takes::Bool => "true or false".to_owned(),
            Takes::Word(words) => {
                words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or ")
            }
            Takes::Text(what) | Takes::Secret(what) | Takes::Texts(what) => (*what).to_owned(),
        }
    }

    /// The type in words, as an error message names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Takes::Integer(..) => "an integer",
            Takes::Size(..) => {
                "a size: an integer (bytes) or a string such as \"512KiB\" or \"4MiB\""
            }
            Takes::Seconds(..) => {
                "a duration: an integer (seconds) or a string such as \"30s\" or \"5m\""
            }
            Takes::Bool => "true or false",
            Takes::Word(_) | Takes::Text(_) | Takes::Secret(_) => "a string",
            Takes::Texts(_) => "a string or a list of strings",
        }
    }
}

/// One section of the file, in the order of the reference.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    /// Dotted path.
    pub path: &'static str,
    /// `[path]`, `[[path]]`, or a table written inside its parent.
    pub form: Form,
    /// What it is about.
    pub meaning: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// How a section is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `[router]`.
    Table,
    /// `[[listen]]`, any number of them.
    Tables,
    /// `component = { ... }` with one of its keys.
    OneOf,
    /// `backend = { ... }`.
    Inline,
}

impl Form {
    /// Whether it is written inside its parent.
    #[must_use]
    pub fn is_inline(self) -> bool {
        matches!(self, Form::OneOf | Form::Inline)
    }
}

/// The entry of a dotted path.
#[must_use]
pub fn find(path: &str) -> Option<&'static Key> {
    CHAPTERS.iter().flat_map(|chapter| chapter.keys).find(|key| key.path == path)
}

/// The names that may stand in the section `path` (empty: the top of the file), keys and sections.
#[must_use]
pub fn names_in(path: &str) -> Vec<&'static str> {
    let inside = |full: &'static str| match path {
        "" => Some(full).filter(|full| !full.contains('.')),
        _ => full.strip_prefix(path)?.strip_prefix('.').filter(|rest| !rest.contains('.')),
    };
    let keys = CHAPTERS.iter().flat_map(|chapter| chapter.keys).filter_map(|key| inside(key.path));
    let chapters = CHAPTERS.iter().filter_map(|chapter| inside(chapter.path));
    keys.chain(chapters).collect()
}

const RUNGS: &[&str] = &["promiscuous", "verified", "secure", "trusted"];
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The whole configuration.
pub const CHAPTERS: &[Chapter] = &[
    Chapter {
        path: "router",
        form: Form::Table,
        meaning: "The process. Nothing here changes at a reload.",
        keys: &[
            Key {
                path: "router.shards",
                takes: Takes::Integer(1, 256, ""),
                default: "one per core",
                example: "2",
                set: false,
                meaning: "Threads that carry traffic.",
            },
            Key {
                path: "router.pin_to_cores",
                takes: Takes::Bool,
                default: "false",
                example: "false",
                set: false,
                meaning: "Bind shard n to the n-th core that the process may use. For a machine that runs nothing else.",
            },
            Key {
                path: "router.state_dir",
                takes: Takes::Text("a directory"),
                default: "/var/lib/peerage",
                example: "\"/var/lib/peerage\"",
                set: true,
                meaning: "Holds dialback.secret, created once with mode 0600. To rotate it, rename it to dialback.secret.previous and send SIGHUP: both are valid for verification until the old file is removed. With a backend it holds backend-ca.crt and backend-ca.key too, see `peerage ca --help`.",
            },
        ],
    },
    Chapter {
        path: "listen",
        form: Form::Tables,
        meaning: "A socket to accept on; at least one. Nothing here changes at a reload.",
        keys: &[
            Key {
                path: "listen.address",
                takes: Takes::Text(
                    "an address and a port, for example \"[::]:5269\" or \"127.0.0.1:5347\"",
                ),
                default: "required",
                example: "\"[::]:5269\"",
                set: true,
                meaning: "Where to listen. [::] takes IPv4 too. By convention 5269 is s2s, 5270 s2s with direct TLS, 5347 components. A wildcard takes its port on every address, so a backend listener on 5269 wants explicit ones for both.",
            },
            Key {
                path: "listen.kind",
                takes: Takes::Word(&["s2s", "component", "backend"]),
                default: "s2s",
                example: "\"s2s\"",
                set: true,
                meaning: "Other servers (RFC 6120), external components (XEP-0114), or backends: servers of your own that take the router for the rest of the network. Components are not encrypted and backends may be known by their address alone: keep both on loopback or a private network.",
            },
            Key {
                path: "listen.tls",
                takes: Takes::Word(&["starttls", "direct"]),
                default: "starttls",
                example: "\"starttls\"",
                set: true,
                meaning: "TLS after STARTTLS, or from the first byte (XEP-0368). Only for kind = \"s2s\".",
            },
        ],
    },
    Chapter {
        path: "domain",
        form: Form::Tables,
        meaning: "A hosted domain, served behind this router; at least one.",
        keys: &[
            Key {
                path: "domain.name",
                takes: Takes::Text("a domain or *.domain"),
                default: "required",
                example: "\"echo.example.org\"",
                set: true,
                meaning: "The most specific entry wins. A wildcard means every name below, not the name itself.",
            },
            Key {
                path: "domain.certificate",
                takes: Takes::Text("a PEM file, leaf first, then intermediates"),
                default: "none: the domain federates without TLS, which the rungs secure and trusted do not allow",
                example: "\"echo.example.org.crt\"",
                set: true,
                meaning: "Shown to peers; it must name the domain (dNSName, SRVName or xmppAddr; the CN does not count). Relative paths start at the directory of this file. Read again at a reload.",
            },
            Key {
                path: "domain.key",
                takes: Takes::Text("a PEM file: PKCS#8, PKCS#1 or SEC1"),
                default: "required with certificate",
                example: "\"echo.example.org.key\"",
                set: true,
                meaning: "The private key of the certificate.",
            },
        ],
    },
    Chapter {
        path: "domain.component",
        form: Form::OneOf,
        meaning: "The domain is served by an external component (XEP-0114) that knows this secret. Give one of the two.",
        keys: &[
            Key {
                path: "domain.component.secret",
                takes: Takes::Secret("text, best 32 random characters or more"),
                default: "none",
                example: "\"CHANGE-ME-use-openssl-rand-hex-32\"",
                set: true,
                meaning: "The shared secret of the handshake.",
            },
            Key {
                path: "domain.component.secret_file",
                takes: Takes::Text("a file whose first line is the secret"),
                default: "none",
                example: "\"echo.secret\"",
                set: false,
                meaning: "Instead of secret: keeps it out of this file. Read again at a reload.",
            },
        ],
    },
    Chapter {
        path: "domain.backend",
        form: Form::Inline,
        meaning: "Instead of component: the domain is served by a server of your own, unmodified, whose resolver leads every server-to-server name to [[listen]] kind = \"backend\". Domains with the same address are domains of one server; their tables must be equal.",
        keys: &[
            Key {
                path: "domain.backend.address",
                takes: Takes::Text(
                    "the address and port of the server, for example \"10.0.0.5:5269\"",
                ),
                default: "required",
                example: "\"10.0.0.5:5269\"",
                set: false,
                meaning: "Where it takes server-to-server streams.",
            },
            Key {
                path: "domain.backend.tls",
                takes: Takes::Word(&["required", "optional"]),
                default: "required",
                example: "\"required\"",
                set: false,
                meaning: "TLS between it and the router, in both directions. optional: used where the server offers it or asks for it.",
            },
            Key {
                path: "domain.backend.from",
                takes: Takes::Texts("networks such as \"10.0.0.0/24\" or addresses"),
                default: "the address of the server",
                example: "[\"10.0.0.5/32\"]",
                set: false,
                meaning: "Where its connections come from. Whoever connects from there speaks for the domain, unless certificate says more. Without certificate a network of public addresses may be no wider than /29 (IPv4) or /64 (IPv6); inside loopback, private, link-local and unique local networks any width will do.",
            },
            Key {
                path: "domain.backend.certificate",
                takes: Takes::Text("a PEM file: its certificate, or the authority that issued it"),
                default: "none: its addresses identify it",
                example: "\"backend.pem\"",
                set: false,
                meaning: "What it must show in both directions, besides coming from the right address. Needs tls = \"required\". Read again at a reload.",
            },
            Key {
                path: "domain.backend.proof",
                takes: Takes::Word(&["dialback", "certificate"]),
                default: "dialback",
                example: "\"dialback\"",
                set: false,
                meaning: "How the router proves to the server that it speaks for a remote domain. dialback: many domains share a link. certificate: by SASL EXTERNAL, a link for each pair of domains; the server trusts the internal CA (`peerage ca show`). Needs tls = \"required\".",
            },
            Key {
                path: "domain.backend.links",
                takes: Takes::Integer(1, 64, ""),
                default: "1",
                example: "1",
                set: false,
                meaning: "Links of each shard to each domain of the server, shared by all remote domains. Only for proof = \"dialback\".",
            },
        ],
    },
    Chapter {
        path: "trust",
        form: Form::Table,
        meaning: "What a peer must have proved before its stanzas are routed, and before ours are sent to it.",
        keys: &[
            Key {
                path: "trust.minimum",
                takes: Takes::Word(RUNGS),
                default: "secure",
                example: "\"secure\"",
                set: true,
                meaning: "promiscuous: nothing is proved, test networks only. verified: the name, by DNS (dialback). secure: the name by DNS and an encrypted channel, on the verification leg too. trusted: the name by a certificate that chains to a trusted root.",
            },
            Key {
                path: "trust.roots",
                takes: Takes::Texts("\"webpki\", \"system\", or one or more PEM files"),
                default: "webpki",
                example: "\"webpki\"",
                set: true,
                meaning: "Certificate authorities that make a peer trusted: Mozilla's list as built in, the system's store, or your own. A list adds them up, for example [\"webpki\", \"our-ca.pem\"].",
            },
        ],
    },
    Chapter {
        path: "trust.rule",
        form: Form::Tables,
        meaning: "An exception to trust.minimum; the most specific rule wins.",
        keys: &[
            Key {
                path: "trust.rule.local",
                takes: Takes::Text("a domain, *.domain or *"),
                default: "*",
                example: "\"*\"",
                set: true,
                meaning: "The hosted side of the pair.",
            },
            Key {
                path: "trust.rule.remote",
                takes: Takes::Text("a domain, *.domain or *"),
                default: "*",
                example: "\"*.old.example\"",
                set: true,
                meaning: "The other side of the pair.",
            },
            Key {
                path: "trust.rule.minimum",
                takes: Takes::Word(RUNGS),
                default: "required",
                example: "\"verified\"",
                set: true,
                meaning: "The minimum for the pairs that the rule matches, in both directions.",
            },
        ],
    },
    Chapter {
        path: "dns",
        form: Form::Table,
        meaning: "How remote domains are found: _xmpps-server._tcp and _xmpp-server._tcp (XEP-0368), then addresses.",
        keys: &[
            Key {
                path: "dns.servers",
                takes: Takes::Texts(
                    "addresses with or without a port, for example \"127.0.0.1:53\"",
                ),
                default: "those of /etc/resolv.conf",
                example: "[\"127.0.0.1:53\"]",
                set: false,
                meaning: "Recursive resolvers to ask. One that validates DNSSEC, on this machine, is best.",
            },
            Key {
                path: "dns.timeout",
                takes: Takes::Seconds(1, 60),
                default: "5s",
                example: "\"5s\"",
                set: false,
                meaning: "For one query to one server.",
            },
            Key {
                path: "dns.attempts",
                takes: Takes::Integer(1, 5, ""),
                default: "2",
                example: "2",
                set: false,
                meaning: "How often a query is sent before the lookup counts as failed for now.",
            },
            Key {
                path: "dns.lookups",
                takes: Takes::Integer(1, 4_096, ""),
                default: "256",
                example: "256",
                set: false,
                meaning: "Remote domains looked up at the same time; more wait.",
            },
        ],
    },
    Chapter {
        path: "outbound",
        form: Form::Table,
        meaning: "Connections to other servers.",
        keys: &[Key {
            path: "outbound.allow_private",
            takes: Takes::Texts("networks such as \"10.0.0.0/8\" or addresses"),
            default: "none",
            example: "[\"10.20.0.0/16\"]",
            set: false,
            meaning: "Loopback, private, link-local and own addresses are never dialled, whatever a remote's DNS says, except these.",
        }],
    },
    Chapter {
        path: "streams",
        form: Form::Table,
        meaning: "What is agreed on with other servers on a connection.",
        keys: &[Key {
            path: "streams.bidi",
            takes: Takes::Bool,
            default: "true",
            example: "true",
            set: false,
            meaning: "One connection may carry both directions (XEP-0288), where the other server wants it too, and over TLS only. What is sent back on it has proved as much as on a connection of its own.",
        }],
    },
    Chapter {
        path: "limits",
        form: Form::Table,
        meaning: "Bounds. Sizes are bytes, or text with KiB, MiB or GiB.",
        keys: &[
            Key {
                path: "limits.stanza_bytes",
                takes: Takes::Size(10_000, 16 * MIB, "RFC 6120 §13.12"),
                default: "512KiB",
                example: "\"512KiB\"",
                set: false,
                meaning: "Largest stanza of an authenticated peer.",
            },
            Key {
                path: "limits.preauth_bytes",
                takes: Takes::Size(KIB, 64 * KIB, ""),
                default: "8KiB",
                example: "\"8KiB\"",
                set: false,
                meaning: "Largest element before anything is proved.",
            },
            Key {
                path: "limits.depth",
                takes: Takes::Integer(8, 1_024, ""),
                default: "128",
                example: "128",
                set: false,
                meaning: "Deepest nesting inside one stanza.",
            },
            Key {
                path: "limits.attributes",
                takes: Takes::Integer(8, 1_024, ""),
                default: "64",
                example: "64",
                set: false,
                meaning: "Most attributes of one element.",
            },
            Key {
                path: "limits.links",
                takes: Takes::Integer(16, 10_000_000, ""),
                default: "three quarters of the file descriptor limit",
                example: "15000",
                set: false,
                meaning: "Most connections of the process. At the limit idle ones are closed, least recently used first, before a new one is refused.",
            },
            Key {
                path: "limits.backend_links",
                takes: Takes::Integer(1, 1_000_000, ""),
                default: "1000",
                example: "1000",
                set: false,
                meaning: "Most connections of the process to one backend; each shard has an equal part, at least one. It matters for proof = \"certificate\", where each pair of domains has a connection of its own: keep it below what the server may accept. At the limit idle ones are closed, least recently used first; where none is idle, stanzas bounce.",
            },
            Key {
                path: "limits.queue_stanzas",
                takes: Takes::Integer(1, 1_000_000, ""),
                default: "4096",
                example: "4096",
                set: false,
                meaning: "Most stanzas that wait for one domain pair; what comes on top bounces.",
            },
            Key {
                path: "limits.queue_bytes",
                takes: Takes::Size(64 * KIB, GIB, ""),
                default: "4MiB",
                example: "\"4MiB\"",
                set: false,
                meaning: "Most bytes that wait for one domain pair. At least stanza_bytes.",
            },
            Key {
                path: "limits.queue_total_bytes",
                takes: Takes::Size(MIB, 64 * GIB, ""),
                default: "256MiB",
                example: "\"256MiB\"",
                set: false,
                meaning: "Most bytes that wait on one shard. At least queue_bytes.",
            },
            Key {
                path: "limits.outbox_bytes",
                takes: Takes::Size(64 * KIB, GIB, ""),
                default: "8MiB",
                example: "\"8MiB\"",
                set: false,
                meaning: "Most bytes accepted for a connection whose peer does not read. At least queue_bytes.",
            },
        ],
    },
    Chapter {
        path: "timeouts",
        form: Form::Table,
        meaning: "Deadlines: whole seconds, or text with s, m, h or d.",
        keys: &[
            Key {
                path: "timeouts.connect",
                takes: Takes::Seconds(1, 120),
                default: "10s",
                example: "\"10s\"",
                set: false,
                meaning: "One TCP connection attempt.",
            },
            Key {
                path: "timeouts.negotiation",
                takes: Takes::Seconds(5, 600),
                default: "60s",
                example: "\"60s\"",
                set: false,
                meaning: "From the first byte to the first authenticated pair, TLS and verification included. Keep it above timeouts.verify.",
            },
            Key {
                path: "timeouts.verify",
                takes: Takes::Seconds(5, 600),
                default: "30s",
                example: "\"30s\"",
                set: false,
                meaning: "One dialback verification, the connection for it included.",
            },
            Key {
                path: "timeouts.idle",
                takes: Takes::Seconds(10, 86_400),
                default: "600s",
                example: "\"10m\"",
                set: false,
                meaning: "A connection without a stanza is closed after this.",
            },
            Key {
                path: "timeouts.queue",
                takes: Takes::Seconds(1, 3_600),
                default: "60s",
                example: "\"60s\"",
                set: false,
                meaning: "A stanza waits at most this long for its connection, then it bounces.",
            },
            Key {
                path: "timeouts.drain",
                takes: Takes::Seconds(1, 300),
                default: "10s",
                example: "\"10s\"",
                set: false,
                meaning: "After SIGTERM, what is still open after this is cut.",
            },
        ],
    },
    Chapter {
        path: "log",
        form: Form::Table,
        meaning: "Log lines go to standard error. A reader that is too slow loses lines (peerage_log_lines_dropped_total); traffic never waits.",
        keys: &[
            Key {
                path: "log.level",
                takes: Takes::Word(&["error", "warn", "info", "debug", "trace"]),
                default: "info",
                example: "\"info\"",
                set: false,
                meaning: "The least severe level that is written; changes at a reload. --log-level wins over it.",
            },
            Key {
                path: "log.format",
                takes: Takes::Word(&["text", "json"]),
                default: "text",
                example: "\"text\"",
                set: false,
                meaning: "Lines for people, or one JSON object a line. Does not change at a reload.",
            },
        ],
    },
    Chapter {
        path: "admin",
        form: Form::Table,
        meaning: "HTTP for the operator: /healthz, /readyz, /metrics. Nothing here changes at a reload.",
        keys: &[
            Key {
                path: "admin.listen",
                takes: Takes::Text("an address and a port"),
                default: "127.0.0.1:5280",
                example: "\"127.0.0.1:5280\"",
                set: false,
                meaning: "Where it listens. It asks for no password.",
            },
            Key {
                path: "admin.allow_remote",
                takes: Takes::Bool,
                default: "false",
                example: "false",
                set: false,
                meaning: "Must be true for an address that is not loopback.",
            },
        ],
    },
];
