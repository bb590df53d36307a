//! Does what the router asks for, and keeps its rule: all actions of one call before the next call.

use std::rc::Rc;

use s2s_proto::{Input, Millis};
use s2s_route::{Action, LinkId, Parcel, ShardId};

use crate::control::ControlRequest;
use crate::link::{Link, Pushed, Stream};
use crate::shard::{Mail, Shard};

/// A peer that took nothing of a write for so long is not waited for.
const STUCK_MS: u64 = 1_000;

/// Somebody the last delivery found slow. The reader that caused it waits a little, so that
/// pressure reaches the sender by TCP before anything must be bounced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pressure {
    /// More than half of what may wait for this link waits.
    Link(LinkId),
    /// This shard is behind with its mail, or one of its components does not read.
    Shard(ShardId),
}

/// What performing an action left to tell the router afterwards.
enum Followup {
    Return(Parcel),
    TooBig(Parcel),
    Settle(Rc<Link>),
    OfferRoom(Rc<Link>),
    Unresolvable(xmpp_addr::Domain),
}

impl Shard {
    /// Performs `actions` and whatever follows from them.
    pub(crate) fn perform(self: &Rc<Self>, now: Millis, actions: Vec<Action>) {
        let mut actions = actions;
        let mut followups = Vec::new();
        while !actions.is_empty() {
            for action in actions.drain(..) {
                self.perform_one(now, action, &mut followups);
            }
            for followup in followups.drain(..) {
                match followup {
                    Followup::Return(parcel) => {
                        self.router.borrow_mut().give_back(now, parcel, &mut actions);
                    }
                    Followup::TooBig(parcel) => {
                        self.router.borrow_mut().too_big(now, parcel, &mut actions);
                    }
                    Followup::Settle(link) => {
                        self.settle(now, &link, &mut link.state.borrow_mut(), &mut actions);
                        self.after_step(&link);
                    }
                    Followup::OfferRoom(link) => self.offer_room(now, &link, &mut actions),
                    Followup::Unresolvable(remote) => {
                        let failure = Err(s2s_route::DnsFailure::Temporary);
                        self.router.borrow_mut().resolved(now, &remote, failure, &mut actions);
                    }
                }
            }
        }
    }

    /// Lets the router send a portion of what waits for this link, if it awaits that and the link has room.
    pub(crate) fn offer_room(
        self: &Rc<Self>,
        now: Millis,
        link: &Rc<Link>,
        actions: &mut Vec<Action>,
    ) {
        let bytes_max = self.live.borrow().settings.limits.outbox_bytes;
        let room = link.state.borrow_mut().take_room(bytes_max);
        if let Some(bytes) = room {
            self.router.borrow_mut().has_room(now, link.id, bytes, actions);
        }
    }

    fn perform_one(self: &Rc<Self>, now: Millis, action: Action, followups: &mut Vec<Followup>) {
        match action {
            Action::Send { link, parcel } => self.send(link, parcel, followups),
            Action::AwaitRoom { link } => {
                if let Some(link) = self.link(link) {
                    link.state.borrow_mut().awaits_room = true;
                    followups.push(Followup::OfferRoom(link));
                }
            }
            Action::Forward { shard, parcel } => self.forward(shard, parcel, followups),
            Action::Resolve { remote } => {
                let request = ControlRequest::Resolve { shard: self.id, remote: remote.clone() };
                if self.common.control.push(request).is_err() {
                    followups.push(Followup::Unresolvable(remote));
                }
            }
            Action::Connect { attempt, pair, targets, avoid } => {
                crate::connect::start(self, attempt, pair, targets, avoid);
            }
            Action::ConnectBackend { lane, address, pair } => {
                crate::connect::start_backend(self, lane, address, pair);
            }
            Action::Authorize { link, pair } => {
                self.outbound(link, followups, |stream| stream.authorize(now, pair));
            }
            Action::Verify { link, request } => {
                self.outbound(link, followups, |stream| stream.verify(now, request));
            }
            Action::Verified { link, pair, outcome, .. } if link.shard == self.id => {
                if let Some(link) = self.link(link) {
                    link.state.borrow_mut().stream.verified(now, pair, outcome);
                    followups.push(Followup::Settle(link));
                }
            }
            Action::Verified { link, pair, outcome, .. } => {
                let letter = Mail::Verified { link, pair, outcome };
                self.outgoing.borrow_mut().send(usize::from(link.shard.0), letter);
            }
            Action::Close { link } => {
                if let Some(link) = self.link(link) {
                    let mut state = link.state.borrow_mut();
                    state.closed_by_us = true;
                    state.stream.handle(now, Input::Shutdown);
                    drop(state);
                    followups.push(Followup::Settle(link));
                }
            }
        }
    }

    fn outbound(
        &self,
        link: LinkId,
        followups: &mut Vec<Followup>,
        call: impl FnOnce(&mut s2s_proto::OutboundStream),
    ) {
        // A link that is gone has been reported to the router, or will be within this step.
        let Some(link) = self.link(link) else { return };
        if let Stream::Outbound { stream, .. } = &mut link.state.borrow_mut().stream {
            call(stream);
        }
        followups.push(Followup::Settle(link));
    }

    fn send(self: &Rc<Self>, id: LinkId, parcel: Parcel, followups: &mut Vec<Followup>) {
        let Some(link) = self.link(id) else {
            followups.push(Followup::Return(parcel));
            return;
        };
        let bytes_max = self.live.borrow().settings.limits.outbox_bytes;
        let mut state = link.state.borrow_mut();
        match state.push(parcel, bytes_max) {
            Pushed::Taken => {
                if state.backlog() > bytes_max / 2 {
                    self.pressure.set(Some(Pressure::Link(id)));
                    if matches!(state.stream, Stream::Component { .. }) {
                        self.set_pressed(true);
                    }
                }
                if !state.writing {
                    state.writing = true;
                    drop(state);
                    crate::tasks::spawn_writer(self, &link);
                }
            }
            Pushed::Gone(parcel) => followups.push(Followup::Return(parcel)),
            Pushed::TooBig(parcel) => followups.push(Followup::TooBig(parcel)),
            Pushed::Full(parcel) => {
                self.pressure.set(Some(Pressure::Link(id)));
                followups.push(Followup::Return(parcel));
            }
        }
    }

    fn forward(&self, shard: ShardId, parcel: Parcel, followups: &mut Vec<Followup>) {
        let mut outgoing = self.outgoing.borrow_mut();
        let place = usize::from(shard.0);
        if outgoing.is_congested(place) {
            self.pressure.set(Some(Pressure::Shard(shard)));
            followups.push(Followup::Return(parcel));
            return;
        }
        outgoing.send(place, Mail::Parcel(parcel));
        if outgoing.is_behind(place) || self.is_pressed(shard) {
            self.pressure.set(Some(Pressure::Shard(shard)));
        }
    }

    /// Whether the cause of a pressure still holds.
    pub(crate) fn holds(&self, now: Millis, pressure: Pressure) -> bool {
        match pressure {
            Pressure::Link(link) => self.link(link).is_some_and(|link| {
                let state = link.state.borrow();
                let most = self.live.borrow().settings.limits.outbox_bytes / 4;
                // A peer that does not read at all must not slow down those who talk to others.
                let moves = state.write_since.is_none_or(|since| now.since(since) < STUCK_MS);
                moves && state.backlog() > most
            }),
            Pressure::Shard(shard) => {
                self.outgoing.borrow().is_behind(usize::from(shard.0)) || self.is_pressed(shard)
            }
        }
    }

    /// A letter from another shard or from the control plane.
    pub(crate) fn on_mail(self: &Rc<Self>, now: Millis, letter: Mail) {
        let mut actions = Vec::new();
        match letter {
            Mail::Parcel(parcel) => self.router.borrow_mut().route(now, parcel, &mut actions),
            Mail::Adopt { stream, side, bytes } => {
                return self.adopt(now, stream, side, &bytes);
            }
            Mail::Verify(ticket) => self.router.borrow_mut().verify(now, ticket, &mut actions),
            Mail::Verified { link, pair, outcome } => {
                if let Some(link) = self.link(link) {
                    self.tell(&link, now, |stream| stream.verified(now, pair, outcome));
                }
                return;
            }
            Mail::Attach(attachment) => self.router.borrow_mut().attach(&attachment),
            Mail::Detach(link) => self.router.borrow_mut().detach(link),
            Mail::Resolved { remote, result } => {
                self.router.borrow_mut().resolved(now, &remote, result, &mut actions);
            }
            Mail::Reload(settings) => {
                self.reload(now, settings, &mut actions);
                self.perform(now, actions);
                return self.review_links(now);
            }
            Mail::Drain => return self.drain(now),
        }
        self.perform(now, actions);
    }
}
