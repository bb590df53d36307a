//! Builds the router and the demo's own half in one go, in release, and goes on there.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Message;

use super::DemoArgs;

/// Replaces this process by the release build of itself.
///
/// # Errors
/// When something does not build.
pub(super) fn run(args: &DemoArgs) -> Result<()> {
    println!("building peerage and the demo (release); the first time this takes some minutes");
    let built = build()?;
    let mut demo = Command::new(built.xtask);
    demo.args(std::env::args_os().skip(1));
    if args.peerage.is_none() {
        demo.arg("--peerage").arg(built.peerage);
    }
    Err(demo.exec()).context("starting the demo")
}

struct Built {
    peerage: PathBuf,
    xtask: PathBuf,
}

/// One command for both, so that they share the build of every dependency.
fn build() -> Result<Built> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut building = Command::new(cargo)
        .args(["build", "--release", "--package", "peerage", "--package", "xtask"])
        .args(["--bins", "--features", "xtask/demo"])
        .args(["--message-format", "json-render-diagnostics"])
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo")?;
    let messages = building.stdout.take().context("cargo's output")?;
    let (mut peerage, mut xtask) = (None, None);
    for message in Message::parse_stream(std::io::BufReader::new(messages)) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        let place = match artifact.target.name.as_str() {
            "peerage" => &mut peerage,
            "xtask" => &mut xtask,
            _ => continue,
        };
        *place = artifact.executable.map(PathBuf::from).or(place.take());
    }
    if !building.wait()?.success() {
        bail!("peerage or the demo does not build");
    }
    Ok(Built {
        peerage: peerage.context("cargo built no peerage")?,
        xtask: xtask.context("cargo built no xtask")?,
    })
}
