//! jabberd2 2.7: its router, to which components attach (XEP-0114) as does its own s2s, and its s2s. Two processes on one core; a stanza
//! crosses both. Not equal: it has no SASL EXTERNAL, so that dialback over TLS is the most it can demand.
//!
//! It is not told the authority. It would not refuse a certificate for it, but would send the authority's along with its own, and TLS 1.3
//! tickets, which hold what it sent, would no longer fit into one of its reads of 1,024 bytes. Behind such a half record it was seen to write
//! `</stream:stream>` in the clear into the connection under TLS, and to begin again, in three of four runs.

use anyhow::{Context as _, Result, ensure};
use s2s_testkit::federation::Rung;
use s2s_testkit::process::Log;
use std::process::Command;

use super::{File, Launch, Plan, Raise, Recipe, Running};

const ROUTER: &str = "router.xml";
const USERS: &str = "router-users.xml";
const FILTER: &str = "router-filter.xml";
const S2S: &str = "s2s.xml";

/// Its descriptors; it makes room for them at its start.
const DESCRIPTORS: u32 = 20_000;

pub(super) struct Jabberd2;

impl Recipe for Jabberd2 {
    fn packages(&self) -> &'static [&'static str] {
        &["jabberd2"]
    }

    fn programs(&self) -> &'static [&'static str] {
        &["jabberd2-router", "jabberd2-s2s"]
    }

    fn rungs(&self) -> &'static [Rung] {
        &[Rung::Verified, Rung::Secure]
    }

    fn files(&self, plan: &Plan) -> Result<Vec<File>> {
        let secret = &plan.secret;
        let users =
            format!("<users><user><name>jabberd</name><secret>{secret}</secret></user></users>\n");
        Ok(vec![
            File { name: ROUTER, text: router(plan) },
            File { name: USERS, text: users },
            File { name: FILTER, text: "<filter/>\n".to_owned() },
            File { name: S2S, text: s2s(plan) },
        ])
    }

    fn launches(&self, plan: &Plan) -> Result<Vec<Launch>> {
        ensure!(
            plan.dns.port() == 53,
            "jabberd2 takes its DNS server from resolv.conf, at port 53, not {}",
            plan.dns
        );
        let part = |name, program: &str, file: &str, port| {
            let mut command = plan.command(program);
            command.arg("-c").arg(plan.file(file));
            let console = plan.file(&format!("{name}-console.log"));
            Launch { name, command, console, ports: vec![port] }
        };
        Ok(vec![
            part("router", "jabberd2-router", ROUTER, plan.component),
            part("s2s", "jabberd2-s2s", S2S, plan.s2s),
        ])
    }

    fn version(&self, plan: &Plan) -> Result<String> {
        // It is ready when its router takes what is addressed to others from it.
        Log::new(plan.file("router.log")).line("default route")?;
        let output = Command::new("jabberd2-router").arg("-h").output()?;
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let version = text.split(['(', ')']).nth(1).context("jabberd2-router -h has no version")?;
        Ok(format!("jabberd2 {version}"))
    }

    fn reload(&self, _: &Plan, _: &Running) -> Result<Raise> {
        Ok(Raise::Cannot("it reads require_tls at its start alone"))
    }
}

fn router(plan: &Plan) -> String {
    let folder = plan.folder.display();
    format!(
        "<router>\n\
         <id>router</id>\n\
         <pidfile>{folder}/router.pid</pidfile>\n\
         <log type='file'><file>{folder}/router.log</file></log>\n\
         <local>\n<ip>{ip}</ip>\n<port>{port}</port>\n<users>{folder}/{USERS}</users>\n<secret>{secret}</secret>\n</local>\n\
         <io>\n<max_fds>{DESCRIPTORS}</max_fds>\n<limits><bytes>0</bytes><connects>0</connects></limits>\n</io>\n\
         <aci>\n<acl type='all'><user>jabberd</user></acl>\n<filter>{folder}/{FILTER}</filter>\n</aci>\n\
         </router>\n",
        ip = plan.component.ip(),
        port = plan.component.port(),
        secret = plan.secret,
    )
}

fn s2s(plan: &Plan) -> String {
    let folder = plan.folder.display();
    format!(
        "<s2s>\n\
         <id>s2s</id>\n\
         <pidfile>{folder}/s2s.pid</pidfile>\n\
         <router>\n<ip>{router_ip}</ip>\n<port>{router_port}</port>\n<user>jabberd</user>\n<pass>{secret}</pass>\n</router>\n\
         <log type='file'><file>{folder}/s2s.log</file></log>\n\
         <local>\n<ip>{ip}</ip>\n<port>{port}</port>\n<secret>{secret}</secret>\n<pemfile>{both}</pemfile>\n\
         </local>\n\
         <io>\n<max_fds>{DESCRIPTORS}</max_fds>\n<limits><bytes>0</bytes><connects>0</connects><stanzasize>0</stanzasize></limits>\n</io>\n\
         <lookup>\n<srv>xmpp-server</srv>\n</lookup>\n\
         <security>{require_tls}</security>\n\
         </s2s>\n",
        router_ip = plan.component.ip(),
        router_port = plan.component.port(),
        secret = plan.secret,
        ip = plan.s2s.ip(),
        port = plan.s2s.port(),
        both = plan.both.display(),
        require_tls = if plan.minimum >= Rung::Secure { "<require_tls/>" } else { "" },
    )
}
