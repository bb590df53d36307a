//! `dense`: a few trusted remotes and one component exchange as many stanzas as the server takes, or as many as asked for.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use s2s_testkit::federation::plan::place;
use s2s_testkit::federation::{
    Behaviour, ComponentPlan, Course, Credentials, Federation, FederationPlan, Pace, RemotePlan,
    RouterAddress, Work,
};
use s2s_testkit::process::{processor_time, resident_bytes};
use s2s_testkit::zone::{Zone, ZoneServer};

use crate::args::{DenseArgs, Way};
use crate::prepare::{self, REMOTES_UNDER};
use crate::report::Report;

/// How long the first stanza of a flow may take: sessions are opened for it.
const WARM_UP: Duration = Duration::from_secs(30);

/// Runs and reports; answers whether every stanza was accounted for.
pub(crate) fn run(args: &DenseArgs) -> anyhow::Result<bool> {
    args.check_targets()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, measure(args))
}

async fn measure(args: &DenseArgs) -> anyhow::Result<bool> {
    let prepared = prepare::read(&args.ca_dir)?;
    let remotes: Vec<_> = (0..usize::from(args.remotes))
        .map(|number| remote(args, number, &prepared.remotes))
        .collect();
    let mut zone = Zone::new();
    for remote in &remotes {
        remote.publish(&mut zone)?;
    }
    // Held to the end: the server may ask at any time.
    let _dns = ZoneServer::start(args.dns, zone).context("the DNS server (--dns)")?;
    let router = RouterAddress { starttls: args.s2s, direct_tls: None };
    let roots = Credentials::roots_from_pem(&prepared.ca_pem)?;
    let mut federation =
        Federation::start(FederationPlan { remotes, router, roots, seed: args.seed })?;
    let component = ComponentPlan {
        domain: args.hosted.clone(),
        address: args.component,
        secret: args.component_secret.clone(),
    };
    federation
        .attach(&component)
        .await
        .with_context(|| format!("attaching the component at {}", args.component))?;
    let flows = add_flows(args, &mut federation)?;
    let failed = federation.open().await;
    anyhow::ensure!(failed == 0, "{failed} remotes got no session: {}", failures(&federation));
    let warm_up = federation.warm_up(&flows, WARM_UP).await;
    if warm_up.delivered < flows.len() as u64 {
        anyhow::bail!(
            "of {} first stanzas {} were delivered and {} bounced ({:?}): {}",
            flows.len(),
            warm_up.delivered,
            warm_up.bounced,
            federation.conditions(),
            failures(&federation)
        );
    }
    let report = timed(args, &federation, &flows).await?;
    let missing = federation.missing(5);
    federation.close().await;
    print!("{report}");
    for (from, to, count) in missing {
        println!("missing         {count} from {from} to {to}");
    }
    if let Some(file) = &args.json {
        std::fs::write(file, report.json())
            .with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(report.is_clean())
}

fn remote(args: &DenseArgs, number: usize, credentials: &Credentials) -> RemotePlan {
    let mut remote = RemotePlan::new(
        &format!("r{number}.{REMOTES_UNDER}"),
        Behaviour::Trusted,
        place(number, args.port),
    );
    remote.credentials = Some(credentials.clone());
    remote
}

fn add_flows(args: &DenseArgs, federation: &mut Federation) -> anyhow::Result<Vec<u32>> {
    let mut flows = Vec::new();
    let body_bytes = usize::from(args.body_bytes);
    for user in 0..args.users {
        for number in 0..args.remotes {
            let remote = format!("user{user}@r{number}.{REMOTES_UNDER}");
            let local = format!("sink{user}@{}", args.hosted);
            flows.push(match args.direction {
                Way::In => federation.add_flow(&remote, &local, Course::OneWay, body_bytes)?,
                Way::Out => federation.add_flow(&local, &remote, Course::OneWay, body_bytes)?,
                Way::Echo => federation.add_flow(&remote, &local, Course::Echo, body_bytes)?,
            });
        }
    }
    Ok(flows)
}

async fn timed(args: &DenseArgs, federation: &Federation, flows: &[u32]) -> anyhow::Result<Report> {
    let own = [std::process::id()];
    let pace = args.rate.map_or(Pace::Window(args.window), |rate| Pace::Rate(f64::from(rate)));
    let work = Work {
        pace,
        duration: Duration::from_secs(args.seconds),
        patience: Duration::from_secs(args.patience),
    };
    let server_before = processor_time(&args.pid)?;
    let own_before = processor_time(&own)?;
    let outcome = tokio::select! {
        outcome = federation.run(flows, work) => outcome,
        never = show_progress(federation) => match never {},
    };
    let server_time = processor_time(&args.pid)
        .context("the server under test ended during the run")?
        - server_before;
    Ok(Report {
        direction: args.direction.name(),
        pace: args
            .rate
            .map_or_else(|| format!("window {}", args.window), |rate| format!("{rate}/s")),
        remotes: args.remotes,
        seed: args.seed,
        stanza_bytes: federation.stanza_bytes(),
        outcome,
        conditions: federation.conditions(),
        server_time: (!args.pid.is_empty()).then_some(server_time),
        server_memory: if args.pid.is_empty() { None } else { Some(resident_bytes(&args.pid)?) },
        own_time: processor_time(&own)? - own_before,
    })
}

/// A line a second on the terminal, nothing elsewhere.
async fn show_progress(federation: &Federation) -> std::convert::Infallible {
    let shown = std::io::stderr().is_terminal();
    let mut before = federation.tally();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let tally = federation.tally();
        if shown {
            let step = tally - before;
            let line =
                format!("{:>9} settled/s  {:>8} under way", step.settled(), tally.outstanding());
            // A terminal that is gone is no reason to stop.
            let _ = write!(
                std::io::stderr(),
                "\r\x1b[K{line}  p99 {} us\r",
                federation.latency_us(0.99)
            );
        }
        before = tally;
    }
}

fn failures(federation: &Federation) -> String {
    let census = federation.census();
    let failures: Vec<_> =
        census.failures().iter().map(|(reason, count)| format!("{count} x {reason}")).collect();
    if failures.is_empty() { "no stream failed".to_owned() } else { failures.join("; ") }
}
