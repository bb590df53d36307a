//! What to do when a run could not begin: the complaint says what was seen, this says where to look.

use std::net::SocketAddr;

use s2s_testkit::federation::Failure;

use super::play::Target;

/// The component was not taken.
pub(super) fn on_attaching(failure: &Failure, hosted: &str) -> String {
    match failure {
        Failure::Io(_) => "is the server started, and is this its port for components?".to_owned(),
        Failure::StreamError(condition) if condition.starts_with("not-authorized") => format!(
            "the server knows another secret (--component-secret) for {hosted}, or no such component (--hosted)"
        ),
        Failure::StreamError(condition) if condition.starts_with("host-unknown") => {
            format!("the server knows no component {hosted} (--hosted)")
        }
        _ => "is this the server's port for components (--component), and not that for other servers?".to_owned(),
    }
}

/// Streams of remotes were not opened, for these reasons; several may be behind a run, and each is told once.
pub(super) fn on_streams<'a>(
    reasons: impl Iterator<Item = &'a str>,
    target: &Target,
) -> Vec<String> {
    let ca_dir = target.ca_dir.display();
    let mut advice = Vec::new();
    for reason in reasons {
        let Some(reason) = reason.strip_prefix("initiating: ") else { continue };
        let words = if reason.starts_with("transport: Connection refused") {
            format!("nothing listens where the server should accept others (--s2s {})", target.s2s)
        } else if reason.starts_with("the certificate does not prove the name") {
            format!(
                "the server shows another certificate than that of {ca_dir}; after `prepare` it has to load hosted.crt again"
            )
        } else if reason.starts_with("refused: not-authorized")
            || reason.starts_with("SASL EXTERNAL not offered")
        {
            format!(
                "the server does not take the remotes' certificates: it has to trust {ca_dir}/ca.crt for other servers"
            )
        } else if reason.starts_with("STARTTLS not offered")
            || reason.starts_with("protocol: an answer to <starttls/>")
        {
            format!(
                "the server cannot do TLS with other servers: it needs {ca_dir}/hosted.crt and its key, and TLS switched on"
            )
        } else if reason.contains("policy-violation") || reason.contains("not-authorized") {
            "the server demands more of the remotes than their rung offers (see `scenarios`, --rung): lower its demand or raise the rung".to_owned()
        } else {
            continue;
        };
        if !advice.contains(&words) {
            advice.push(words);
        }
    }
    advice
}

/// The server should have asked for the remotes' addresses, and has asked so often.
pub(super) fn on_names(complaint: &str, dns: SocketAddr, queries: u64) -> Option<String> {
    if !complaint.contains("remote-server-") {
        return None;
    }
    Some(match queries {
        0 => format!(
            "the server asked nothing at loadgen's DNS server, {dns} (--dns): it resolves elsewhere, or remembers that it failed before; \
             see that it asks there, and start it anew"
        ),
        _ => format!(
            "the server asked {queries} times at loadgen's DNS server, {dns}: so it found the remotes, and its log says why it did not get \
             on with them; or take the peers it cannot serve out of a copy of the scenario (`scenarios NAME > mine.toml`)"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            s2s: "127.0.0.1:5269".parse().unwrap(),
            direct_tls: None,
            component: "127.0.0.1:5347".parse().unwrap(),
            secret: "secret".to_owned(),
            hosted: vec!["echo.example.org".to_owned()],
            ca_dir: "lg".into(),
            is_pump: false,
        }
    }

    #[test]
    fn a_component_that_is_refused_is_told_what_may_be_wrong() {
        let refused = Failure::StreamError("not-authorized (Invalid handshake)".to_owned());
        assert!(on_attaching(&refused, "echo.example.org").contains("--component-secret"));
        let closed = Failure::StreamError("invalid-namespace".to_owned());
        assert!(on_attaching(&closed, "echo.example.org").contains("port for components"));
        let nobody = Failure::Io(std::io::ErrorKind::ConnectionRefused.into());
        assert!(on_attaching(&nobody, "echo.example.org").contains("is the server started"));
    }

    #[test]
    fn each_reason_leads_to_one_place_to_look_at() {
        for (reason, place) in [
            ("transport: Connection refused (os error 111)", "--s2s 127.0.0.1:5269"),
            ("the certificate does not prove the name", "another certificate than that of lg"),
            ("refused: not-authorized", "lg/ca.crt"),
            ("SASL EXTERNAL not offered", "lg/ca.crt"),
            ("STARTTLS not offered", "lg/hosted.crt"),
            ("stream error policy-violation (Use of STARTTLS required)", "--rung"),
            ("stream error not-authorized", "--rung"),
        ] {
            let reason = format!("initiating: {reason}");
            let advice = on_streams([reason.as_str(), reason.as_str()].into_iter(), &target());
            assert!(matches!(advice.as_slice(), [only] if only.contains(place)), "{advice:?}");
        }
        let unknown = ["initiating: no answer in time", "receiving: transport: Connection refused"];
        assert_eq!(on_streams(unknown.into_iter(), &target()), [""; 0]);
    }

    #[test]
    fn bounces_are_told_apart_by_what_was_asked() {
        let dns = "127.0.0.1:53".parse().unwrap();
        let complaint = "40 bounced with remote-server-not-found";
        assert!(on_names(complaint, dns, 0).unwrap().contains("asked nothing"));
        assert!(on_names(complaint, dns, 20).unwrap().contains("asked 20 times"));
        assert_eq!(on_names("40 lost", dns, 0), None);
    }
}
