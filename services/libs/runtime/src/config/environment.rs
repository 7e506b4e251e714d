//! Variables `TIDEGATE__SECTION__KEY`, laid over the file before anything is read.

use toml::{Table, Value};

use super::mistakes::Report;

/// Beginning of every variable that is ours.
const PREFIX: &str = "TIDEGATE__";

/// Lays the variables over the table. Which variable set what is noted, so that messages can say so.
pub(super) fn overlay(
    table: &mut Table,
    env: impl IntoIterator<Item = (String, String)>,
    report: &mut Report,
) {
    let mut ours: Vec<_> = env.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    // The environment has no order, but what is said about it should have one.
    ours.sort();
    for (name, text) in ours {
        let levels: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
        if levels.iter().any(String::is_empty) {
            report.add(&name, "has an empty level; write TIDEGATE__SECTION__KEY");
            continue;
        }
        match place(table, &levels, &text) {
            Ok(path) => {
                if let Some((other, _)) = report.variables.get(&path) {
                    let problem = format!("sets {path}, which {other} also sets; keep one of them");
                    report.add(&name, problem);
                }
                report.variables.insert(path, (name, text));
            }
            Err(problem) => report.add(&name, problem),
        }
    }
}

/// Puts a value at the end of a path and returns the path as the configuration spells it.
fn place(table: &mut Table, levels: &[String], text: &str) -> Result<String, String> {
    let Some((level, rest)) = levels.split_first() else {
        return Err("names no key".to_owned());
    };
    let key = spelling(table, level)?;
    if rest.is_empty() {
        if table.get(&key).is_some_and(Value::is_table) {
            return Err(format!("sets {key}, which is a table; name a key inside of it"));
        }
        table.insert(key.clone(), value(text));
        return Ok(key);
    }
    match table.entry(&key).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(inner) => Ok(format!("{key}.{}", place(inner, rest, text)?)),
        other => Err(format!("sets a key inside of {key}, which is a {} and not a table", other.type_str())),
    }
}

/// The key that a level of a variable's name means: variables cannot hold the `-` that labels may.
fn spelling(table: &Table, level: &str) -> Result<String, String> {
    let mut fit = table.keys().filter(|key| key.replace('-', "_") == level);
    match (fit.next(), fit.next()) {
        (None, _) => Ok(level.to_owned()),
        (Some(key), None) => Ok(key.clone()),
        (Some(one), Some(other)) => {
            Err(format!("means {one} as well as {other}, which differ only in - and _; rename one of them"))
        }
    }
}

/// TOML where it is TOML, else the text itself.
fn value(text: &str) -> Value {
    match text.parse::<Value>() {
        // Dates are never wanted, and `2026-01-01` is a label.
        Ok(Value::Datetime(_)) | Err(_) => Value::String(text.to_owned()),
        Ok(value) => value,
    }
}
