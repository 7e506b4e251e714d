//! Mistakes, collected while a configuration is read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, for instance `keys.desk-a.pool`.
    pub path: String,
    /// What is wrong and what is allowed. Holds no secrets.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.text)
    }
}

/// All mistakes in a configuration, at least one. Printed one to a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// The mistakes, in the order in which they were found.
    pub fn list(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// What is known while a configuration is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    mistakes: RefCell<Vec<Mistake>>,
    /// Paths of all keys that were asked for, with `*` for labels.
    keys: RefCell<BTreeSet<String>>,
    /// By path, the variable that set it and its text as written.
    pub(super) variables: BTreeMap<String, (String, String)>,
}

impl Report {
    pub(super) fn add(&self, path: &str, text: impl Into<String>) {
        let mut text = text.into();
        if let Some((variable, _)) = self.variables.get(path) {
            text = format!("{text} (set by {variable})");
        }
        let mistake = Mistake { path: on_one_line(path), text: on_one_line(&text) };
        let mut mistakes = self.mistakes.borrow_mut();
        if !mistakes.contains(&mistake) {
            mistakes.push(mistake);
        }
    }

    pub(super) fn note_key(&self, path: String) {
        self.keys.borrow_mut().insert(path);
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.keys.borrow().iter().cloned().collect()
    }

    pub(super) fn into_mistakes(self) -> Mistakes {
        Mistakes(self.mistakes.into_inner())
    }

    pub(super) fn into_result<T>(self, value: T) -> Result<T, Mistakes> {
        if self.mistakes.borrow().is_empty() { Ok(value) } else { Err(self.into_mistakes()) }
    }
}

/// Keys and names come from the file and the environment: whatever would break the line is shown as its escape.
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line
}

/// A syntax error by line and column. TOML's own report quotes the line, which may hold a password.
pub(super) fn syntax(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column} is not TOML: {}", error.message().replace('\n', "; "))
}

/// The one of `known` that was probably meant.
pub(super) fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|word| (strsim::damerau_levenshtein(text, word), word));
    let (distance, word) = scored.min()?;
    // A third of the letters wrong is a slip, more is another word.
    (distance * 3 <= text.chars().count().max(3)).then_some(word)
}
