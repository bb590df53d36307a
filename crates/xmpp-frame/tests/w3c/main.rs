//! The public lists of XML traps as streams: each case has a name, a place where it stands, and the verdict that is due.
//!
//! The W3C's suite (XML Conformance Test Suite of 2013: 2,586 documents) tests documents, most of them for the sake of their document
//! types, and RFC 6120 §11.1 forbids those. What a stanza or a stream's header can have of the rest is here. The inputs are our own; from the
//! suites come the ids, the clauses and what is tested. The same holds for the other sources.
//!
//! `drive` tries each case after 0 to 65 plain bytes, so that it lies across the ends of vectors; whole, byte by byte, and cut in two
//! wherever the cut falls in the case; and with all vectors that the machine has. The verdict is the same each time. A refusal comes with the
//! byte that is wrong, or with the end of the tag where only that can tell; restricted XML is refused at once. What is accepted says to
//! routing what it says in its tree, which another tokeniser reads. A debug build leaves out some of the combinations, see there.
//!
//! | suite | cases | what |
//! | --- | --- | --- |
//! | xmltest | 193 | James Clark's `not-wf-sa` and `valid-sa` |
//! | oasis | 190 | the OASIS committee's `o-p` |
//! | sun | 32 | Sun Microsystems' |
//! | ibm | 212 | IBM's, a folder for each production |
//! | ibm names | 1174 | IBM's of the characters of names, of the editions before the fifth and of the fifth |
//! | eduni | 128 | the University of Edinburgh's: namespaces, errata, what 1.0 and 1.1 read differently |
//! | parsers | 153 | tests of libexpat, rxml, quick-xml and xmlparser, and reports about these and others |
//! | productions | 1162 | every production of XML 1.0 that a stream can reach, at its edges |
//! | namespaces | 227 | every rule of Namespaces in XML 1.0, at its edges |
//! | smuggling | 460 | threats A12 to A14, payload by place; A15, each limit at its edge, is a test of its own |
//!
//! Well-formed, and refused all the same ([`case::Verdict::Stricter`]): names of the fifth edition only and with colons against Namespaces in
//! XML, versions but 1.0, UTF-16, namespace names that are no URIs, the stream's own element among its children, comments and instructions
//! behind the root.
//!
//! Not here:
//! - xmltest's `not-sa`, `ext-sa` and `invalid`, and most of `not-wf-sa` from 054 on: what is wrong or right with declarations in a document
//!   type, of which nothing is read.
//! - oasis' productions 6 to 9, 11 to 13, 28 to 31, 45 to 64 and 69 to 82: the same.
//! - sun's `invalid` and most of `valid`: validity against a document type.
//! - ibm's `invalid` and the folders of those productions: the same.
//! - ibm's and most of eduni's tests of XML 1.1: the declaration is refused, and what is meant for 1.0 is here.
//! - eduni's `ibm-valid-P85` to `P89` of the fourth edition's errata: the characters of `ibm-not-wf-P85` to `P89`, which the fifth edition
//!   allows and this framer refuses.
//! - The Japanese suite of Fuji Xerox: encodings but UTF-8, which are refused by their declaration or as no UTF-8, and one long document.
//! - Documents with two roots: a stream has any number of elements.
#![allow(unreachable_pub)]

mod case;
mod drive;
mod eduni;
mod ibm;
mod ibm_names;
mod namespaces;
mod oasis;
mod parsers;
mod productions;
mod smuggling;
mod stage;
mod sun;
mod xmltest;

use std::collections::HashSet;

use case::{Suite, Verdict};
use xmpp_frame::FrameError;

const SUITES: [&Suite; 10] = [
    &xmltest::SUITE,
    &oasis::SUITE,
    &sun::SUITE,
    &ibm::SUITE,
    &ibm_names::SUITE,
    &eduni::SUITE,
    &parsers::SUITE,
    &productions::SUITE,
    &namespaces::SUITE,
    &smuggling::SUITE,
];

#[test]
fn the_cases_of_xmltest_hold() {
    drive::hold(&xmltest::SUITE);
}

#[test]
fn the_cases_of_oasis_hold() {
    drive::hold(&oasis::SUITE);
}

#[test]
fn the_cases_of_sun_hold() {
    drive::hold(&sun::SUITE);
}

#[test]
fn the_cases_of_ibm_hold() {
    drive::hold(&ibm::SUITE);
}

#[test]
fn the_cases_of_ibm_about_names_hold() {
    drive::hold(&ibm_names::SUITE);
}

#[test]
fn the_cases_of_eduni_hold() {
    drive::hold(&eduni::SUITE);
}

#[test]
fn the_cases_of_other_parsers_hold() {
    drive::hold(&parsers::SUITE);
}

#[test]
fn the_cases_of_the_productions_hold() {
    drive::hold(&productions::SUITE);
}

#[test]
fn the_cases_of_namespaces_hold() {
    drive::hold(&namespaces::SUITE);
}

#[test]
fn the_cases_of_smuggling_hold() {
    drive::hold(&smuggling::SUITE);
}

/// What its suite calls not well-formed is not accepted, and what it calls valid is refused for reasons of XMPP only.
#[test]
fn no_verdict_contradicts_the_suite_of_its_case() {
    for trial in SUITES.iter().flat_map(|suite| suite.trials()) {
        let is_bad = trial.id.contains("not-wf") || trial.id.contains("fail");
        let is_good = !is_bad && (trial.id.contains("pass") || trial.id.contains("valid-"));
        let is_good = is_good && !trial.id.contains("invalid");
        let agrees = match trial.verdict {
            Verdict::Reads(_) | Verdict::Stricter(_) => !is_bad,
            Verdict::Refused(FrameError::RestrictedXml(_) | FrameError::UnsupportedEncoding) => {
                true
            }
            Verdict::Refused(_) | Verdict::Waits => !is_good,
        };
        assert!(agrees, "{} is {:?}", trial.name, trial.verdict);
    }
}

#[test]
fn no_case_is_there_twice() {
    let mut seen = HashSet::new();
    for trial in SUITES.iter().flat_map(|suite| suite.trials()) {
        let place = format!("{:?}", trial.place);
        assert!(seen.insert((trial.id, place, trial.bytes)), "{}", trial.name);
    }
}

#[test]
fn the_docs_count_the_cases() {
    for suite in SUITES {
        let row = format!("//! | {} | {} |", suite.name, suite.trials().len());
        assert!(include_str!("main.rs").contains(&row), "{row}");
    }
}
