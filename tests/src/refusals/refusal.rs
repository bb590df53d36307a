//! One refusal: a peer with a flaw, a stanza in one direction, and what everybody is told.

use anyhow::{Context as _, Result, ensure};

use super::scripted::{UNKNOWN_DOMAIN, publish};
use super::{Flaw, Row};
use crate::exchange::send_message;
use crate::matrix::{Certificate, Direction};
use crate::party::Party;
use crate::peer::{Peer, Software};
use crate::record::Record;
use crate::router::Router;
use crate::scripted::{self, PLAIN_AUTHORITY, Service};
use crate::stage::{PEER_DOMAIN, Stage};
use crate::xml::Element;

/// What the sender of a refused stanza is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The type of the error.
    pub kind: String,
    /// Its defined condition.
    pub condition: String,
    /// Its text.
    pub text: String,
}

impl Refusal {
    /// Reads a bounce.
    ///
    /// # Errors
    /// When the stanza is none.
    pub fn of(bounce: &Element) -> Result<Self> {
        let error = bounce.child("error").with_context(|| format!("no bounce: {bounce:?}"))?;
        let condition = error.children.iter().find(|child| child.name != "text");
        Ok(Refusal {
            kind: error.attribute("type").to_owned(),
            condition: condition.context("no condition")?.name.clone(),
            text: error.child("text").map(|text| text.text.clone()).unwrap_or_default(),
        })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}: {}", self.condition, self.kind, self.text)
    }
}

impl Row {
    /// Starts both servers, sends a message in the row's direction and looks at the peer's log, the sender and Peerage's own log.
    ///
    /// # Errors
    /// What was not said as it should.
    pub fn run(&self, stage: &Stage) -> Result<Record> {
        publish(stage, self.flaw)?;
        let folder = stage.folder("peer-certificate")?;
        let identity = stage.authority().flawed(self.flaw, PEER_DOMAIN, &folder)?;
        let peer = Peer::start(stage, self.software, self.flaw.demands(), identity.as_ref())?;
        let router = Router::start(stage, self.flaw.minimum(), Certificate::ServerAuth)?;
        let mut user = peer.user()?;
        let mut component = router.component()?;
        let leg = (self.flaw == Flaw::PlaintextLeg)
            .then(|| Service::start(PLAIN_AUTHORITY.into(), scripted::hear_in_clear));
        let (sender, target) = match (self.direction, self.flaw) {
            (Direction::In, Flaw::UnknownDomain) => (&mut user, format!("juliet@{UNKNOWN_DOMAIN}")),
            (Direction::In, _) => (&mut user, component.address.clone()),
            (Direction::Out, _) => (&mut component, user.address.clone()),
        };
        let refusal = bounce(sender, &target)?;
        if let Some(leg) = leg {
            let leg = leg?.outcome()?;
            ensure!(!leg.contains("<db:verify"), "asked without TLS: {leg}");
        }
        let logged = peer.log().line(self.logged)?;
        let reason = self.flaw.reason();
        ensure!(
            logged.contains(reason) || self.flaw == Flaw::NoTls,
            "the peer's log does not say why: {logged}"
        );
        self.check_sender(&refusal)?;
        let own = router.log_line(&self.own_words())?;
        let named = own.contains(PEER_DOMAIN) || own.contains("unsupported-feature");
        ensure!(named, "Peerage's own log does not name the pair: {own}");
        component.leave()?;
        let version = peer.version()?;
        router.stop()?;
        Ok(Record::passed(version, vec![self.quote(&logged), refusal.to_string()]))
    }

    fn check_sender(&self, refusal: &Refusal) -> Result<()> {
        let told = format!("{}, {}", refusal.condition, refusal.kind);
        ensure!(told == self.bounced, "the sender is told: {refusal}");
        match self.direction {
            // Both servers hand on what Peerage said. One without TLS says itself what it lacks.
            Direction::In => {
                let why = refusal.text.contains(self.flaw.reason());
                ensure!(why || self.flaw == Flaw::NoTls, "the sender is not told why: {refusal}");
            }
            Direction::Out => {
                // RFC 6120 §8.3.3.17: found, but it "cannot be authenticated or it violates security policies".
                ensure!(refusal.text.contains("security policies"), "{refusal}");
                // A36: the sender may sit behind a room; nothing of the peer is told.
                ensure!(!refusal.text.contains(PEER_DOMAIN), "{refusal}");
            }
        }
        Ok(())
    }

    /// What stands in Peerage's own log.
    fn own_words(&self) -> String {
        match (self.flaw, self.direction, self.software) {
            // ejabberd refuses the STARTTLS that Peerage's features require, before any pair is named.
            (Flaw::NoTls, Direction::In, Software::Ejabberd) => {
                "error=unsupported-feature: STARTTLS".to_owned()
            }
            (Flaw::NoTls, Direction::In, Software::Prosody) => "why=TlsRequired".to_owned(),
            (Flaw::NoTls, Direction::Out, _) => {
                format!("{PEER_DOMAIN} failure=TLS is required and the peer offers none")
            }
            (Flaw::UnknownDomain, ..) => "why=UnknownHost".to_owned(),
            (Flaw::PlaintextLeg, ..) => "why=DialbackFailed(PolicyViolation)".to_owned(),
            _ => self.flaw.reason().to_owned(),
        }
    }

    /// The line of the log from the words on: what is before them differs from run to run.
    fn quote(&self, line: &str) -> String {
        line.find(self.logged).map_or(line, |at| &line[at..]).to_owned()
    }
}

/// Sends a message and reads the error that comes back.
fn bounce(sender: &mut Party, target: &str) -> Result<Refusal> {
    send_message(sender, target, "refused", "Is the law of our side?")?;
    let bounce = sender.receive_bounce(target)?;
    ensure!(bounce.attribute("id") == "refused", "{bounce:?}");
    Refusal::of(&bounce)
}

/// The tests of the refusals: `interop_refusals!(peerage_tests::refusal_tests)`.
#[macro_export]
macro_rules! refusal_tests {
    ($($test:ident: $software:ident $flaw:ident $direction:ident, $logged:literal, $bounced:literal;)*) => {$(
        #[test]
        #[ignore = "interop: needs root, a network namespace and Debian's packages; see cargo xtask test"]
        fn $test() {
            let test = stringify!($test);
            let row = $crate::refusals::ROWS.iter().find(|row| row.test == test).unwrap();
            $crate::namespace::recorded(test, |stage| row.run(stage));
        }
    )*};
}
