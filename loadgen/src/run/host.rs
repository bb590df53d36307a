//! The server under test: one that somebody runs, or one that is started for the run.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use s2s_testkit::federation::Rung as Step;

use super::peers;
use super::play::Target;
use crate::args::ServerArgs;
use crate::record::Server;
use crate::scenario::{Direction, Rung, Scenario};
use crate::servers::{Plan, Raise, Running, Software};
use crate::{inside, prepare};

/// What a component and a server that is started for it both know.
const SECRET: &str = "throw-away-secret-of-a-local-test";
/// Where a server that is started accepts other servers and components, and where ejabberd takes commands; in its namespace.
const S2S: &str = "127.0.0.2:5269";
const COMPONENT: &str = "127.0.0.2:5347";
const CONTROL: &str = "127.0.0.2:5280";
/// Where DNS is answered for a server that somebody runs.
const DNS: &str = "127.0.0.1:5353";

/// The server under test.
pub(crate) struct Host {
    pub(crate) target: Target,
    pub(crate) dns: std::net::SocketAddr,
    pub(crate) server: Server,
    kind: Kind,
}

enum Kind {
    Theirs { pids: Vec<u32> },
    Ours { running: Arc<Mutex<Running>>, folder: PathBuf, is_kept: bool },
}

impl Host {
    /// As the command line says. A server is started in the namespace that this process is in.
    ///
    /// # Errors
    /// When it does not start, or something is missing on the command line.
    pub(crate) fn new(args: &ServerArgs, scenario: &Scenario, port: u16) -> Result<Host> {
        match args.start {
            Some(software) => start(software, args, scenario, port),
            None => theirs(args, scenario),
        }
    }

    /// Its processes; none when nobody said which.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn pids(&self) -> Result<Vec<u32>> {
        match &self.kind {
            Kind::Theirs { pids } => Ok(pids.clone()),
            Kind::Ours { running, .. } => locked(running).pids(),
        }
    }

    /// That it still runs, as far as that is known.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.kind {
            Kind::Theirs { .. } => Ok(()),
            // While it is raised nobody else looks.
            Kind::Ours { running, .. } => match running.try_lock() {
                Ok(mut running) => running.check(),
                Err(_) => Ok(()),
            },
        }
    }

    /// Has it demand more of other servers; says what came of that.
    pub(crate) async fn raise(&self, minimum: Rung) -> String {
        let minimum = step(minimum);
        let name = minimum.name();
        let Kind::Ours { running, .. } = &self.kind else {
            return format!("RAISE THE MINIMUM TO {name} NOW, and reload the server");
        };
        let running = Arc::clone(running);
        // A reload waits for the server's word.
        let raised =
            tokio::task::spawn_blocking(move || locked(&running).raise_minimum(minimum)).await;
        match raised {
            Ok(Ok(Raise::Done(_))) => format!("the minimum is raised to {name}"),
            Ok(Ok(Raise::Cannot(reason))) => format!("the minimum stays below {name}: {reason}"),
            Ok(Err(error)) => format!("the minimum was not raised to {name}: {error:#}"),
            Err(error) => format!("the minimum was not raised to {name}: {error}"),
        }
    }

    /// Ends what was started. The files of a run that is not clean are kept, and named.
    ///
    /// # Errors
    /// When a process had to be killed, or files cannot be removed.
    pub(crate) fn end(self, is_clean: bool) -> Result<()> {
        let Kind::Ours { running, folder, is_kept } = self.kind else { return Ok(()) };
        let stopped = match Arc::try_unwrap(running) {
            Ok(running) => running.into_inner().unwrap_or_else(PoisonError::into_inner).stop(),
            Err(_) => Ok(()),
        };
        if is_kept || !is_clean || stopped.is_err() {
            eprintln!("configuration and logs are in {}", folder.display());
            return stopped;
        }
        std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())
    }
}

fn locked(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

fn theirs(args: &ServerArgs, scenario: &Scenario) -> Result<Host> {
    args.check_targets(scenario.traffic.direction)?;
    let needed = usize::from(scenario.processes);
    anyhow::ensure!(
        args.hosted.len() >= needed,
        "{needed} processes need as many components: give --hosted so often, or say --processes 1"
    );
    let named = args.server.as_deref().unwrap_or_default().trim();
    let (name, version) = named.split_once(' ').unwrap_or((named, ""));
    Ok(Host {
        target: Target {
            s2s: args.s2s.context("--s2s is missing")?,
            direct_tls: args.direct_tls,
            component: args.component.context("--component is missing")?,
            secret: args.component_secret.clone().context("--component-secret is missing")?,
            hosted: args.hosted.clone(),
            ca_dir: args.ca_dir.clone().context("--ca-dir is missing")?,
            is_pump: false,
        },
        dns: args.dns.map_or_else(|| DNS.parse(), Ok)?,
        server: Server { name: name.to_owned(), version: version.trim().to_owned() },
        kind: Kind::Theirs { pids: args.pid.clone() },
    })
}

fn start(software: Software, args: &ServerArgs, scenario: &Scenario, port: u16) -> Result<Host> {
    let is_pump = software == Software::Haproxy;
    if is_pump {
        check_for_pump(scenario)?;
    }
    let folder = match &args.dir {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir().join(format!("peerage-loadgen-{}", std::process::id())),
    };
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let folder = folder.canonicalize()?;
    let hosted: Vec<String> = (0..scenario.processes).map(component).collect();
    let lg = folder.join("lg");
    prepare::write(&lg, &hosted)?;
    let sink = peers::sink(port);
    let plan = Plan {
        folder: folder.join(software.name()),
        domains: hosted.clone(),
        secret: SECRET.to_owned(),
        s2s: S2S.parse()?,
        component: COMPONENT.parse()?,
        control: CONTROL.parse()?,
        certificate: lg.join("hosted.crt"),
        key: lg.join("hosted.key"),
        both: lg.join("hosted.pem"),
        authority: lg.join("ca.crt"),
        minimum: minimum(software, scenario),
        dns: inside::DNS.parse()?,
        core: args.core,
        peerage: args.peerage_bin.clone(),
        forward: sink.listen,
        forward_name: sink.domain,
    };
    let target = Target {
        s2s: plan.s2s,
        direct_tls: None,
        component: plan.component,
        secret: plan.secret.clone(),
        hosted,
        ca_dir: lg,
        is_pump,
    };
    let dns = plan.dns;
    let running = Running::start(software, plan)?;
    if let Some(core) = args.core {
        // Only now: what is started inherits where this process keeps to, and HAProxy cannot leave it.
        keep_off(core)?;
    }
    let version = running.version().split_once(' ').map_or("", |(_, version)| version).to_owned();
    Ok(Host {
        target,
        dns,
        server: Server { name: software.name().to_owned(), version },
        kind: Kind::Ours {
            running: Arc::new(Mutex::new(running)),
            folder,
            is_kept: args.dir.is_some(),
        },
    })
}

/// This process and those that it starts leave a core to the server, where there is another one.
fn keep_off(core: usize) -> Result<()> {
    let allowed = sched_getaffinity(None)?;
    let mut others = CpuSet::new();
    let is_other = |number: &usize| *number != core && allowed.is_set(*number);
    (0..CpuSet::MAX_CPU).filter(is_other).for_each(|number| others.set(number));
    if others.count() > 0 {
        sched_setaffinity(None, &others).with_context(|| format!("keeping off core {core}"))?;
    }
    Ok(())
}

/// A pump has one way and one end, and knows no server that is not there.
pub(crate) fn check_for_pump(scenario: &Scenario) -> Result<()> {
    anyhow::ensure!(
        scenario.traffic.direction == Direction::In,
        "HAProxy only passes on what peers send: say --direction in"
    );
    anyhow::ensure!(
        scenario.processes == 1,
        "HAProxy passes everything on to one process: say --processes 1"
    );
    let sends = scenario.kinds().iter().all(peers::sends);
    anyhow::ensure!(
        sends,
        "HAProxy is loaded by peers that send; this scenario has others (silent, dead, unlisted)"
    );
    anyhow::ensure!(scenario.event.is_empty(), "HAProxy is loaded by scenarios without events");
    Ok(())
}

fn component(process: u16) -> String {
    match process {
        0 => "echo.example.org".to_owned(),
        process => format!("echo{process}.example.org"),
    }
}

/// The lowest rung of the peers that the server can demand, so that none it could accept is refused; higher where it knows none so low.
fn minimum(software: Software, scenario: &Scenario) -> Step {
    let lowest = scenario.kinds().iter().map(|kind| step(kind.rung)).min();
    let lowest = lowest.unwrap_or(Step::Trusted);
    let rungs = software.recipe().rungs();
    let known = rungs.iter().copied().filter(|rung| *rung >= lowest).min();
    known.or_else(|| rungs.iter().copied().max()).unwrap_or(lowest)
}

fn step(rung: Rung) -> Step {
    match rung {
        Rung::Promiscuous => Step::Promiscuous,
        Rung::Verified => Step::Verified,
        Rung::Secure => Step::Secure,
        Rung::Trusted => Step::Trusted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::load;

    #[test]
    fn a_server_demands_no_more_than_the_lowest_peers_have() {
        for (scenario, software, expected) in [
            ("dense", Software::Peerage, Step::Trusted),
            ("dense", Software::Jabberd2, Step::Secure),
            ("ladder", Software::Peerage, Step::Promiscuous),
            ("ladder", Software::Prosody, Step::Verified),
            ("flagday", Software::Ejabberd, Step::Verified),
        ] {
            let scenario = load(scenario).unwrap().scenario;
            assert_eq!(minimum(software, &scenario), expected, "{software:?}");
        }
    }
}
