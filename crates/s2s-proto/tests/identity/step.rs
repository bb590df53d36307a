//! Dialogues: a setup and a list of steps, with a text form that the corpus keeps.
//!
//! A step is an operation and a few words of the tables in `words.rs`. It says everything: a dialogue replays without any
//! randomness, so a list of steps can be cut down by the shrinker and kept as a file.

use std::fmt;

use crate::words::{
    AUTHZIDS, CERTIFICATES, CHECKS, CONDITIONS, CUTS, DEMANDS, FORMS, HANDSHAKES, HEADERS, IDS,
    JUNK, KEYS, KINDS, MECHANISMS, OFFERS, OUTCOMES, SEVERAL, STANDINGS, TYPES, Table, VERSIONS,
    WAITS, WHICH, WHOM, YES_NO,
};

/// Arguments of a step at most.
pub const ARGUMENTS_MAX: usize = 6;

/// One step: what is done, and the words it is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub op: Op,
    pub args: [u8; ARGUMENTS_MAX],
}

/// What is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// A remote server came to us.
    #[default]
    Inbound,
    /// A server of the operator's own came to us.
    Backend,
    /// We went to a remote server.
    Outbound,
    /// A component of the operator's came to us.
    Component,
    /// Two honest routers and an attacker (`relay.rs`).
    Relay,
}

impl Role {
    pub const ALL: [Role; 5] =
        [Role::Inbound, Role::Backend, Role::Outbound, Role::Component, Role::Relay];

    pub fn word(self) -> &'static str {
        match self {
            Role::Inbound => "inbound",
            Role::Backend => "backend",
            Role::Outbound => "outbound",
            Role::Component => "component",
            Role::Relay => "relay",
        }
    }
}

/// What is fixed before the first step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    pub role: Role,
    pub direct_tls: bool,
    /// Which of a few configurations: see `config.rs`.
    pub config: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialogue {
    pub setup: Setup,
    pub steps: Vec<Step>,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $op:ident $word:literal ($($label:literal: $table:expr),*);)*) => {
        /// What a step can do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Op { $($(#[$doc])* $op),* }

        impl Op {
            pub const ALL: &[Op] = &[$(Op::$op),*];

            pub fn word(self) -> &'static str {
                match self { $(Op::$op => $word),* }
            }

            /// Labels and tables of the arguments, in order.
            pub fn arguments(self) -> &'static [(&'static str, Table)] {
                match self { $(Op::$op => const { &[$(($label, $table)),*] }),* }
            }
        }
    };
}

const DOMAIN: Table = Table::Spelling;
const JID: Table = Table::Jid;
const FORM: Table = Table::Words(FORMS);
const ID: Table = Table::Words(IDS);
const TYPE: Table = Table::Words(TYPES);
const YES: Table = Table::Words(YES_NO);

operations! {
    // What the peer puts on the wire.
    Header "header" ("ns": Table::Words(HEADERS), "from": DOMAIN, "to": DOMAIN, "id": ID, "version": Table::Words(VERSIONS));
    StartTls "starttls" ("form": FORM);
    Proceed "proceed" ("form": FORM);
    TlsFailure "tls-failure" ("form": FORM);
    Auth "auth" ("form": FORM, "mechanism": Table::Words(MECHANISMS), "authzid": Table::Words(AUTHZIDS));
    Response "response" ("form": FORM, "authzid": Table::Words(AUTHZIDS));
    Abort "abort" ("form": FORM);
    Challenge "challenge" ("form": FORM);
    Success "success" ("form": FORM);
    SaslFailure "sasl-failure" ("form": FORM);
    Features "features" ("form": FORM, "offer": Table::Words(OFFERS));
    ResultKey "result" ("form": FORM, "from": DOMAIN, "to": DOMAIN, "key": Table::Words(KEYS));
    ResultAnswer "result-answer" ("form": FORM, "from": DOMAIN, "to": DOMAIN, "type": TYPE);
    VerifyKey "verify" ("form": FORM, "from": DOMAIN, "to": DOMAIN, "id": ID, "key": Table::Words(CHECKS));
    VerifyAnswer "verify-answer" ("form": FORM, "from": DOMAIN, "to": DOMAIN, "id": ID, "type": TYPE);
    Stanza "stanza" ("form": FORM, "from": DOMAIN, "at": JID, "to": DOMAIN, "to-at": JID, "kind": Table::Words(KINDS));
    Handshake "handshake" ("form": FORM, "hash": Table::Words(HANDSHAKES));
    Bidi "bidi" ("form": FORM);
    Compress "compress" ("form": FORM);
    Nonza "nonza" ("form": FORM);
    StreamError "error" ("form": FORM, "condition": Table::Words(CONDITIONS));
    Close "close" ();
    Space "space" ();
    Junk "junk" ("what": Table::Words(JUNK));
    /// The next element stops after so many bytes; the rest comes with what follows.
    Cut "cut" ("bytes": Table::Words(CUTS));
    // What happens around the stream.
    Connected "connected" ();
    Tls "tls" ("certificate": YES, "direct": YES);
    Judged "judged" ("whom": Table::Words(WHOM), "demand": Table::Words(DEMANDS), "certificate": Table::Words(CERTIFICATES), "standing": Table::Words(STANDINGS));
    Verified "verified" ("which": Table::Words(WHICH), "outcome": Table::Words(OUTCOMES));
    Authorize "authorize" ("from": DOMAIN, "to": DOMAIN);
    AskVerify "ask" ("from": DOMAIN, "to": DOMAIN, "id": ID, "demand": Table::Words(DEMANDS));
    Timeout "timeout" ("wait": Table::Words(WAITS));
    Shutdown "shutdown" ();
    Eof "eof" ();
    Fail "fail" ();
    // The world of several streams.
    /// The attacker connects to a server.
    Dial "dial" ("server": YES);
    /// A server has something to send to a domain.
    Reach "reach" ("server": YES, "to": DOMAIN);
    /// The attacker answers a header on a stream it is the responder of.
    Respond "respond" ("stream": Table::Words(SEVERAL), "from": DOMAIN, "id": Table::Words(SEVERAL), "offer": Table::Words(OFFERS));
    /// The attacker opens a stream it initiated.
    Open "open" ("stream": Table::Words(SEVERAL), "from": DOMAIN, "to": DOMAIN);
    /// The attacker sends a key it has seen, or made, on any stream.
    Claim "claim" ("stream": Table::Words(SEVERAL), "from": DOMAIN, "to": DOMAIN, "key": Table::Words(SEVERAL));
    /// The attacker asks for a key to be checked.
    Check "check" ("stream": Table::Words(SEVERAL), "from": DOMAIN, "to": DOMAIN, "id": Table::Words(SEVERAL), "key": Table::Words(SEVERAL));
    /// The attacker answers a check, asked or not.
    Vouch "vouch" ("stream": Table::Words(SEVERAL), "from": DOMAIN, "to": DOMAIN, "id": Table::Words(SEVERAL), "type": TYPE);
    /// The attacker answers a key, asked or not.
    Grant "grant" ("stream": Table::Words(SEVERAL), "from": DOMAIN, "to": DOMAIN, "type": TYPE);
    /// The attacker sends a stanza.
    Speak "speak" ("stream": Table::Words(SEVERAL), "from": DOMAIN, "to": DOMAIN);
    /// What an honest server has sent to another arrives.
    Deliver "deliver" ("link": Table::Words(SEVERAL));
    /// A link of the attacker's ends.
    HangUp "hang-up" ("stream": Table::Words(SEVERAL));
}

impl Step {
    pub fn new(op: Op, args: &[u8]) -> Self {
        let mut all = [0; ARGUMENTS_MAX];
        all[..args.len()].copy_from_slice(args);
        Self { op, args: all }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.op.word())?;
        for ((label, table), &index) in self.op.arguments().iter().zip(&self.args) {
            write!(f, " {label}={}", table.word(index))?;
        }
        Ok(())
    }
}

impl fmt::Display for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setup { role, direct_tls, config } = self.setup;
        let tls = if direct_tls { "direct" } else { "plain" };
        writeln!(f, "{} tls={tls} config={config}", role.word())?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl Dialogue {
    /// Reads the text form; `#` begins a comment, an argument that is left out is the first word of its table.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let mut lines = lines.filter(|line| !line.is_empty());
        let setup = parse_setup(lines.next().ok_or("no setup")?)?;
        let steps = lines.map(parse_step).collect::<Result<Vec<Step>, String>>()?;
        Ok(Self { setup, steps })
    }
}

fn parse_setup(line: &str) -> Result<Setup, String> {
    let mut words = line.split_whitespace();
    let role = words.next().unwrap_or_default();
    let role = Role::ALL.into_iter().find(|known| known.word() == role);
    let mut setup =
        Setup { role: role.ok_or(format!("no role: {line}"))?, direct_tls: false, config: 0 };
    for word in words {
        match word.split_once('=') {
            Some(("tls", how)) => setup.direct_tls = how == "direct",
            Some(("config", number)) => {
                setup.config = number.parse().map_err(|_| format!("no number: {word}"))?;
            }
            _ => return Err(format!("unknown setting: {word}")),
        }
    }
    Ok(setup)
}

fn parse_step(line: &str) -> Result<Step, String> {
    let mut words = line.split_whitespace();
    let word = words.next().unwrap_or_default();
    let op = Op::ALL.iter().copied().find(|op| op.word() == word);
    let mut step = Step::new(op.ok_or(format!("no such step: {line}"))?, &[]);
    for word in words {
        let (label, value) = word.split_once('=').ok_or(format!("no argument: {word}"))?;
        let mut arguments = step.op.arguments().iter().enumerate();
        let (place, (_, table)) = arguments
            .find(|(_, (known, _))| *known == label)
            .ok_or(format!("no {label}: {line}"))?;
        step.args[place] = table.index(value).ok_or(format!("no {value}: {line}"))?;
    }
    Ok(step)
}
