//! `run`: plays a scenario against a server and says what came of it.
//!
//! [`peers`] and [`work`] turn the scenario into remotes and traffic, without sockets. [`play`] plays one process's share with the engine of
//! `s2s_testkit::federation` and tells what happens in words of [`said`]; [`crew`] has one or several processes play, and [`mod@conduct`]
//! lets their clocks start together, watches the server ([`host`]) and collects. [`expect`] holds what happened against what the scenario
//! allows, [`result`] makes the record of it.
//!
//! Tests: beside the code, against fake servers in `tests.rs`, against real ones in `loadgen/tests/run.rs`.

mod advice;
mod changes;
mod conduct;
pub(crate) mod crew;
mod expect;
mod host;
mod live;
pub(crate) mod peers;
mod play;
mod ramp;
mod result;
mod said;
mod sampler;
#[cfg(test)]
mod tests;
mod usage;
mod work;

use std::process::ExitCode;
use std::rc::Rc;

use anyhow::Context as _;
use s2s_testkit::zone::ZoneServer;

use crate::args::RunArgs;
use crate::inside::{Interrupted, Signals};
use crate::record::Run;
use crate::report::{file, page, text};
use crate::scenario::{self, Loaded};
use crate::servers::raise_descriptors;
use crate::{inside, setting, verdict};
use conduct::conduct;
use crew::Crew;
use host::Host;
use live::View;
use peers::Share;
use play::Task;

use result::{Subject, record};

pub(crate) use host::check_for_pump;

/// Outside, if a server is to be started: makes a namespace and runs this again in it. Else: runs and reports.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let loaded = changes::apply(scenario::load(&args.scenario)?, &args.changes)?;
    args.json.iter().chain(&args.html).try_for_each(|file| file::check_folder(file))?;
    if let Some(software) = args.server.start
        && inside::namespace().is_none()
    {
        software.provide(args.server.install)?;
        return inside::run_again(software.name());
    }
    raise_descriptors();
    let host = Rc::new(Host::new(&args.server, &loaded.scenario, args.port)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let played = tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut signals = Signals::new()?;
        tokio::select! {
            played = perform(args, &loaded, &host) => played,
            number = signals.next() => Err(Interrupted(number).into()),
        }
    });
    // Whoever raises its minimum may hold it for a moment longer.
    drop(runtime);
    conclude(args, played, |is_clean| match Rc::try_unwrap(host) {
        Ok(host) => host.end(is_clean),
        Err(_) => Ok(()),
    })
}

/// That there is such a scenario, and that what the command line changes leaves one.
pub(crate) fn check(args: &RunArgs) -> anyhow::Result<()> {
    changes::apply(scenario::load(&args.scenario)?, &args.changes).map(drop)
}

/// Ends the server, then reports. One that does not end, or has ended before, costs nobody the books of the run.
fn conclude(
    args: &RunArgs,
    played: anyhow::Result<Run>,
    end: impl FnOnce(bool) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    if let Err(error) = end(played.as_ref().is_ok_and(Run::is_clean)) {
        eprintln!("the server did not end as it should: {error:#}");
    }
    let run = played?;
    print!("{}", text::run(&run));
    if let Some(file) = &args.json {
        file::write(file, &file::json(&run)?)?;
    }
    if let Some(file) = &args.html {
        file::write(file, &page::run(&run))?;
    }
    Ok(verdict(run.is_clean()))
}

async fn perform(args: &RunArgs, loaded: &Loaded, host: &Rc<Host>) -> anyhow::Result<Run> {
    let Loaded { name, toml, scenario } = loaded;
    let zone = peers::zone(scenario, args.port)?;
    // Held to the end: the server may ask at any time.
    let dns = ZoneServer::start(host.dns, zone).with_context(|| {
        format!(
            "loadgen's DNS server cannot answer at {}; name another address with --dns",
            host.dns
        )
    })?;
    let task = Task {
        scenario: scenario.clone(),
        share: Share { index: 0, of: 1 },
        target: host.target.clone(),
        port: args.port,
    };
    let (_crew, players) = Crew::start(&task)?;
    let title = match host.server.name.as_str() {
        "" => name.clone(),
        server => format!("{name}, {server} {}", host.server.version).trim_end().to_owned(),
    };
    let mut view = View::new(title, scenario.traffic.seconds, players.len());
    let date = setting::now();
    let conducted = conduct(scenario, host, players, &mut view).await;
    view.clear();
    let subject = Subject {
        name: name.clone(),
        toml: toml.clone(),
        scenario,
        server: host.server.clone(),
        date,
    };
    let conducted = conducted.map_err(|error| {
        let complaint = format!("{error:#}");
        match advice::on_names(&complaint, dns.address(), dns.queries()) {
            Some(words) => anyhow::anyhow!("{complaint}\n{words}"),
            None => error,
        }
    })?;
    Ok(record(subject, conducted))
}
