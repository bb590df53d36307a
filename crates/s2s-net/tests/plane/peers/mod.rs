//! Peers that no distribution packages, and peers that behave badly: what they do, byte by byte,
//! and that nobody's stanzas suffer more than they must.

mod dialback;
mod external;
mod named;
mod places;
mod spelling;
mod stages;
mod tls;

use std::sync::Arc;

use s2s_trust::{Roots, Rung};

use crate::support::certs::{Authority, CertSpec, Issued, self_signed};
use crate::support::plane::Plane;
use crate::support::*;

pub(crate) const US: &str = "capulet.example";
pub(crate) const THEM: &str = "montague.example";

/// We have a certificate; so may peers, one that proves their name or one that does not.
pub(crate) struct Verona {
    pub(crate) plane: Plane,
    pub(crate) authority: Authority,
}

impl Verona {
    pub(crate) fn new(minimum: Rung) -> Verona {
        Verona::with(Setup::new().minimum(minimum))
    }

    pub(crate) fn with(mut setup: Setup) -> Verona {
        let authority = Authority::new("Verona Root");
        let ours = authority.issue(CertSpec::for_dns(&[US]));
        let roots = Roots::from_pem(authority.root_pem().as_bytes()).unwrap();
        setup.settings.roots = Arc::new(roots);
        Verona { plane: setup.identity(US, &ours).start(), authority }
    }

    pub(crate) fn trusted(&self, name: &str) -> Issued {
        self.authority.issue(CertSpec::for_dns(&[name]))
    }
}

pub(crate) fn untrusted(name: &str) -> Issued {
    self_signed(CertSpec::for_dns(&[name]))
}

/// A message to us from `remote`, and one from us to it.
pub(crate) fn from(remote: &str, id: &str) -> String {
    message(&format!("romeo@{remote}"), "juliet@capulet.example", id)
}

pub(crate) fn to(remote: &str, id: &str) -> String {
    message("juliet@capulet.example", &format!("romeo@{remote}"), id)
}

/// Waits for the bounce of the message `id`; its type and condition.
#[track_caller]
pub(crate) fn bounce(component: &mut Peer, id: &str) -> String {
    let stanza = component.element();
    assert_eq!((stanza.attr("id"), stanza.attr("type")), (id, "error"), "{}", stanza.text);
    let error = stanza.element.child("error").unwrap();
    format!("{} {}", error.attribute("type"), error.children[0].name)
}
