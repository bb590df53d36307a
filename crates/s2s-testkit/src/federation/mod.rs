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

mod census;
mod component;
mod dialback;
mod failure;
mod initiating;
mod ledger;
mod link;
mod ns;
mod outbox;
pub mod payload;
pub mod plan;
mod receiving;
#[cfg(test)]
mod tests;
mod tls;
mod traffic;
mod wire;
mod world;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, spawn_local};

pub use census::{Census, Direction};
pub use component::ComponentPlan;
pub use failure::Failure;
pub use ledger::{Arrival, Ledger, Tally};
pub use plan::{Behaviour, RemotePlan, RouterAddress, Rung};
pub use tls::Credentials;
pub use traffic::{Outcome, Pace, Work};

use outbox::Outbox;
use payload::Template;
use receiving::Port;
use tls::{DomainTls, Judge};
use world::{Flow, Remote, World};

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
    tasks: Vec<AbortHandle>,
}

#[derive(Debug)]
struct Link {
    remote: Rc<Remote>,
    outbox: Rc<Outbox>,
    started: bool,
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
        for remote in plan.remotes {
            let remote = prepare(remote)?;
            match remote.behaviour {
                Behaviour::Dead | Behaviour::Unlisted => {}
                Behaviour::TrustedDirect => drop(ports.insert(remote.listen, Port::DirectTls)),
                _ => drop(ports.insert(remote.listen, Port::StartTls)),
            }
            remotes.insert(remote.domain.clone(), Rc::new(remote));
        }
        let world = Rc::new(World::new(remotes, plan.router, Judge::new(plan.roots), plan.seed));
        let mut federation = Federation {
            world,
            seed: plan.seed,
            links: HashMap::new(),
            components: HashMap::new(),
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
        let wire = component::attach(component).await?;
        let outbox = Rc::new(Outbox::default());
        let task = spawn_local(component::carry(Rc::clone(&self.world), wire, Rc::clone(&outbox)));
        self.tasks.push(task.abort_handle());
        self.components.insert(component.domain.clone(), outbox);
        Ok(())
    }

    /// Adds stanzas from one address to another; answers the number of the flow. The sender's domain is a remote or an attached
    /// component. `body_bytes` is the length of the body, at least [`payload::BODY_BYTES_MIN`].
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
        let number = self.world.ledger.borrow_mut().add_flow();
        let template = Template::new(number, from, to, body_bytes);
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
            link.started = true;
            let (remote, outbox) = (Rc::clone(&link.remote), Rc::clone(&link.outbox));
            let task = spawn_local(link::carry(
                Rc::clone(&self.world),
                remote,
                target.clone(),
                outbox,
                opened,
            ));
            self.tasks.push(task.abort_handle());
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

    /// Sends one stanza in each flow and waits until all are settled, or nothing has arrived for `patience`.
    pub async fn warm_up(&self, flows: &[u32], patience: Duration) -> Tally {
        let before = self.tally();
        traffic::once(&self.world, flows, patience).await;
        self.tally() - before
    }

    /// Sends over `flows` and answers what came of it.
    pub async fn run(&self, flows: &[u32], work: Work) -> Outcome {
        traffic::run(&self.world, flows, work, self.seed).await
    }

    /// Length of a stanza, the first flow's; 0 without flows.
    pub fn stanza_bytes(&self) -> usize {
        self.world.flows.borrow().first().map_or(0, |flow| flow.template.stanza_bytes())
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

    /// Sessions and failures so far.
    pub fn census(&self) -> Census {
        self.world.census.borrow().clone()
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

fn prepare(plan: RemotePlan) -> anyhow::Result<Remote> {
    let RemotePlan { domain, behaviour, listen, credentials } = plan;
    anyhow::ensure!(
        listen.ip().is_loopback(),
        "{domain} listens on a loopback address only, not on {listen}"
    );
    let tls = match credentials {
        Some(credentials) => {
            Some(DomainTls::new(&credentials).with_context(|| format!("certificate of {domain}"))?)
        }
        None if behaviour.is_tls() => anyhow::bail!("{domain} needs a certificate"),
        None => None,
    };
    let direct_client = tls.as_ref().map(DomainTls::direct_client);
    Ok(Remote { domain, behaviour, listen, tls, direct_client })
}
