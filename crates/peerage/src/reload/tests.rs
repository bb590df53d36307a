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
    Reload::new(Some(file), loaded, secret, false)
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

#[test]
fn the_embedded_configuration_has_nothing_to_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut reload = started(directory.path());
    reload.file = None;
    assert!(reload.run().unwrap().is_none());
}
