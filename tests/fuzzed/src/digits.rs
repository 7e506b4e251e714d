//! Amounts in texts, compared as texts: this is the judge of those who read them, so it shares nothing with them.

use std::collections::HashSet;

/// Every scalar of a JSON text, as it is written there.
pub(crate) struct Written {
    texts: HashSet<String>,
    /// Numbers with an exponent, which may be written without it.
    scaled: HashSet<Number>,
    /// Whole numbers by what they mean: counters and nonces are read as such, and lose a zero or a plus in front.
    whole: HashSet<Number>,
}

/// Sign, digits without zeros at either end, and the power of ten of the last one.
type Number = (bool, String, i64);

impl Written {
    /// Of a text that is JSON.
    pub(crate) fn in_json(json: &str) -> Self {
        let mut written = Self { texts: HashSet::new(), scaled: HashSet::new(), whole: HashSet::new() };
        let bytes = json.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let begin = at;
            match byte {
                b'"' => {
                    at += 1;
                    while bytes.get(at).is_some_and(|b| *b != b'"') {
                        at += if bytes[at] == b'\\' { 2 } else { 1 };
                    }
                    at += 1;
                    let text: Option<String> = json.get(begin..at).and_then(|t| serde_json::from_str(t).ok());
                    written.note(text.unwrap_or_default());
                }
                b'-' | b'0'..=b'9' => {
                    while bytes.get(at).is_some_and(|b| b"+-.eE0123456789".contains(b)) {
                        at += 1;
                    }
                    let number = &json[begin..at];
                    if number.contains(['e', 'E']) {
                        written.scaled.extend(plain(number));
                    }
                    written.note(number.to_owned());
                }
                _ => at += 1,
            }
        }
        written
    }

    /// A text, and the parts into which names and lists are taken apart.
    fn note(&mut self, text: String) {
        for part in text.split([',', '/']) {
            self.texts.insert(part.trim().to_owned());
            if !part.contains(['.', 'e', 'E']) {
                self.whole.extend(plain(part.trim()));
            }
            if let Some((name, kind)) = part.rsplit_once('.') {
                self.texts.extend([name.to_owned(), kind.to_owned()]);
            }
        }
        self.texts.insert(text);
    }

    /// Whether this text may stand in what was read: if it is an amount, it was written so. Positions in a row, of at most two digits, are
    /// names of values and no amounts.
    pub(crate) fn has(&self, text: &str) -> bool {
        let Some(amount) = plain(text).filter(|_| text.len() > 2) else { return true };
        self.texts.contains(text)
            || self.scaled.contains(&amount)
            || !text.contains('.') && self.whole.contains(&amount)
    }
}

/// The number that a text is, if it is one.
fn plain(text: &str) -> Option<Number> {
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (minus, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if whole.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut power = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    power += i64::try_from(digits.len() - digits.trim_end_matches('0').len()).ok()?;
    Some(if significant.is_empty() {
        (false, String::new(), 0)
    } else {
        (minus, significant.to_owned(), power)
    })
}

/// The texts in quotation marks of a value's `Debug` form.
pub(crate) fn strings_of(shown: &str) -> Vec<String> {
    let mut strings = Vec::new();
    let mut letters = shown.chars();
    while letters.by_ref().any(|c| c == '"') {
        let mut text = String::new();
        while let Some(letter) = letters.next().filter(|c| *c != '"') {
            // What is escaped is no digit, so it matters only that it stays one thing.
            text.push(if letter == '\\' { letters.next().map_or('\\', |_| '\\') } else { letter });
        }
        strings.push(text);
    }
    strings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digit_that_changed_is_seen() {
        let written =
            Written::in_json(r#"{"a": 0.10, "b": "1.50,x", "c": 1.25e-3, "d\"": [123456789012345678901]}"#);
        for text in ["0.10", "1.50", "0.00125", "123456789012345678901", "7", "x1.50", "", "1.50,x"] {
            assert!(written.has(text), "{text}");
        }
        for text in ["0.1", "1.5", "0.001250000000001", "123456789012345680000", "700"] {
            assert!(!written.has(text), "{text}");
        }
    }

    #[test]
    fn texts_are_found_in_what_debug_shows() {
        let shown = format!("{:?}", (Some("0.10"), vec!["a\"b\n", "-5.5"]));
        assert_eq!(strings_of(&shown), ["0.10", "a\\b\\", "-5.5"]);
    }
}
