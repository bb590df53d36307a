//! What a campaign has reached. A fuzzer that gets nowhere finds nothing, so the counts are part of the test.

use s2s_proto::{
    Demand, Event, HowAuthorized, OutboundFailure, Proof, Refusal, RefusedBecause, UnsolicitedKind,
    VerifyOutcome,
};

macro_rules! points {
    ($($point:ident $name:literal;)*) => {
        /// A place worth reaching.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Point { $($point),* }

        impl Point {
            pub const ALL: &[Point] = &[$(Point::$point),*];

            pub fn name(self) -> &'static str {
                match self { $(Point::$point => $name),* }
            }
        }
    };
}

points! {
    VerifiedAsserted "inbound proof: asserted";
    VerifiedClearClear "inbound proof: dialback, clear stream, clear leg";
    VerifiedClearTls "inbound proof: dialback, clear stream, TLS leg";
    VerifiedTlsClear "inbound proof: dialback, TLS stream, clear leg";
    VerifiedTlsTls "inbound proof: dialback, TLS stream, TLS leg";
    VerifiedExternal "inbound proof: EXTERNAL";
    VerifiedBackend "inbound proof: backend";
    VerifiedReached "outbound proof: reached over TLS";
    VerifiedReachedCertificate "outbound proof: reached over TLS, with a certificate";
    VerifiedCertificate "inbound proof: certificate instead of dialback";
    AdmittedAsserted "stanza admitted: asserted";
    AdmittedDialback "stanza admitted: dialback";
    AdmittedExternal "stanza admitted: EXTERNAL";
    AdmittedCertificate "stanza admitted: certificate";
    AdmittedBackend "stanza admitted: backend";
    AdmittedReached "stanza admitted: reached";
    AdmittedComponent "stanza admitted: component";
    AdmittedSpelling "stanza admitted under another spelling";
    AdmittedClosing "stanza admitted while closing";
    StanzaRefused "stanza of an unverified pair refused";
    StanzaEarly "stanza before any proof refused";
    InAssertion "inbound demand: assertion";
    InDialback "inbound demand: dialback";
    InDialbackOverTls "inbound demand: dialback over TLS";
    InCertificate "inbound demand: certificate";
    InRefusal "inbound judgement: refused";
    OutAssertion "outbound demand: assertion";
    OutDialback "outbound demand: dialback";
    OutDialbackOverTls "outbound demand: dialback over TLS";
    OutCertificate "outbound demand: certificate";
    OutRefusal "outbound judgement: refused";
    UnknownHost "refused: unknown host";
    OurOwnDomain "refused: our own domain";
    ForeignDomain "refused: foreign domain";
    Policy "refused: policy";
    TlsRequired "refused: TLS required";
    LegNotTls "refused: leg without TLS";
    CertificateRequired "refused: certificate required";
    DialbackInvalid "refused: dialback invalid";
    DialbackFailed "refused: dialback failed";
    TooManyPending "refused: too many pending";
    ExternalRefused "refused: EXTERNAL";
    Withdrawn "verified pair withdrawn";
    LateOutcome "late outcome dropped";
    OtherOutcome "outcome of another pair dropped";
    OutcomeTwice "second outcome of one request dropped";
    OutcomeElsewhere "outcome outside an open stream dropped";
    JudgedWrongly "judgement of another pair";
    UnsolicitedInbound "unsolicited answer on an inbound stream";
    CheckValid "check answered: valid";
    CheckInvalid "check answered: invalid";
    CheckError "check answered: error";
    InboundTls "inbound: STARTTLS";
    InboundDirect "inbound: direct TLS";
    InboundRestart "inbound: SASL success";
    RestartOtherNames "inbound: restart refused";
    RestartNotProved "inbound: certificate no longer proves after SASL";
    Challenged "inbound: SASL challenge";
    SaslFailed "inbound: SASL failure";
    InboundOld "inbound: peer from before 1.0";
    InboundNameless "inbound: header without from or to";
    InboundClosing "inbound: polite end";
    Bidirectional "both directions agreed on";
    ReverseAuthorized "inbound: inverse of a proved pair authorised";
    ReverseWithdrawn "inbound: inverse withdrawn";
    AskedInReverse "outbound: key for the other direction refused";
    AdmittedAgain "outbound: key for a pair in the other direction confirmed";
    AdmittedNoMore "outbound: pair in the other direction withdrawn";
    Injected "clear text behind STARTTLS";
    Split "element in two parts";
    Ended "stream ended";
    OutHeader "outbound: header awaited";
    OutFeatures "outbound: features awaited";
    OutProceed "outbound: proceed awaited";
    OutTls "outbound: handshake";
    OutSasl "outbound: SASL";
    OutReady "outbound: ready";
    OutClosing "outbound: closing";
    AuthorizedExternal "authorised: EXTERNAL";
    AuthorizedDialback "authorised: dialback";
    AuthorizedAsserted "authorised: asserted";
    AuthorizedAssertedBidi "authorised: asserted, both directions agreed";
    AuthorizedSecond "authorised: a further pair";
    FailedHostUnknown "outbound failure: host unknown";
    FailedTlsNotOffered "outbound failure: TLS not offered";
    FailedTls "outbound failure: TLS failed";
    FailedNotTrusted "outbound failure: not trusted";
    FailedUnauthenticated "outbound failure: unauthenticated";
    FailedInvalid "outbound failure: dialback invalid";
    FailedError "outbound failure: dialback error";
    FailedPeer "outbound failure: stream error";
    FailedProtocol "outbound failure: protocol";
    FailedTime "outbound failure: timed out";
    FailedLost "outbound failure: connection lost";
    LegValidClear "verify leg: valid, clear";
    LegValidTls "verify leg: valid, TLS";
    LegInvalid "verify leg: invalid";
    LegFailed "verify leg: failed";
    ExternalRefusedByPeer "outbound: EXTERNAL refused";
    UnsolicitedOutbound "unsolicited answer on an outbound stream";
    ComponentAttached "component attached";
    ComponentRefused "component refused";
    RelayHonest "relay: honest server verified";
    RelayAttacker "relay: attacker verified for itself";
    RelayClaimed "relay: attacker claims another's name";
    RelayReversed "relay: inverse of a proved pair authorised";
    RelayKeyOfOther "relay: key of another stream relayed";
    RelayIdOfOther "relay: id of another stream relayed";
    RelayUnasked "relay: unasked answer dropped";
    RelayDenied "relay: authoritative server denies a key";
    RelayConfirmed "relay: authoritative server confirms a key";
    RelayAdmitted "relay: stanza admitted";
    RelayStanzaRefused "relay: stanza refused";
}

#[derive(Clone, Debug)]
pub struct Coverage {
    counts: Vec<u64>,
}

impl Coverage {
    pub fn new() -> Self {
        Self { counts: vec![0; Point::ALL.len()] }
    }

    pub fn hit(&mut self, point: Point) {
        self.counts[point as usize] += 1;
    }

    /// Every point with its count.
    pub fn rows(&self) -> impl Iterator<Item = (Point, u64)> {
        Point::ALL.iter().copied().zip(self.counts.iter().copied())
    }

    /// Points reached fewer than `least` times.
    pub fn missing(&self, least: u64) -> Vec<&'static str> {
        self.rows().filter(|(_, count)| *count < least).map(|(point, _)| point.name()).collect()
    }

    pub fn judged(&mut self, inbound: bool, demand: &Result<Demand, Refusal>) {
        self.hit(match (inbound, demand) {
            (true, Ok(Demand::Assertion)) => Point::InAssertion,
            (true, Ok(Demand::Dialback)) => Point::InDialback,
            (true, Ok(Demand::DialbackOverTls)) => Point::InDialbackOverTls,
            (true, Ok(Demand::Certificate)) => Point::InCertificate,
            (true, Err(_)) => Point::InRefusal,
            (false, Ok(Demand::Assertion)) => Point::OutAssertion,
            (false, Ok(Demand::Dialback)) => Point::OutDialback,
            (false, Ok(Demand::DialbackOverTls)) => Point::OutDialbackOverTls,
            (false, Ok(Demand::Certificate)) => Point::OutCertificate,
            (false, Err(_)) => Point::OutRefusal,
        });
    }

    pub fn verified(&mut self, proof: Proof) {
        self.hit(match proof {
            Proof::Asserted => Point::VerifiedAsserted,
            Proof::Dialback { stream_tls: false, leg_tls: false } => Point::VerifiedClearClear,
            Proof::Dialback { stream_tls: false, leg_tls: true } => Point::VerifiedClearTls,
            Proof::Dialback { stream_tls: true, leg_tls: false } => Point::VerifiedTlsClear,
            Proof::Dialback { stream_tls: true, leg_tls: true } => Point::VerifiedTlsTls,
            Proof::External => Point::VerifiedExternal,
            Proof::CertificateDialback => Point::VerifiedCertificate,
            Proof::Backend => Point::VerifiedBackend,
            Proof::Reached { certificate_proves: false } => Point::VerifiedReached,
            Proof::Reached { certificate_proves: true } => Point::VerifiedReachedCertificate,
            Proof::Component => return,
        });
    }

    pub fn admitted(&mut self, proof: Proof) {
        self.hit(match proof {
            Proof::Asserted => Point::AdmittedAsserted,
            Proof::Dialback { .. } => Point::AdmittedDialback,
            Proof::External => Point::AdmittedExternal,
            Proof::CertificateDialback => Point::AdmittedCertificate,
            Proof::Component => Point::AdmittedComponent,
            Proof::Reached { .. } => Point::AdmittedReached,
            Proof::Backend => Point::AdmittedBackend,
        });
    }

    /// What a stream said of itself.
    pub fn event(&mut self, inbound: bool, event: &Event) {
        match event {
            Event::PairVerified(verified) => self.verified(verified.proof()),
            Event::PairRefused { why, .. } => self.hit(refused(why)),
            Event::DialbackAnswered { valid: true, .. } => self.hit(Point::CheckValid),
            Event::DialbackAnswered { valid: false, .. } => self.hit(Point::CheckInvalid),
            Event::Unsolicited(UnsolicitedKind::Result | UnsolicitedKind::Verify) => {
                let (here, there) = (Point::UnsolicitedInbound, Point::UnsolicitedOutbound);
                self.hit(if inbound { here } else { there });
            }
            Event::PairAuthorized { how, .. } => self.hit(match how {
                HowAuthorized::External => Point::AuthorizedExternal,
                HowAuthorized::Dialback => Point::AuthorizedDialback,
                HowAuthorized::Asserted => Point::AuthorizedAsserted,
            }),
            Event::PairFailed { failure, .. } => self.hit(failed(failure)),
            Event::VerifyAnswer { outcome, .. } => self.hit(match outcome {
                VerifyOutcome::Valid { leg_tls: false } => Point::LegValidClear,
                VerifyOutcome::Valid { leg_tls: true } => Point::LegValidTls,
                VerifyOutcome::Invalid => Point::LegInvalid,
                VerifyOutcome::Failed(_) => Point::LegFailed,
            }),
            Event::ExternalRefused => self.hit(Point::ExternalRefusedByPeer),
            Event::ComponentAttached { .. } => self.hit(Point::ComponentAttached),
            Event::Bidirectional => self.hit(Point::Bidirectional),
            Event::ReverseAuthorized { .. } => self.hit(Point::ReverseAuthorized),
            Event::ReverseWithdrawn { .. } => self.hit(Point::ReverseWithdrawn),
            Event::PeerLimits(_) => {}
            Event::StreamOpened { .. } | Event::PeerClosed | Event::PeerError(_) => {}
        }
    }
}

fn refused(why: &RefusedBecause) -> Point {
    match why {
        RefusedBecause::UnknownHost => Point::UnknownHost,
        RefusedBecause::OurOwnDomain => Point::OurOwnDomain,
        RefusedBecause::ForeignDomain => Point::ForeignDomain,
        RefusedBecause::Policy(_) => Point::Policy,
        RefusedBecause::TlsRequired => Point::TlsRequired,
        RefusedBecause::LegNotTls => Point::LegNotTls,
        RefusedBecause::CertificateRequired(_) => Point::CertificateRequired,
        RefusedBecause::DialbackInvalid => Point::DialbackInvalid,
        RefusedBecause::DialbackFailed(_) => Point::DialbackFailed,
        RefusedBecause::AskedInReverse => Point::AskedInReverse,
        RefusedBecause::TooManyPending => Point::TooManyPending,
        RefusedBecause::ExternalRefused => Point::ExternalRefused,
    }
}

fn failed(failure: &OutboundFailure) -> Point {
    match failure {
        OutboundFailure::HostUnknown => Point::FailedHostUnknown,
        OutboundFailure::TlsNotOffered => Point::FailedTlsNotOffered,
        OutboundFailure::TlsFailed => Point::FailedTls,
        OutboundFailure::NotTrusted => Point::FailedNotTrusted,
        OutboundFailure::Unauthenticated => Point::FailedUnauthenticated,
        OutboundFailure::DialbackInvalid => Point::FailedInvalid,
        OutboundFailure::DialbackError(_) => Point::FailedError,
        OutboundFailure::PeerError(_) => Point::FailedPeer,
        OutboundFailure::Protocol(_) => Point::FailedProtocol,
        OutboundFailure::TimedOut(_) => Point::FailedTime,
        OutboundFailure::ConnectionLost => Point::FailedLost,
    }
}
