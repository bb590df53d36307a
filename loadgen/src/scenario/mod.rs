//! Scenarios: what a run plays, as data.
//!
//! [`load`] takes the name of a shipped scenario or a file and answers a [`Scenario`] whose values are in range and do not contradict
//! each other, or every mistake of the file. [`catalogue`] knows the keys, [`model`] is what they become.

mod catalogue;
mod certificates;
mod check;
mod describe;
mod model;
#[cfg(test)]
mod tests;
mod written;

use std::fs;
use std::path::Path;

use anyhow::Context as _;

pub(crate) use certificates::issue;
pub(crate) use check::read;
pub(crate) use model::{
    Arrivals, Behaviour, Direction, Peer, Popularity, Rung, Scenario, Traffic, What,
};

use crate::args::ScenariosArgs;

/// A scenario that comes with the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shipped {
    pub(crate) name: &'static str,
    pub(crate) toml: &'static str,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(Shipped { name: $name, toml: include_str!(concat!("../../scenarios/", $name, ".toml")) }),*]
    };
}

/// All of them, in the order in which somebody new tries them.
pub(crate) const SHIPPED: &[Shipped] = shipped![
    "dense",
    "sparse",
    "steady",
    "sessions",
    "ladder",
    "storm",
    "flagday",
    "hundred-thousand",
    "soak",
];

/// A scenario with the text it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// Of the shipped scenario, or the file without its ending.
    pub(crate) name: String,
    pub(crate) toml: String,
    pub(crate) scenario: Scenario,
}

/// Reads a shipped scenario by its name, or else a file.
pub(crate) fn load(name: &str) -> anyhow::Result<Loaded> {
    if let Some(Shipped { name, toml }) = SHIPPED.iter().find(|shipped| shipped.name == name) {
        let scenario = read(&format!("{name}.toml"), toml)?;
        return Ok(Loaded { name: (*name).to_owned(), toml: (*toml).to_owned(), scenario });
    }
    let path = Path::new(name);
    let toml = fs::read_to_string(path).with_context(|| {
        let names: Vec<_> = SHIPPED.iter().map(|shipped| shipped.name).collect();
        format!("{name} is neither a file nor one of {}", names.join(", "))
    })?;
    let scenario = read(name, &toml)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Loaded { name: stem, toml, scenario })
}

/// `scenarios`: lists them, prints a shipped one, or says what a file of one's own would play.
pub(crate) fn show(args: &ScenariosArgs) -> anyhow::Result<()> {
    if args.reference {
        print!("{}", catalogue::markdown());
        return Ok(());
    }
    let Some(name) = &args.name else {
        for Shipped { name, .. } in SHIPPED {
            println!("{name:<18}{}", load(name)?.scenario.about);
        }
        println!(
            "\n`peerage-loadgen scenarios NAME` prints one, to start your own from; `scenarios FILE.toml` checks yours."
        );
        return Ok(());
    };
    let Loaded { name: short, toml, scenario } = load(name)?;
    if SHIPPED.iter().any(|shipped| shipped.name == name) {
        print!("{toml}");
    } else {
        println!("{short} is sound: {}\n{}", scenario.about, describe::describe(&scenario));
    }
    Ok(())
}
