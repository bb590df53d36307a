//! Dialogues with a server of the operator's own: it federates as it would with anybody, and we answer as the receiving and
//! authoritative server of every remote domain. Here capulet.example is its domain and montague.example a remote one.

mod support;

use s2s_proto::{
    CertificateAnswer, CloseReason, Demand, Event, Judgement, Proof, Refusal, RefusedBecause,
    Standing,
};
use support::{Judge, Script, demands, domain, header, secret};

const OPENING: &str = "from='capulet.example' to='montague.example' version='1.0'";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const MESSAGE: &str = "<message from='juliet@capulet.example' to='romeo@montague.example'/>";

/// What the data plane answers about a backend that serves capulet.example.
fn backend(demand: Demand, certificate: CertificateAnswer) -> Judge {
    Box::new(move |pair| {
        if *pair.sender() != domain("capulet.example") {
            return Judgement::refuses(Refusal::ForeignDomain);
        }
        Judgement::demands(demand)
            .with_standing(Standing::Backend)
            .with_certificate(certificate.clone())
    })
}

fn identified(demand: Demand) -> Judge {
    backend(demand, CertificateAnswer::NoneShown)
}

fn pair_of(sender: &str) -> String {
    support::pair(sender, "montague.example").to_string()
}

#[test]
fn a_key_of_an_identified_backend_is_valid_without_asking_it() {
    let mut peer = Script::inbound(identified(Demand::Dialback));
    peer.recv(&header(OPENING));
    peer.said();
    assert!(peer.verified_pairs().is_empty(), "nothing is verified by a header");
    peer.recv("<db:result from='capulet.example' to='montague.example'>any key</db:result>");
    peer.expect("<db:result from='montague.example' to='capulet.example' type='valid'/>");
    assert!(peer.verify.is_empty());
    assert_eq!(peer.verified_pairs(), [(pair_of("capulet.example"), Proof::Backend)]);
    peer.recv(MESSAGE);
    assert_eq!(peer.stanzas.len(), 1);
}

#[test]
fn over_tls_external_is_offered_to_a_backend_without_a_certificate() {
    let mut peer = Script::inbound(identified(Demand::DialbackOverTls));
    peer.recv(&header(OPENING));
    peer.expect_part("<required/></starttls>");
    peer.starttls(identified(Demand::DialbackOverTls));
    peer.recv(&header(OPENING));
    peer.expect_part("<mechanism>EXTERNAL</mechanism>");
    peer.recv(&format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>"));
    peer.expect(&format!("<success xmlns='{SASL}'/>"));
    peer.recv(&header(OPENING));
    assert_eq!(peer.verified_pairs(), [(pair_of("capulet.example"), Proof::Backend)]);
}

#[test]
fn a_backend_that_has_to_use_tls_gets_nothing_in_the_clear() {
    let mut peer = Script::inbound(identified(Demand::DialbackOverTls));
    peer.recv(&header(OPENING));
    peer.said();
    peer.recv("<db:result from='capulet.example' to='montague.example'>key</db:result>");
    peer.expect_part("policy-violation");
    assert!(peer.verified_pairs().is_empty() && peer.verify.is_empty());
}

#[test]
fn a_backend_that_has_to_show_a_certificate_is_not_known_by_its_address_alone() {
    let unproved = || {
        backend(
            Demand::Certificate,
            CertificateAnswer::Fails("it is issued by somebody else".into()),
        )
    };
    let mut peer = Script::inbound(unproved());
    peer.recv(&header(OPENING));
    peer.said();
    peer.starttls(unproved());
    peer.recv(&header(OPENING));
    assert!(!peer.said().contains("EXTERNAL"));
    peer.recv("<db:result from='capulet.example' to='montague.example'>key</db:result>");
    peer.expect_part("it is issued by somebody else");
    assert!(peer.verified_pairs().is_empty() && peer.verify.is_empty());

    let proved = || backend(Demand::Certificate, CertificateAnswer::Proves);
    let mut peer = Script::inbound(proved());
    peer.recv(&header(OPENING));
    peer.said();
    peer.starttls(proved());
    peer.recv(&header(OPENING));
    peer.recv("<db:result from='capulet.example' to='montague.example'>key</db:result>");
    assert_eq!(peer.verified_pairs(), [(pair_of("capulet.example"), Proof::Backend)]);
}

/// The certificate was taken from the configuration between offer and success.
#[test]
fn external_counts_only_while_the_backend_is_still_identified() {
    let mut peer = Script::inbound(identified(Demand::DialbackOverTls));
    peer.recv(&header(OPENING));
    peer.said();
    peer.starttls(identified(Demand::DialbackOverTls));
    peer.recv(&header(OPENING));
    peer.said();
    peer.judge = demands(Demand::DialbackOverTls);
    peer.recv(&format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>"));
    peer.recv(&header(OPENING));
    peer.expect_error("not-authorized");
    assert!(peer.verified_pairs().is_empty());
}

#[test]
fn a_backend_speaks_for_its_own_domains_only() {
    let mut peer = Script::inbound(identified(Demand::Dialback));
    peer.recv(&header("from='bank.example' to='montague.example' version='1.0'"));
    let said = peer.expect_part("<invalid-from");
    assert!(said.contains("this server is not configured for the sender domain"), "{said}");
    assert!(matches!(peer.closed, Some(CloseReason::Failed(_))));
    assert!(peer.has_event(|event| matches!(
        event,
        Event::PairRefused { why: RefusedBecause::ForeignDomain, .. }
    )));

    let mut peer = Script::inbound(identified(Demand::Dialback));
    peer.recv(&header(OPENING));
    peer.said();
    peer.recv("<db:result from='bank.example' to='montague.example'>key</db:result>");
    peer.expect_part("<not-acceptable");
    peer.recv("<db:verify from='bank.example' to='montague.example' id='S'>key</db:verify>");
    peer.expect_part("<not-acceptable");
    peer.recv("<db:result from='capulet.example' to='montague.example'>key</db:result>");
    peer.said();
    peer.recv("<message from='mallory@bank.example' to='romeo@montague.example'/>");
    peer.expect_error("invalid-from");
    assert!(peer.stanzas.is_empty());
}

#[test]
fn a_backend_is_told_whether_a_key_of_a_remote_domain_is_ours() {
    let mut peer = Script::inbound(identified(Demand::Dialback));
    peer.recv(&header(OPENING));
    peer.said();
    let key = secret().key("capulet.example", "montague.example", "S1");
    for (id, answer) in [("S1", "valid"), ("S2", "invalid")] {
        peer.recv(&format!(
            "<db:verify from='capulet.example' to='montague.example' id='{id}'>{key}</db:verify>"
        ));
        peer.expect(&format!(
            "<db:verify from='montague.example' to='capulet.example' id='{id}' type='{answer}'/>"
        ));
    }
}
