//! Stream features: what we offer, and what a peer offers.

use xmpp_frame::Element;

use crate::ns;

/// What one side announces with XEP-0478: what it takes, not what it sends. `None` announces nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdvertisedLimits {
    /// Longest first-level element in bytes.
    pub max_bytes: Option<u32>,
    /// Seconds of silence after which a stream is closed.
    pub idle_seconds: Option<u32>,
}

impl AdvertisedLimits {
    /// The `<limits/>` among the children of a peer's features or request; `None` without one. A value that is no positive
    /// number says nothing: nobody means that not even an empty stanza may be sent, or that every stream is idle at once.
    pub(crate) fn read(parent: &Element) -> Option<Self> {
        let limits = parent.child("limits", ns::LIMITS)?;
        let number = |name| {
            let value = limits.child(name, ns::LIMITS)?.text().trim().parse().ok();
            value.filter(|value| *value > 0)
        };
        Some(Self { max_bytes: number("max-bytes"), idle_seconds: number("idle-seconds") })
    }

    pub(crate) fn write(self, out: &mut String) {
        if self.max_bytes.is_none() && self.idle_seconds.is_none() {
            return;
        }
        out.push_str("<limits xmlns='");
        out.push_str(ns::LIMITS);
        out.push_str("'>");
        if let Some(bytes) = self.max_bytes {
            out.push_str(&format!("<max-bytes>{bytes}</max-bytes>"));
        }
        if let Some(seconds) = self.idle_seconds {
            out.push_str(&format!("<idle-seconds>{seconds}</idle-seconds>"));
        }
        out.push_str("</limits>");
    }
}

/// STARTTLS in our features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartTlsOffer {
    No,
    Optional,
    Required,
}

/// Features we send as the responding side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) starttls: StartTlsOffer,
    pub(crate) external: bool,
    pub(crate) dialback: bool,
    pub(crate) bidi: bool,
    pub(crate) limits: Option<AdvertisedLimits>,
}

impl Offer {
    /// Appends `<stream:features>`, empty ones too: the peer waits for them (RFC 6120 §4.3.2).
    pub(crate) fn write(&self, out: &mut String) {
        out.push_str("<stream:features>");
        match self.starttls {
            StartTlsOffer::No => {}
            // RFC 6120 §5.4.1: `<required/>` when TLS is mandatory to negotiate.
            StartTlsOffer::Required => {
                out.push_str(&format!("<starttls xmlns='{}'><required/></starttls>", ns::TLS));
            }
            StartTlsOffer::Optional => out.push_str(&format!("<starttls xmlns='{}'/>", ns::TLS)),
        }
        if self.external {
            out.push_str(&format!(
                "<mechanisms xmlns='{}'><mechanism>EXTERNAL</mechanism></mechanisms>",
                ns::SASL
            ));
        }
        if self.dialback {
            // XEP-0220 §2.4.2. COMPAT(Openfire): it dials back only when this element is there.
            out.push_str(&format!(
                "<dialback xmlns='{}'><errors/></dialback>",
                ns::DIALBACK_FEATURE
            ));
        }
        if self.bidi {
            out.push_str(&format!("<bidi xmlns='{}'/>", ns::BIDI_FEATURE));
        }
        if let Some(limits) = self.limits {
            limits.write(out);
        }
        out.push_str("</stream:features>");
    }
}

/// XEP-0288 §2.2: asks for both directions. XEP-0478 §3.2: whoever connects has no features of its own to put its limits into.
pub(crate) fn write_bidi_request(limits: AdvertisedLimits, out: &mut String) {
    let mut inner = String::new();
    limits.write(&mut inner);
    if inner.is_empty() {
        out.push_str(&format!("<bidi xmlns='{}'/>", ns::BIDI));
    } else {
        out.push_str(&format!("<bidi xmlns='{}'>{inner}</bidi>", ns::BIDI));
    }
}

/// Features a peer sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerFeatures {
    pub(crate) starttls: bool,
    pub(crate) external: bool,
    pub(crate) dialback: bool,
    pub(crate) dialback_errors: bool,
    pub(crate) bidi: bool,
    pub(crate) limits: Option<AdvertisedLimits>,
}

impl PeerFeatures {
    pub(crate) fn read(features: &Element) -> Self {
        let external = features.child("mechanisms", ns::SASL).is_some_and(|mechanisms| {
            mechanisms
                .children()
                .any(|child| child.is("mechanism", ns::SASL) && child.text().trim() == "EXTERNAL")
        });
        let dialback = features.child("dialback", ns::DIALBACK_FEATURE);
        Self {
            starttls: features.child("starttls", ns::TLS).is_some(),
            external,
            dialback: dialback.is_some(),
            // The child's namespace differs among servers; its name does not.
            dialback_errors: dialback
                .is_some_and(|element| element.children().any(|child| child.name() == "errors")),
            bidi: features.child("bidi", ns::BIDI_FEATURE).is_some(),
            limits: AdvertisedLimits::read(features),
        }
    }
}
