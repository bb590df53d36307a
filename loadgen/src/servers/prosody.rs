//! Prosody 0.12. Not equal: below `trusted` it demands certificates of nobody, but still takes one that is right instead of dialback.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Result, ensure};
use s2s_testkit::federation::Rung;
use s2s_testkit::process::Log;

use super::{File, Launch, Plan, Raise, Recipe, Running};

const CONFIGURATION: &str = "prosody.cfg.lua";
const LOG: &str = "prosody.log";

pub(super) struct Prosody;

impl Recipe for Prosody {
    fn packages(&self) -> &'static [&'static str] {
        // Without lua-unbound it resolves names by itself, more slowly, and reads other settings.
        &["prosody", "lua-unbound"]
    }

    fn programs(&self) -> &'static [&'static str] {
        &["prosody", "prosodyctl"]
    }

    fn rungs(&self) -> &'static [Rung] {
        &[Rung::Verified, Rung::Secure, Rung::Trusted]
    }

    fn files(&self, plan: &Plan) -> Result<Vec<File>> {
        let (s2s, component) = (plan.s2s, plan.component);
        let mut text = format!(
            "run_as_root = true\n\
             pidfile = \"{folder}/prosody.pid\"\n\
             data_path = \"{folder}\"\n\
             log = {{ info = \"{folder}/{LOG}\" }}\n\
             modules_enabled = {{ \"tls\", \"saslauth\", \"admin_shell\"{dialback} }}\n\
             modules_disabled = {{ \"c2s\", \"offline\" }}\n\
             limits = {{}}\n\
             {demands}\
             certificates = \"{folder}\"\n\
             ssl = {{ certificate = \"{certificate}\", key = \"{key}\", cafile = \"{authority}\" }}\n\
             unbound = {{ resolvconf = false, hoststxt = false, forward = {{ \"{dns}@{dns_port}\" }},\n  \
             options = {{ [\"do-not-query-localhost:\"] = \"no\" }} }}\n\
             s2s_interfaces = {{ \"{s2s_ip}\" }}\n\
             s2s_ports = {{ {s2s_port} }}\n\
             s2s_direct_tls_ports = {{}}\n\
             component_interfaces = {{ \"{component_ip}\" }}\n\
             component_ports = {{ {component_port} }}\n\
             VirtualHost \"local.invalid\"\n",
            folder = plan.folder.display(),
            // Where a certificate is demanded, there is nothing else that may do.
            dialback = if plan.minimum == Rung::Trusted { "" } else { ", \"dialback\"" },
            demands = demands(plan.minimum),
            certificate = plan.certificate.display(),
            key = plan.key.display(),
            authority = plan.authority.display(),
            dns = plan.dns.ip(),
            dns_port = plan.dns.port(),
            s2s_ip = s2s.ip(),
            s2s_port = s2s.port(),
            component_ip = component.ip(),
            component_port = component.port(),
        );
        for domain in &plan.domains {
            write!(text, "Component \"{domain}\"\n component_secret = \"{}\"\n", plan.secret)?;
        }
        Ok(vec![File { name: CONFIGURATION, text }])
    }

    fn launches(&self, plan: &Plan) -> Result<Vec<Launch>> {
        let mut command = plan.command("prosody");
        command.arg("--config").arg(plan.file(CONFIGURATION)).arg("-F");
        let ports = vec![plan.s2s, plan.component];
        Ok(vec![Launch { name: "prosody", command, console: plan.file("console.log"), ports }])
    }

    fn version(&self, plan: &Plan) -> Result<String> {
        let line = Log::new(plan.file(LOG)).line("Hello and welcome to Prosody version ")?;
        Ok(format!("Prosody {}", line.rsplit(' ').next().unwrap_or_default()))
    }

    /// Its modules read their settings when they are loaded, so a new configuration alone changes nothing.
    fn reload(&self, plan: &Plan, _: &Running) -> Result<Raise> {
        let mut said = Vec::new();
        for command in ["config:reload()", "module:reload(\"tls\")", "module:reload(\"s2s\")"] {
            let mut shell = Command::new("prosodyctl");
            shell.arg("--config").arg(plan.file(CONFIGURATION)).args(["shell", command]);
            let output = shell.output()?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            ensure!(output.status.success(), "prosodyctl shell {command}: {text} {error}");
            said.extend(text.lines().last().map(str::to_owned));
        }
        Ok(Raise::Done(said.join("; ")))
    }
}

fn demands(minimum: Rung) -> &'static str {
    match minimum {
        Rung::Promiscuous | Rung::Verified => {
            "s2s_require_encryption = false\ns2s_secure_auth = false\n"
        }
        Rung::Secure => "s2s_require_encryption = true\ns2s_secure_auth = false\n",
        Rung::Trusted => "s2s_require_encryption = true\ns2s_secure_auth = true\n",
    }
}
