//! Request parameters, from a form or from JSON, under one set of names: nested JSON takes the names that a form
//! gives it (`close[ordertype]`, `orders[0][price]`).

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// More members than any call of Kraken's has.
const MEMBERS_MAX: usize = 512;
/// The name of an asset in an amount in the cap of a fee is the deepest that Kraken documents.
const DEPTH_MAX: u32 = 5;

/// The body or query cannot be read, or says something twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Names and values of one request. An empty value counts as not given, as does JSON's null.
#[derive(Debug, Default)]
pub(crate) struct Params {
    /// All names and values decoded, one behind the other: one allocation for the whole request.
    text: String,
    members: Vec<(Range<usize>, Range<usize>)>,
}

impl Params {
    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// The same, whatever it is: also nothing, where that was said.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        let (_, value) = self.members.iter().find(|(known, _)| &self.text[known.clone()] == name)?;
        Some(&self.text[value.clone()])
    }

    /// Whether a parameter whose name begins like this was given.
    pub(crate) fn has_prefix(&self, prefix: &str) -> bool {
        self.members
            .iter()
            .any(|(name, value)| self.text[name.clone()].starts_with(prefix) && !value.is_empty())
    }

    /// The elements of a list: `name[0]`, `name[1]` and so on, or one text with commas between them.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        if let Some(joined) = self.get(name) {
            return joined.split(',').map(str::trim).filter(|element| !element.is_empty()).collect();
        }
        (0..MEMBERS_MAX).map_while(|index| self.get(&format!("{name}[{index}]"))).collect()
    }

    /// One row of a list of objects under the names of its own members, with more members given.
    pub(crate) fn row(&self, list: &str, index: usize, more: &[&str]) -> Result<Self, Malformed> {
        let prefix = format!("{list}[{index}][");
        let mut row = Self::default();
        let outside = more.iter().filter_map(|name| Some(((*name).to_owned(), self.get(name)?)));
        let inside = self.members.iter().filter_map(|(name, value)| {
            let rest = self.text[name.clone()].strip_prefix(&prefix)?;
            let (first, rest) = rest.split_once(']')?;
            Some((format!("{first}{rest}"), &self.text[value.clone()]))
        });
        for (name, value) in outside.chain(inside) {
            let (name, value) = (row.append(&name), row.append(value));
            row.add(name, value)?;
        }
        Ok(row)
    }

    /// Reads `application/x-www-form-urlencoded` or a query string.
    pub(crate) fn form(bytes: &[u8]) -> Result<Self, Malformed> {
        let params = Self { text: String::with_capacity(bytes.len()), members: Vec::with_capacity(12) };
        params.and_form(bytes)
    }

    /// Adds what a form or a query says.
    pub(crate) fn and_form(mut self, bytes: &[u8]) -> Result<Self, Malformed> {
        let mut decoded = Vec::with_capacity(64);
        for pair in bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let name = self.append_encoded(&pair[..at], &mut decoded)?;
            let value = self.append_encoded(pair.get(at + 1..).unwrap_or_default(), &mut decoded)?;
            self.add(name, value)?;
        }
        Ok(self)
    }

    /// Adds one value, encoded as in a path.
    pub(crate) fn and_part(mut self, name: &str, part: &str) -> Result<Self, Malformed> {
        let (name, value) = (self.append(name), self.append_encoded(part.as_bytes(), &mut Vec::new())?);
        self.add(name, value)?;
        Ok(self)
    }

    /// Reads a JSON object. Numbers keep their own digits.
    pub(crate) fn json(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut params = Self { text: String::with_capacity(bytes.len()), members: Vec::with_capacity(12) };
        params.flatten("", std::str::from_utf8(bytes).map_err(|_| Malformed)?, 0)?;
        Ok(params)
    }

    fn add(&mut self, name: Range<usize>, value: Range<usize>) -> Result<(), Malformed> {
        let known = |(other, _): &(Range<usize>, _)| self.text[other.clone()] == self.text[name.clone()];
        if self.members.len() == MEMBERS_MAX || self.members.iter().any(known) {
            return Err(Malformed);
        }
        self.members.push((name, value));
        Ok(())
    }

    fn append(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    fn append_encoded(&mut self, bytes: &[u8], decoded: &mut Vec<u8>) -> Result<Range<usize>, Malformed> {
        decoded.clear();
        let mut rest = bytes;
        while let [first, tail @ ..] = rest {
            rest = tail;
            decoded.push(match first {
                b'+' => b' ',
                b'%' => {
                    let [high, low, tail @ ..] = rest else { return Err(Malformed) };
                    rest = tail;
                    hex_digit(*high)? * 16 + hex_digit(*low)?
                }
                plain => *plain,
            });
        }
        Ok(self.append(std::str::from_utf8(decoded).map_err(|_| Malformed)?))
    }

    fn flatten(&mut self, prefix: &str, object: &str, depth: u32) -> Result<(), Malformed> {
        let Members(members) = serde_json::from_str(object).map_err(|_| Malformed)?;
        for (name, value) in members {
            let name = if prefix.is_empty() { name } else { format!("{prefix}[{name}]") };
            self.value(&name, value.get(), depth)?;
        }
        Ok(())
    }

    fn value(&mut self, name: &str, json: &str, depth: u32) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed);
        }
        match json.as_bytes().first() {
            Some(b'{') => self.flatten(name, json, depth + 1),
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| Malformed)?;
                for (index, element) in elements.iter().enumerate() {
                    self.value(&format!("{name}[{index}]"), element.get(), depth + 1)?;
                }
                Ok(())
            }
            Some(b'"') => {
                let text: String = serde_json::from_str(json).map_err(|_| Malformed)?;
                let (name, value) = (self.append(name), self.append(&text));
                self.add(name, value)
            }
            Some(b'n') | None => {
                let (name, value) = (self.append(name), self.append(""));
                self.add(name, value)
            }
            Some(_) => {
                let (name, value) = (self.append(name), self.append(json));
                self.add(name, value)
            }
        }
    }
}

fn hex_digit(byte: u8) -> Result<u8, Malformed> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(Malformed),
    }
}

/// The members of a JSON object with their raw text, doubles included, which a map would swallow.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded() {
        let params = Params::form(b"nonce=1&close%5Bprice%5D=%2B5&text=a+b%20c&empty=&flag").unwrap();
        assert_eq!(params.get("close[price]"), Some("+5"));
        assert_eq!(params.get("text"), Some("a b c"));
        assert_eq!(params.get("empty"), None);
        assert_eq!(params.get("flag"), None);
        assert_eq!(params.get("other"), None);
        assert!(params.has_prefix("close["));
        assert!(!params.has_prefix("empty"));
    }

    #[test]
    fn json_takes_the_names_of_a_form_and_keeps_its_digits() {
        let body = br#"{"nonce":18446744073709551615,"price":37500.10,"validate":true,"userref":null,
            "close":{"ordertype":"limit"},"orders":["A",{"price":"1"}]}"#;
        let params = Params::json(body).unwrap();
        assert_eq!(params.get("nonce"), Some("18446744073709551615"));
        assert_eq!(params.get("price"), Some("37500.10"));
        assert_eq!(params.get("validate"), Some("true"));
        assert_eq!(params.get("userref"), None);
        assert_eq!(params.get("close[ordertype]"), Some("limit"));
        assert_eq!(params.get("orders[0]"), Some("A"));
        assert_eq!(params.get("orders[1][price]"), Some("1"));
    }

    #[test]
    fn lists_and_rows_are_read_from_forms_and_json() {
        for params in [
            Params::form(b"pair=A&orders[0][price]=5&orders[0][close][price]=6&ids[0]=x&ids[1]=y").unwrap(),
            Params::json(br#"{"pair":"A","orders":[{"price":5,"close":{"price":6}}],"ids":["x","y"]}"#)
                .unwrap(),
        ] {
            let row = params.row("orders", 0, &["pair"]).unwrap();
            assert_eq!(
                [row.get("pair"), row.get("price"), row.get("close[price]")],
                [Some("A"), Some("5"), Some("6")]
            );
            assert!(!params.has_prefix("orders[1]["));
            assert_eq!(params.list("ids"), ["x", "y"]);
        }
        assert_eq!(Params::form(b"ids=x,y").unwrap().list("ids"), ["x", "y"]);
        assert!(Params::form(b"pair=A&orders[0][pair]=B").unwrap().row("orders", 0, &["pair"]).is_err());
    }

    #[test]
    fn what_is_said_twice_or_cannot_be_read_is_refused() {
        for form in [&b"a=1&a=2"[..], b"a=%4", b"a=%zz", b"a=%ff"] {
            assert_eq!(Params::form(form).unwrap_err(), Malformed);
        }
        for json in [&b"{\"a\":1,\"a\":2}"[..], b"[1]", b"{", b"", b"{\"a\":[[[[[[1]]]]]]}"] {
            assert_eq!(Params::json(json).unwrap_err(), Malformed);
        }
    }
}
