//! Arguments of a call, and how they are written in forms, queries and JSON.

use serde::ser::{Serialize, Serializer};

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text; decimals travel as text too, so that no parser on the way can round them.
    Text(String),
    /// A switch: `true` or `false` in forms, a real boolean in JSON.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A list: joined by commas in forms, an array in JSON.
    List(Vec<String>),
    /// A list that Kraken takes as JSON alone: an array in bodies, `lock_type[0]` in queries.
    Array(Vec<String>),
    /// Arguments of an argument: `close[ordertype]` in forms, an object in JSON.
    Nested(Params),
    /// A list of such: an array of objects in bodies, `orders[0][price]` in queries.
    Rows(Vec<Params>),
}

/// Arguments of a call in the order in which they are written. `nonce` and `otp` are not among them: they are
/// added by [`PreparedRequest::of`](crate::PreparedRequest::of).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(&'static str, Value)>);

impl Params {
    /// No arguments.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds an argument.
    pub fn push(&mut self, name: &'static str, value: Value) {
        debug_assert!(name != "nonce" && name != "otp", "{name} is added when the request is made");
        self.0.push((name, value));
    }

    /// Adds text.
    pub fn text(&mut self, name: &'static str, text: impl Into<String>) {
        self.push(name, Value::Text(text.into()));
    }

    /// The arguments in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// The query of a public call, without the question mark; empty if there are no arguments.
    pub fn query(&self) -> String {
        let mut out = String::new();
        self.write_form(None, &mut out);
        out
    }

    pub(crate) fn write_form(&self, outer: Option<&str>, out: &mut String) {
        for (name, value) in &self.0 {
            match value {
                Value::Text(text) => write_pair(outer, name, text, out),
                Value::Bool(yes) => write_pair(outer, name, if *yes { "true" } else { "false" }, out),
                Value::Int(number) => write_pair(outer, name, &number.to_string(), out),
                Value::List(items) => write_pair(outer, name, &items.join(","), out),
                Value::Array(items) => {
                    let name = outer.map_or_else(|| (*name).to_owned(), |outer| format!("{outer}[{name}]"));
                    for (index, item) in items.iter().enumerate() {
                        write_pair(Some(&name), &index.to_string(), item, out);
                    }
                }
                Value::Nested(params) => {
                    let name = outer.map_or_else(|| (*name).to_owned(), |outer| format!("{outer}[{name}]"));
                    params.write_form(Some(&name), out);
                }
                Value::Rows(rows) => {
                    let name = outer.map_or_else(|| (*name).to_owned(), |outer| format!("{outer}[{name}]"));
                    for (index, row) in rows.iter().enumerate() {
                        row.write_form(Some(&format!("{name}[{index}]")), out);
                    }
                }
            }
        }
    }
}

pub(crate) fn write_pair(outer: Option<&str>, name: &str, value: &str, out: &mut String) {
    if !out.is_empty() {
        out.push('&');
    }
    match outer {
        None => escape(name, out),
        Some(outer) => escape(&format!("{outer}[{name}]"), out),
    }
    out.push('=');
    escape(value, out);
}

/// Percent-encodes everything outside `A-Z a-z 0-9 - _ . ~`, as Kraken's own client does.
pub(crate) fn escape(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => to.serialize_str(text),
            Self::Bool(yes) => to.serialize_bool(*yes),
            Self::Int(number) => to.serialize_i64(*number),
            Self::List(items) | Self::Array(items) => items.serialize(to),
            Self::Nested(params) => params.serialize(to),
            Self::Rows(rows) => rows.serialize(to),
        }
    }
}

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_have_no_nonce() {
        assert_eq!(Params::new().query(), "");
        let mut params = Params::new();
        params.text("pair", "XBTUSD,ETH/USD");
        params.push("assetVersion", Value::Int(1));
        assert_eq!(params.query(), "pair=XBTUSD%2CETH%2FUSD&assetVersion=1");
    }

    #[test]
    fn a_list_inside_of_an_argument_has_its_place_behind_its_name() {
        let mut inside = Params::new();
        inside.push("lock_type", Value::Array(vec!["flex".into(), "bonded".into()]));
        let mut params = Params::new();
        params.push("filter", Value::Nested(inside));
        assert_eq!(params.query(), "filter%5Block_type%5D%5B0%5D=flex&filter%5Block_type%5D%5B1%5D=bonded");
    }

    #[test]
    fn nothing_inside_of_an_argument_is_an_object_of_its_own() {
        let mut fee = Params::new();
        fee.push("current_fee", Value::Nested(Params::new()));
        let mut params = Params::new();
        params.push("fee", Value::Nested(fee));
        assert_eq!(serde_json::to_string(&params).expect("JSON"), r#"{"fee":{"current_fee":{}}}"#);
        assert_eq!(params.query(), "");
    }
}
