//! A place in JSON text, from which values are read as they come.
//!
//! *The idea.* A reply is checked once, as a whole, when its envelope is opened (`reply`). What is behind a [`Json`] is therefore known to
//! be JSON, and reading it again means no more than finding where things end: no copies, no tree, and no second look at what a reader
//! takes in the order in which Kraken writes it.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// A place in a text that is JSON, in front of a value. Reading moves it behind the value; what fails to read a single value leaves it
/// where it is.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Json<'a> {
    /// In front of a value.
    pub fn of(raw: &'a RawValue) -> Self {
        Self { text: raw.get(), at: 0 }
    }

    /// In front of a value that was cut out by [`Json::take`].
    pub(super) const fn again(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is not white space; 0 at the end.
    #[inline]
    pub(super) fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Goes behind this byte if it is the next one.
    #[inline]
    pub(super) fn pass(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == byte;
        self.at += usize::from(is_next);
        is_next
    }

    /// The text of the value, which stays to be read.
    pub(super) fn get(&mut self) -> &'a str {
        let mut ahead = *self;
        ahead.take()
    }

    /// The text of the value.
    #[inline]
    pub(super) fn take(&mut self) -> &'a str {
        let first = self.peek();
        let (bytes, begin) = (self.text.as_bytes(), self.at);
        let mut depth = 0_usize;
        match first {
            b'"' => self.at = string_end(bytes, begin),
            b'{' | b'[' => loop {
                match bytes.get(self.at) {
                    Some(b'"') => self.at = string_end(bytes, self.at),
                    Some(b'{' | b'[') => (depth, self.at) = (depth + 1, self.at + 1),
                    Some(b'}' | b']') => (depth, self.at) = (depth - 1, self.at + 1),
                    Some(_) => self.at += 1,
                    None => break,
                }
                if depth == 0 {
                    break;
                }
            },
            _ => {
                let ends = |b: &u8| matches!(b, b',' | b']' | b'}' | b' ' | b'\n' | b'\t' | b'\r');
                let rest = bytes.get(begin..).unwrap_or_default();
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
            }
        }
        self.text.get(begin..self.at).unwrap_or_default()
    }

    /// A text; nothing if the value is none, or has an escape that means no character.
    #[inline]
    pub(super) fn string(&mut self) -> Option<Cow<'a, str>> {
        if self.peek() != b'"' {
            return None;
        }
        let begin = self.at + 1;
        let rest = self.text.as_bytes().get(begin..)?;
        let len = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if rest.get(len) == Some(&b'"') {
            self.at = begin + len + 1;
            return self.text.get(begin..begin + len).map(Cow::Borrowed);
        }
        let end = string_end(self.text.as_bytes(), self.at);
        let text = serde_json::from_str(self.text.get(self.at..end)?).ok()?;
        self.at = end;
        Some(Cow::Owned(text))
    }

    /// Reads a value with a reader that may look and not move, or stop half way only if it fails.
    #[inline]
    pub(super) fn value<T, E>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        self.peek();
        let begin = self.at;
        let value = read(self)?;
        if self.at == begin {
            self.take();
        }
        Ok(value)
    }
}

/// Behind the text whose quotation mark stands at `begin`.
#[inline]
fn string_end(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    loop {
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_they_end() {
        let mut json = Json::again(r#" { "a\"}" : [1, "]" , {"b": "\\"}] , "c":-1.5e3 } "#);
        assert!(json.pass(b'{'));
        assert_eq!(json.string().as_deref(), Some("a\"}"));
        assert!(json.pass(b':') && !json.pass(b'{'));
        assert_eq!(json.get(), r#"[1, "]" , {"b": "\\"}]"#);
        assert_eq!(json.take(), r#"[1, "]" , {"b": "\\"}]"#);
        assert!(json.pass(b','));
        assert_eq!((json.string().as_deref(), json.pass(b':'), json.take()), (Some("c"), true, "-1.5e3"));
        assert!(json.pass(b'}') && json.peek() == 0);
    }

    #[test]
    fn what_is_no_text_is_left_for_another_reader() {
        for text in ["5", "null", r#""\ud800""#] {
            let mut json = Json::again(text);
            assert_eq!((json.string(), json.get()), (None, text));
        }
        let mut looked = Json::again("true,1");
        assert_eq!(looked.value(|json| Ok::<_, ()>(json.get() == "true")), Ok(true));
        assert!(looked.pass(b','));
    }
}
