//! The architecture, as a machine reads it: which crate may depend on which, what each layer may use from outside, and where `unsafe`
//! may be written. A breach is reported with the crate, the edge and the rule.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a crate stands. Arrows only point down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layer {
    /// Part of the router.
    Product(u8),
    /// `s2s-testkit`.
    Testkit,
    /// `xmpp-frame-oracles`.
    Oracles,
    /// `peerage-loadgen`.
    Loadgen,
    /// `peerage-benches`.
    Benches,
    /// `peerage-tests` and `xtask`: they look at everything and nothing looks at them.
    Tool,
}

struct Place {
    name: &'static str,
    layer: Layer,
    /// Outside crates of `[dependencies]`; `None` leaves them free, in dev crates only.
    outside: Option<&'static [&'static str]>,
}

/// ARCHITECTURE.md, "Layers". A new crate, or a new dependency of a product crate, is an architectural decision and is written here.
#[rustfmt::skip]
const PLACES: &[Place] = &[
    Place { name: "xmpp-addr", layer: Layer::Product(0), outside: Some(&["hashbrown", "idna", "precis-profiles"]) },
    Place { name: "xmpp-frame", layer: Layer::Product(0), outside: Some(&["bytes", "memchr", "simdutf8", "xmlparser"]) },
    Place { name: "s2s-proto", layer: Layer::Product(1), outside: Some(&["aws-lc-rs", "bytes", "hashbrown"]) },
    Place { name: "s2s-trust", layer: Layer::Product(1), outside: Some(&[
        "aws-lc-rs", "rustls-native-certs", "rustls-pki-types", "rustls-webpki", "webpki-roots", "x509-parser",
    ]) },
    Place { name: "s2s-route", layer: Layer::Product(2), outside: Some(&["bytes", "hashbrown", "ipnet", "slab"]) },
    Place { name: "s2s-net", layer: Layer::Product(3), outside: Some(&[
        "aws-lc-rs", "bytes", "crossbeam", "hashbrown", "hdrhistogram", "if-addrs", "ipnet", "monoio", "rustix",
        "rustls", "slab", "socket2", "tracing",
    ]) },
    Place { name: "peerage", layer: Layer::Product(4), outside: Some(&[
        "anyhow", "axum", "bytes", "clap", "getrandom", "hdrhistogram", "hickory-resolver", "ipnet", "mimalloc",
        "prometheus-client", "rcgen", "rustix", "rustls", "rustls-pki-types", "serde", "thiserror", "time", "tokio", "toml",
        "tracing", "tracing-appender", "tracing-subscriber", "x509-parser",
    ]) },
    Place { name: "s2s-testkit", layer: Layer::Testkit, outside: None },
    Place { name: "xmpp-frame-oracles", layer: Layer::Oracles, outside: Some(&["libloading", "rxml"]) },
    Place { name: "peerage-loadgen", layer: Layer::Loadgen, outside: None },
    Place { name: "peerage-benches", layer: Layer::Benches, outside: None },
    Place { name: "peerage-tests", layer: Layer::Tool, outside: None },
    Place { name: "xtask", layer: Layer::Tool, outside: None },
];

/// The files that may contain `unsafe`, each with what for.
const UNSAFE_FILES: &[(&str, &str)] = &[
    ("crates/frame-oracles/src/expat.rs", "libexpat's C interface"),
    ("crates/s2s-net/src/sys.rs", "system calls"),
    ("crates/s2s-proto/tests/no_allocation.rs", "an allocator that counts"),
    ("crates/xmpp-addr/tests/no_allocation.rs", "an allocator that counts"),
    (
        "crates/xmpp-frame/src/scan/vector.rs",
        "loads behind a check of their own, the choice of instructions",
    ),
    ("crates/xmpp-frame/src/scan/vector/x86.rs", "vector instructions"),
    ("crates/xmpp-frame/tests/memory.rs", "an allocator that counts"),
];

/// The pure crates that are not without `unsafe`: it is denied there, and allowed where `UNSAFE_FILES` says so.
const PURE_WITH_UNSAFE: &[&str] = &["xmpp-frame"];

/// The layers that are pure: no clocks, no environment, no threads, no locks.
const PURE_LAYER_MAX: u8 = 2;

/// What the first lines of a pure crate must say besides, apart from white space.
const PURE_CRATE_ATTRIBUTE: &str = "#![cfg_attr(not(test),deny(clippy::unwrap_used,clippy::expect_used,clippy::indexing_slicing,clippy::panic))]";

#[test]
fn every_crate_has_a_place() {
    let unplaced: Vec<String> = workspace()
        .packages
        .iter()
        .filter(|package| place(&package.name).is_none())
        .map(|package| format!("`{}` has no place: add it to PLACES in {}", package.name, file!()))
        .collect();
    none(&unplaced);
}

#[test]
fn workspace_dependencies_point_down() {
    let metadata = workspace();
    let mut breaches = Vec::new();
    for package in &metadata.packages {
        for used in linked(package) {
            breaches.extend(judge_inside(&package.name, used));
        }
    }
    none(&breaches);
}

#[test]
fn outside_dependencies_are_those_of_the_layer() {
    let metadata = workspace();
    let mut breaches = Vec::new();
    for package in &metadata.packages {
        for used in linked(package) {
            breaches.extend(judge_outside(&package.name, used));
        }
    }
    none(&breaches);
}

#[test]
fn pure_crates_forbid_unsafe_and_panics() {
    let mut breaches = Vec::new();
    for (name, directory) in pure_crates() {
        let source = fs::read_to_string(directory.join("src/lib.rs")).expect("a library crate");
        let source: String = code_of(&source).split_whitespace().collect();
        let source = source.replace(",)", ")");
        let is_denied_only = PURE_WITH_UNSAFE.contains(&name.as_str());
        let about_unsafe =
            if is_denied_only { "#![deny(unsafe_code)]" } else { "#![forbid(unsafe_code)]" };
        for attribute in [about_unsafe, PURE_CRATE_ATTRIBUTE] {
            if !source.contains(attribute) {
                breaches.push(format!("`{name}`: src/lib.rs lacks {attribute}"));
            }
        }
    }
    none(&breaches);
}

#[test]
fn pure_crates_have_one_clippy_toml() {
    let mut breaches = Vec::new();
    let mut first: Option<(String, String)> = None;
    for (name, directory) in pure_crates() {
        let Ok(text) = fs::read_to_string(directory.join("clippy.toml")) else {
            breaches.push(format!("`{name}` has no clippy.toml: clocks, environment, threads and locks are not refused"));
            continue;
        };
        let (first_name, first_text) = first.get_or_insert_with(|| (name.clone(), text.clone()));
        if *first_text != text {
            breaches.push(format!("`{name}`: clippy.toml differs from that of `{first_name}`"));
        }
    }
    none(&breaches);
}

#[test]
fn unsafe_is_in_the_listed_files_only() {
    let root = root();
    let mut found = Vec::new();
    for directory in ["crates", "benches", "loadgen", "tests"] {
        collect_unsafe_files(&root.join(directory), &root, &mut found);
    }
    let listed = |file: &str| UNSAFE_FILES.iter().any(|(name, _)| *name == file);
    let mut breaches: Vec<String> = found
        .iter()
        .filter(|file| !listed(file))
        .map(|file| format!("{file} contains `unsafe` and is not in UNSAFE_FILES of {}", file!()))
        .collect();
    for (file, purpose) in UNSAFE_FILES {
        if !found.iter().any(|name| name == file) {
            breaches.push(format!("{file} ({purpose}) is in UNSAFE_FILES but contains no `unsafe`: take it off the list"));
        }
    }
    none(&breaches);
}

#[test]
fn the_rules_refuse_what_they_should() {
    for (user, used) in [
        ("s2s-proto", "s2s-trust"),
        ("s2s-trust", "s2s-proto"),
        ("xmpp-addr", "xmpp-frame"),
        ("s2s-route", "s2s-net"),
        ("s2s-net", "peerage"),
        ("peerage", "s2s-testkit"),
        ("s2s-testkit", "s2s-route"),
        ("peerage-loadgen", "s2s-net"),
        ("peerage-loadgen", "peerage"),
        ("peerage-benches", "peerage"),
        ("s2s-testkit", "peerage-loadgen"),
        ("xmpp-frame", "xmpp-frame-oracles"),
        ("xmpp-frame-oracles", "s2s-testkit"),
    ] {
        let message = judge_inside(user, used).unwrap_or_else(|| panic!("{user} -> {used} passed"));
        assert!(message.contains(&format!("`{user}` -> `{used}`")), "{message}");
    }
    assert_eq!(judge_inside("s2s-route", "s2s-trust"), None);
    assert_eq!(judge_inside("peerage-loadgen", "s2s-testkit"), None);
    assert_eq!(judge_inside("peerage-tests", "peerage"), None);
    assert_eq!(judge_inside("peerage-benches", "xmpp-frame-oracles"), None);
    assert!(judge_outside("s2s-proto", "tokio").is_some());
    assert!(judge_outside("s2s-net", "tokio").is_some());
    assert_eq!(judge_outside("s2s-net", "monoio"), None);
}

#[test]
fn unsafe_in_text_is_not_unsafe_in_code() {
    let text = "// unsafe\n/* unsafe /* unsafe */ */ \"unsafe \\\" unsafe\" r#\"unsafe \" \"# 'u' &'a b'\"' unsafe_code";
    assert!(!has_word(&code_of(text), "unsafe"));
    assert!(has_word(&code_of("fn a<'a>() { unsafe { b() } }"), "unsafe"));
    assert!(has_word(&code_of("'\"' unsafe '\"'"), "unsafe"));
}

fn workspace() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata")
}

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("the tests lie below the root").to_path_buf()
}

/// What a package links outside its own tests, by package name.
fn linked(package: &Package) -> impl Iterator<Item = &str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.as_str())
}

fn place(name: &str) -> Option<&'static Place> {
    PLACES.iter().find(|place| place.name == name)
}

fn pure_crates() -> Vec<(String, PathBuf)> {
    let metadata = workspace();
    let pure = metadata.packages.iter().filter(|package| {
        let layer = place(&package.name).map(|place| place.layer);
        matches!(layer, Some(Layer::Product(layer)) if layer <= PURE_LAYER_MAX)
    });
    let crates: Vec<_> = pure
        .filter_map(|package| {
            Some((package.name.to_string(), package.manifest_path.parent()?.into()))
        })
        .collect();
    assert!(!crates.is_empty(), "no pure crate in the workspace");
    crates
}

/// The breach, if a workspace crate may not use another. Outside crates are not judged here.
fn judge_inside(user: &str, used: &str) -> Option<String> {
    let (from, to) = (place(user)?.layer, place(used)?.layer);
    let rule = match (from, to) {
        (Layer::Product(a), Layer::Product(b)) if b < a => return None,
        (Layer::Product(_), Layer::Product(_)) => "a product crate depends on lower layers only",
        (Layer::Product(_), _) => "a product crate does not depend on a dev crate",
        (Layer::Testkit, Layer::Product(0..=1)) => return None,
        (Layer::Testkit, _) => "the testkit uses layers 0 and 1 only",
        (Layer::Oracles, Layer::Product(0)) => return None,
        (Layer::Oracles, _) => "the oracles know what they are held against and nothing else",
        (Layer::Loadgen, Layer::Product(0..=1) | Layer::Testkit) => return None,
        (Layer::Loadgen, _) => {
            "the load generator uses layers 0 and 1 and the testkit only: a bug must not sit on both ends"
        }
        (Layer::Benches, Layer::Product(0..=3) | Layer::Testkit | Layer::Oracles) => return None,
        (Layer::Benches, _) => "the benchmarks use layers 0 to 3, the testkit and the oracles only",
        (Layer::Tool, _) => return None,
    };
    Some(format!("`{user}` -> `{used}` ({from:?} -> {to:?}): {rule}"))
}

/// The breach, if a product crate may not use an outside crate.
fn judge_outside(user: &str, used: &str) -> Option<String> {
    let Place { layer, outside, .. } = place(user)?;
    let allowed = (*outside)?;
    if place(used).is_some() || allowed.contains(&used) {
        return None;
    }
    Some(format!(
        "`{user}` -> `{used}`: not among the outside crates of `{user}` ({layer:?}), which are {}",
        allowed.join(", ")
    ))
}

fn none(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n  {}\n", breaches.join("\n  "));
}

fn collect_unsafe_files(directory: &Path, root: &Path, found: &mut Vec<String>) {
    let entries = fs::read_dir(directory).expect("a directory of the workspace");
    for entry in entries {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                collect_unsafe_files(&path, root, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("Rust source is UTF-8");
            if has_word(&code_of(&source), "unsafe") {
                let file = path.strip_prefix(root).expect("below the root");
                found.push(file.display().to_string());
            }
        }
    }
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

/// Rust source without comments and without the contents of literals.
fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment_len(rest)
        } else if c == '"' {
            string_len(rest)
        } else if c == 'r' && !code.ends_with(|c: char| c.is_alphanumeric() && c != 'b' && c != 'c')
        {
            raw_string_len(rest)
        } else if c == '\'' {
            char_len(rest)
        } else {
            0
        };
        let (taken, text) = match skipped {
            0 => (c.len_utf8(), c),
            skipped => (skipped, ' '),
        };
        code.push(text);
        rest = &rest[taken..];
    }
    code
}

/// Length of the comment, with those nested in it.
fn block_comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let tail = &text.as_bytes()[at..];
        if tail.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if tail.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// 0 if no raw string begins here.
fn raw_string_len(text: &str) -> usize {
    let hashes = text[1..].len() - text[1..].trim_start_matches('#').len();
    let open = 1 + hashes;
    if !text[open..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let body = &text[open + 1..];
    body.find(&close).map_or(text.len(), |end| open + 1 + end + close.len())
}

/// 0 if this is a lifetime and not a character.
fn char_len(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let after = at + escaped.len_utf8();
            text[after..].find('\'').map_or(0, |end| after + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}
