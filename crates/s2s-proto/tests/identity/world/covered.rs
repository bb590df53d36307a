//! What a step has reached.

use s2s_proto::HowAuthorized;

use super::*;

pub(super) fn cover_inbound(
    cover: &mut Coverage,
    what: &Happening,
    observed: &Observed,
    model: &inbound::Model,
    before: usize,
) {
    if observed.starts_tls {
        cover.hit(Point::InboundTls);
    } else if observed.restarts {
        cover.hit(Point::InboundRestart);
    } else if model.verified.len() < before && observed.close.is_none() {
        cover.hit(Point::Withdrawn);
    }
    if model.phase == inbound::Phase::Closing {
        cover.hit(Point::InboundClosing);
        if observed.admitted.is_some() {
            cover.hit(Point::AdmittedClosing);
        }
    }
    for seen in &observed.seen {
        match seen {
            Seen::Challenge => cover.hit(Point::Challenged),
            Seen::SaslFailure => cover.hit(Point::SaslFailed),
            Seen::VerifyAnswer { answer: wire::Answer::Error, .. } => cover.hit(Point::CheckError),
            Seen::Header { version_1: false, .. } => cover.hit(Point::InboundOld),
            _ => {}
        }
    }
    if let Happening::Item(Meaning::Header(header)) = what {
        if model.phase == inbound::Phase::Open {
            cover.hit(Point::InboundNameless);
        }
        if model.was_authenticated() && observed.close.is_some() && header.fit {
            cover.hit(Point::RestartOtherNames);
        }
        if model.tls && !model.was_authenticated() {
            cover.hit(Point::InboundDirect);
        }
    }
    if matches!(what, Happening::Judged(..))
        && model.was_authenticated()
        && observed.close.is_some()
    {
        cover.hit(Point::RestartNotProved);
    }
}

pub(super) fn cover_outbound(cover: &mut Coverage, model: &outbound::Model, observed: &Observed) {
    match model.phase {
        outbound::Phase::Header => cover.hit(Point::OutHeader),
        outbound::Phase::Features => cover.hit(Point::OutFeatures),
        outbound::Phase::Proceed => cover.hit(Point::OutProceed),
        outbound::Phase::Tls => cover.hit(Point::OutTls),
        outbound::Phase::Sasl => cover.hit(Point::OutSasl),
        outbound::Phase::Ready => cover.hit(Point::OutReady),
        outbound::Phase::Closing => cover.hit(Point::OutClosing),
        outbound::Phase::Transport { .. } | outbound::Phase::Closed => {}
    }
    for event in &observed.events {
        match event {
            Event::PairAuthorized { how: HowAuthorized::Asserted, .. } if model.reverse.agreed => {
                cover.hit(Point::AuthorizedAssertedBidi);
            }
            Event::PairAuthorized { pair, .. } if names(pair) != Ok(OWN) => {
                cover.hit(Point::AuthorizedSecond);
            }
            _ => {}
        }
    }
    for seen in &observed.seen {
        match seen {
            Seen::ResultAnswer { answer: wire::Answer::Valid, .. } => {
                cover.hit(Point::AdmittedAgain);
            }
            Seen::ResultAnswer { answer: wire::Answer::Error, .. }
                if model.last_judged().is_some() =>
            {
                cover.hit(Point::AdmittedNoMore);
            }
            _ => {}
        }
    }
    let judged = model.last_judged();
    if let Some(demand) = judged {
        cover.judged(false, demand);
    }
}
