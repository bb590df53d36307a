//! The initiating role: a remote opens a stream, proves its name the way of its rung, and may send; or asks whether a key is right.

use xmpp_frame::{Element, Item};

use super::dialback;
use super::failure::Failure;
use super::ns;
use super::plan::Behaviour;
use super::wire::{Wire, element};
use super::world::{Remote, World};

/// A stream whose headers and features have been exchanged, under TLS if that is what the remote wants.
struct Greeted {
    wire: Wire,
    stream_id: String,
    features: Option<Element>,
}

/// Opens a stream from `remote` to `to` on which `remote` may send.
pub(crate) async fn open(world: &World, remote: &Remote, to: &str) -> Result<Wire, Failure> {
    let mut greeted = greet(world, remote, to).await?;
    match remote.behaviour {
        // Nothing to prove: stanzas may follow the header at once.
        Behaviour::Promiscuous | Behaviour::Pumped => Ok(greeted.wire),
        Behaviour::VerifiedBefore1_0 | Behaviour::Verified | Behaviour::Secure => {
            dial_back(world, remote, to, &mut greeted).await?;
            Ok(greeted.wire)
        }
        Behaviour::Trusted | Behaviour::TrustedDirect => {
            if !world.judge.proves(greeted.wire.pipe.peer_certificates(), to) {
                return Err(Failure::Unproved);
            }
            authenticate(remote, to, &mut greeted).await?;
            Ok(greeted.wire)
        }
        Behaviour::Dead | Behaviour::Unlisted => {
            Err(Failure::Protocol("an unreachable remote does not call"))
        }
    }
}

/// What a receiving server asks the authoritative one (XEP-0220 §2.3).
pub(crate) struct Question<'a> {
    pub(crate) originating: &'a str,
    pub(crate) stream_id: &'a str,
    pub(crate) key: &'a str,
}

/// Asks `question.originating` whether it made the key. The leg is as well protected as the remote's streams are.
pub(crate) async fn verify(
    world: &World,
    remote: &Remote,
    question: &Question<'_>,
) -> Result<bool, Failure> {
    let mut greeted = greet(world, remote, question.originating).await?;
    let Question { originating, stream_id, key } = question;
    let receiving = &remote.domain;
    greeted
        .wire
        .send(&format!(
            "<db:verify from='{receiving}' to='{originating}' id='{stream_id}'>{key}</db:verify>"
        ))
        .await?;
    let answer = answer(&mut greeted.wire, "verify", originating, receiving).await?;
    // The peer may wait for our close; it is not our problem if it is gone already.
    let _ = greeted.wire.send("</stream:stream>").await;
    match answer.attr("type") {
        _ if answer.attr("id") != Some(stream_id) => {
            Err(Failure::Protocol("a verify answer for another stream"))
        }
        Some("valid") => Ok(true),
        Some("invalid") => Ok(false),
        _ => Err(Failure::Refused(error_condition(&answer))),
    }
}

async fn greet(world: &World, remote: &Remote, to: &str) -> Result<Greeted, Failure> {
    let target = world.target(remote, to);
    let mut wire = Wire::connect(target.address, remote.listen.ip(), &world.meter).await?;
    if target.direct {
        let tls = remote.tls.as_ref().ok_or(Failure::Protocol("no certificate for TLS"))?;
        wire.start_tls_as_client(&tls.direct_client, to).await?;
    }
    let mut greeted = hello(wire, remote, to).await?;
    if remote.behaviour.is_tls() && !target.direct {
        greeted = start_tls(greeted, remote, to).await?;
    }
    Ok(greeted)
}

async fn start_tls(greeted: Greeted, remote: &Remote, to: &str) -> Result<Greeted, Failure> {
    let Greeted { mut wire, features, .. } = greeted;
    if features.is_none_or(|features| features.child("starttls", ns::TLS).is_none()) {
        return Err(Failure::NotOffered("STARTTLS"));
    }
    wire.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await?;
    if !wire.element().await?.is("proceed", ns::TLS) {
        return Err(Failure::Protocol("an answer to <starttls/> other than <proceed/>"));
    }
    let tls = remote.tls.as_ref().ok_or(Failure::Protocol("no certificate for TLS"))?;
    wire.start_tls_as_client(&tls.client, to).await?;
    // RFC 6120 §5.4.3.3: what was learnt before TLS is forgotten; the stream begins anew.
    hello(wire, remote, to).await
}

/// Sends the header and reads the peer's, and the features if both sides have a version.
async fn hello(mut wire: Wire, remote: &Remote, to: &str) -> Result<Greeted, Failure> {
    let db = if remote.behaviour.dials_back() { " xmlns:db='jabber:server:dialback'" } else { "" };
    let version = if remote.behaviour.is_version_1() { " version='1.0'" } else { "" };
    let from = &remote.domain;
    wire.send(&format!(
        "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns='jabber:server'{db} from='{from}' to='{to}'{version}>"
    ))
    .await?;
    let header = wire.header().await?;
    let versions = remote.behaviour.is_version_1() && header.version_at_least_1_0();
    // RFC 6120 §4.7.3: the id may be missing only where nothing depends on it; a refusal follows then.
    let stream_id = header.id().map(str::to_owned);
    let features = if versions { Some(features(&mut wire).await?) } else { None };
    let stream_id = stream_id.ok_or(Failure::Protocol("a header without id"))?;
    Ok(Greeted { wire, stream_id, features })
}

async fn features(wire: &mut Wire) -> Result<Element, Failure> {
    let features = wire.element().await?;
    if features.is("features", ns::STREAMS) {
        Ok(features)
    } else {
        Err(Failure::Protocol("no features where they were due"))
    }
}

/// XEP-0220 §2.1: the initiating server sends a key and waits for the answer.
async fn dial_back(
    world: &World,
    remote: &Remote,
    to: &str,
    greeted: &mut Greeted,
) -> Result<(), Failure> {
    let from = &remote.domain;
    let key = dialback::key(&world.dialback_secret, to, from, &greeted.stream_id);
    greeted.wire.send(&format!("<db:result from='{from}' to='{to}'>{key}</db:result>")).await?;
    let answer = answer(&mut greeted.wire, "result", to, from).await?;
    match answer.attr("type") {
        Some("valid") => Ok(()),
        Some("invalid") => Err(Failure::Refused("dialback invalid".to_owned())),
        _ => Err(Failure::Refused(error_condition(&answer))),
    }
}

async fn answer(wire: &mut Wire, name: &str, from: &str, to: &str) -> Result<Element, Failure> {
    match wire.step().await? {
        Item::Element(frame) => {
            let answer = element(&frame)?;
            let ours = answer.is(name, ns::DIALBACK)
                && answer.attr("from") == Some(from)
                && answer.attr("to") == Some(to);
            if ours {
                Ok(answer)
            } else {
                Err(Failure::Protocol("something else where a dialback answer was due"))
            }
        }
        Item::Header(_) => Err(Failure::Protocol("a second header")),
        Item::Close => Err(Failure::Closed),
    }
}

fn error_condition(answer: &Element) -> String {
    let error = answer.children().find(|child| child.name() == "error");
    let condition = error.and_then(|error| error.children().next());
    condition.map_or_else(|| "dialback error".to_owned(), |condition| condition.name().to_owned())
}

/// SASL EXTERNAL (XEP-0178 §3), then the restart that follows it.
async fn authenticate(remote: &Remote, to: &str, greeted: &mut Greeted) -> Result<(), Failure> {
    let mechanisms =
        greeted.features.as_ref().and_then(|features| features.child("mechanisms", ns::SASL));
    if !mechanisms
        .is_some_and(|mechanisms| mechanisms.children().any(|one| one.text().trim() == "EXTERNAL"))
    {
        return Err(Failure::NotOffered("SASL EXTERNAL"));
    }
    let authzid = base64(remote.domain.as_bytes());
    let wire = &mut greeted.wire;
    wire.send(&format!(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>{authzid}</auth>"
    ))
    .await?;
    let answer = wire.element().await?;
    if !answer.is("success", ns::SASL) {
        let condition = answer.children().next().map_or("failure", Element::name);
        return Err(Failure::Refused(condition.to_owned()));
    }
    wire.restart();
    let from = &remote.domain;
    wire.send(&format!(
        "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns='jabber:server' xmlns:db='jabber:server:dialback' from='{from}' to='{to}' version='1.0'>"
    ))
    .await?;
    wire.header().await?;
    features(wire).await?;
    Ok(())
}

/// RFC 4648 §4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = (group >> (18 - 6 * digit)) & 63;
            out.push(if digit <= chunk.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_agrees_with_rfc_4648() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, encoded) in vectors {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
