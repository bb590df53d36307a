use super::*;
use crate::parcel::Parcel;
use crate::stanzas::stanza;
use s2s_proto::{Phase, ReceivedError, StreamError};

fn bounce(xml: &str, cause: Undeliverable) -> Result<Bounce, DropReason> {
    let parcel = Parcel::Stanza(stanza(xml));
    Bounce::of(parcel.frame().unwrap(), parcel.pair(), cause.error())
}

fn text(bounce: &Bounce) -> &str {
    std::str::from_utf8(bounce.bytes()).unwrap()
}

#[test]
fn a_bounce_swaps_the_addresses_and_keeps_the_id() {
    let made = bounce(
        "<message from='juliet@capulet.example/balcony' to='romeo@montague.example' id='a1' type='chat'><body>wherefore</body></message>",
        Undeliverable::Dns(DnsFailure::NoSuchDomain),
    )
    .unwrap();
    assert_eq!(
        text(&made),
        "<message from='romeo@montague.example' to='juliet@capulet.example/balcony' id='a1' type='error'>\
         <error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>The server cannot be found</text></error></message>"
    );
    assert!(made.pair().is("montague.example", "capulet.example"));
}

#[test]
fn errors_and_results_are_never_bounced() {
    let table = [
        ("<message from='a@capulet.example' to='montague.example' type='error'/>", false),
        ("<presence from='a@capulet.example' to='montague.example' type='error'/>", false),
        ("<iq from='a@capulet.example' to='montague.example' type='error' id='1'/>", false),
        ("<iq from='a@capulet.example' to='montague.example' type='result' id='1'/>", false),
        ("<iq from='a@capulet.example' to='montague.example' type='get' id='1'/>", true),
        ("<iq from='a@capulet.example' to='montague.example' type='set' id='1'/>", true),
        ("<message from='a@capulet.example' to='montague.example' type='result'/>", true),
        ("<message from='a@capulet.example' to='montague.example'/>", true),
        ("<presence from='a@capulet.example' to='montague.example' type='unavailable'/>", true),
    ];
    for (xml, bounced) in table {
        let made = bounce(xml, Undeliverable::Full);
        assert_eq!(made.is_ok(), bounced, "{xml}");
        assert!(bounced || made == Err(DropReason::MustNotBounce));
    }
}

#[test]
fn what_an_attacker_puts_into_attributes_stays_text() {
    let made = bounce(
        "<message from='juliet@capulet.example/&lt;x y=&apos;&quot;&amp;' to='montague.example' id='&apos;/&gt;&lt;evil/&gt;'/>",
        Undeliverable::Full,
    )
    .unwrap();
    assert!(text(&made).starts_with(
        "<message from='montague.example' to='juliet@capulet.example/&lt;x y=&apos;&quot;&amp;' \
         id='&apos;/&gt;&lt;evil/&gt;' type='error'>"
    ));
}

#[test]
fn a35_a_large_stanza_has_a_small_bounce_without_its_payload() {
    let body = "x".repeat(512 * 1024);
    let xml = format!(
        "<message from='juliet@capulet.example/balcony' to='romeo@montague.example' id='1'><body>{body}</body></message>"
    );
    let made = bounce(&xml, Undeliverable::Expired).unwrap();
    assert!(made.bytes().len() < 1024 && !text(&made).contains("xxx"));
}

#[test]
fn long_addresses_cost_the_text_and_an_absurd_id_the_bounce() {
    let local = "a".repeat(1_000);
    let xml = format!("<message from='{local}@capulet.example' to='montague.example'/>");
    let made = bounce(&xml, Undeliverable::Expired).unwrap();
    assert!(!text(&made).contains("<text") && text(&made).contains(&local));
    let xml = format!(
        "<message from='a@capulet.example' to='montague.example' id='{}'/>",
        "1".repeat(9_000)
    );
    assert_eq!(bounce(&xml, Undeliverable::Expired), Err(DropReason::BounceTooLong));
}

/// The whole map, causes in the order of the enum.
#[test]
fn every_cause_has_its_condition_and_type() {
    use ErrorType::{Cancel, Wait};
    let table = [
        (
            Undeliverable::Dns(DnsFailure::NoSuchDomain),
            "remote-server-not-found",
            Cancel,
            "remote-server-not-found",
        ),
        (
            Undeliverable::Dns(DnsFailure::Temporary),
            "remote-server-timeout",
            Wait,
            "remote-server-timeout",
        ),
        (
            Undeliverable::Targets(NoTargets::NotOffered),
            "remote-server-not-found",
            Cancel,
            "remote-server-not-found",
        ),
        (
            Undeliverable::Targets(NoTargets::NoAddresses),
            "remote-server-not-found",
            Cancel,
            "remote-server-not-found",
        ),
        (
            Undeliverable::Targets(NoTargets::OwnAddress),
            "remote-server-not-found",
            Cancel,
            "remote-server-not-found",
        ),
        (
            Undeliverable::Targets(NoTargets::Refused),
            "remote-server-not-found",
            Cancel,
            "remote-server-not-found",
        ),
        (
            Undeliverable::Connect(ConnectFailure::Refused),
            "remote-server-timeout",
            Wait,
            "remote-connection-failed",
        ),
        (
            Undeliverable::Connect(ConnectFailure::TimedOut),
            "remote-server-timeout",
            Wait,
            "remote-connection-failed",
        ),
        (
            Undeliverable::Connect(ConnectFailure::Unreachable),
            "remote-server-timeout",
            Wait,
            "remote-connection-failed",
        ),
        (
            Undeliverable::Connect(ConnectFailure::Tls),
            "remote-server-timeout",
            Wait,
            "remote-connection-failed",
        ),
        (
            Undeliverable::Connect(ConnectFailure::NoLinks),
            "resource-constraint",
            Wait,
            "resource-constraint",
        ),
        (Undeliverable::StreamFailed, "remote-server-timeout", Wait, "remote-connection-failed"),
        (Undeliverable::HostUnknown, "remote-server-not-found", Cancel, "remote-server-not-found"),
        (Undeliverable::NotTrusted, "remote-server-timeout", Cancel, "policy-violation"),
        (Undeliverable::DialbackInvalid, "internal-server-error", Cancel, "not-acceptable"),
        (Undeliverable::DialbackError, "remote-server-timeout", Wait, "not-acceptable"),
        (Undeliverable::Expired, "remote-server-timeout", Wait, "remote-server-timeout"),
        (Undeliverable::Full, "resource-constraint", Wait, "resource-constraint"),
        (Undeliverable::ComponentDown, "service-unavailable", Wait, "item-not-found"),
        (Undeliverable::NotHosted, "remote-server-not-found", Cancel, "item-not-found"),
        (Undeliverable::Draining, "remote-server-timeout", Wait, "resource-constraint"),
    ];
    for (cause, condition, kind, dialback) in table {
        assert_eq!(cause.error().condition().name(), condition, "{cause:?}");
        assert_eq!(cause.error().kind(), kind, "{cause:?}");
        assert!(!cause.error().text().is_empty() && cause.error().text().len() < 100);
        assert_eq!(cause.dialback().name(), dialback, "{cause:?}");
    }
}

#[test]
fn every_outbound_failure_has_its_cause() {
    let peer = |condition| OutboundFailure::PeerError(ReceivedError { condition, text: None });
    // (failure, cause, another target may do better)
    let table = [
        (OutboundFailure::HostUnknown, Undeliverable::HostUnknown, false),
        (OutboundFailure::TlsNotOffered, Undeliverable::NotTrusted, true),
        (OutboundFailure::TlsFailed, Undeliverable::StreamFailed, true),
        (OutboundFailure::NotTrusted, Undeliverable::NotTrusted, false),
        (OutboundFailure::Unauthenticated, Undeliverable::NotTrusted, false),
        (OutboundFailure::DialbackInvalid, Undeliverable::DialbackInvalid, false),
        (
            OutboundFailure::DialbackError(DialbackCondition::ItemNotFound),
            Undeliverable::HostUnknown,
            false,
        ),
        (
            OutboundFailure::DialbackError(DialbackCondition::PolicyViolation),
            Undeliverable::NotTrusted,
            false,
        ),
        (
            OutboundFailure::DialbackError(DialbackCondition::RemoteServerTimeout),
            Undeliverable::DialbackError,
            false,
        ),
        (peer(StreamCondition::HostUnknown), Undeliverable::HostUnknown, false),
        (peer(StreamCondition::HostGone), Undeliverable::HostUnknown, false),
        (peer(StreamCondition::NotAuthorized), Undeliverable::NotTrusted, false),
        (peer(StreamCondition::PolicyViolation), Undeliverable::NotTrusted, false),
        (peer(StreamCondition::InternalServerError), Undeliverable::StreamFailed, true),
        (peer(StreamCondition::SystemShutdown), Undeliverable::StreamFailed, true),
        (
            OutboundFailure::Protocol(StreamError::new(StreamCondition::NotWellFormed)),
            Undeliverable::StreamFailed,
            true,
        ),
        (OutboundFailure::TimedOut(Phase::Header), Undeliverable::StreamFailed, true),
        (OutboundFailure::ConnectionLost, Undeliverable::StreamFailed, true),
    ];
    for (failure, cause, elsewhere) in table {
        assert_eq!(Undeliverable::from_outbound(&failure), cause, "{failure:?}");
        assert_eq!(is_target_specific(&failure), elsewhere, "{failure:?}");
    }
}
