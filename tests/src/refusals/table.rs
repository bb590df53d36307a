//! The table of refusals by a real server's flaw.

use super::Flaw;
use crate::matrix::Direction;
use crate::peer::Software;

/// One refusal with a real server as the peer.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its test.
    pub test: &'static str,
    /// The peer.
    pub software: Software,
    /// What is wrong with it.
    pub flaw: Flaw,
    /// Who opens the stream that is refused.
    pub direction: Direction,
    /// What the log of the peer must say, in the line that gives [`Flaw::reason`]. A peer without TLS says itself what it lacks.
    pub logged: &'static str,
    /// Condition and type of the error the sender gets. Where the peer opens, its own software has chosen them.
    pub bounced: &'static str,
}

/// Hands every row to the macro `$then`: [`ROWS`] and the tests come from the same lines.
#[macro_export]
macro_rules! interop_refusals {
    ($then:path) => {
        $then! {
            prosody_self_signed_in: Prosody SelfSigned In, "not-authorized (a valid certificate is required: ", "remote-server-timeout, wait";
            prosody_self_signed_out: Prosody SelfSigned Out, "not-authorized (a valid certificate is required: ", "remote-server-timeout, cancel";
            prosody_unknown_authority_in: Prosody UnknownAuthority In, "not-authorized (a valid certificate is required: ", "remote-server-timeout, wait";
            prosody_unknown_authority_out: Prosody UnknownAuthority Out, "not-authorized (a valid certificate is required: ", "remote-server-timeout, cancel";
            prosody_expired_in: Prosody Expired In, "not-authorized (a valid certificate is required: ", "remote-server-timeout, wait";
            prosody_expired_out: Prosody Expired Out, "not-authorized (a valid certificate is required: ", "remote-server-timeout, cancel";
            prosody_not_yet_valid_in: Prosody NotYetValid In, "not-authorized (a valid certificate is required: ", "remote-server-timeout, wait";
            prosody_not_yet_valid_out: Prosody NotYetValid Out, "not-authorized (a valid certificate is required: ", "remote-server-timeout, cancel";
            prosody_wrong_name_in: Prosody WrongName In, "not-authorized (a valid certificate is required: ", "remote-server-timeout, wait";
            prosody_wrong_name_out: Prosody WrongName Out, "not-authorized (a valid certificate is required: ", "remote-server-timeout, cancel";
            prosody_client_auth_only_in: Prosody ClientAuthOnly In, "not-authorized (a valid certificate is required: ", "remote-server-timeout, wait";
            prosody_client_auth_only_out: Prosody ClientAuthOnly Out, "not-authorized (a valid certificate is required: ", "remote-server-timeout, cancel";
            prosody_victim_in_chain_in: Prosody VictimInChain In, "not-authorized (a valid certificate is required: ", "remote-server-timeout, wait";
            prosody_victim_in_chain_out: Prosody VictimInChain Out, "not-authorized (a valid certificate is required: ", "remote-server-timeout, cancel";
            prosody_no_tls_in: Prosody NoTls In, "policy-violation (TLS is required before dialback)", "remote-server-timeout, wait";
            prosody_no_tls_out: Prosody NoTls Out, "Unhandled s2sin_unauthed stream element or stanza: starttls", "remote-server-timeout, cancel";
            prosody_plaintext_leg_in: Prosody PlaintextLeg In, "policy-violation (TLS is required on the authoritative server too)", "remote-server-timeout, wait";
            prosody_unknown_domain_in: Prosody UnknownDomain In, "host-unknown (the domain in 'to' is not served here)", "remote-server-timeout, wait";
            ejabberd_self_signed_in: Ejabberd SelfSigned In, "a valid certificate is required: ", "remote-server-timeout, wait";
            ejabberd_self_signed_out: Ejabberd SelfSigned Out, "a valid certificate is required: ", "remote-server-timeout, cancel";
            ejabberd_unknown_authority_in: Ejabberd UnknownAuthority In, "a valid certificate is required: ", "remote-server-timeout, wait";
            ejabberd_unknown_authority_out: Ejabberd UnknownAuthority Out, "a valid certificate is required: ", "remote-server-timeout, cancel";
            ejabberd_expired_in: Ejabberd Expired In, "a valid certificate is required: ", "remote-server-timeout, wait";
            ejabberd_expired_out: Ejabberd Expired Out, "a valid certificate is required: ", "remote-server-timeout, cancel";
            ejabberd_not_yet_valid_in: Ejabberd NotYetValid In, "a valid certificate is required: ", "remote-server-timeout, wait";
            ejabberd_not_yet_valid_out: Ejabberd NotYetValid Out, "a valid certificate is required: ", "remote-server-timeout, cancel";
            ejabberd_wrong_name_in: Ejabberd WrongName In, "a valid certificate is required: ", "remote-server-timeout, wait";
            ejabberd_wrong_name_out: Ejabberd WrongName Out, "a valid certificate is required: ", "remote-server-timeout, cancel";
            ejabberd_client_auth_only_in: Ejabberd ClientAuthOnly In, "a valid certificate is required: ", "remote-server-timeout, wait";
            ejabberd_client_auth_only_out: Ejabberd ClientAuthOnly Out, "a valid certificate is required: ", "remote-server-timeout, cancel";
            ejabberd_no_tls_in: Ejabberd NoTls In, "STARTTLS is disabled in local configuration (unsupported-feature)", "remote-server-timeout, wait";
            ejabberd_no_tls_out: Ejabberd NoTls Out, "Failed to secure inbound s2s connection: TLS failed: starttls_unsupported", "remote-server-timeout, cancel";
            ejabberd_plaintext_leg_in: Ejabberd PlaintextLeg In, "TLS is required on the authoritative server too", "remote-server-timeout, wait";
            ejabberd_unknown_domain_in: Ejabberd UnknownDomain In, "the domain in 'to' is not served here", "remote-server-timeout, wait";
        }
    };
}

macro_rules! rows {
    ($($test:ident: $software:ident $flaw:ident $direction:ident, $logged:literal, $bounced:literal;)*) => {
        /// The rows, in the order of the page.
        pub const ROWS: &[Row] = &[$(Row {
            test: stringify!($test),
            software: Software::$software,
            flaw: Flaw::$flaw,
            direction: Direction::$direction,
            logged: $logged,
            bounced: $bounced,
        }),*];
    };
}

interop_refusals!(rows);

/// A flaw that no test gives this server.
pub struct LeftOut {
    /// The server.
    pub software: Software,
    /// The flaw.
    pub flaw: Flaw,
    /// Why.
    pub reason: &'static str,
}

/// What is left out, and why.
pub const LEFT_OUT: &[LeftOut] = &[
    LeftOut {
        software: Software::Ejabberd,
        flaw: Flaw::VictimInChain,
        reason: "ejabberd does not start with it: \"no matching private key found for this certificate\"",
    },
    LeftOut { software: Software::Prosody, flaw: Flaw::SpoofedFrom, reason: NO_SPOOFING },
    LeftOut { software: Software::Ejabberd, flaw: Flaw::SpoofedFrom, reason: NO_SPOOFING },
];

const NO_SPOOFING: &str =
    "a real server cannot be made to send what is not its own: a row on the wire";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_of_every_server_is_refused_in_its_directions_or_left_out() {
        for software in Software::ALL {
            for flaw in Flaw::ALL {
                let rows = ROWS.iter().filter(|row| (row.software, row.flaw) == (software, flaw));
                let directions: Vec<Direction> = rows.map(|row| row.direction).collect();
                let left_out =
                    LEFT_OUT.iter().any(|left| (left.software, left.flaw) == (software, flaw));
                let expected = if left_out { &[] } else { flaw.directions() };
                assert_eq!(directions, expected, "{software}, {flaw}");
            }
        }
    }
}
