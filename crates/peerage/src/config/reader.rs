//! The small layer over TOML that knows the line of every value.
//!
//! A [`Section`] hands out its values by name, checks each against the catalogue, and at the end refuses what nobody asked
//! for. Every error goes to the [`Reading`], so that one run reports all of them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::catalogue::{self, Takes};
use super::finding::{Located, Place, Reading};
use super::units;

/// A table of the file, or an absent one.
pub(crate) struct Section<'t> {
    reading: &'t Reading<'t>,
    path: String,
    /// None when the file has no such table: every key is at its default.
    table: Option<&'t DeTable<'t>>,
    /// Line of the header.
    pub(crate) line: Option<usize>,
    taken: RefCell<BTreeSet<String>>,
}

/// One value of a [`Section`].
pub(crate) struct Entry<'t> {
    reading: &'t Reading<'t>,
    takes: Takes,
    value: &'t DeValue<'t>,
    place: Place,
}

impl<'t> Section<'t> {
    /// The top of the file.
    pub(crate) fn root(reading: &'t Reading<'t>, table: &'t DeTable<'t>) -> Self {
        Section {
            reading,
            path: String::new(),
            table: Some(table),
            line: None,
            taken: RefCell::default(),
        }
    }

    pub(crate) fn reading(&self) -> &'t Reading<'t> {
        self.reading
    }

    /// The value of `name`, or none when the file does not set it.
    ///
    /// # Panics
    /// When the catalogue has no such key: a mistake of this crate that every test of the configuration meets.
    pub(crate) fn entry(&self, name: &str) -> Option<Entry<'t>> {
        let path = self.path_of(name);
        let takes = catalogue::find(&path)
            .unwrap_or_else(|| unreachable!("{path} is not in the catalogue"))
            .takes;
        let (key, value) = self.take(name)?;
        let secret = matches!(takes, Takes::Secret(_));
        let shown = if secret { "…".to_owned() } else { self.reading.shown(value.span()) };
        Some(Entry {
            reading: self.reading,
            takes,
            value: value.get_ref(),
            place: Place { line: self.reading.line(key), key: path, shown },
        })
    }

    /// The value of a key that must be there; its absence is an error.
    pub(crate) fn required(&self, name: &str) -> Option<Entry<'t>> {
        let entry = self.entry(name);
        if entry.is_none() {
            let path = self.path_of(name);
            let allowed = catalogue::find(&path).map(|key| key.takes.allowed()).unwrap_or_default();
            self.reading.error_at(self.line, path, format!("is missing: {allowed}"));
        }
        entry
    }

    /// The table `name`; absent and mistyped ones are empty.
    pub(crate) fn section(&self, name: &str) -> Section<'t> {
        self.optional_section(name).unwrap_or_else(|| self.below(name, None, None))
    }

    /// The table `name`, none when the file does not have it.
    pub(crate) fn optional_section(&self, name: &str) -> Option<Section<'t>> {
        let (key, value) = self.take(name)?;
        let line = self.reading.line(key);
        let table = value.get_ref().as_table();
        if table.is_none() {
            let kind = value.get_ref().type_str();
            self.reading.error_at(
                Some(line),
                self.path_of(name),
                format!("must be a table ([{}]), not {}", self.path_of(name), article(kind)),
            );
        }
        Some(self.below(name, table, Some(line)))
    }

    /// The tables of `[[name]]`.
    pub(crate) fn sections(&self, name: &str) -> Vec<Section<'t>> {
        let Some((key, value)) = self.take(name) else { return Vec::new() };
        let path = self.path_of(name);
        let Some(array) = value.get_ref().as_array() else {
            let kind = value.get_ref().type_str();
            self.reading.error_at(
                Some(self.reading.line(key)),
                path.clone(),
                format!("must be an array of tables ([[{path}]]), not {}", article(kind)),
            );
            return Vec::new();
        };
        let mut sections = Vec::with_capacity(array.len());
        for item in array {
            let line = self.reading.line(item.span().start);
            match item.get_ref().as_table() {
                Some(table) => sections.push(self.below(name, Some(table), Some(line))),
                None => {
                    let kind = article(item.get_ref().type_str());
                    let problem = format!("must be a table ([[{path}]]), not {kind}");
                    self.reading.error_at(Some(line), path.clone(), problem);
                }
            }
        }
        sections
    }

    /// Whether the file sets `name`, rightly or wrongly.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(name))
    }

    /// Refuses every key that was not asked for.
    pub(crate) fn finish(self) {
        let Some(table) = self.table else { return };
        let taken = self.taken.borrow();
        for (key, value) in table {
            let name: &str = key.get_ref();
            if taken.contains(name) {
                continue;
            }
            let known = catalogue::names_in(&self.path);
            let hint = nearest(name, &known).map_or_else(
                || format!("known here: {}", known.join(", ")),
                |near| format!("did you mean {near}?"),
            );
            let subject = match value.get_ref() {
                DeValue::Table(_) | DeValue::Array(_) => self.path_of(name),
                // A misspelt secret is a secret.
                DeValue::String(_) if self.path == "domain.component" => {
                    format!("{} = …", self.path_of(name))
                }
                _ => format!("{} = {}", self.path_of(name), self.reading.shown(value.span())),
            };
            let line = self.reading.line(key.span().start);
            self.reading.error_at(Some(line), subject, format!("unknown key; {hint}"));
        }
    }

    fn take(&self, name: &str) -> Option<(usize, &'t Spanned<DeValue<'t>>)> {
        self.taken.borrow_mut().insert(name.to_owned());
        let (key, value) = self.table?.get_key_value(name)?;
        Some((key.span().start, value))
    }

    fn below(
        &self,
        name: &str,
        table: Option<&'t DeTable<'t>>,
        line: Option<usize>,
    ) -> Section<'t> {
        Section {
            reading: self.reading,
            path: self.path_of(name),
            table,
            line,
            taken: RefCell::default(),
        }
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

impl<'t> Entry<'t> {
    /// A bounded integer, size or number of seconds.
    pub(crate) fn number(self) -> Option<Located<u64>> {
        let (Takes::Integer(min, max, _) | Takes::Size(min, max, _) | Takes::Seconds(min, max)) =
            self.takes
        else {
            unreachable!("{} is no number in the catalogue", self.place.key)
        };
        let number = match (self.value, self.takes) {
            (DeValue::Integer(integer), _) => {
                // A negative or huge number is out of any range.
                u64::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(u64::MAX)
            }
            (DeValue::String(text), Takes::Size(..)) => match units::parse_size(text) {
                Some(number) => number,
                None => return self.mistyped(),
            },
            (DeValue::String(text), Takes::Seconds(..)) => match units::parse_seconds(text) {
                Some(number) => number,
                None => return self.mistyped(),
            },
            _ => return self.mistyped(),
        };
        if !(min..=max).contains(&number) {
            return self.refused(format!("must be {}", self.takes.allowed()));
        }
        Some(self.located(number))
    }

    pub(crate) fn bool(self) -> Option<Located<bool>> {
        match self.value.as_bool() {
            Some(value) => Some(self.located(value)),
            None => self.mistyped(),
        }
    }

    /// A text that is not empty.
    pub(crate) fn text(self) -> Option<Located<String>> {
        let Some(text) = self.value.as_str() else { return self.mistyped() };
        if text.trim().is_empty() {
            return self.refused(format!("is empty: must be {}", self.takes.allowed()));
        }
        Some(self.located(text.to_owned()))
    }

    /// One of the words of the catalogue, by its position there.
    pub(crate) fn word(self) -> Option<Located<usize>> {
        let Takes::Word(words) = self.takes else {
            unreachable!("{} is no word in the catalogue", self.place.key)
        };
        let Some(text) = self.value.as_str() else { return self.mistyped() };
        match words.iter().position(|word| *word == text) {
            Some(index) => Some(self.located(index)),
            None => self.refused(format!("must be {}", self.takes.allowed())),
        }
    }

    /// What `parse` makes of a text.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Located<T>> {
        let Some(text) = self.value.as_str() else { return self.mistyped() };
        match parse(text) {
            Ok(value) => Some(self.located(value)),
            Err(error) => self.refused(format!("must be {} ({error})", self.takes.allowed())),
        }
    }

    /// What `parse` makes of each text of a list; a single text is a list of one.
    pub(crate) fn each<T, E: std::fmt::Display>(
        self,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<Located<T>>> {
        let values: Vec<(&DeValue<'_>, Place)> = match self.value {
            DeValue::Array(array) => array
                .iter()
                .map(|item| {
                    let place = Place {
                        line: self.reading.line(item.span().start),
                        key: self.place.key.clone(),
                        shown: self.reading.shown(item.span()),
                    };
                    (item.get_ref(), place)
                })
                .collect(),
            DeValue::String(_) => vec![(self.value, self.place.clone())],
            _ => return self.mistyped(),
        };
        if values.is_empty() {
            return self.refused(format!("is empty: must be {}", self.takes.allowed()));
        }
        let mut parsed = Vec::with_capacity(values.len());
        for (value, place) in values {
            match value.as_str().map(&parse) {
                None => {
                    let kind = article(value.type_str());
                    self.reading.error(Some(&place), format!("must be a string, not {kind}"));
                }
                Some(Err(error)) => {
                    let allowed = self.takes.allowed();
                    self.reading.error(Some(&place), format!("must be {allowed} ({error})"));
                }
                Some(Ok(value)) => parsed.push(Located { value, place: Some(place) }),
            }
        }
        Some(parsed)
    }

    fn mistyped<T>(&self) -> Option<T> {
        let (kind, is) = (self.takes.kind(), article(self.value.type_str()));
        // A text in the wrong form ("5 MB") needs no "not a string".
        let not = if self.value.is_str() && kind.contains("string") {
            String::new()
        } else {
            format!(", not {is}")
        };
        self.refused(format!("must be {kind}{not}"))
    }

    fn refused<T>(&self, problem: String) -> Option<T> {
        self.reading.error(Some(&self.place), problem);
        None
    }

    fn located<T>(self, value: T) -> Located<T> {
        Located { value, place: Some(self.place) }
    }
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

/// The known name at most two edits away.
fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let (distance, near) =
        known.iter().map(|known| (edits(name, known), *known)).min_by_key(|(edits, _)| *edits)?;
    (distance <= 2 && distance < near.len()).then_some(near)
}

/// Levenshtein's distance.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    // Keys are short; a name of a megabyte is nobody's typing error.
    for (i, l) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[right.len()]
}
