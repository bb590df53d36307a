//! ejabberd 23.01. The Erlang machine is started directly, not through `ejabberdctl`: no distribution (so neither epmd nor a cookie), no
//! change of user, and the child *is* the `beam.smp`. Not equal: it is a complete server, whose own router every stanza passes.
//!
//! COMPAT(ejabberd 23.01): it takes no certificate without clientAuth of a server that connects.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use s2s_testkit::federation::Rung;
use s2s_testkit::process::Log;

use super::{File, Launch, Plan, Raise, Recipe, Running};

const CONFIGURATION: &str = "ejabberd.yml";
const LOG: &str = "ejabberd.log";

/// One scheduler for one core. Idle schedulers may not spin: where the server is not the bottleneck, that would be counted as work.
const MACHINE: &str =
    "-noinput +K true +S 1:1 +SDcpu 1:1 +SDio 1 +sbwt none +sbwtdcpu none +sbwtdio none";

/// It reads its configuration and answers within this.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Ejabberd;

/// Connections that may wait to be accepted. Its own 5 are few: peers that prove themselves by dialback call back all at once, and
/// those that find no room get no answer in time.
const BACKLOG: u32 = 1024;

impl Recipe for Ejabberd {
    fn packages(&self) -> &'static [&'static str] {
        &["ejabberd"]
    }

    fn programs(&self) -> &'static [&'static str] {
        &["erl"]
    }

    fn rungs(&self) -> &'static [Rung] {
        &[Rung::Verified, Rung::Secure, Rung::Trusted]
    }

    fn files(&self, plan: &Plan) -> Result<Vec<File>> {
        let starttls = if plan.minimum > Rung::Verified { "required" } else { "optional" };
        // Where a certificate is demanded, SASL EXTERNAL is all that may remain.
        let dialback = if plan.minimum == Rung::Trusted { "" } else { "  mod_s2s_dialback: {}\n" };
        let mut text = format!(
            "hosts: [ local.invalid ]\n\
             loglevel: info\n\
             log_rotate_count: 0\n\
             s2s_use_starttls: {starttls}\n\
             ca_file: \"{authority}\"\n\
             certfiles: [ \"{both}\" ]\n\
             api_permissions:\n  reload:\n    from: [ mod_http_api ]\n    who: {{ ip: 127.0.0.0/8 }}\n    \
             what: [ reload_config ]\n\
             modules:\n  mod_http_api: {{}}\n{dialback}\
             listen:\n\
             {s2s}    backlog: {BACKLOG}\n\
             {control}    request_handlers: {{ /api: mod_http_api }}\n\
             {component}    access: all\n    shaper: none\n    hosts:\n",
            authority = plan.authority.display(),
            both = plan.both.display(),
            s2s = listener(plan.s2s, "ejabberd_s2s_in"),
            control = listener(plan.control, "ejabberd_http"),
            component = listener(plan.component, "ejabberd_service"),
        );
        for domain in &plan.domains {
            writeln!(text, "      \"{domain}\": {{ password: \"{}\" }}", plan.secret)?;
        }
        Ok(vec![File { name: CONFIGURATION, text }])
    }

    fn launches(&self, plan: &Plan) -> Result<Vec<Launch>> {
        ensure!(
            plan.dns.port() == 53,
            "ejabberd takes its DNS server from resolv.conf, at port 53, not {}",
            plan.dns
        );
        let mut command = plan.command("erl");
        command
            .args(MACHINE.split(' '))
            .arg("-mnesia")
            .arg("dir")
            .arg(format!("\"{}\"", plan.file("database").display()))
            .args(["-s", "ejabberd"])
            .env("HOME", &plan.folder)
            .env("ERL_LIBS", libraries()?)
            .env("EJABBERD_CONFIG_PATH", plan.file(CONFIGURATION))
            .env("EJABBERD_LOG_PATH", plan.file(LOG));
        let ports = vec![plan.s2s, plan.component, plan.control];
        Ok(vec![Launch { name: "ejabberd", command, console: plan.file("console.log"), ports }])
    }

    fn version(&self, plan: &Plan) -> Result<String> {
        let line = Log::new(plan.file(LOG)).line(" is started in the node ")?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "ejabberd").context("no version")?;
        Ok(words[at..].iter().take(2).copied().collect::<Vec<_>>().join(" "))
    }

    fn reload(&self, plan: &Plan, _: &Running) -> Result<Raise> {
        let mut stream = TcpStream::connect_timeout(&plan.control, CONTROL_TIMEOUT)?;
        stream.set_read_timeout(Some(CONTROL_TIMEOUT))?;
        stream.write_all(
            b"POST /api/reload_config HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
              Content-Length: 2\r\nConnection: close\r\n\r\n{}",
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.lines().next().unwrap_or_default();
        ensure!(status.starts_with("HTTP/1.1 200"), "reload_config: {answer}");
        Ok(Raise::Done(format!("reload_config: {status}")))
    }
}

fn listener(address: SocketAddr, module: &str) -> String {
    format!(
        "  -\n    ip: \"{}\"\n    port: {}\n    module: {module}\n",
        address.ip(),
        address.port()
    )
}

/// Where ejabberd's libraries are: `ejabberd-VERSION` beside those of other programs.
fn libraries() -> Result<PathBuf> {
    let below = |folder: &Path| {
        std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
    };
    let holds = |folder: &PathBuf| {
        below(folder).any(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ejabberd-"))
        })
    };
    let lib = PathBuf::from("/usr/lib");
    below(&lib)
        .chain([lib.clone(), lib.join("erlang/lib")])
        .find(holds)
        .context("no /usr/lib/*/ejabberd-*: is ejabberd installed?")
}
