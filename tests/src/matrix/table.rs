//! The table itself.

use super::Row;
use super::kinds::Certificate as C;
use super::kinds::{Certificate, Rung, Transport};
use crate::peer::Software;

/// Hands every row to the macro `$then`: [`ROWS`] and the tests come from the same lines.
///
/// Columns: module of the tests, server, its place, rung, certificate, transports, how the server authenticates the router.
#[macro_export]
macro_rules! interop_matrix {
    ($then:path) => {
        $then! {
            prosody_verified: Prosody Remote Verified None, [StartTls], Dialback;
            prosody_secure: Prosody Remote Secure SelfSigned, [StartTls DirectTls], Dialback;
            prosody_trusted_any_usage: Prosody Remote Trusted AnyUsage, [StartTls DirectTls], External;
            prosody_trusted_server_auth: Prosody Remote Trusted ServerAuth, [StartTls DirectTls], External;
            prosody_trusted_both_usages: Prosody Remote Trusted ServerAndClientAuth, [StartTls DirectTls], External;
            prosody_trusted_wildcard: Prosody Remote Trusted Wildcard, [StartTls DirectTls], External;
            prosody_trusted_srv_name: Prosody Remote Trusted SrvName, [StartTls DirectTls], External;
            ejabberd_verified: Ejabberd Remote Verified None, [StartTls], Dialback;
            ejabberd_secure: Ejabberd Remote Secure SelfSigned, [StartTls DirectTls], Dialback;
            ejabberd_trusted_any_usage: Ejabberd Remote Trusted AnyUsage, [StartTls DirectTls], External;
            ejabberd_trusted_server_auth: Ejabberd Remote Trusted ServerAuth, [StartTls DirectTls], Dialback;
            ejabberd_trusted_both_usages: Ejabberd Remote Trusted ServerAndClientAuth, [StartTls DirectTls], External;
            ejabberd_trusted_wildcard: Ejabberd Remote Trusted Wildcard, [StartTls DirectTls], Dialback;
            ejabberd_trusted_srv_name: Ejabberd Remote Trusted SrvName, [StartTls DirectTls], Dialback;
            ejabberd_trusted_xmpp_addr: Ejabberd Remote Trusted XmppAddr, [StartTls DirectTls], Dialback;
        }
    };
}

macro_rules! rows {
    ($($name:ident: $software:ident $place:ident $rung:ident $certificate:ident,
       [$($transport:ident)*], $proof:ident;)*) => {
        /// The rows, in the order of the page.
        pub const ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            software: Software::$software,
            place: super::Place::$place,
            rung: Rung::$rung,
            certificate: Certificate::$certificate,
            transports: &[$(Transport::$transport),*],
            router_proves_by: super::Proof::$proof,
        }),*];
    };
}

interop_matrix!(rows);

/// Combinations that are not in the table.
#[derive(Clone, Copy, Debug)]
pub struct LeftOut {
    /// Of this server; of both when absent.
    pub software: Option<Software>,
    /// At this rung.
    pub rung: Rung,
    /// With these certificates.
    pub certificates: &'static [Certificate],
    /// Over this transport; over both when absent.
    pub transport: Option<Transport>,
    /// Why.
    pub reason: &'static str,
}

/// What is left out, and why.
pub const LEFT_OUT: &[LeftOut] = &[
    LeftOut {
        software: None,
        rung: Rung::Verified,
        certificates: &[C::None],
        transport: Some(Transport::DirectTls),
        reason: "there is no TLS without a certificate of the accepting side",
    },
    LeftOut {
        software: None,
        rung: Rung::Verified,
        certificates: &[
            C::SelfSigned,
            C::AnyUsage,
            C::ServerAuth,
            C::ServerAndClientAuth,
            C::Wildcard,
            C::SrvName,
            C::XmppAddr,
        ],
        transport: None,
        reason: "with TLS the pair is on a higher rung",
    },
    LeftOut {
        software: None,
        rung: Rung::Secure,
        certificates: &[C::None],
        transport: None,
        reason: "there is no TLS without a certificate of the accepting side",
    },
    LeftOut {
        software: None,
        rung: Rung::Secure,
        certificates: &[
            C::AnyUsage,
            C::ServerAuth,
            C::ServerAndClientAuth,
            C::Wildcard,
            C::SrvName,
            C::XmppAddr,
        ],
        transport: None,
        reason: "a certificate that proves the domain is rung trusted",
    },
    LeftOut {
        software: None,
        rung: Rung::Trusted,
        certificates: &[C::None, C::SelfSigned],
        transport: None,
        reason: "proves nothing: a row of the refusals",
    },
    LeftOut {
        software: Some(Software::Prosody),
        rung: Rung::Trusted,
        certificates: &[C::XmppAddr],
        transport: None,
        // util/x509.lua compares with "_xmpp-server", mod_s2s_auth_certs says "xmpp-server".
        reason: "Prosody 0.12 never matches an xmppAddr of a server: \"certificate identity validation result: invalid\"",
    },
];

impl LeftOut {
    /// Whether it is about this combination.
    #[must_use]
    pub fn covers(
        &self,
        software: Software,
        rung: Rung,
        certificate: Certificate,
        transport: Transport,
    ) -> bool {
        self.software.is_none_or(|only| only == software)
            && self.rung == rung
            && self.certificates.contains(&certificate)
            && self.transport.is_none_or(|only| only == transport)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_in_the_table_or_left_out_with_a_reason() {
        for software in Software::ALL {
            for rung in Rung::ALL {
                for certificate in Certificate::ALL {
                    for transport in Transport::ALL {
                        let rows = ROWS.iter().filter(|row| {
                            (row.software, row.rung, row.certificate)
                                == (software, rung, certificate)
                                && row.transports.contains(&transport)
                        });
                        let reasons = LEFT_OUT
                            .iter()
                            .filter(|left| left.covers(software, rung, certificate, transport));
                        let found = (rows.count(), reasons.count());
                        let what = (software, rung, certificate, transport);
                        assert!(matches!(found, (1, 0) | (0, 1)), "{what:?}: {found:?}");
                    }
                }
            }
        }
    }
}
