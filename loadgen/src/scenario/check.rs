//! Reading and checking: every mistake of a file is reported, each with file, line, key, value and what is allowed.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::catalogue::{CHAPTERS, CLASSES, Chapter, Key, Takes};
use super::model::{Arrivals, Behaviour, Names, Popularity, Rung, Scenario, What};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    file: String,
    /// From 1; none when something is absent.
    line: Option<usize>,
    /// `key = value`, or the key alone; empty for the file as a whole.
    subject: String,
    problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.subject.is_empty() {
            write!(f, ": {}", self.subject)?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// A file that is no scenario: all its mistakes, by line.
#[derive(Debug)]
pub(crate) struct Refused(Vec<Mistake>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Mistake::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Refused {}

/// Reads the text of `file`.
pub(crate) fn read(file: &str, text: &str) -> Result<Scenario, Refused> {
    let mut reading = Reading { file, text, mistakes: Vec::new() };
    match DeTable::parse(text) {
        Ok(table) => {
            reading.top(table.get_ref());
            if reading.mistakes.is_empty() {
                // Types and ranges are right by now.
                match toml::from_str::<Scenario>(text) {
                    Ok(scenario) => {
                        reading.contradictions(table.get_ref(), &scenario);
                        if reading.mistakes.is_empty() {
                            return Ok(scenario);
                        }
                    }
                    Err(error) => reading.not_read("not a scenario", &error),
                }
            }
        }
        Err(error) => reading.not_read("not TOML", &error),
    }
    reading.mistakes.sort_by_key(|mistake| mistake.line.unwrap_or(usize::MAX));
    Err(Refused(reading.mistakes))
}

struct Reading<'t> {
    file: &'t str,
    text: &'t str,
    mistakes: Vec<Mistake>,
}

type Value<'t> = Spanned<DeValue<'t>>;

impl Reading<'_> {
    fn line(&self, offset: usize) -> usize {
        1 + self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
    }

    /// First line of a value, at most 60 characters.
    fn shown(&self, span: Range<usize>) -> String {
        let raw = self.text.get(span).unwrap_or_default();
        let mut shown: String = raw.lines().next().unwrap_or_default().chars().take(60).collect();
        if shown.len() < raw.len() {
            shown.push('…');
        }
        shown
    }

    fn add(&mut self, line: Option<usize>, subject: String, problem: String) {
        let file = self.file.to_owned();
        self.mistakes.push(Mistake { file, line, subject, problem });
    }

    fn add_at(&mut self, path: &str, value: &Value<'_>, problem: String) {
        let line = self.line(value.span().start);
        let subject = format!("{path} = {}", self.shown(value.span()));
        self.add(Some(line), subject, problem);
    }

    fn not_read(&mut self, what: &str, error: &toml::de::Error) {
        let line = error.span().map(|span| self.line(span.start));
        self.add(line, String::new(), format!("{what}: {}", error.message()));
    }

    fn top(&mut self, table: &DeTable<'_>) {
        for chapter in CHAPTERS {
            match (chapter.name, table.get(chapter.name)) {
                ("", _) => self.chapter(chapter, table, None),
                (_, Some(value)) if chapter.repeated => self.repeated(chapter, value),
                (_, Some(value)) => match value.get_ref().as_table() {
                    Some(below) => {
                        let line = self.line(value.span().start);
                        self.chapter(chapter, below, Some(line));
                    }
                    None => self.no_table(chapter, value),
                },
                (_, None) if chapter.repeated => {}
                (_, None) => {
                    let subject = chapter.header();
                    self.add(None, subject, format!("is missing: {}", chapter.meaning));
                }
            }
        }
    }

    fn repeated(&mut self, chapter: &Chapter, value: &Value<'_>) {
        let Some(items) = value.get_ref().as_array() else { return self.no_table(chapter, value) };
        for item in items {
            let line = self.line(item.span().start);
            match item.get_ref().as_table() {
                Some(table) => self.chapter(chapter, table, Some(line)),
                None => self.no_table(chapter, item),
            }
        }
    }

    fn no_table(&mut self, chapter: &Chapter, value: &Value<'_>) {
        self.add_at(chapter.name, value, format!("must be a table, {}", chapter.header()));
    }

    /// The keys of one table: known, there when required, and each with a value that it takes.
    fn chapter(&mut self, chapter: &Chapter, table: &DeTable<'_>, line: Option<usize>) {
        for (name, value) in table {
            let name_line = self.line(name.span().start);
            let name: &str = name.get_ref();
            let is_chapter =
                chapter.name.is_empty() && CHAPTERS.iter().any(|below| below.name == name);
            match chapter.key(name) {
                Some(key) => self.value(&chapter.path(name), key, value),
                None if is_chapter => {}
                None => {
                    let problem = format!("unknown key; {}", known(chapter, name));
                    self.add(Some(name_line), chapter.path(name), problem);
                }
            }
        }
        for key in chapter.keys.iter().filter(|key| key.default == "required") {
            if !table.contains_key(key.name) {
                let problem = format!("is missing: {}", key.takes.allowed());
                self.add(line, chapter.path(key.name), problem);
            }
        }
    }

    fn value(&mut self, path: &str, key: &Key, value: &Value<'_>) {
        let takes = key.takes;
        match (takes, value.get_ref()) {
            (Takes::Weights(min, max), DeValue::Table(table)) if !table.is_empty() => {
                let weight = Key { takes: Takes::Integer(min, max), ..*key };
                for (class, value) in table {
                    let name: &str = class.get_ref();
                    if CLASSES.contains(&name) {
                        self.value(&format!("{path}.{name}"), &weight, value);
                    } else {
                        let line = self.line(class.span().start);
                        let problem =
                            format!("unknown class: must be {}", Takes::Word(CLASSES).allowed());
                        self.add(Some(line), format!("{path}.{name}"), problem);
                    }
                }
            }
            (Takes::Words(words), DeValue::Array(items)) => {
                let mut seen = HashSet::new();
                let word = Key { takes: Takes::Word(words), ..*key };
                for item in items {
                    self.value(path, &word, item);
                    if item.get_ref().as_str().is_some_and(|text| !seen.insert(text)) {
                        self.add_at(path, item, "is there twice".to_owned());
                    }
                }
            }
            (_, other) if is_taken(takes, other) => {}
            _ => self.add_at(path, value, format!("must be {}", takes.allowed())),
        }
    }

    /// What is wrong between values that are right alone.
    fn contradictions(&mut self, table: &DeTable<'_>, scenario: &Scenario) {
        let peers = table.get("peers").and_then(|value| value.get_ref().as_table());
        if let (Some(addresses), Some(peers)) = (scenario.peers.addresses, peers)
            && addresses > scenario.peers.domains
        {
            self.conflict("peers", "addresses", peers, "must be at most peers.domains".to_owned());
        }
        if u32::from(scenario.processes) > scenario.peers.domains {
            let problem = "must be at most peers.domains: each process plays one at least";
            self.conflict("", "processes", table, problem.to_owned());
        }
        if let Some(traffic) = table.get("traffic").and_then(|value| value.get_ref().as_table()) {
            self.traffic(traffic, scenario);
        }
        for (at, below) in tables(table, "peer").enumerate() {
            self.peer(below, scenario, at);
        }
        for (at, below) in tables(table, "event").enumerate() {
            self.event(below, scenario, at);
        }
        let is_met = |behaviour| {
            !matches!(behaviour, Behaviour::Dead | Behaviour::Unlisted | Behaviour::Silent)
        };
        if !scenario.kinds().iter().any(|kind| is_met(kind.behaviour)) {
            let problem = "no kind of peer can be spoken to: one at least must not be silent, dead or unlisted";
            self.add(None, "peer.behaviour".to_owned(), problem.to_owned());
        }
    }

    fn traffic(&mut self, table: &DeTable<'_>, scenario: &Scenario) {
        let traffic = &scenario.traffic;
        if table.contains_key("class") && table.contains_key("mix") {
            self.conflict("traffic", "mix", table, "not together with traffic.class".to_owned());
        }
        match (traffic.window, traffic.rate) {
            (Some(_), Some(_)) => {
                self.conflict(
                    "traffic",
                    "rate",
                    table,
                    "not together with traffic.window".to_owned(),
                );
            }
            (None, None) => {
                let problem =
                    "is missing: traffic.window (closed loop) or traffic.rate (open loop)";
                self.add(None, "traffic".to_owned(), problem.to_owned());
            }
            _ => {}
        }
        if let (Some(window), Some(batch)) = (traffic.window, traffic.batch)
            && u64::from(batch.get()) * u64::from(scenario.processes) > u64::from(window)
        {
            let problem = "must be at most each process's part of traffic.window, or no batch is ever complete";
            self.conflict("traffic", "batch", table, problem.to_owned());
        }
        let needs = [
            ("arrivals", traffic.rate.is_some(), "traffic.rate"),
            ("burst", traffic.arrivals == Arrivals::Bursts, "traffic.arrivals = \"bursts\""),
            ("exponent", traffic.popularity == Popularity::Zipf, "traffic.popularity = \"zipf\""),
        ];
        for (key, is_there, needed) in needs {
            if !is_there {
                self.conflict("traffic", key, table, format!("only with {needed}"));
            }
        }
    }

    fn peer(&mut self, table: &DeTable<'_>, scenario: &Scenario, at: usize) {
        let Some(peer) = scenario.peer.get(at) else { return };
        let has_tls = matches!(peer.rung, Rung::Secure | Rung::Trusted);
        let is_slow = matches!(peer.behaviour, Behaviour::SlowReader | Behaviour::SlowSender);
        let needs = [
            ("direct_tls", peer.rung == Rung::Trusted, "peer.rung = \"trusted\""),
            ("version_less", peer.rung == Rung::Verified, "peer.rung = \"verified\""),
            ("certificate", has_tls, "peer.rung = \"secure\" or \"trusted\""),
            ("names", has_tls, "peer.rung = \"secure\" or \"trusted\""),
            ("wildcard", has_tls, "peer.rung = \"secure\" or \"trusted\""),
            ("slow_bytes_a_second", is_slow, "a slow peer.behaviour"),
            (
                "reset_after_seconds",
                peer.behaviour == Behaviour::Resetting,
                "peer.behaviour = \"resetting\"",
            ),
        ];
        for (key, is_there, needed) in needs {
            if !is_there {
                self.conflict("peer", key, table, format!("only with {needed}"));
            }
        }
        if peer.wildcard && peer.names == Names::XmppAddr {
            let problem = "not with peer.names = \"xmpp-addr\": an xmppAddr is one address";
            self.conflict("peer", "wildcard", table, problem.to_owned());
        }
        let is_word = |name: &str| {
            name.len() <= 32
                && !name.starts_with('-')
                && !name.ends_with('-')
                && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        if !is_word(&peer.name) {
            let problem = "must be at most 32 lower-case letters, digits and hyphens inside, as in a domain name";
            self.conflict("peer", "name", table, problem.to_owned());
        }
        if scenario.peer.iter().take(at).any(|other| other.name == peer.name) {
            self.conflict(
                "peer",
                "name",
                table,
                "is the name of another [[peer]] already".to_owned(),
            );
        }
    }

    fn event(&mut self, table: &DeTable<'_>, scenario: &Scenario, at: usize) {
        let Some(event) = scenario.event.get(at) else { return };
        if event.at_seconds >= scenario.traffic.seconds {
            let problem =
                format!("must be below traffic.seconds, which is {}", scenario.traffic.seconds);
            self.conflict("event", "at_seconds", table, problem);
        }
        match (event.what, event.minimum) {
            (What::RaiseMinimum, None) => {
                let problem = "needs event.minimum: the rung that is demanded from then on";
                self.conflict("event", "what", table, problem.to_owned());
            }
            (What::RaiseMinimum, Some(_)) => {
                let problem = "only with event.what = \"reconnect\" or \"kill\"";
                self.conflict("event", "percent", table, problem.to_owned());
            }
            (_, Some(_)) => {
                let problem = "only with event.what = \"raise-minimum\"";
                self.conflict("event", "minimum", table, problem.to_owned());
            }
            (_, None) => {}
        }
    }

    /// A mistake about a key, if the file has it.
    fn conflict(&mut self, chapter: &str, key: &str, table: &DeTable<'_>, problem: String) {
        if let Some(value) = table.get(key) {
            let path = if chapter.is_empty() { key.to_owned() } else { format!("{chapter}.{key}") };
            self.add_at(&path, value, problem);
        }
    }
}

fn tables<'t>(table: &'t DeTable<'t>, name: &str) -> impl Iterator<Item = &'t DeTable<'t>> {
    let array = table.get(name).and_then(|value| value.get_ref().as_array());
    array.into_iter().flatten().filter_map(|item| item.get_ref().as_table())
}

fn is_taken(takes: Takes, value: &DeValue<'_>) -> bool {
    match (takes, value) {
        (Takes::Integer(min, max), value) => {
            integer(value).is_some_and(|integer| (min..=max).contains(&integer))
        }
        (Takes::Number(min, max), DeValue::Float(float)) => float
            .as_str()
            .replace('_', "")
            .parse()
            .is_ok_and(|number: f64| (min..=max).contains(&number)),
        (Takes::Number(min, max), value) => {
            integer(value).is_some_and(|integer| (min..=max).contains(&(integer as f64)))
        }
        (Takes::Bool, DeValue::Boolean(_)) => true,
        (Takes::Text, DeValue::String(text)) => !text.trim().is_empty(),
        (Takes::Word(words), DeValue::String(text)) => words.contains(&&**text),
        _ => false,
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let DeValue::Integer(integer) = value else { return None };
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// What to say about a key that nobody knows.
fn known(chapter: &Chapter, name: &str) -> String {
    let names = || {
        let chapters = CHAPTERS.iter().filter(|_| chapter.name.is_empty()).map(|below| below.name);
        chapter.keys.iter().map(|key| key.name).chain(chapters.filter(|name| !name.is_empty()))
    };
    let near = names().map(|known| (edits(name, known), known)).min();
    match near {
        Some((distance, near)) if distance <= 2 => format!("did you mean {near}?"),
        _ => format!("known here: {}", names().collect::<Vec<_>>().join(", ")),
    }
}

/// Levenshtein's distance.
fn edits(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    // Keys are short; a longer name is nobody's typing error.
    for (at, l) in left.bytes().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, r) in right.bytes().enumerate() {
            let substituted = diagonal + usize::from(l != r);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
