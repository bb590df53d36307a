//! What came out of a step, held against what the model says.

use s2s_proto::{Event, InboundStream, OutboundStream, RefusedBecause, Stanza};

use crate::config::OWN;
use crate::inbound::{self, Happening, shown};
use crate::law::{Breach, End, Expect, breach};
use crate::outbound;
use crate::seen::Seen;
use crate::wire::Answer;
use crate::words::{BANK, CHAT, EVIL, NAMES, Pair, US, US2};
use crate::world::{Observed, names};

/// One input has a bounded answer. The longest: every open request of a stream fails at once.
const OUTPUTS_MAX: usize = 64;
const BYTES_MAX: usize = 8 * 1024;

pub fn bounds(seen: &[Seen], outputs: usize, bytes: usize) -> Result<(), Breach> {
    if outputs > OUTPUTS_MAX || bytes > BYTES_MAX || seen.len() > OUTPUTS_MAX {
        return breach(
            "one input has a bounded answer",
            format!("{outputs} outputs, {bytes} bytes"),
        );
    }
    Ok(())
}

/// The identity effects of a step on an inbound stream.
pub fn inbound(
    what: &Happening,
    expect: &Expect,
    observed: &Observed,
    our_id: &str,
) -> Result<(), Breach> {
    let closed = ends(what, expect, observed)?;
    let why = || format!("{what:?}: expected {expect:?}, observed {observed:?}");
    let mut verified = None;
    let mut refused = Vec::new();
    let mut unsolicited = None;
    let mut answered = None;
    let mut bidirectional = false;
    for event in &observed.events {
        match event {
            Event::PairVerified(proved) => {
                let row = (names(proved.pair())?, proved.proof());
                if verified.replace(row).is_some() || expect.verified != Some(row) {
                    return breach("no pair is verified without its proof", why());
                }
            }
            Event::PairRefused { why: RefusedBecause::ExternalRefused, .. } => {}
            Event::PairRefused { pair, .. } => refused.push(names(pair)?),
            Event::DialbackAnswered { pair, valid } => answered = Some((names(pair)?, *valid)),
            Event::Unsolicited(kind) => unsolicited = Some(*kind),
            Event::Bidirectional if expect.bidirectional => bidirectional = true,
            Event::Bidirectional => {
                return breach("both directions are agreed on over TLS, before any proof", why());
            }
            // Held against the table of pairs by the model.
            Event::ReverseAuthorized { .. } | Event::ReverseWithdrawn { .. } => {}
            Event::PeerLimits(_) => {}
            Event::StreamOpened { .. } | Event::PeerClosed | Event::PeerError(_) => {}
            _ => return breach("an inbound stream has no such event", why()),
        }
    }
    let said = said_inbound(expect, observed, &why)?;
    admitted(expect, observed, &why)?;
    verify_asked(expect, observed, our_id, &why)?;
    if observed.starts_tls != expect.starts_tls || observed.restarts != expect.success {
        return breach("TLS and SASL restart the stream, nothing else does", why());
    }
    if let Some((pair, valid)) = answered
        && expect.checked != Some((pair.0, pair.1, Some(valid)))
    {
        return breach("a check is answered by what the key is", why());
    }
    // From here on: what an honest peer must get. A stream that may end owes nothing more.
    if closed {
        return Ok(());
    }
    let judged: Vec<Pair> = expect.judge.into_iter().collect();
    if observed.judge != judged {
        return breach("what is claimed is judged, nothing else is", why());
    }
    if verified != expect.verified || said.valid != expect.valid {
        return breach("what is proved is accepted", why());
    }
    let refused_rightly = {
        let mut expected: Vec<Option<Pair>> = expect.refused.iter().copied().map(Some).collect();
        refused.iter().all(|pair| {
            expected
                .iter_mut()
                .find(|known| **known == Some(*pair))
                .is_some_and(|k| k.take().is_some())
        }) && expected.iter().all(Option::is_none)
    };
    if !refused_rightly {
        return breach("what is refused is said to be", why());
    }
    if unsolicited != expect.unsolicited {
        return breach("what nobody asked for is dropped and counted", why());
    }
    if bidirectional != expect.bidirectional {
        return breach("both directions are agreed on when they are asked for in time", why());
    }
    if said.checked != expect.checked.is_some() {
        return breach("a check is answered", why());
    }
    if expect.opened.is_some() != said.opened {
        return breach("a header is answered once it is judged", why());
    }
    if expect.admitted.is_some() != observed.admitted.is_some() {
        return breach("a stanza of a verified pair is admitted", why());
    }
    Ok(())
}

/// Whether the stream ended; law: it does when it must, and not when an honest peer would be hurt.
fn ends(what: &Happening, expect: &Expect, observed: &Observed) -> Result<bool, Breach> {
    let closed = observed.close.is_some();
    let why = || format!("{what:?}: {observed:?}");
    match (expect.end, closed) {
        (End::Must, false) => breach("what the specifications refuse ends the stream", why()),
        (End::Never, true) => {
            breach("what the specifications allow does not end the stream", why())
        }
        _ => Ok(closed),
    }
}

struct Said {
    valid: Option<Pair>,
    checked: bool,
    opened: bool,
}

/// The wire: nothing is conceded on it that the model does not concede.
fn said_inbound(
    expect: &Expect,
    observed: &Observed,
    why: &dyn Fn() -> String,
) -> Result<Said, Breach> {
    let mut said = Said { valid: None, checked: false, opened: false };
    for seen in &observed.seen {
        match seen {
            Seen::ResultAnswer { pair, answer: Answer::Valid } => {
                let twice = said.valid.replace(*pair).is_some();
                if twice || expect.valid != Some(*pair) {
                    return breach("no key is called valid without its proof", why());
                }
            }
            Seen::ResultAnswer { pair, .. } if !expect.refused.contains(pair) => {
                return breach("what is refused is said to be", why());
            }
            Seen::VerifyAnswer { receiving, originating, answer, .. } => {
                said.checked = true;
                let expected = match expect.checked {
                    Some((r, o, ours)) if (r, o) == (*receiving, *originating) => ours,
                    _ => return breach("a check is answered once, to who asked", why()),
                };
                let right = match answer {
                    Answer::Valid => expected == Some(true),
                    Answer::Invalid => expected == Some(false),
                    Answer::Error | Answer::Bogus => expected.is_none(),
                };
                if !right {
                    return breach("a check is answered by what the key is", why());
                }
            }
            Seen::Header { from, version_1, .. } => {
                let Some(opened) = expect.opened else { continue };
                said.opened = true;
                if (*from, *version_1) != (opened.from, opened.version_1) {
                    return breach("the response is from who was asked for", why());
                }
            }
            Seen::Features { starttls, required, external, bidi, .. } => {
                let offered = expect
                    .opened
                    .map(|opened| (opened.starttls, opened.required, opened.external, opened.bidi));
                if offered != Some((*starttls, *required, *external, *bidi)) {
                    return breach("what is offered is what may succeed", why());
                }
            }
            Seen::Success if !expect.success => {
                return breach("no EXTERNAL without its certificate", why());
            }
            Seen::Proceed if !expect.starts_tls => {
                return breach("TLS starts where it was offered", why());
            }
            Seen::ResultKey { .. } | Seen::VerifyKey { .. } => {
                return breach("an inbound stream says no key", why());
            }
            Seen::Auth(_) | Seen::Response(_) | Seen::StartTls | Seen::Handshake | Seen::Bidi => {
                return breach("a receiving server does not say this", why());
            }
            _ => {}
        }
    }
    Ok(said)
}

fn verify_asked(
    expect: &Expect,
    observed: &Observed,
    our_id: &str,
    why: &dyn Fn() -> String,
) -> Result<(), Breach> {
    match (observed.verify.as_slice(), expect.verify) {
        ([], None) => Ok(()),
        ([], Some(_)) if observed.close.is_some() => Ok(()),
        ([request], Some((pair, key, demand))) => {
            let same = names(&request.pair)? == pair && *request.key == *key;
            // The id of the latest header of this stream: the one after TLS.
            if same && request.demand == demand && *request.stream_id == *our_id {
                Ok(())
            } else {
                breach("a key is verified as it came, for the latest stream id", why())
            }
        }
        _ => breach("a key goes out to be verified once", why()),
    }
}

fn admitted(expect: &Expect, observed: &Observed, why: &dyn Fn() -> String) -> Result<(), Breach> {
    let Some(stanza) = &observed.admitted else { return Ok(()) };
    let row = (names(stanza.pair())?, stanza.verified().proof());
    if expect.admitted != Some(row) {
        return breach("no stanza is admitted without its proof", why());
    }
    travels_alone(stanza)
}

/// Law: an admitted stanza says the same on any stream.
fn travels_alone(stanza: &Stanza) -> Result<(), Breach> {
    if stanza.frame().is_self_contained() {
        return Ok(());
    }
    breach("an admitted stanza leans on no header", format!("{stanza:?}"))
}

/// What can be asked of an inbound stream agrees with the model.
pub fn inbound_views(stream: &InboundStream, model: &inbound::Model) -> Result<(), Breach> {
    if stream.is_open() != model.is_open() {
        return breach(
            "a stream is open while a pair is verified",
            format!("{:?}", model.verified),
        );
    }
    if stream.is_blocked() != model.is_blocked() {
        return breach("a stream is blocked while a pair is judged", format!("{:?}", model.phase));
    }
    Ok(())
}

pub fn outbound_views(stream: &OutboundStream, model: &outbound::Model) -> Result<(), Breach> {
    let open = (stream.is_open(), stream.is_blocked(), stream.admits());
    if open != (model.is_open(), model.is_blocked(), model.admits()) {
        return breach(
            "an outbound stream is open, blocked and admits as the model says",
            format!("{open:?}"),
        );
    }
    for pair in [OWN, (US2, BANK), (US, EVIL), (BANK, US), (CHAT, BANK), (EVIL, BANK)] {
        let (sender, target) = (NAMES[usize::from(pair.0)], NAMES[usize::from(pair.1)]);
        if stream.permits(sender, target) != model.permits(pair) {
            return breach("stanzas wait for the authorisation of their pair", shown(pair));
        }
    }
    Ok(())
}

pub fn component(what: &Happening, expect: &Expect, observed: &Observed) -> Result<(), Breach> {
    let closed = ends(what, expect, observed)?;
    let why = || format!("{what:?}: expected {expect:?}, observed {observed:?}");
    let mut attached = false;
    for event in &observed.events {
        match event {
            Event::ComponentAttached { .. } => attached = true,
            Event::PeerClosed | Event::PeerError(_) => {}
            _ => return breach("a component stream has no such event", why()),
        }
    }
    for seen in &observed.seen {
        match seen {
            Seen::Handshake if !expect.attached => {
                return breach("no component is attached without its secret", why());
            }
            Seen::Handshake | Seen::Header { .. } | Seen::StreamError | Seen::Close => {}
            _ => return breach("a component stream does not say this", why()),
        }
    }
    if attached != expect.attached {
        return breach("a component is attached by its secret", why());
    }
    admitted(expect, observed, &why)?;
    if !closed && expect.admitted.is_some() != observed.admitted.is_some() {
        return breach("a stanza of a covered domain is admitted", why());
    }
    let idle = observed.verify.is_empty() && observed.judge.is_empty();
    if !idle || observed.starts_tls || observed.restarts {
        return breach("a component stream asks nobody", why());
    }
    Ok(())
}
