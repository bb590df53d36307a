//! Peerage, with one shard. Not equal: it is a router and no more, without accounts and modules. When the minimum is raised it judges open
//! streams once more; the others judge new ones alone.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use s2s_testkit::federation::Rung;
use s2s_testkit::process::{Log, Signal, signal};

use super::{File, Launch, Plan, Raise, Recipe, Running};

const CONFIGURATION: &str = "peerage.toml";
const LOG: &str = "peerage.log";

pub(super) struct Peerage;

impl Recipe for Peerage {
    fn packages(&self) -> &'static [&'static str] {
        &[]
    }

    fn programs(&self) -> &'static [&'static str] {
        &[]
    }

    fn rungs(&self) -> &'static [Rung] {
        &Rung::ALL
    }

    fn files(&self, plan: &Plan) -> Result<Vec<File>> {
        let mut text = format!(
            "[router]\nshards = 1\nstate_dir = \"{state}\"\n\
             [trust]\nminimum = \"{minimum}\"\nroots = \"{roots}\"\n\
             [dns]\nservers = [\"{dns}\"]\n\
             [outbound]\nallow_private = [\"127.0.0.0/8\"]\n\
             [log]\nlevel = \"info\"\n\
             [[listen]]\naddress = \"{s2s}\"\n\
             [[listen]]\naddress = \"{component}\"\nkind = \"component\"\n",
            state = plan.file("state").display(),
            minimum = plan.minimum.name(),
            roots = plan.authority.display(),
            dns = plan.dns,
            s2s = plan.s2s,
            component = plan.component,
        );
        for domain in &plan.domains {
            writeln!(
                text,
                "[[domain]]\nname = \"{domain}\"\ncertificate = \"{}\"\nkey = \"{}\"\n\
                 component = {{ secret = \"{}\" }}",
                plan.certificate.display(),
                plan.key.display(),
                plan.secret,
            )?;
        }
        Ok(vec![File { name: CONFIGURATION, text }])
    }

    fn launches(&self, plan: &Plan) -> Result<Vec<Launch>> {
        let mut command = plan.command(binary(plan)?);
        command.args(["run", "--config"]).arg(plan.file(CONFIGURATION));
        let ports = vec![plan.s2s, plan.component];
        Ok(vec![Launch { name: "peerage", command, console: plan.file(LOG), ports }])
    }

    fn version(&self, plan: &Plan) -> Result<String> {
        let output = Command::new(binary(plan)?).arg("--version").output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn reload(&self, plan: &Plan, running: &Running) -> Result<Raise> {
        let log = Log::new(plan.file(LOG));
        let before = log.size()?;
        for (_, pid) in running.parts() {
            signal(pid, Signal::HUP)?;
        }
        const RELOADED: &str = "configuration reloaded";
        let line = log.line_after(before, &[RELOADED, "reload refused"])?;
        ensure!(line.contains(RELOADED), "{line}");
        Ok(Raise::Done(line))
    }
}

fn binary(plan: &Plan) -> Result<PathBuf> {
    let path = match &plan.peerage {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("peerage"),
    };
    let path = path.canonicalize().with_context(|| {
        format!("{}: no such program; build it, or say --peerage-bin", path.display())
    })?;
    Ok(path)
}
