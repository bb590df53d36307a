//! A server that runs: started, watched, raised, ended.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use s2s_testkit::federation::Rung;
use s2s_testkit::process::{Process, families, tail, wait_until_free};

use super::{File, Plan, Raise, Software};

/// A server before this one may hold its ports for so long.
const PORTS_PATIENCE: Duration = Duration::from_secs(10);

/// How much of each log an error shows.
const TAIL_LINES: usize = 20;

/// A server that accepts connections. Its processes are ended when it is dropped.
pub(crate) struct Running {
    software: Software,
    plan: Plan,
    processes: Vec<Process>,
    version: String,
}

impl Running {
    /// Writes the configuration and starts it; returns when it accepts.
    ///
    /// # Errors
    /// When the plan cannot be carried out, or the server ends or does not accept in time; with the tails of its logs then.
    pub(crate) fn start(software: Software, plan: Plan) -> Result<Running> {
        plan.check(software, software.recipe())?;
        make_folder(&plan)?;
        write(&plan, &software.recipe().files(&plan)?)?;
        let mut running = Running { software, plan, processes: Vec::new(), version: String::new() };
        match running.launch() {
            Ok(()) => Ok(running),
            Err(error) => Err(running.with_logs(&error)),
        }
    }

    fn launch(&mut self) -> Result<()> {
        raise_descriptors();
        let recipe = self.software.recipe();
        let launches = recipe.launches(&self.plan)?;
        let ports: Vec<_> = launches.iter().flat_map(|launch| launch.ports.clone()).collect();
        wait_until_free(&ports, PORTS_PATIENCE)?;
        for launch in launches {
            let process =
                Process::start(launch.name, launch.command, &launch.console, &launch.ports)?;
            self.processes.push(process);
        }
        // One that connects to another may be refused by it after its port is open.
        self.check()?;
        self.version = recipe.version(&self.plan)?;
        Ok(())
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The processes that were started, by name.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&str, u32)> {
        self.processes.iter().map(|process| (process.name(), process.id()))
    }

    /// All its processes, those it started itself included.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn pids(&self) -> Result<Vec<u32>> {
        let own: Vec<_> = self.processes.iter().map(Process::id).collect();
        families(&own)
    }

    /// That it still runs.
    ///
    /// # Errors
    /// When one of its processes ended; with the tails of its logs.
    pub(crate) fn check(&mut self) -> Result<()> {
        for process in &mut self.processes {
            if let Some(status) = process.ended()? {
                let error = anyhow::anyhow!("{} ended by itself: {status}", process.name());
                return Err(self.with_logs(&error));
            }
        }
        Ok(())
    }

    /// Has it demand more of other servers from now on. What becomes of streams that are open is the server's affair: Peerage closes
    /// those that fall short, Prosody and ejabberd keep them.
    ///
    /// # Errors
    /// When it can be done and was not, or the rung is not higher than the one before.
    pub(crate) fn raise_minimum(&mut self, minimum: Rung) -> Result<Raise> {
        let before = self.plan.minimum;
        ensure!(
            minimum > before,
            "{} is not above {}, which is demanded now",
            minimum.name(),
            before.name()
        );
        let plan = Plan { minimum, ..self.plan.clone() };
        let recipe = self.software.recipe();
        if recipe.rungs().contains(&minimum) {
            write(&plan, &recipe.files(&plan)?)?;
        } else {
            return Ok(Raise::Cannot("it has no such rung"));
        }
        let outcome = match recipe.reload(&plan, self) {
            Ok(outcome) => outcome,
            Err(error) => return Err(self.with_logs(&error)),
        };
        match outcome {
            Raise::Done(_) => self.plan = plan,
            // The folder goes on showing what is in force.
            Raise::Cannot(_) => write(&self.plan, &recipe.files(&self.plan)?)?,
        }
        Ok(outcome)
    }

    /// Asks it to end, last started first, and waits; what does not end in time is killed.
    ///
    /// # Errors
    /// When a process had to be killed.
    pub(crate) fn stop(mut self) -> Result<()> {
        let mut killed = Vec::new();
        while let Some(process) = self.processes.pop() {
            if let Err(error) = process.terminate() {
                killed.push(format!("{error:#}"));
            }
        }
        ensure!(killed.is_empty(), "{}", killed.join("; "));
        Ok(())
    }

    fn with_logs(&self, error: &anyhow::Error) -> anyhow::Error {
        let mut logs: Vec<PathBuf> = fs::read_dir(&self.plan.folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        logs.sort();
        let tails: String =
            logs.iter().map(|path| tail(&path.display().to_string(), path, TAIL_LINES)).collect();
        anyhow::anyhow!("{error:#}\n{tails}----")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // In the order of `stop`: what depends on another goes first.
        while self.processes.pop().is_some() {}
    }
}

/// Servers inherit the limit; the soft one is 1,024 in many places, which a run with a thousand sessions would measure.
pub(crate) fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // A limit that stays is the server's to complain about.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn make_folder(plan: &Plan) -> Result<()> {
    let folder = &plan.folder;
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    if fs::read_dir(folder)?.next().is_some() {
        bail!("{} is not empty: a server starts from a folder of its own", folder.display());
    }
    Ok(())
}

fn write(plan: &Plan, files: &[File]) -> Result<()> {
    for File { name, text } in files {
        let path = plan.file(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
