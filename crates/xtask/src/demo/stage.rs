//! What the demo does once it is built: sets the scene, drives the traffic, checks the books.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use s2s_testkit::certs::{Authority, CertSpec, self_signed};
use s2s_testkit::federation::payload::BODY_BYTES_DEFAULT;
use s2s_testkit::federation::plan::{PORT_DEFAULT, mixed};
use s2s_testkit::federation::{
    Arrivals, Behaviour, ComponentPlan, Course, Federation, FederationPlan, Outcome, Pace,
    Popularity, RemotePlan, RouterAddress, Work,
};
use s2s_testkit::process::processor_time;
use s2s_testkit::zone::{Zone, ZoneServer};

use super::router::{self, HOSTED, Places, Router, SECRET};
use super::summary::{self, Costs, Sessions};
use super::{DemoArgs, lines};

/// How long the first stanza of a flow may take: its session is opened for it.
const WARM_UP: Duration = Duration::from_secs(30);
/// How long nothing may arrive before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the demo with the router in `binary`.
///
/// # Errors
/// When Peerage does not start, a session is refused, or the books do not balance.
pub(super) fn run(args: &DemoArgs) -> Result<()> {
    let binary = args.peerage.as_deref().context("the router to show (--peerage FILE)")?;
    let mut directory = tempfile::Builder::new().prefix("peerage-demo-").tempdir()?;
    if args.keep {
        directory.disable_cleanup(true);
        println!("directory: {}", directory.path().display());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            outcome = show(args, binary, directory.path()) => outcome,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })
}

async fn show(
    args: &DemoArgs,
    binary: &std::path::Path,
    directory: &std::path::Path,
) -> Result<()> {
    let authority = Authority::new("Peerage demo CA");
    let remotes = remotes(usize::from(args.domains), &authority);
    let mut zone = Zone::new();
    for remote in &remotes {
        remote.publish(&mut zone)?;
    }
    let zone = ZoneServer::start("127.0.0.1:0".parse()?, zone)?;
    let places = Places::choose(zone.address())?;
    let names: Vec<_> =
        remotes.iter().map(|remote| (remote.domain.clone(), remote.behaviour)).collect();
    let mut federation = Federation::start(FederationPlan {
        remotes,
        router: RouterAddress { starttls: places.s2s, direct_tls: Some(places.s2s_direct) },
        roots: vec![authority.root().clone()],
        seed: args.seed,
    })?;
    println!("federation: {} domains on 127.16.0.1 and up, DNS at {}", names.len(), zone.address());

    router::configure(directory, &places, &authority)?;
    let mut router = Router::start(binary, directory, &places)?;
    println!(
        "peerage: process {}, s2s at {}, metrics at http://{}/metrics",
        router.pid(),
        places.s2s,
        places.admin
    );
    let outcome = drive(args, &mut router, &mut federation, &names, &places).await;
    let stopped = router.stop();
    match outcome.and(stopped) {
        Ok(()) => Ok(()),
        Err(error) => {
            eprintln!("\nthe end of peerage's log:\n{}", router.log_tail());
            Err(error)
        }
    }
}

async fn drive(
    args: &DemoArgs,
    router: &mut Router,
    federation: &mut Federation,
    names: &[(String, Behaviour)],
    places: &Places,
) -> Result<()> {
    router.wait_until_ready(Duration::from_secs(20)).await?;
    let component = ComponentPlan {
        domain: HOSTED.to_owned(),
        address: places.component,
        secret: SECRET.to_owned(),
    };
    federation.attach(&component).await.context("attaching the component")?;
    let flows = add_flows(federation, names)?;

    println!(
        "opening {} sessions, and sending one stanza in each of {} flows",
        names.len() * 2,
        flows.len()
    );
    let live = lines::Live::new();
    let opening = async {
        let failed = federation.open().await;
        let warm_up = federation.warm_up(&flows, WARM_UP).await;
        (failed, warm_up)
    };
    let (failed, warm_up) = opening.await;
    if failed > 0 {
        bail!("{failed} remotes got no session: {}", summary::failures(federation));
    }
    live.say(&format!("opened: {} delivered, {} bounced", warm_up.delivered, warm_up.bounced));
    let (outcome, costs) = traffic(args, router, federation, &flows, &live).await?;
    let sessions = Sessions::of(federation, router.metrics().await.ok().as_deref());
    summary::print(&outcome, &sessions, &costs, federation);
    summary::check(&outcome, federation, &sessions)
}

async fn traffic(
    args: &DemoArgs,
    router: &Router,
    federation: &Federation,
    flows: &[u32],
    live: &lines::Live,
) -> Result<(Outcome, Costs)> {
    let work = Work {
        pace: Pace::Rate(f64::from(args.rate)),
        arrivals: Arrivals::Constant,
        popularity: Popularity::Uniform,
        duration: Duration::from_secs(u64::from(args.seconds)),
        patience: PATIENCE,
    };
    let own = [std::process::id()];
    let (router_before, own_before) = (processor_time(&[router.pid()])?, processor_time(&own)?);
    let outcome = tokio::select! {
        outcome = federation.run(flows, work) => outcome,
        never = live.follow(federation) => match never {},
    };
    live.end();
    let router_time = processor_time(&[router.pid()]).context("peerage ended during the run")?;
    let costs = Costs {
        router: router_time - router_before,
        federation: processor_time(&own)? - own_before,
        router_bytes: s2s_testkit::process::resident_bytes(&[router.pid()])?,
    };
    Ok((outcome, costs))
}

fn remotes(count: usize, authority: &Authority) -> Vec<RemotePlan> {
    let mut remotes = mixed(count, PORT_DEFAULT);
    for remote in &mut remotes {
        let names = [remote.domain.as_str()];
        let spec = CertSpec::for_dns(&names);
        remote.credentials = match remote.behaviour {
            Behaviour::Secure => Some(self_signed(spec).into()),
            // What public authorities issue: server authentication only.
            Behaviour::Trusted | Behaviour::TrustedDirect => Some(authority.issue(spec).into()),
            _ => None,
        };
    }
    remotes
}

/// Every remote writes to the component, is written to, and has its stanzas echoed; the dead ones are only written to.
fn add_flows(federation: &mut Federation, names: &[(String, Behaviour)]) -> Result<Vec<u32>> {
    let mut flows = Vec::new();
    for (domain, behaviour) in names {
        let (remote, sink, echo) =
            (format!("user@{domain}/demo"), format!("sink@{HOSTED}"), format!("echo@{HOSTED}"));
        flows.push(federation.add_flow(&sink, &remote, Course::OneWay, BODY_BYTES_DEFAULT)?);
        if behaviour.rung().is_some() {
            flows.push(federation.add_flow(&remote, &sink, Course::OneWay, BODY_BYTES_DEFAULT)?);
            flows.push(federation.add_flow(&remote, &echo, Course::Echo, BODY_BYTES_DEFAULT)?);
        }
    }
    Ok(flows)
}
