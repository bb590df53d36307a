//! The files that each server gets for the same plan. That the servers accept them is tested in `tests/servers.rs`, with the servers.

use std::path::PathBuf;

use super::*;

fn plan(minimum: Rung) -> Plan {
    Plan {
        folder: PathBuf::from("/run/montague"),
        domains: vec!["echo.example.org".to_owned(), "sink.example.org".to_owned()],
        secret: "wherefore-art-thou".to_owned(),
        s2s: "127.0.0.2:15269".parse().unwrap(),
        component: "127.0.0.4:15347".parse().unwrap(),
        control: "127.0.0.4:15280".parse().unwrap(),
        certificate: PathBuf::from("/lg/hosted.crt"),
        key: PathBuf::from("/lg/hosted.key"),
        both: PathBuf::from("/lg/hosted.pem"),
        authority: PathBuf::from("/lg/ca.crt"),
        minimum,
        dns: "127.0.0.1:53".parse().unwrap(),
        core: Some(1),
        peerage: None,
        forward: "127.0.0.3:25269".parse().unwrap(),
        forward_name: "r0.peers.example".to_owned(),
    }
}

fn text(server: Software, minimum: Rung, name: &str) -> String {
    let files = server.recipe().files(&plan(minimum)).unwrap();
    let found = files.into_iter().find(|file| file.name == name);
    found.unwrap_or_else(|| panic!("{} has no {name}", server.name())).text
}

/// That all of `wanted` is there, and nothing of `unwanted`.
fn assert_says(text: &str, wanted: &[&str], unwanted: &[&str]) {
    for words in wanted {
        assert!(text.contains(words), "{words} is missing in:\n{text}");
    }
    for words in unwanted {
        assert!(!text.contains(words), "{words} is in:\n{text}");
    }
}

#[test]
fn peerage_is_asked_for_what_the_plan_says() {
    let trusted = text(Software::Peerage, Rung::Trusted, "peerage.toml");
    assert_says(
        &trusted,
        &[
            "shards = 1",
            "minimum = \"trusted\"",
            "roots = \"/lg/ca.crt\"",
            "servers = [\"127.0.0.1:53\"]",
            "level = \"info\"",
            "[[listen]]\naddress = \"127.0.0.2:15269\"\n[[listen]]\naddress = \"127.0.0.4:15347\"\nkind = \"component\"\n",
            "name = \"echo.example.org\"\ncertificate = \"/lg/hosted.crt\"\nkey = \"/lg/hosted.key\"\ncomponent = { secret = \"wherefore-art-thou\" }",
            "name = \"sink.example.org\"",
        ],
        &[],
    );
    toml::from_str::<toml::Table>(&trusted).unwrap();
    let secure = text(Software::Peerage, Rung::Secure, "peerage.toml");
    assert_says(&secure, &["minimum = \"secure\""], &["trusted"]);
}

#[test]
fn prosody_is_asked_for_what_the_plan_says() {
    let trusted = text(Software::Prosody, Rung::Trusted, "prosody.cfg.lua");
    assert_says(
        &trusted,
        &[
            "s2s_require_encryption = true\ns2s_secure_auth = true",
            "log = { info = \"/run/montague/prosody.log\" }",
            "limits = {}",
            "certificate = \"/lg/hosted.crt\", key = \"/lg/hosted.key\", cafile = \"/lg/ca.crt\"",
            "forward = { \"127.0.0.1@53\" }",
            "s2s_interfaces = { \"127.0.0.2\" }\ns2s_ports = { 15269 }",
            "component_interfaces = { \"127.0.0.4\" }\ncomponent_ports = { 15347 }",
            "Component \"echo.example.org\"\n component_secret = \"wherefore-art-thou\"",
            "Component \"sink.example.org\"",
        ],
        &["\"dialback\"", "\"limits\""],
    );
    assert_says(
        &text(Software::Prosody, Rung::Secure, "prosody.cfg.lua"),
        &["s2s_require_encryption = true\ns2s_secure_auth = false", "\"dialback\""],
        &[],
    );
    assert_says(
        &text(Software::Prosody, Rung::Verified, "prosody.cfg.lua"),
        &["s2s_require_encryption = false\ns2s_secure_auth = false", "\"dialback\""],
        &[],
    );
}

#[test]
fn ejabberd_is_asked_for_what_the_plan_says() {
    let trusted = text(Software::Ejabberd, Rung::Trusted, "ejabberd.yml");
    assert_says(
        &trusted,
        &[
            "s2s_use_starttls: required\n",
            "loglevel: info\n",
            "ca_file: \"/lg/ca.crt\"\ncertfiles: [ \"/lg/hosted.pem\" ]",
            "ip: \"127.0.0.2\"\n    port: 15269\n    module: ejabberd_s2s_in\n    backlog: 1024",
            "ip: \"127.0.0.4\"\n    port: 15347\n    module: ejabberd_service\n    access: all\n    shaper: none",
            "ip: \"127.0.0.4\"\n    port: 15280\n    module: ejabberd_http",
            "\"echo.example.org\": { password: \"wherefore-art-thou\" }",
            "\"sink.example.org\": { password: \"wherefore-art-thou\" }",
        ],
        &["mod_s2s_dialback"],
    );
    assert_says(
        &text(Software::Ejabberd, Rung::Secure, "ejabberd.yml"),
        &["s2s_use_starttls: required\n", "mod_s2s_dialback: {}"],
        &[],
    );
    assert_says(
        &text(Software::Ejabberd, Rung::Verified, "ejabberd.yml"),
        &["s2s_use_starttls: optional\n", "mod_s2s_dialback: {}"],
        &[],
    );
}

#[test]
fn jabberd2_is_asked_for_what_the_plan_says() {
    let router = text(Software::Jabberd2, Rung::Secure, "router.xml");
    assert_says(
        &router,
        &[
            "<ip>127.0.0.4</ip>\n<port>15347</port>",
            "<secret>wherefore-art-thou</secret>",
            "<users>/run/montague/router-users.xml</users>",
            "<bytes>0</bytes><connects>0</connects>",
        ],
        &[],
    );
    let users = text(Software::Jabberd2, Rung::Secure, "router-users.xml");
    assert_says(&users, &["<name>jabberd</name><secret>wherefore-art-thou</secret>"], &[]);
    let s2s = text(Software::Jabberd2, Rung::Secure, "s2s.xml");
    assert_says(
        &s2s,
        &[
            "<router>\n<ip>127.0.0.4</ip>\n<port>15347</port>\n<user>jabberd</user>\n<pass>wherefore-art-thou</pass>",
            "<local>\n<ip>127.0.0.2</ip>\n<port>15269</port>",
            "<pemfile>/lg/hosted.pem</pemfile>",
            "<require_tls/>",
        ],
        // Several remote domains on one connection are not what the others do. The authority's certificate would be sent along.
        &["out-conn-reuse", "<cachain>"],
    );
    let verified = text(Software::Jabberd2, Rung::Verified, "s2s.xml");
    assert_says(&verified, &[], &["<require_tls/>"]);
}

#[test]
fn haproxy_is_asked_for_what_the_plan_says() {
    assert_says(
        &text(Software::Haproxy, Rung::Trusted, "haproxy.cfg"),
        &[
            "nbthread 1",
            "mode tcp",
            "raw local0 info",
            "bind 127.0.0.2:15269 ssl crt /lg/hosted.pem ca-file /lg/ca.crt",
            "server out 127.0.0.3:25269 ssl crt /lg/hosted.pem ca-file /lg/ca.crt verify required \
             verifyhost r0.peers.example sni str(r0.peers.example)",
        ],
        &["maxconn", "rate-limit"],
    );
}

#[test]
fn every_process_is_pinned_to_the_core_of_the_plan_and_ends_with_its_parent() {
    for server in [Software::Prosody, Software::Jabberd2, Software::Haproxy] {
        for launch in server.recipe().launches(&plan(Rung::Secure)).unwrap() {
            let command = format!("{:?}", launch.command);
            let wanted = "\"setpriv\" \"--pdeathsig\" \"KILL\" \"taskset\" \"--cpu-list\" \"1\"";
            assert!(command.starts_with(wanted), "{command}");
        }
    }
}

#[test]
fn what_a_server_cannot_demand_is_refused_with_what_it_can() {
    let refused = |server: Software, minimum| {
        plan(minimum).check(server, server.recipe()).unwrap_err().to_string()
    };
    assert_eq!(
        refused(Software::Jabberd2, Rung::Trusted),
        "jabberd2 cannot demand \"trusted\" of other servers, only verified, secure"
    );
    assert!(refused(Software::Ejabberd, Rung::Promiscuous).contains("verified, secure, trusted"));
    assert!(plan(Rung::Promiscuous).check(Software::Peerage, Software::Peerage.recipe()).is_ok());
}

#[test]
fn what_a_configuration_would_take_for_its_own_syntax_is_refused() {
    let check = |plan: Plan| plan.check(Software::Prosody, Software::Prosody.recipe());
    let good = plan(Rung::Trusted);
    assert!(check(good.clone()).is_ok());
    for bad in [
        Plan { domains: vec!["echo.example.org\" }".to_owned()], ..good.clone() },
        Plan { domains: vec![], ..good.clone() },
        Plan { secret: "</secret>".to_owned(), ..good.clone() },
        Plan { secret: String::new(), ..good.clone() },
        Plan { folder: PathBuf::from("relative"), ..good.clone() },
        Plan { key: PathBuf::from("/lg/hosted key"), ..good.clone() },
        Plan { forward_name: "r0 verify none".to_owned(), ..good.clone() },
    ] {
        assert!(check(bad.clone()).is_err(), "{bad:?}");
    }
}

#[test]
fn a_dns_server_that_cannot_be_said_to_a_server_is_refused() {
    for server in [Software::Ejabberd, Software::Jabberd2] {
        let plan = Plan { dns: "127.0.0.1:5353".parse().unwrap(), ..plan(Rung::Secure) };
        let error = server.recipe().launches(&plan).err().unwrap().to_string();
        assert!(error.contains("at port 53, not 127.0.0.1:5353"), "{error}");
    }
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let folder = tempfile::Builder::new().prefix("montague").tempdir().unwrap();
    std::fs::write(folder.path().join("notes"), "mine").unwrap();
    let plan = Plan { folder: folder.path().to_owned(), ..plan(Rung::Trusted) };
    let error = Running::start(Software::Haproxy, plan).err().unwrap().to_string();
    assert!(error.ends_with("is not empty: a server starts from a folder of its own"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_peerage_that_was_not_built_is_named() {
    let missing = PathBuf::from("/montague/peerage");
    let plan = Plan { peerage: Some(missing), ..plan(Rung::Trusted) };
    let error = Software::Peerage.recipe().launches(&plan).err().unwrap().to_string();
    assert_eq!(error, "/montague/peerage: no such program; build it, or say --peerage-bin");
}
