//! Laws: no sequence of inputs makes a stream panic, and no pair is verified without its proof.

mod support;

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use proptest::prelude::*;
use s2s_proto::{
    CertificateAnswer, ComponentConfig, ComponentEntry, Demand, DialbackCondition, Event,
    HowAuthorized, Input, Judgement, Proof, Refusal, Standing, TlsState, VerifyOutcome,
    VerifyRequest,
};
use support::{Judge, Script, demands, header, pair, plain};
use xmpp_addr::{DomainPair, DomainPattern};

const NAMES: [&str; 3] = ["capulet.example", "bank.example", "montague.example"];

/// Every element a stream knows, in every role; `{f}` and `{t}` are addresses.
const ELEMENTS: &[&str] = &[
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'/>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>YmFuay5leGFtcGxl</auth>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>=</auth>",
    "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>",
    "<db:result from='{f}' to='{t}'>key</db:result>",
    "<db:result from='{f}' to='{t}'/>",
    "<db:result from='{f}'>key</db:result>",
    "<db:result to='{t}'>key</db:result>",
    "<db:result from='{f}' to='{t}' type='valid'/>",
    "<db:result from='{f}' to='{t}' type='invalid'/>",
    "<db:result from='{f}' to='{t}' type='error'><error/></db:result>",
    "<db:result type=''/>",
    "<db:verify from='{f}' to='{t}' id='X'>key</db:verify>",
    "<db:verify from='{f}' to='{t}'>key</db:verify>",
    "<db:verify from='{f}' to='{t}' id='X' type='valid'/>",
    "<db:verify from='{f}' to='{t}' id='X' type='invalid'/>",
    "<db:verify from='{f}' id='X' type='error'/>",
    "<db:verify/>",
    "<db:nonsense from='{f}' to='{t}'/>",
    "<compress xmlns='http://jabber.org/protocol/compress'/>",
    "<bidi xmlns='urn:xmpp:bidi'/>",
    "<handshake/>",
    "<handshake xmlns='jabber:component:accept'>00</handshake>",
    "<stream:features/>",
    "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>\
     <dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>",
    "<stream:error/>",
    "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    "<message from='a@{f}' to='b@{t}'><body>x</body></message>",
    "<iq from='a@{f}' to='b@{t}' type='get' id='1'/>",
    "<presence from='{f}'/>",
    "<presence from='' to=''/>",
    "<message xmlns='jabber:client' from='a@{f}' to='b@{t}'/>",
    "<x xmlns='urn:x' from='{f}' to='{t}' id='1' type='valid'/>",
    "</stream:stream>",
    "<!-- no -->",
    "<db:result from='{f}' from='{f}' to='{t}'>key</db:result>",
    "<bidi xmlns='urn:xmpp:features:bidi'/>",
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>\
     <dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><bidi xmlns='urn:xmpp:features:bidi'/></stream:features>",
];

const HEADERS: &[&str] = &[
    "from='{f}' to='{t}' version='1.0'",
    "from='{f}' to='{t}' id='S1' version='1.0'",
    "from='{f}' to='{t}'",
    "to='{t}' version='1.0'",
    "from='{f}' id='S1'",
    "",
];

/// What the model has seen of the stream as it stands.
#[derive(Default)]
struct Model {
    tls: bool,
    judged: Vec<(DomainPair, Judgement)>,
    valid: Vec<(DomainPair, bool, Demand)>,
    success: bool,
    awaits_header: bool,
    verified: HashSet<DomainPair>,
    /// Of these, on evidence.
    proved: HashSet<DomainPair>,
}

impl Model {
    fn restarted_by_tls(&mut self) {
        *self = Self { tls: true, awaits_header: true, ..Self::default() };
    }

    fn proves(&self, pair: &DomainPair) -> bool {
        self.tls
            && self.judged.iter().any(|(other, judgement)| {
                other == pair
                    && judgement.demand.is_ok()
                    && judgement.certificate == CertificateAnswer::Proves
            })
    }

    fn check(&self, pair: &DomainPair, proof: Proof) -> bool {
        match proof {
            Proof::Asserted => self.judged.iter().any(|(other, judgement)| {
                other == pair && judgement.demand == Ok(Demand::Assertion)
            }),
            Proof::Dialback { stream_tls, leg_tls } => {
                stream_tls == self.tls
                    && self.valid.iter().any(|(other, leg, demand)| {
                        other == pair
                            && *leg == leg_tls
                            && (*demand < Demand::DialbackOverTls || (*leg && self.tls))
                    })
            }
            Proof::External => self.success && self.proves(pair),
            Proof::CertificateDialback => self.proves(pair),
            // Those of a component, of a backend, and of a stream that we opened.
            Proof::Component | Proof::Backend | Proof::Reached { .. } => false,
        }
    }
}

fn filled(template: &str, number: u32) -> String {
    let from = NAMES[usize::try_from(number / 3 % 3).unwrap()];
    let to = NAMES[2 - usize::from(number.is_multiple_of(7))];
    template.replace("{f}", from).replace("{t}", to)
}

fn judgement(number: u32) -> Judgement {
    let demand = match number % 13 {
        0 => Err(Refusal::UnknownHost),
        1 => Err(Refusal::OurOwnDomain),
        2 => Err(Refusal::Policy("no".into())),
        3 | 4 => Ok(Demand::Assertion),
        5..=8 => Ok(Demand::Dialback),
        9 | 10 => Ok(Demand::DialbackOverTls),
        _ => Ok(Demand::Certificate),
    };
    let certificate = match number / 13 % 3 {
        0 => CertificateAnswer::NoneShown,
        1 => CertificateAnswer::Proves,
        _ => CertificateAnswer::Fails("expired".into()),
    };
    Judgement { demand, certificate, standing: Standing::Stranger }
}

fn outcome(number: u32) -> VerifyOutcome {
    match number % 5 {
        0 => VerifyOutcome::Invalid,
        1 => VerifyOutcome::Failed(DialbackCondition::RemoteServerTimeout),
        other => VerifyOutcome::Valid { leg_tls: other % 2 == 0 },
    }
}

/// A judge that draws its answers from a list and writes them down.
fn drawing(numbers: Vec<u32>, judged: Rc<RefCell<Vec<(DomainPair, Judgement)>>>) -> Judge {
    let next = RefCell::new(0);
    Box::new(move |pair| {
        let mut next = next.borrow_mut();
        let number = numbers.get(*next % numbers.len()).copied().unwrap_or(5);
        *next += 1;
        let judgement = judgement(number);
        judged.borrow_mut().push((pair.clone(), judgement.clone()));
        judgement
    })
}

/// Looks at what came out since the last step.
fn look(peer: &mut Script, model: &mut Model, judged: &RefCell<Vec<(DomainPair, Judgement)>>) {
    model.judged.append(&mut judged.borrow_mut());
    let said = peer.said();
    if said.contains("<success ") {
        // What else was learnt belongs to the stream before; the judgement of the certificate is what counted.
        model.success = true;
        model.awaits_header = true;
        model.verified.clear();
        model.proved.clear();
    }
    for event in std::mem::take(&mut peer.events) {
        match event {
            Event::PairVerified(verified) => {
                assert!(
                    model.check(verified.pair(), verified.proof()),
                    "{verified:?} without its proof"
                );
                model.verified.insert(verified.pair().clone());
                if verified.proof() != Proof::Asserted {
                    model.proved.insert(verified.pair().clone());
                }
            }
            Event::Bidirectional => assert!(model.tls),
            Event::ReverseWithdrawn { pair } => {
                // Whatever is authorised again has to be proved again.
                model.proved.remove(&pair.reversed());
            }
            Event::ReverseAuthorized { pair } => {
                assert!(model.tls && model.proved.contains(&pair.reversed()), "{pair}");
            }
            Event::PairAuthorized { .. } => panic!("an inbound stream authorises nobody"),
            _ => {}
        }
    }
    for stanza in std::mem::take(&mut peer.stanzas) {
        assert!(model.verified.contains(stanza.pair()), "{stanza:?} without a verified pair");
        let from = stanza.from();
        assert!(from.ends_with(stanza.pair().sender().as_str()), "{from}");
    }
}

fn inbound_step(peer: &mut Script, model: &mut Model, kind: u32, number: u32) {
    if std::mem::take(&mut model.awaits_header) && !number.is_multiple_of(32) {
        let template = if kind.is_multiple_of(4) {
            HEADERS[number as usize % HEADERS.len()]
        } else {
            HEADERS[0]
        };
        return peer.recv(&header(&filled(template, kind / 4)));
    }
    match kind % 16 {
        0..=2 => peer.recv(&filled("<db:result from='{f}' to='{t}'>key</db:result>", number)),
        3 => peer.recv(&filled("<message from='a@{f}' to='b@{t}'/>", number)),
        4 if number.is_multiple_of(2) => {
            peer.recv("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        }
        4 => peer
            .recv("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"),
        5 | 6 => {
            if let Some(request) = peer.verify.pop() {
                let outcome = outcome(number);
                if let VerifyOutcome::Valid { leg_tls } = outcome {
                    model.valid.push((request.pair.clone(), leg_tls, request.demand));
                }
                peer.give(Input::Verified(request.pair, outcome));
            }
        }
        7 if number.is_multiple_of(4) => {
            // An outcome of a pair that was never asked about.
            peer.give(Input::Verified(
                pair("bank.example", "nowhere.example"),
                VerifyOutcome::Valid { leg_tls: true },
            ));
        }
        8 if number.is_multiple_of(16) => {
            if let Some(at) = peer.wake.take() {
                peer.now = at.max(peer.now);
                peer.give(Input::Timeout);
            }
        }
        9 if number.is_multiple_of(32) => peer.give(Input::Shutdown),
        10 if number.is_multiple_of(64) => peer.give(Input::Eof),
        _ => peer.recv(&filled(ELEMENTS[number as usize % ELEMENTS.len()], number / 64)),
    }
    if peer.starting_tls {
        peer.tls_done();
        model.restarted_by_tls();
    }
}

/// Whatever the peer was let send on our stream, it was asked for over TLS, after the peer accepted the one pair we have, and
/// meets the demand; how many pairs were admitted since the last look.
fn check_reverse(
    peer: &mut Script,
    seen: usize,
    tls: bool,
    judged: &[(DomainPair, Judgement)],
) -> usize {
    let own = pair("capulet.example", "montague.example");
    let mut admitted = 0;
    for event in peer.events.iter().skip(seen) {
        let Event::PairVerified(verified) = event else { continue };
        admitted += 1;
        assert!(tls && verified.pair().reversed() == own, "{verified:?}");
        assert!(peer.has_event(|event| matches!(event, Event::Bidirectional)));
        assert!(peer.has_event(|event| matches!(
            event,
            Event::PairAuthorized { how, .. } if *how != HowAuthorized::Asserted
        )));
        let (_, judgement) = judged.iter().rfind(|(judged, _)| *judged == own).unwrap();
        let certificate_proves = judgement.certificate == CertificateAnswer::Proves;
        assert_eq!(verified.proof(), Proof::Reached { certificate_proves });
        let demand = judgement.demand.clone().expect("refused");
        assert!(certificate_proves || demand < Demand::Certificate, "{judgement:?}");
    }
    for stanza in std::mem::take(&mut peer.stanzas) {
        let admitted = peer.has_event(|event| matches!(event, Event::PairVerified(_)));
        assert!(admitted, "{stanza:?} before its pair was");
        assert!(stanza.pair().reversed() == own, "{stanza:?}");
    }
    admitted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_pair_is_verified_without_its_proof(
        steps in prop::collection::vec((any::<u32>(), any::<u32>()), 1..40),
        numbers in prop::collection::vec(any::<u32>(), 1..8),
        direct in any::<bool>(),
    ) {
        let judged = Rc::new(RefCell::new(Vec::new()));
        let judge = drawing(numbers, Rc::clone(&judged));
        let mut peer = if direct { Script::inbound_direct(judge) } else { Script::inbound(judge) };
        let mut model = Model { tls: direct, ..Model::default() };
        peer.recv(&header("from='capulet.example' to='montague.example' version='1.0'"));
        look(&mut peer, &mut model, &judged);
        for (kind, number) in steps {
            if peer.closed.is_some() {
                break;
            }
            inbound_step(&mut peer, &mut model, kind, number);
            look(&mut peer, &mut model, &judged);
        }
    }

    #[test]
    fn an_outbound_stream_answers_every_request_once(
        steps in prop::collection::vec((any::<u32>(), any::<u32>()), 1..40),
        numbers in prop::collection::vec(any::<u32>(), 1..8),
        direct in any::<bool>(),
    ) {
        let judged = Rc::new(RefCell::new(Vec::new()));
        let judge = drawing(numbers, Rc::clone(&judged));
        let mut options = plain(false);
        options.tls = if direct { TlsState::Direct } else { TlsState::Plain };
        let mut peer = Script::outbound(options, judge);
        let (mut tls, mut reversed) = (direct, 0);
        let own = pair("capulet.example", "montague.example");
        peer.authorize(own.clone());
        let request = VerifyRequest {
            pair: own.reversed(),
            stream_id: "X".into(),
            key: "k".into(),
            demand: Demand::Dialback,
        };
        peer.ask_verify(request);
        peer.recv(&header("from='montague.example' to='capulet.example' id='S1' version='1.0'"));
        for (kind, number) in steps {
            if peer.closed.is_some() {
                break;
            }
            let seen = peer.events.len();
            match kind % 8 {
                0 | 1 => peer.recv(&header("from='montague.example' id='S2' version='1.0'")),
                2 if number.is_multiple_of(32) => peer.give(Input::Shutdown),
                _ => {
                    let element = ELEMENTS[number as usize % ELEMENTS.len()];
                    peer.recv(&element.replace("{f}", "montague.example").replace("{t}", "capulet.example"));
                }
            }
            if peer.starting_tls {
                peer.tls_done();
                tls = true;
            }
            reversed += check_reverse(&mut peer, seen, tls, &judged.borrow());
        }
        prop_assert!(reversed <= 1);
        if peer.closed.is_none() {
            peer.give(Input::Eof);
        }
        let verifies = peer.events.iter().filter(|event| matches!(event, Event::VerifyAnswer { .. })).count();
        let pairs = peer.events.iter().filter(|event| {
            matches!(event, Event::PairFailed { .. } | Event::PairAuthorized { .. })
        });
        prop_assert_eq!((verifies, pairs.count()), (1, 1));
        prop_assert!(peer.has_event(|_| true) && !peer.permits("capulet.example", "montague.example"));
    }
}

#[test]
fn a37_every_state_survives_every_element() {
    let prefixes: &[&[&str]] =
        &[&[], &["H"], &["H", "E4"], &["H", "E5"], &["H", "E13"], &["H", "E0", "H"]];
    for prefix in prefixes {
        for element in ELEMENTS {
            for demand in
                [Demand::Assertion, Demand::Dialback, Demand::DialbackOverTls, Demand::Certificate]
            {
                let mut peer = Script::inbound_direct(support::proves(demand));
                for step in *prefix {
                    match step.strip_prefix('E') {
                        Some(index) => {
                            peer.recv(&filled(ELEMENTS[index.parse::<usize>().unwrap()], 0));
                        }
                        None => peer.recv(&header(
                            "from='capulet.example' to='montague.example' version='1.0'",
                        )),
                    }
                }
                peer.recv(&filled(element, 0));
                peer.fail(s2s_proto::StreamCondition::UndefinedCondition.into());
                assert!(peer.closed.is_some());
            }
            let mut peer = Script::outbound(plain(false), demands(Demand::Dialback));
            peer.authorize(pair("capulet.example", "montague.example"));
            for _ in *prefix {
                peer.recv(&header("id='S1' version='1.0'"));
            }
            peer.recv(&filled(element, 0));
            let entry = ComponentEntry { pattern: DomainPattern::Any, secret: "s".into() };
            let mut peer = Script::component(ComponentConfig::new(vec![entry]));
            for _ in *prefix {
                let opening = header("to='chat.example'")
                    .replace("jabber:server'", "jabber:component:accept'");
                peer.recv(&opening);
            }
            peer.recv(&filled(element, 0));
        }
    }
}
