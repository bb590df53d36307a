//! The table of refusals on the wire, the peer being scripted.

use super::Flaw;
use crate::matrix::Direction;

/// One refusal with a scripted peer.
#[derive(Clone, Copy, Debug)]
pub struct WireRow {
    /// Its test.
    pub test: &'static str,
    /// What is wrong with the peer.
    pub flaw: Flaw,
    /// Who opens the stream that is refused.
    pub direction: Direction,
    /// All that Peerage says after the peer has given what is refused (its header, dialback key or stanza where it opens, its
    /// certificate or features without TLS where Peerage does), to the end of the connection.
    pub said: &'static str,
}

/// Hands every row to the macro `$then`: [`ROWS`] and the tests come from the same lines.
#[macro_export]
macro_rules! wire_refusals {
    ($then:path) => {
        $then! {
            scripted_self_signed_in: SelfSigned In, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: the certificate is self-signed: use one from a certificate authority</text></stream:error></stream:stream>";
            scripted_self_signed_out: SelfSigned Out, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: the certificate is self-signed: use one from a certificate authority</text></stream:error></stream:stream>";
            scripted_unknown_authority_in: UnknownAuthority In, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: no trusted authority issued the certificate, or the intermediate certificates were not sent: send the full chain</text></stream:error></stream:stream>";
            scripted_unknown_authority_out: UnknownAuthority Out, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: no trusted authority issued the certificate, or the intermediate certificates were not sent: send the full chain</text></stream:error></stream:stream>";
            scripted_expired_in: Expired In, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: the certificate or one of its chain has expired: renew it and reload the server</text></stream:error></stream:stream>";
            scripted_expired_out: Expired Out, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: the certificate or one of its chain has expired: renew it and reload the server</text></stream:error></stream:stream>";
            scripted_not_yet_valid_in: NotYetValid In, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: the certificate or one of its chain is not valid yet: check the clock</text></stream:error></stream:stream>";
            scripted_not_yet_valid_out: NotYetValid Out, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: the certificate or one of its chain is not valid yet: check the clock</text></stream:error></stream:stream>";
            scripted_wrong_name_in: WrongName In, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: the certificate does not name this domain: add it as a subjectAltName</text></stream:error></stream:stream>";
            scripted_wrong_name_out: WrongName Out, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: the certificate does not name this domain: add it as a subjectAltName</text></stream:error></stream:stream>";
            scripted_client_auth_only_in: ClientAuthOnly In, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: the certificate may not be used for servers: its extended key usage lacks serverAuth</text></stream:error></stream:stream>";
            scripted_client_auth_only_out: ClientAuthOnly Out, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: the certificate may not be used for servers: its extended key usage lacks serverAuth</text></stream:error></stream:stream>";
            scripted_victim_in_chain_in: VictimInChain In, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: the certificate does not name this domain: add it as a subjectAltName</text></stream:error></stream:stream>";
            scripted_victim_in_chain_out: VictimInChain Out, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a valid certificate is required: the certificate does not name this domain: add it as a subjectAltName</text></stream:error></stream:stream>";
            scripted_no_tls_in: NoTls In, "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>TLS is required before dialback</text></stream:error></stream:stream>";
            scripted_no_tls_out: NoTls Out, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>";
            scripted_plaintext_leg_in: PlaintextLeg In, "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>TLS is required on the authoritative server too</text></stream:error></stream:stream>";
            scripted_unknown_domain_in: UnknownDomain In, "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>the domain in 'to' is not served here</text></stream:error></stream:stream>";
            scripted_spoofed_from_in: SpoofedFrom In, "<stream:error><invalid-from xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>the sender domain was not verified on this stream</text></stream:error></stream:stream>";
        }
    };
}

macro_rules! rows {
    ($($test:ident: $flaw:ident $direction:ident, $said:literal;)*) => {
        /// The rows, in the order of the page.
        pub const ROWS: &[WireRow] = &[$(WireRow {
            test: stringify!($test),
            flaw: Flaw::$flaw,
            direction: Direction::$direction,
            said: $said,
        }),*];
    };
}

wire_refusals!(rows);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_is_refused_on_the_wire_in_its_directions() {
        for flaw in Flaw::ALL {
            let rows = ROWS.iter().filter(|row| row.flaw == flaw);
            let directions: Vec<Direction> = rows.map(|row| row.direction).collect();
            assert_eq!(directions, flaw.directions(), "{flaw}");
        }
    }
}
