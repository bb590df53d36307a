//! `serve`: one server with its generated configuration, to look at and to load by hand.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use s2s_testkit::federation::Rung;
use tokio::sync::mpsc;

use crate::args::{ServeArgs, rung};
use crate::inside::{self, Signals};
use crate::prepare;
use crate::servers::{Plan, Raise, Running, Software};

/// Between two looks at whether the server still runs.
const POLL: Duration = Duration::from_millis(200);

/// Outside: makes a namespace and runs this again in it. Inside: serves until it is asked to end.
pub(crate) fn run(args: &ServeArgs) -> Result<ExitCode> {
    match inside::namespace() {
        None => {
            args.server.provide(args.install)?;
            inside::run_again(args.server.name())
        }
        Some(namespace) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(serve(args, &namespace))
        }
    }
}

async fn serve(args: &ServeArgs, namespace: &str) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    let mut running = Running::start(args.server, plan(args)?)?;
    describe(args.server, &running, namespace)?;
    let mut words = words_from_stdin();
    loop {
        tokio::select! {
            _ = signals.next() => break,
            Some(word) = words.recv() => match rung(&word) {
                Ok(minimum) => raise(&mut running, minimum),
                Err(reason) => println!("{reason}"),
            },
            () = tokio::time::sleep(POLL) => running.check()?,
        }
    }
    running.stop()?;
    println!("ended");
    Ok(ExitCode::SUCCESS)
}

fn plan(args: &ServeArgs) -> Result<Plan> {
    std::fs::create_dir_all(&args.dir).with_context(|| args.dir.display().to_string())?;
    let dir = args.dir.canonicalize()?;
    let lg = dir.join("lg");
    prepare::write(&lg, &args.hosted)?;
    let dns = inside::DNS.parse()?;
    Ok(Plan {
        folder: dir.join(args.server.name()),
        domains: args.hosted.clone(),
        secret: args.component_secret.clone(),
        s2s: args.s2s,
        component: args.component,
        control: (args.component.ip(), args.control_port).into(),
        certificate: lg.join("hosted.crt"),
        key: lg.join("hosted.key"),
        both: lg.join("hosted.pem"),
        authority: lg.join("ca.crt"),
        minimum: args.minimum.unwrap_or_else(|| highest(args.server)),
        dns,
        core: args.core,
        peerage: args.peerage_bin.clone(),
        forward: args.forward,
        forward_name: args.forward_name.clone(),
    })
}

/// What it can demand at most; every server can demand something.
fn highest(server: Software) -> Rung {
    server.recipe().rungs().iter().copied().max().unwrap_or(Rung::Verified)
}

fn describe(server: Software, running: &Running, namespace: &str) -> Result<()> {
    let plan = running.plan();
    let list = |pids: Vec<u32>| pids.iter().map(u32::to_string).collect::<Vec<_>>();
    let parts: Vec<_> = running.parts().map(|(name, pid)| format!("{name} {pid}")).collect();
    println!("server         {} in {namespace}", running.version());
    println!(
        "processes      {}; with their children {}",
        parts.join(", "),
        list(running.pids()?).join(" ")
    );
    println!("configuration  {}", files(&plan.folder)?.join(" "));
    if server == Software::Haproxy {
        println!(
            "pumps          TLS at {} to TLS at {}, which has to prove {}",
            plan.s2s, plan.forward, plan.forward_name
        );
    } else {
        println!("load it with   {}", command_line(plan, running, namespace)?);
    }
    println!("then           a rung (secure, trusted) raises what it demands; Ctrl-C ends it");
    Ok(())
}

fn command_line(plan: &Plan, running: &Running, namespace: &str) -> Result<String> {
    let own = std::env::current_exe()?;
    let rung = plan.minimum.max(Rung::Verified).name();
    let pids: String = running.parts().map(|(_, pid)| format!(" --pid {pid}")).collect();
    Ok(format!(
        "ip netns exec {namespace} {own} run dense --s2s {s2s} --component {component} --component-secret {secret} \
         --hosted {hosted} --ca-dir {lg} --dns {dns} --rung {rung}{pids} --direction echo --rate 200 --seconds 3",
        own = own.display(),
        s2s = plan.s2s,
        component = plan.component,
        secret = plan.secret,
        hosted = plan.domains.first().map_or("", String::as_str),
        lg = plan.authority.parent().unwrap_or(Path::new(".")).display(),
        dns = plan.dns,
    ))
}

fn files(folder: &Path) -> Result<Vec<String>> {
    let of_configuration = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension != "log" && extension != "pid")
            && path.is_file()
    };
    let mut files: Vec<_> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(of_configuration)
        .map(|path| path.display().to_string())
        .collect();
    files.sort();
    Ok(files)
}

fn raise(running: &mut Running, minimum: Rung) {
    match running.raise_minimum(minimum) {
        Ok(Raise::Done(words)) => println!("raised         {}: {words}", minimum.name()),
        Ok(Raise::Cannot(reason)) => println!("cannot         {}: {reason}", minimum.name()),
        // It goes on as it was; the user sees why.
        Err(error) => println!("not raised     {}: {error:#}", minimum.name()),
    }
}

/// Lines of standard input, read by a thread of its own: it ends with the input, or with the program.
fn words_from_stdin() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if !line.trim().is_empty() && sender.blocking_send(line.trim().to_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}
