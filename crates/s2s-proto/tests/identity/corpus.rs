//! Dialogues that once broke a law, each a file named for what it shows. They hold for ever.

use crate::run::{loud_panics, replay_traced};
use crate::step::Dialogue;

macro_rules! corpus {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("corpus/", $name, ".txt")))),*]
    };
}

const CORPUS: &[(&str, &str)] = corpus![
    "a_key_under_way_is_held_against_the_latest_demand",
    "a_key_under_way_of_a_refused_pair_proves_nothing",
    "a_raised_demand_ends_an_older_weaker_proof",
    "a_stream_of_another_namespace_is_no_nested_stream",
    "after_our_close_tag_no_error_is_said",
    "unprefixed_under_an_unknown_content_namespace_is_no_stanza",
];

#[test]
fn every_dialogue_of_the_corpus_holds_and_reads_back() {
    for (name, text) in CORPUS {
        let dialogue = Dialogue::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Dialogue::parse(&dialogue.to_string()), Ok(dialogue.clone()), "{name}");
        let (breach, trace) = replay_traced(&dialogue);
        loud_panics();
        if let Some(breach) = breach {
            panic!("{name}: {breach}\n{}", trace.join("\n"));
        }
    }
}

#[test]
fn every_file_of_the_corpus_is_played() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/identity/corpus");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("the corpus is there")
        .map(|entry| entry.expect("readable").path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    files.sort();
    let mut listed: Vec<&str> = CORPUS.iter().map(|(name, _)| *name).collect();
    listed.sort_unstable();
    assert_eq!(files, listed);
}
