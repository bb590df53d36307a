//! The receiving and the authoritative role: a remote answers streams, has names proved the way of its rung, says whether a key is
//! its own, and counts the stanzas that arrive.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use xmpp_frame::{Element, Frame, Item, Kind};

use super::census::Direction;
use super::dialback;
use super::failure::Failure;
use super::initiating::{self, Question, base64};
use super::links::Seat;
use super::ns;
use super::plan::{Behaviour, Manner};
use super::wire::{STEP, Wire, element};
use super::world::{Remote, Session, World};

/// Which kind of listener a connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    StartTls,
    DirectTls,
}

/// Answers one connection until it ends.
pub(crate) async fn serve(world: Rc<World>, stream: TcpStream, port: Port) {
    let seat = world.links.seat(world.now_ns());
    let mut receiving = match accept(&world, stream, port).await {
        Ok(wire) => Receiving {
            world: Rc::clone(&world),
            wire,
            seat,
            remote: None,
            proved: Vec::new(),
            recalls_seen: None,
            is_closing: false,
        },
        Err(failure) => return world.census.borrow_mut().fail("receiving", &failure),
    };
    if let Err(failure) = receiving.run().await {
        if let Some(condition) = stream_error(&failure) {
            let error = format!(
                "<stream:error><{condition} xmlns='{}'/></stream:error></stream:stream>",
                ns::STREAM_ERRORS
            );
            let _ = receiving.wire.send(&error).await;
        }
        world.census.borrow_mut().fail("receiving", &failure);
    }
}

/// With direct TLS one port may serve many domains: the server name in the handshake says which (XEP-0368 §2.2).
async fn accept(world: &World, stream: TcpStream, port: Port) -> Result<Wire, Failure> {
    if port == Port::StartTls {
        return Ok(Wire::new(stream, &world.meter));
    }
    let start = tokio::time::timeout(STEP, LazyConfigAcceptor::new(Acceptor::default(), stream));
    let start = start.await.map_err(|_| Failure::Silent)?.map_err(Failure::Tls)?;
    let hello = start.client_hello();
    let remote = hello.server_name().and_then(|name| world.remotes.get(name));
    let tls = remote
        .and_then(|remote| remote.tls.as_ref())
        .ok_or(Failure::Protocol("direct TLS for an unknown name"))?;
    let stream = tokio::time::timeout(STEP, start.into_stream(Arc::clone(&tls.direct_server)))
        .await
        .map_err(|_| Failure::Silent)?;
    Ok(Wire::new_tls(stream.map_err(Failure::Tls)?, &world.meter))
}

fn stream_error(failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::Refused(condition) if condition == "host-unknown" => Some("host-unknown"),
        Failure::Refused(_) => Some("not-authorized"),
        Failure::Protocol(_) => Some("policy-violation"),
        Failure::BadXml(_) => Some("not-well-formed"),
        _ => None,
    }
}

struct Proved {
    sender: String,
    target: String,
    _session: Session,
}

struct Receiving {
    world: Rc<World>,
    wire: Wire,
    seat: Seat,
    remote: Option<Rc<Remote>>,
    proved: Vec<Proved>,
    /// Of the remote's recalls, those before this connection; none until its first header names the remote.
    recalls_seen: Option<u32>,
    /// Our side of the stream is closed.
    is_closing: bool,
}

/// What an element leads to.
enum Then {
    GoOn,
    /// A new header follows.
    Restart,
}

/// What is known since the last header.
struct Opened {
    remote: Rc<Remote>,
    from: Option<String>,
    stream_id: String,
    external_offered: bool,
}

impl Receiving {
    async fn run(&mut self) -> Result<(), Failure> {
        loop {
            let Some(opened) = self.open().await? else { return Ok(()) };
            loop {
                let now_ns = self.world.now_ns();
                let mut arrived = false;
                let mut restart = false;
                while let Some(item) = self.wire.ready()? {
                    match item {
                        Item::Element(frame) if frame.kind() != Kind::Other => {
                            self.stanza(&opened, &frame, now_ns)?;
                            arrived = true;
                        }
                        Item::Element(frame) => match self.nonza(&opened, &element(&frame)?).await?
                        {
                            Then::GoOn => {}
                            Then::Restart => {
                                restart = true;
                                break;
                            }
                        },
                        Item::Close => {
                            if !self.is_closing {
                                let _ = self.wire.send("</stream:stream>").await;
                            }
                            return Ok(());
                        }
                        Item::Header(_) => return Err(Failure::Protocol("a second header")),
                    }
                }
                if arrived {
                    self.world.batch_arrived();
                }
                if restart {
                    break;
                }
                if !self.more(&opened.remote).await? {
                    return Ok(());
                }
            }
        }
    }

    /// Waits for bytes; `false` when the connection has ended, or was ended here.
    async fn more(&mut self, remote: &Remote) -> Result<bool, Failure> {
        // One that is being negotiated is called back when it may carry stanzas, and not before: a peer that has just asked for TLS
        // or shown a key waits for the answer, and finds a fault in anything else.
        let recalls_seen = self.recalls_seen.filter(|_| self.carries(remote));
        tokio::select! {
            // Polled first: nearly always it is what happens, and nothing else needs to be registered then.
            biased;
            more = self.wire.read() => {
                self.seat.touch(self.world.now_ns());
                return more;
            }
            () = self.seat.dismissed(), if !self.is_closing => {}
            () = remote.recall.called_after(recalls_seen) => {}
            () = remote.reset_due() => {
                self.wire.reset();
                return Ok(false);
            }
        }
        self.recalls_seen = Some(remote.recall.count());
        if remote.recall.is_dead() {
            self.wire.reset();
            return Ok(false);
        }
        // RFC 6120 §4.4: the peer may go on until it closes its side too, so what is under way still arrives.
        if !self.is_closing {
            self.is_closing = true;
            self.wire.send("</stream:stream>").await?;
        }
        Ok(true)
    }

    /// Whether stanzas may come on it.
    fn carries(&self, remote: &Remote) -> bool {
        remote.behaviour.trusts_names() || !self.proved.is_empty()
    }

    /// What a remote does that does not answer; `false` when this one does.
    async fn ignores(&mut self, remote: &Remote) -> Result<bool, Failure> {
        if remote.recall.is_dead() {
            self.wire.reset();
            return Ok(true);
        }
        if remote.manner == Manner::Silent {
            let listening = async {
                while self.wire.next().await?.is_some() {}
                Ok::<(), Failure>(())
            };
            tokio::select! {
                ended = listening => ended?,
                () = self.seat.dismissed() => {}
            }
            return Ok(true);
        }
        if let Manner::SlowReader(bytes_a_second) = remote.manner {
            self.wire.slow_down(bytes_a_second);
        }
        Ok(false)
    }

    /// Reads the peer's header, answers with ours and with the features. None when the remote does not answer.
    async fn open(&mut self) -> Result<Option<Opened>, Failure> {
        let header = self.wire.header().await?;
        let stream_id = self.world.stream_id();
        let to = header.to().unwrap_or_default();
        let found = self.world.remotes.get(to).cloned();
        if let Some(remote) = &found {
            if self.ignores(remote).await? {
                return Ok(None);
            }
            // A restart is no new connection: who was recalled while it was negotiated still has to go.
            self.recalls_seen.get_or_insert(remote.recall.count());
        }
        let behaviour = found.as_ref().map_or(Behaviour::Verified, |remote| remote.behaviour);
        let db = if behaviour.dials_back() { " xmlns:db='jabber:server:dialback'" } else { "" };
        let version_1 = header.version_at_least_1_0() && behaviour.is_version_1();
        let version = if version_1 { " version='1.0'" } else { "" };
        let to_attribute = header
            .from()
            .map_or_else(String::new, |from| format!(" to='{}'", xmpp_frame::escape::attr(from)));
        let head = format!(
            "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server'{db} \
             from='{}'{to_attribute} id='{stream_id}'{version} xml:lang='en'>",
            xmpp_frame::escape::attr(to)
        );
        let Some(remote) = found else {
            self.wire.send(&head).await?;
            return Err(Failure::Refused("host-unknown".to_owned()));
        };
        let from = header.from().map(str::to_owned);
        let external_offered = self.may_use_external(&remote, from.as_deref());
        let features =
            if version_1 { self.features(&remote, external_offered) } else { String::new() };
        self.wire.send(&format!("{head}{features}")).await?;
        self.remote = Some(Rc::clone(&remote));
        Ok(Some(Opened { remote, from, stream_id, external_offered }))
    }

    /// EXTERNAL is offered only to those who will succeed with it.
    fn may_use_external(&self, remote: &Remote, from: Option<&str>) -> bool {
        let trusted = matches!(remote.behaviour, Behaviour::Trusted | Behaviour::TrustedDirect);
        let proves = |from| self.world.judge.proves(self.wire.pipe.peer_certificates(), from);
        trusted && self.proved.is_empty() && self.wire.pipe.is_tls() && from.is_some_and(proves)
    }

    fn features(&self, remote: &Remote, external: bool) -> String {
        let mut features = String::from("<stream:features>");
        if remote.behaviour.is_tls() && !self.wire.pipe.is_tls() {
            features.push_str(
                "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>",
            );
        } else if remote.behaviour.dials_back() && self.proved.is_empty() {
            if external {
                features.push_str("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>");
            }
            features.push_str("<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>");
        }
        features.push_str("</stream:features>");
        features
    }

    fn stanza(&mut self, opened: &Opened, frame: &Frame, now_ns: u64) -> Result<(), Failure> {
        let (Some(from), Some(to)) = (frame.from(), frame.to()) else {
            self.world.stray();
            return Err(Failure::Protocol("a stanza without addresses"));
        };
        let (sender, target) = (domain(&from), domain(&to));
        if !self.may_send(sender, target) {
            // The first servers took every name on trust.
            if !opened.remote.behaviour.trusts_names() || target != opened.remote.domain {
                self.world.stray();
                return Err(Failure::Refused(format!(
                    "a stanza from {sender} to {target} without proof"
                )));
            }
            self.prove(&opened.remote, sender.to_owned());
        }
        self.world.arrive(frame, now_ns, None);
        Ok(())
    }

    fn may_send(&self, sender: &str, target: &str) -> bool {
        self.proved.iter().any(|pair| pair.sender == sender && pair.target == target)
    }

    fn prove(&mut self, remote: &Remote, sender: String) {
        // Only those with a rung listen.
        let Some(rung) = remote.behaviour.rung() else { return };
        if !self.may_send(&sender, &remote.domain) {
            let session = Session::begin(&self.world, Direction::Outbound, rung);
            self.proved.push(Proved { sender, target: remote.domain.clone(), _session: session });
        }
    }

    async fn nonza(&mut self, opened: &Opened, nonza: &Element) -> Result<Then, Failure> {
        let remote = &opened.remote;
        match (nonza.name(), nonza.namespace()) {
            // RFC 6120 §4.4: nothing may follow our close tag; the peer reads it and knows that it has no answer.
            _ if self.is_closing => Ok(Then::GoOn),
            ("starttls", ns::TLS) if remote.behaviour.is_tls() && !self.wire.pipe.is_tls() => {
                self.wire.send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await?;
                let tls = remote.tls.as_ref().ok_or(Failure::Protocol("no certificate for TLS"))?;
                self.wire.start_tls_as_server(&tls.server).await?;
                Ok(Then::Restart)
            }
            ("auth", ns::SASL) if opened.external_offered => self.external(opened, nonza).await,
            ("result", ns::DIALBACK) if nonza.attr("type").is_none() => {
                self.result(opened, nonza).await?;
                Ok(Then::GoOn)
            }
            ("verify", ns::DIALBACK) if nonza.attr("type").is_none() => {
                self.verify(remote, nonza).await?;
                Ok(Then::GoOn)
            }
            // A request or a feature of later times, to be ignored by who does not know it.
            ("bidi" | "limits", _) => Ok(Then::GoOn),
            _ => Err(Failure::Protocol("an element that was not offered")),
        }
    }

    async fn external(&mut self, opened: &Opened, auth: &Element) -> Result<Then, Failure> {
        let from = opened.from.clone().unwrap_or_default();
        let authzid = auth.text();
        if auth.attr("mechanism") != Some("EXTERNAL")
            || !(authzid == "=" || authzid == base64(from.as_bytes()))
        {
            self.wire.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><invalid-authzid/></failure>").await?;
            return Err(Failure::Protocol("an authzid that is not the sender's domain"));
        }
        self.wire.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>").await?;
        self.wire.restart();
        self.prove(&Rc::clone(&opened.remote), from);
        Ok(Then::Restart)
    }

    /// XEP-0220 §2.2: somebody wants to send and shows a key.
    async fn result(&mut self, opened: &Opened, result: &Element) -> Result<(), Failure> {
        let remote = Rc::clone(&opened.remote);
        let (Some(from), Some(to)) = (result.attr("from"), result.attr("to")) else {
            return Err(Failure::Protocol("a dialback element without addresses"));
        };
        let refusal = if to != remote.domain {
            Some("item-not-found")
        } else if remote.behaviour.is_tls() && !self.wire.pipe.is_tls() {
            Some("policy-violation")
        } else {
            None
        };
        let outcome = match refusal {
            Some(condition) => Err(Cow::Borrowed(condition)),
            None => self.judge(&remote, opened, from, result.text().trim()).await,
        };
        let sender = xmpp_frame::escape::attr(from);
        let target = xmpp_frame::escape::attr(to);
        let db = prefix_declared(&remote);
        match outcome {
            Ok(true) => {
                self.prove(&remote, from.to_owned());
                self.wire
                    .send(&format!("<db:result{db} from='{target}' to='{sender}' type='valid'/>"))
                    .await
            }
            Ok(false) => {
                self.wire
                    .send(&format!("<db:result{db} from='{target}' to='{sender}' type='invalid'/>"))
                    .await?;
                Err(Failure::Refused("a key that its server did not make".to_owned()))
            }
            Err(condition) => {
                self.wire
                    .send(&format!(
                        "<db:result{db} from='{target}' to='{sender}' type='error'><error type='cancel'>\
                         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>"
                    ))
                    .await?;
                self.world
                    .census
                    .borrow_mut()
                    .fail("receiving", &Failure::Refused(format!("dialback: {condition}")));
                Ok(())
            }
        }
    }

    async fn judge(
        &self,
        remote: &Remote,
        opened: &Opened,
        from: &str,
        key: &str,
    ) -> Result<bool, Cow<'static, str>> {
        match remote.behaviour {
            Behaviour::Promiscuous | Behaviour::Pumped => Ok(true),
            // XEP-0344 §2.4: the certificate answers in place of the other server.
            Behaviour::Trusted | Behaviour::TrustedDirect => {
                let proves = self.world.judge.proves(self.wire.pipe.peer_certificates(), from);
                if proves { Ok(true) } else { Err(Cow::Borrowed("not-authorized")) }
            }
            _ => {
                let question = Question { originating: from, stream_id: &opened.stream_id, key };
                // A verify leg opens a stream and never waits for one that waits for this: the recursion ends here.
                let leg = Box::pin(initiating::verify(&self.world, remote, &question)).await;
                leg.map_err(|failure| {
                    self.world.census.borrow_mut().fail("verify leg", &failure);
                    Cow::Borrowed("remote-connection-failed")
                })
            }
        }
    }

    /// XEP-0220 §2.4: as authoritative server, say whether a key is ours.
    async fn verify(&mut self, remote: &Remote, verify: &Element) -> Result<(), Failure> {
        let (Some(from), Some(to), Some(id)) =
            (verify.attr("from"), verify.attr("to"), verify.attr("id"))
        else {
            return Err(Failure::Protocol("a dialback element without addresses"));
        };
        if remote.behaviour.is_tls() && !self.wire.pipe.is_tls() {
            return Err(Failure::Protocol(
                "a verify leg in the clear to a remote that demands TLS",
            ));
        }
        let expected = dialback::key(&self.world.dialback_secret, from, &remote.domain, id);
        let answer = if to == remote.domain && verify.text().trim() == expected {
            "valid"
        } else {
            "invalid"
        };
        let [from, to, id] = [from, to, id].map(xmpp_frame::escape::attr);
        let db = prefix_declared(remote);
        self.wire
            .send(&format!("<db:verify{db} from='{to}' to='{from}' id='{id}' type='{answer}'/>"))
            .await
    }
}

/// The header of who does not dial back has not declared the prefix; those who ask all the same, as Prosody does, are answered.
fn prefix_declared(remote: &Remote) -> &'static str {
    if remote.behaviour.dials_back() { "" } else { " xmlns:db='jabber:server:dialback'" }
}

/// The domain of a JID (RFC 7622 §3.2).
pub(crate) fn domain(jid: &str) -> &str {
    let bare = memchr::memchr(b'/', jid.as_bytes()).map_or(jid, |at| &jid[..at]);
    memchr::memchr(b'@', bare.as_bytes()).map_or(bare, |at| &bare[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::domain;

    #[test]
    fn a_domain_is_what_stands_between_the_first_at_sign_and_the_first_slash() {
        for (jid, expected) in [
            ("capulet.example", "capulet.example"),
            ("juliet@capulet.example", "capulet.example"),
            ("juliet@capulet.example/balcony", "capulet.example"),
            ("capulet.example/at@night/fall", "capulet.example"),
            ("juliet@capulet.example/at@night", "capulet.example"),
            ("", ""),
        ] {
            assert_eq!(domain(jid), expected, "{jid}");
        }
    }
}
