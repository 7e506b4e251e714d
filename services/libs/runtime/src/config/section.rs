//! One table while it is read: every question has a path, a rule and a place to note what is wrong.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use toml::{Table, Value};

use super::mistakes::{Report, nearest};

/// How much of a wrong value a message repeats.
const QUOTE_CHARS_MAX: usize = 60;

/// A table of the configuration, emptied key by key.
pub(super) struct Section<'r> {
    path: String,
    /// The path with `*` for labels.
    shape: String,
    table: Table,
    known: Vec<String>,
    report: &'r Report,
}

impl<'r> Section<'r> {
    pub(super) fn root(table: Table, report: &'r Report) -> Self {
        Self { path: String::new(), shape: String::new(), table, known: Vec::new(), report }
    }

    /// The path of a key in here.
    pub(super) fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }

    pub(super) fn mistake(&self, key: &str, text: impl Into<String>) {
        self.report.add(&self.path(key), text);
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.known.push(key.to_owned());
        self.report.note_key(join(&self.shape, key));
        self.table.remove(key)
    }

    /// A text as written. A variable that looks like another type is still the text that it is.
    fn text(&mut self, key: &str) -> Option<String> {
        let value = self.take(key)?;
        let path = self.path(key);
        match (value, self.report.variables.get(&path)) {
            (Value::String(text), _) => Some(text),
            (_, Some((_, text))) => Some(text.clone()),
            (other, None) => {
                self.wrong_type(key, &other, "a text in quotes");
                None
            }
        }
    }

    fn wrong_type(&self, key: &str, value: &Value, wanted: &str) {
        self.mistake(key, format!("is of type {}; must be {wanted}", value.type_str()));
    }

    /// A text that becomes a `T`. The error of `T` reads "must be ...".
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, key: &str) -> Option<T> {
        self.parsed_by(key, str::parse)
    }

    /// As [`Section::parsed`], with a parser at hand.
    pub(super) fn parsed_by<T, E: Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(key)?;
        parse(&text).map_err(|rule| self.mistake(key, format!("{} {rule}", quote(&text)))).ok()
    }

    /// As [`Section::parsed`], for what may hold a password: a mistake does not quote it.
    pub(super) fn secret<T: FromStr<Err: Display>>(&mut self, key: &str) -> Option<T> {
        let text = self.text(key)?;
        text.parse().map_err(|rule| self.mistake(key, format!("its value {rule}"))).ok()
    }

    /// Whether a key is there. Whatever is wrong with its value is said once it is read.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether a key is there and is a table.
    pub(super) fn is_table(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(Value::is_table)
    }

    /// Notes that a key is missing, unless it is there.
    pub(super) fn require(&self, key: &str, rule: &str) {
        if !self.has(key) {
            self.mistake(key, format!("is missing; {rule}"));
        }
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.take(key)?;
        if value.as_bool().is_none() {
            self.wrong_type(key, &value, "true or false");
        }
        value.as_bool()
    }

    pub(super) fn number<T: TryFrom<u64>>(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<T> {
        let value = self.take(key)?;
        let rule = format!("a whole number from {} to {}", range.start(), range.end());
        let Some(number) = value.as_integer() else {
            self.wrong_type(key, &value, &rule);
            return None;
        };
        let fit = u64::try_from(number).ok().filter(|n| range.contains(n)).and_then(|n| T::try_from(n).ok());
        if fit.is_none() {
            self.mistake(key, format!("{number} must be {rule}"));
        }
        fit
    }

    /// A decimal number, by its text. A TOML float is taken by the shortest text that means it, which is the text
    /// that was written unless it had more digits than any rule here allows.
    pub(super) fn decimal<T, E: Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if let Some(value @ (Value::Float(_) | Value::Integer(_))) = self.table.get_mut(key) {
            *value = Value::String(value.to_string());
        }
        self.parsed_by(key, parse)
    }

    /// A list of texts, each of which becomes a `T`.
    pub(super) fn list<T, E: Display>(
        &mut self,
        key: &str,
        mut parse: impl FnMut(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let value = self.take(key)?;
        let Value::Array(items) = value else {
            self.wrong_type(key, &value, "a list of texts, for instance [\"a\", \"b\"]");
            return None;
        };
        let mut list = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            let at = format!("{key}[{i}]");
            match item.as_str().map(|text| (text, parse(text))) {
                Some((_, Ok(good))) => list.push(good),
                Some((text, Err(rule))) => self.mistake(&at, format!("{} {rule}", quote(text))),
                None => self.wrong_type(&at, item, "a text in quotes"),
            }
        }
        Some(list)
    }

    /// A table below this one; an empty one where there is none.
    pub(super) fn section(&mut self, key: &str) -> Self {
        let value = self.take(key);
        self.enter(key, key, value)
    }

    /// The entries of a table whose keys are labels.
    pub(super) fn entries<L: FromStr<Err: Display>>(&mut self, key: &str) -> Vec<(L, String, Value)> {
        let value = self.take(key);
        let map = self.enter(key, key, value);
        let mut entries = Vec::new();
        for (label, value) in map.table {
            self.report.note_key(join(&map.shape, "*"));
            match label.parse::<L>() {
                Ok(parsed) => entries.push((parsed, join(key, &label), value)),
                Err(rule) => self.mistake(&join(key, &label), format!("the label {rule}")),
            }
        }
        entries
    }

    /// The table that an entry of [`Section::entries`] must be.
    pub(super) fn entry(&self, map: &str, key: &str, value: Value) -> Self {
        self.enter(key, &join(map, "*"), Some(value))
    }

    fn enter(&self, key: &str, shape: &str, value: Option<Value>) -> Self {
        let table = match value {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.wrong_type(key, &other, "a table");
                Table::new()
            }
        };
        Self {
            path: self.path(key),
            shape: join(&self.shape, shape),
            table,
            known: Vec::new(),
            report: self.report,
        }
    }

    /// What is left, for someone else to read.
    pub(super) fn rest(self) -> Table {
        self.table
    }

    /// Notes everything that nobody asked for.
    pub(super) fn finish(self) {
        let mut known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        known.sort_unstable();
        for key in self.table.keys() {
            let text = match nearest(key, known.iter().copied()) {
                Some(meant) => format!("is not a known key; did you mean {meant}?"),
                None => format!("is not a known key; known are {}", known.join(", ")),
            };
            self.mistake(key, text);
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn quote(text: &str) -> String {
    if text.chars().count() <= QUOTE_CHARS_MAX {
        return format!("{text:?}");
    }
    format!("{:?}...", text.chars().take(QUOTE_CHARS_MAX).collect::<String>())
}
