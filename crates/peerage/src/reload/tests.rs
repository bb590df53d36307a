//! A reload works as a whole or changes nothing.

use std::fs;
use std::path::Path;

use super::*;

fn text(state_dir: &Path, more: &str) -> String {
    format!(
        "[router]\nstate_dir = '{}'\n[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\naddress = \"127.0.0.1:5347\"\nkind = \"component\"\n\
         [[domain]]\nname = \"capulet.example\"\ncomponent = {{ secret = \"0123456789abcdef\" }}\n\
         [trust]\nminimum = \"verified\"\n{more}",
        state_dir.display()
    )
}

fn started(directory: &Path) -> Reload {
    let file = directory.join("peerage.toml");
    let state_dir = directory.join("state");
    fs::write(&file, text(&state_dir, "")).unwrap();
    let loaded = load(&file, Surroundings::here()).unwrap();
    let secret = state::open_secret(&state_dir).unwrap();
    Reload::new(Some(file), loaded, secret, None, false)
}

#[test]
fn a_bad_file_leaves_the_old_settings_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let mut reload = started(directory.path());
    let file = directory.path().join("peerage.toml");
    let bad = text(&directory.path().join("state"), "[limits]\ndepth = 1\n[nonsense]\n");
    fs::write(&file, bad).unwrap();
    let Err(problems) = reload.run() else { panic!("accepted") };
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("limits.depth = 1: must be 8 to 1024"), "{problems:?}");
    assert_eq!(reload.current().config.limits.depth, 128);
}

#[test]
fn a_good_file_changes_settings_dns_and_level() {
    let directory = tempfile::tempdir().unwrap();
    let mut reload = started(directory.path());
    let file = directory.path().join("peerage.toml");
    let more = "[limits]\ndepth = 64\n[dns]\nservers = \"127.0.0.1:53\"\nattempts = 3\n[log]\nlevel = \"debug\"\n";
    fs::write(&file, text(&directory.path().join("state"), more)).unwrap();
    let reloaded = reload.run().unwrap().unwrap();
    assert_eq!(reloaded.settings.limits.depth, 64);
    assert_eq!(reloaded.dns.unwrap().attempts, 3);
    assert_eq!(reloaded.log_level, Some(LogLevel::Debug));

    let again = reload.run().unwrap().unwrap();
    assert!(again.dns.is_none() && again.log_level.is_none());
}

#[test]
fn what_cannot_change_is_named_and_stays() {
    let directory = tempfile::tempdir().unwrap();
    let mut reload = started(directory.path());
    let changed = text(&directory.path().join("other"), "[admin]\nlisten = \"127.0.0.1:5281\"\n")
        .replace("[router]", "[router]\nshards = 7")
        .replace("127.0.0.1:5347", "127.0.0.1:5348");
    let new = crate::config::load_text("new", &changed, Path::new(""), Surroundings::here());
    assert_eq!(
        fixed_at_start(reload.current(), &new.unwrap()),
        ["router.shards", "router.state_dir", "[[listen]]", "admin.listen"]
    );
    fs::write(directory.path().join("peerage.toml"), changed).unwrap();
    let before = reload.current().shards;
    reload.run().unwrap().unwrap();
    assert_eq!(reload.current().shards, before);
    assert_eq!(reload.current().config.admin.listen.value.port(), 5280);
    assert!(!directory.path().join("other").exists());
}

/// The same file with another domain, which has a backend.
fn with_backend(directory: &Path, name: &str) {
    let more = format!(
        "[[domain]]\nname = {name:?}\nbackend = {{ address = \"10.0.0.5:5269\", proof = \"certificate\" }}\n"
    );
    fs::write(directory.join("peerage.toml"), text(&directory.join("state"), &more)).unwrap();
}

fn leaf(reload: &Reload, domain: &str) -> Result<Arc<rustls::sign::CertifiedKey>, String> {
    let domain = xmpp_addr::Domain::parse(domain).unwrap();
    reload.settings().leaves.clone().ok_or("no leaf authority")?.leaf(&domain)
}

#[test]
fn the_first_backend_makes_the_internal_ca() {
    let directory = tempfile::tempdir().unwrap();
    let mut reload = started(directory.path());
    let certificate = directory.path().join("state/backend-ca.crt");
    reload.run().unwrap().unwrap();
    assert!(!certificate.exists(), "made without a backend");
    assert!(reload.settings().leaves.is_none());

    with_backend(directory.path(), "verona.example");
    let reloaded = reload.run().unwrap().unwrap();
    assert!(certificate.exists());
    assert!(reloaded.settings.leaves.is_some());
    let first = leaf(&reload, "montague.example").unwrap();

    with_backend(directory.path(), "padua.example");
    reload.run().unwrap().unwrap();
    assert!(Arc::ptr_eq(&first, &leaf(&reload, "montague.example").unwrap()), "issued again");
}

#[test]
fn a_reload_puts_a_rotated_ca_into_force() {
    let directory = tempfile::tempdir().unwrap();
    let state_dir = directory.path().join("state");
    let mut reload = started(directory.path());
    with_backend(directory.path(), "verona.example");
    reload.run().unwrap().unwrap();
    let before = leaf(&reload, "montague.example").unwrap();

    let now = Surroundings::here().now;
    let next = crate::ca::stage(&state_dir, "capulet.example", now).unwrap();
    reload.run().unwrap().unwrap();
    assert!(Arc::ptr_eq(&before, &leaf(&reload, "montague.example").unwrap()), "used when staged");
    crate::ca::activate(&state_dir).unwrap();
    reload.run().unwrap().unwrap();
    let after = leaf(&reload, "montague.example").unwrap();
    assert_eq!(s2s_trust::fingerprint(&after.cert[1]), next.fingerprint);
    assert_ne!(before.cert[1], after.cert[1]);
}

#[test]
fn an_exposed_ca_leaves_the_old_settings_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let mut reload = started(directory.path());
    with_backend(directory.path(), "verona.example");
    reload.run().unwrap().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(directory.path().join("state/backend-ca.key"), mode).unwrap();
    let Err(problems) = reload.run() else { panic!("accepted") };
    assert!(problems[0].contains("lets others read the key of the internal CA"), "{problems:?}");
    leaf(&reload, "montague.example").unwrap();
}

#[test]
fn the_embedded_configuration_has_nothing_to_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut reload = started(directory.path());
    reload.file = None;
    assert!(reload.run().unwrap().is_none());
}
