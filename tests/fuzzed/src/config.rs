//! The reader of configurations: a whole one, or mistakes that can be found.

use tidegate_runtime::Config;

/// Tables of a configuration.
const TABLES: [&str; 12] = [
    "accounts",
    "admin",
    "deployment",
    "executor",
    "gateway",
    "keys",
    "kraken",
    "log",
    "sandbox",
    "shutdown",
    "store",
    "traces",
];
const FILE: &str = "fuzz.toml";

/// A file; behind a byte 0, variables of the environment, `NAME=VALUE`, one to a line.
///
/// - It is read to the end, or refused with at least one mistake.
/// - Each mistake names a table or key that there is or should be, or the file with line and column, and says what is wrong, on one line.
/// - Who reads it twice is told the same.
///
/// # Panics
/// When one of these does not hold.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (file, lines) = text.split_once('\0').unwrap_or((text, ""));
    let variables = || {
        let pairs = lines.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
    };
    let load = || Config::load(Some((FILE, file)), variables());
    let (first, second) = (load(), load());
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    let Err(mistakes) = first else { return };
    assert!(!mistakes.list().is_empty(), "refused without a mistake");
    for mistake in mistakes.list() {
        let (path, text) = (&mistake.path, &mistake.text);
        let shown = mistake.to_string();
        assert!(!path.is_empty() && !text.is_empty(), "{shown:?} names nothing");
        assert!(!shown.chars().any(char::is_control), "{shown:?} is more than a line");
        if path == FILE {
            assert!(text.starts_with("line ") && text.contains(", column "), "{shown:?} names no place");
            continue;
        }
        let table = path.split(['.', '[']).next().unwrap_or_default();
        let is_here = |text: &str| text.to_ascii_lowercase().contains(&table.to_ascii_lowercase());
        // What is written with an escape, there or here, cannot be found by its letters.
        let escaped = file.contains('\\') || path.contains('\\');
        let named = TABLES.contains(&table) || escaped || is_here(file) || is_here(lines);
        assert!(named, "{shown:?} names what is neither there nor expected");
    }
}
