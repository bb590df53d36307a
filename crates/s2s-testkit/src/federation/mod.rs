//! A simulated federation over real TCP and TLS: many remote domains, each a server of its own in the initiating, the receiving and
//! the authoritative role, and components attached to the router under test.
//!
//! It is written against the specifications, on the framer alone: the streams of `s2s-proto` are under test, so they do not sit on
//! both ends. Peers from before version 1.0, which those streams do not play, are played here.
//!
//! - [`Federation::start`] takes a [`FederationPlan`]: remotes with their [`Behaviour`], the address of the router, roots, a seed.
//! - [`Federation::attach`] attaches components, [`Federation::add_flow`] says who writes to whom.
//! - [`Federation::open`] opens all streams the flows need, [`Federation::run`] sends and answers an [`Outcome`].
//! - [`Ledger`] keeps the books: every stanza is delivered or bounced exactly once, in order per (from, to), unchanged.
//!
//! Everything runs on one thread, inside a [`tokio::task::LocalSet`]; dropping the federation ends it. The same seed gives the same
//! order of stanzas; times are the machine's.
//!
//! Tests: `tests.rs` here (rung by rung, remotes among themselves), and beside the code of each file.

mod canonical;
mod census;
mod component;
mod dialback;
mod failure;
mod initiating;
mod ledger;
mod link;
mod links;
mod meter;
mod ns;
mod outbox;
pub mod payload;
mod pipe;
pub mod plan;
mod receiving;
pub mod schedule;
mod template;
#[cfg(test)]
mod tests;
mod tls;
mod traffic;
mod wire;
mod world;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, spawn_local};

pub use census::{Census, Direction};
pub use component::ComponentPlan;
pub use failure::Failure;
pub use ledger::{Arrival, GroupTally, Ledger, Tally};
pub use meter::{Counts, Handshakes};
pub use plan::{Behaviour, Manner, RemotePlan, RouterAddress, Rung};
pub use schedule::{Arrivals, Popularity};
pub use template::{Repertoire, Template};
pub use tls::Credentials;
pub use traffic::{Outcome, Pace, Work};

use outbox::{Call, Outbox};
use receiving::Port;
use tls::{DomainTls, Judge};
use world::{Flow, Recall, Remote, World};

/// Connections that wait in a listener's queue.
const BACKLOG: u32 = 1024;

/// What a federation is started with.
#[derive(Debug)]
pub struct FederationPlan {
    /// The remote domains.
    pub remotes: Vec<RemotePlan>,
    /// Where every domain is called that is not one of them.
    pub router: RouterAddress,
    /// What trusted remotes trust.
    pub roots: Vec<CertificateDer<'static>>,
    /// For names of streams, keys and the order of stanzas.
    pub seed: u64,
}

/// A running federation.
#[derive(Debug)]
pub struct Federation {
    world: Rc<World>,
    seed: u64,
    links: HashMap<(String, String), Link>,
    components: HashMap<String, Rc<Outbox>>,
    /// Plain messages by the length of their body.
    texts: HashMap<usize, Rc<Repertoire>>,
    tasks: Vec<AbortHandle>,
}

#[derive(Debug)]
struct Link {
    remote: Rc<Remote>,
    outbox: Rc<Outbox>,
    started: bool,
}

impl Link {
    fn start(
        &mut self,
        world: &Rc<World>,
        target: &str,
        opened: Option<oneshot::Sender<bool>>,
    ) -> AbortHandle {
        self.started = true;
        let (remote, outbox) = (Rc::clone(&self.remote), Rc::clone(&self.outbox));
        spawn_local(link::carry(Rc::clone(world), remote, target.to_owned(), outbox, opened))
            .abort_handle()
    }
}

/// Which way the stanzas of a flow go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// To the recipient, counted there.
    OneWay,
    /// To a component of this federation that sends them back; counted at the sender.
    Echo,
}

impl Federation {
    /// Binds all listeners and answers streams from now on.
    ///
    /// # Errors
    /// When an address cannot be bound, or a remote with TLS has no usable certificate.
    ///
    /// # Panics
    /// Outside a [`tokio::task::LocalSet`].
    pub fn start(plan: FederationPlan) -> anyhow::Result<Federation> {
        let mut remotes = HashMap::new();
        let mut ports = BTreeMap::new();
        let mut certificates = HashMap::new();
        for remote in plan.remotes {
            let remote = prepare(remote, &mut certificates)?;
            anyhow::ensure!(
                remote.behaviour != Behaviour::Pumped || plan.router.direct_tls.is_some(),
                "{} needs the address of a pump, for direct TLS",
                remote.domain
            );
            let port = match remote.behaviour {
                Behaviour::Dead | Behaviour::Unlisted => None,
                behaviour if behaviour.is_direct() => Some(Port::DirectTls),
                _ => Some(Port::StartTls),
            };
            if let Some(port) = port {
                let known = *ports.entry(remote.listen).or_insert(port);
                anyhow::ensure!(
                    known == port,
                    "{} cannot share {} with domains of the other kind of TLS",
                    remote.domain,
                    remote.listen
                );
            }
            remotes.insert(remote.domain.clone(), Rc::new(remote));
        }
        let world = Rc::new(World::new(remotes, plan.router, Judge::new(plan.roots), plan.seed));
        let mut federation = Federation {
            world,
            seed: plan.seed,
            links: HashMap::new(),
            components: HashMap::new(),
            texts: HashMap::new(),
            tasks: Vec::new(),
        };
        for (address, port) in ports {
            federation.listen(address, port)?;
        }
        Ok(federation)
    }

    fn listen(&mut self, address: SocketAddr, port: Port) -> anyhow::Result<()> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address).with_context(|| format!("binding {address}"))?;
        let listener = socket.listen(BACKLOG).with_context(|| format!("listening on {address}"))?;
        let world = Rc::clone(&self.world);
        let accepting = spawn_local(async move {
            // Streams end with their listener: the set is dropped with this task.
            let mut streams = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => drop(streams.spawn_local(receiving::serve(Rc::clone(&world), stream, port))),
                        // Out of descriptors: let others close theirs.
                        Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                    },
                    Some(_) = streams.join_next() => {}
                }
            }
        });
        self.tasks.push(accepting.abort_handle());
        Ok(())
    }

    /// Attaches a component to the router.
    ///
    /// # Errors
    /// When the router does not accept it.
    pub async fn attach(&mut self, component: &ComponentPlan) -> Result<(), Failure> {
        let wire = component::attach(component, &self.world.meter).await?;
        let outbox = Rc::new(Outbox::default());
        let (world, domain) = (Rc::clone(&self.world), component.domain.clone());
        let task = spawn_local(component::carry(world, domain, wire, Rc::clone(&outbox)));
        self.tasks.push(task.abort_handle());
        self.components.insert(component.domain.clone(), outbox);
        Ok(())
    }

    /// Adds messages from one address to another, as [`Federation::add_flow_of`] does. `body_bytes` is the length of the body, at least
    /// [`payload::BODY_BYTES_MIN`].
    ///
    /// # Errors
    /// When the sender is neither.
    pub fn add_flow(
        &mut self,
        from: &str,
        to: &str,
        course: Course,
        body_bytes: usize,
    ) -> anyhow::Result<u32> {
        let texts = self.texts.entry(body_bytes);
        let text = Rc::clone(texts.or_insert_with(|| Rc::new(Repertoire::text(body_bytes))));
        self.add_flow_of(from, to, course, &text)
    }

    /// Adds stanzas from one address to another; answers the number of the flow. The sender's domain is a remote or an attached
    /// component.
    ///
    /// # Errors
    /// When the sender is neither.
    pub fn add_flow_of(
        &mut self,
        from: &str,
        to: &str,
        course: Course,
        repertoire: &Rc<Repertoire>,
    ) -> anyhow::Result<u32> {
        self.add_flow_in(0, from, to, course, repertoire)
    }

    /// As [`Federation::add_flow_of`], with the group in whose books it is kept besides ([`Federation::groups`]). Groups should be few.
    ///
    /// # Errors
    /// When the sender is neither.
    pub fn add_flow_in(
        &mut self,
        group: u16,
        from: &str,
        to: &str,
        course: Course,
        repertoire: &Rc<Repertoire>,
    ) -> anyhow::Result<u32> {
        let (sender, target) = (receiving::domain(from), receiving::domain(to));
        let outbox = match (self.components.get(sender), self.world.remotes.get(sender)) {
            (Some(outbox), _) => Rc::clone(outbox),
            (None, Some(remote)) => {
                let link =
                    self.links.entry((sender.to_owned(), target.to_owned())).or_insert_with(|| {
                        Link { remote: Rc::clone(remote), outbox: Rc::default(), started: false }
                    });
                Rc::clone(&link.outbox)
            }
            (None, None) => anyhow::bail!("{sender} is neither a remote nor an attached component"),
        };
        let number = self.world.ledger.borrow_mut().add_flow_in(group);
        let template = Template::new(number, from, to, repertoire);
        let echoed = course == Course::Echo;
        let flow = Flow { from: from.to_owned(), to: to.to_owned(), template, outbox, echoed };
        self.world.flows.borrow_mut().push(flow);
        Ok(number)
    }

    /// Opens the links of all remotes that send. Answers how many could not be opened; [`Census::failures`] says why.
    pub async fn open(&mut self) -> usize {
        let mut waiting = Vec::new();
        // In an order of its own, so that runs are alike.
        let mut links: Vec<_> = self.links.iter_mut().filter(|(_, link)| !link.started).collect();
        links.sort_by(|one, other| one.0.cmp(other.0));
        for ((_, target), link) in links {
            let (opened, is_open) = oneshot::channel();
            self.tasks.push(link.start(&self.world, target, Some(opened)));
            waiting.push(is_open);
        }
        let mut failed = 0;
        for is_open in waiting {
            if !matches!(is_open.await, Ok(true)) {
                failed += 1;
            }
        }
        failed
    }

    /// Has the links of all remotes that send open when they have something to send, and not before.
    pub fn open_on_demand(&mut self) {
        for ((_, target), link) in self.links.iter_mut().filter(|(_, link)| !link.started) {
            self.tasks.push(link.start(&self.world, target, None));
        }
    }

    /// Keeps at most so many connections open from now on, both roles together: for a further one, the one that has been idle longest is
    /// closed in order. What is to be sent on it later opens it again.
    pub fn limit_links(&self, max: usize) {
        self.world.links.limit(max);
    }

    /// Sends one stanza in each flow and waits until all are settled, or nothing has arrived for `patience`.
    pub async fn warm_up(&self, flows: &[u32], patience: Duration) -> Tally {
        let before = self.tally();
        traffic::once(&self.world, flows, patience).await;
        self.tally() - before
    }

    /// Makes this share of the remotes close all their streams in order, and open again at once those on which they send. What waits
    /// for them goes over the new ones.
    pub fn reconnect(&self, percent: u8) {
        self.call(percent, Call::Reconnect);
    }

    /// Makes this share of the remotes reset all their connections and stay away: they open none, and who calls them is reset.
    pub fn kill(&self, percent: u8) {
        self.call(percent, Call::Die);
    }

    fn call(&self, percent: u8, call: Call) {
        let mut remotes: Vec<_> = self.world.remotes.values().collect();
        remotes.sort_unstable_by(|one, other| one.domain.cmp(&other.domain));
        // 61 and 100 have no factor in common: of each hundred in a row so many are met, whatever their kinds.
        let called = remotes.iter().enumerate().filter(|(at, _)| at * 61 % 100 < percent.into());
        let called: HashSet<&str> = called.map(|(_, remote)| remote.domain.as_str()).collect();
        for remote in remotes.iter().filter(|remote| called.contains(remote.domain.as_str())) {
            remote.recall.call(call);
        }
        let is_called = |link: &&Link| link.started && called.contains(link.remote.domain.as_str());
        self.links.values().filter(is_called).for_each(|link| link.outbox.call(call));
    }

    /// From now on remotes write at most so many stanzas at once on each link that there is, however many wait: each such part goes to the
    /// operating system, and under TLS into records, by itself; in a closed loop every write has so many. Without it everything that
    /// waits leaves together.
    pub fn limit_writes(&self, stanzas: NonZeroU32) {
        self.world.write_stanzas.set(Some(stanzas));
        self.links.values().for_each(|link| link.outbox.limit_writes(stanzas));
    }

    /// Sends over `flows` and answers what came of it.
    pub async fn run(&self, flows: &[u32], work: Work) -> Outcome {
        traffic::run(&self.world, flows, work, self.seed).await
    }

    /// Mean length of a stanza, the first flow's; 0 without flows.
    pub fn stanza_bytes(&self) -> usize {
        self.world.flows.borrow().first().map_or(0, |flow| flow.template.stanza_bytes())
    }

    /// Gives up what is under way: it is lost from now on, also if it still arrives. Answers how much that was.
    pub fn give_up(&self) -> u64 {
        self.world.ledger.borrow_mut().give_up()
    }

    /// What was not delivered since the start, by group of flows; as many as the highest group that has any.
    pub fn groups(&self) -> Vec<GroupTally> {
        self.world.ledger.borrow().groups().to_vec()
    }

    /// The sums since the start.
    pub fn tally(&self) -> Tally {
        self.world.ledger.borrow().tally()
    }

    /// Bounces since the start, by condition.
    pub fn conditions(&self) -> BTreeMap<String, u64> {
        self.world.ledger.borrow().conditions().clone()
    }

    /// The latency below which `quantile` of the deliveries of the current run are, in microseconds.
    pub fn latency_us(&self, quantile: f64) -> u64 {
        self.world.ledger.borrow().latency_us().value_at_quantile(quantile)
    }

    /// Latencies of the deliveries of the current run so far, in microseconds.
    pub fn latencies_us(&self) -> Histogram<u64> {
        self.world.ledger.borrow().latency_us().clone()
    }

    /// Sessions and failures so far.
    pub fn census(&self) -> Census {
        self.world.census.borrow().clone()
    }

    /// Bytes and handshakes so far.
    pub fn counts(&self) -> Counts {
        self.world.meter.counts()
    }

    /// Flows that miss stanzas: from, to, how many; at most `max`.
    pub fn missing(&self, max: usize) -> Vec<(String, String, u64)> {
        let flows = self.world.flows.borrow();
        let missing = self.world.ledger.borrow().missing(max);
        let named = missing
            .into_iter()
            .filter_map(|(number, count)| Some((flows.get(number as usize)?, count)));
        named.map(|(flow, count)| (flow.from.clone(), flow.to.clone(), count)).collect()
    }

    /// Closes all streams that remotes opened, and the components', and gives the router a moment to answer.
    pub async fn close(self) {
        for outbox in self.links.values().map(|link| &link.outbox).chain(self.components.values()) {
            outbox.close();
        }
        let all_ended = async {
            while self.links.values().any(|link| link.started && !link.outbox.has_ended()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(3), all_ended).await;
    }
}

impl Drop for Federation {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What the domains of one certificate share, by that certificate.
type Certificates = HashMap<CertificateDer<'static>, DomainTls>;

fn prepare(plan: RemotePlan, certificates: &mut Certificates) -> anyhow::Result<Remote> {
    let RemotePlan { domain, behaviour, manner, listen, credentials } = plan;
    anyhow::ensure!(
        listen.ip().is_loopback(),
        "{domain} listens on a loopback address only, not on {listen}"
    );
    let tls = match credentials {
        Some(credentials) => {
            let tls = domain_tls(&credentials, certificates);
            Some(tls.with_context(|| format!("certificate of {domain}"))?)
        }
        None if behaviour.is_tls() => anyhow::bail!("{domain} needs a certificate"),
        None => None,
    };
    Ok(Remote { domain, behaviour, manner, listen, tls, recall: Recall::default() })
}

fn domain_tls(
    credentials: &Credentials,
    certificates: &mut Certificates,
) -> anyhow::Result<DomainTls> {
    let leaf = credentials.chain.first().context("no certificate in the chain")?;
    if let Some(known) = certificates.get(leaf) {
        return Ok(known.for_another());
    }
    let tls = DomainTls::new(credentials)?;
    certificates.insert(leaf.clone(), tls.clone());
    Ok(tls)
}
