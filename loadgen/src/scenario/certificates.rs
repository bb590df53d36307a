//! The certificate of a remote domain, right or wrong in the way its kind says.

use s2s_testkit::certs::{Authority, CertSpec, Eku, Issued, Validity, self_signed};

use super::model::{Certificate, Names, Peer};

/// What a domain of this kind shows; with a wildcard what all domains beside it show.
pub(crate) fn issue(authority: &Authority, kind: &Peer, domain: &str) -> Issued {
    let named = match (kind.certificate, kind.wildcard) {
        (Certificate::WrongName, _) => "somebody.else.example".to_owned(),
        (_, true) => match domain.split_once('.') {
            Some((_, parent)) => format!("*.{parent}"),
            None => domain.to_owned(),
        },
        (_, false) => domain.to_owned(),
    };
    let names = [match kind.names {
        // RFC 4985 §2: the service stands before the name, also before a wildcard.
        Names::Srv => format!("_xmpp-server.{named}"),
        Names::Dns | Names::XmppAddr => named,
    }];
    let names = names.each_ref().map(String::as_str);
    let mut spec = CertSpec { eku: Eku::Both, ..CertSpec::default() };
    match kind.names {
        Names::Dns => spec.dns = &names,
        Names::Srv => spec.srv_name = &names,
        Names::XmppAddr => spec.xmpp_addr = &names,
    }
    match kind.certificate {
        Certificate::Expired => spec.validity = Validity::Expired,
        Certificate::ServerOnly => spec.eku = Eku::ServerOnly,
        Certificate::ClientOnly => spec.eku = Eku::ClientOnly,
        Certificate::Valid | Certificate::SelfSigned | Certificate::WrongName => {}
    }
    match kind.certificate {
        Certificate::SelfSigned => self_signed(spec),
        _ => authority.issue(spec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::check;

    const DOMAIN: &str = "d1.kind.peers.example";

    fn contains(issued: &Issued, text: &str) -> bool {
        let der: &[u8] = issued.leaf();
        der.windows(text.len()).any(|window| window == text.as_bytes())
    }

    fn issued(more: &str) -> Issued {
        let scenario = format!(
            "about = \"a test\"\n[peers]\ndomains = 1\n[traffic]\nseconds = 5\nwindow = 64\n[[peer]]\nname = \"kind\"\n{more}\n"
        );
        let scenario =
            check::read("test.toml", &scenario).unwrap_or_else(|refused| panic!("{refused}"));
        issue(&Authority::new("Verona Root"), &scenario.kinds()[0], DOMAIN)
    }

    #[test]
    fn a_certificate_names_what_its_kind_says() {
        for (more, name) in [
            ("", DOMAIN.to_owned()),
            ("names = \"srv\"", format!("_xmpp-server.{DOMAIN}")),
            ("names = \"xmpp-addr\"", DOMAIN.to_owned()),
            ("wildcard = true", "*.kind.peers.example".to_owned()),
            ("names = \"srv\"\nwildcard = true", "_xmpp-server.*.kind.peers.example".to_owned()),
        ] {
            assert!(contains(&issued(more), &name), "{more}");
        }
        assert!(!contains(&issued("certificate = \"wrong-name\""), DOMAIN));
        assert!(!contains(&issued("wildcard = true"), DOMAIN));
    }

    #[test]
    fn a_certificate_lacks_what_its_kind_says() {
        // RFC 5280 §4.2.1.12: the last arc of id-kp-serverAuth and id-kp-clientAuth.
        let usage = |issued: &Issued, arc: u8| {
            let der: &[u8] = issued.leaf();
            der.windows(8).any(|window| window == [0x2b, 6, 1, 5, 5, 7, 3, arc])
        };
        for (certificate, server, client) in [
            ("valid", true, true),
            ("server-only", true, false),
            ("client-only", false, true),
            ("expired", true, true),
        ] {
            let issued = issued(&format!("certificate = \"{certificate}\""));
            assert_eq!((usage(&issued, 1), usage(&issued, 2)), (server, client), "{certificate}");
            assert_eq!(contains(&issued, "211231"), certificate == "expired");
            assert!(contains(&issued, "Verona Root"), "{certificate}");
        }
        assert!(!contains(&issued("certificate = \"self-signed\""), "Verona Root"));
    }
}
