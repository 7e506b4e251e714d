//! Arguments of a call, written once as the bytes that are both signed and sent.

use std::fmt;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use tidegate_core::{Encoding, Nonce};

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
/// added by [`Params::body`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(&'static str, Value)>);

impl Params {
    /// No arguments.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds an argument.
    pub fn push(&mut self, name: &'static str, value: Value) {
        debug_assert!(name != "nonce" && name != "otp", "{name} is added when the body is made");
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

    /// The body of a private call. The nonce comes first and the second factor next, as in Kraken's own client; a
    /// JSON nonce is a string, because nanoseconds do not fit the numbers of many parsers.
    ///
    /// A signed call has its arguments in its body whatever the table says, so [`Encoding::Query`] is a form here. And a list
    /// of objects, or an [`Value::Array`], goes as JSON whatever the table says: Kraken documents no form for one.
    pub fn body(&self, encoding: Encoding, nonce: Nonce, otp: Option<&str>) -> PreparedBody {
        let needs_json = self.0.iter().any(|(_, value)| matches!(value, Value::Rows(_) | Value::Array(_)));
        let (bytes, content_type) = match if needs_json { Encoding::Json } else { encoding } {
            Encoding::Json => {
                #[expect(clippy::expect_used, reason = "maps with text keys into memory cannot fail")]
                let json = serde_json::to_vec(&JsonBody { nonce, otp, params: self }).expect("serialises");
                (json, "application/json")
            }
            Encoding::Form | Encoding::Query => {
                let mut out = String::new();
                write_pair(None, "nonce", &nonce.to_string(), &mut out);
                if let Some(otp) = otp {
                    write_pair(None, "otp", otp, &mut out);
                }
                self.write_form(None, &mut out);
                (out.into_bytes(), "application/x-www-form-urlencoded; charset=utf-8")
            }
        };
        PreparedBody { bytes: bytes.into(), content_type, nonce }
    }

    fn write_form(&self, outer: Option<&str>, out: &mut String) {
        for (name, value) in &self.0 {
            match value {
                Value::Text(text) => write_pair(outer, name, text, out),
                Value::Bool(yes) => write_pair(outer, name, if *yes { "true" } else { "false" }, out),
                Value::Int(number) => write_pair(outer, name, &number.to_string(), out),
                Value::List(items) => write_pair(outer, name, &items.join(","), out),
                Value::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        write_pair(outer, &format!("{name}[{index}]"), item, out);
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

fn write_pair(outer: Option<&str>, name: &str, value: &str, out: &mut String) {
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
fn escape(text: &str, out: &mut String) {
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

struct JsonBody<'a> {
    nonce: Nonce,
    otp: Option<&'a str>,
    params: &'a Params,
}

impl Serialize for JsonBody<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("nonce", &self.nonce.to_string())?;
        if let Some(otp) = self.otp {
            map.serialize_entry("otp", otp)?;
        }
        for (name, value) in self.params.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The exact bytes of a request body, with the nonce that stands in them. Not printed: it may hold a second factor
/// and always holds somebody's trade.
#[derive(Clone)]
pub struct PreparedBody {
    bytes: Bytes,
    content_type: &'static str,
    nonce: Nonce,
}

impl PreparedBody {
    /// The bytes to sign and to send. Cloning them is a reference, not a copy.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The `Content-Type` header.
    pub const fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// The nonce inside.
    pub const fn nonce(&self) -> Nonce {
        self.nonce
    }
}

impl fmt::Debug for PreparedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedBody")
            .field("nonce", &self.nonce)
            .field("content_type", &self.content_type)
            .field("len_bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order() -> Params {
        let mut close = Params::new();
        close.text("ordertype", "limit");
        close.text("price", "+5%");
        let mut order = Params::new();
        order.text("pair", "XBT/USD");
        order.push("validate", Value::Bool(true));
        order.push("userref", Value::Int(-7));
        order.push("oflags", Value::List(vec!["post".to_owned(), "fciq".to_owned()]));
        order.push("close", Value::Nested(close));
        order
    }

    fn text(body: &PreparedBody) -> &str {
        std::str::from_utf8(body.bytes()).expect("ASCII")
    }

    #[test]
    fn forms_are_written_as_kraken_reads_them() {
        let body = order().body(Encoding::Form, Nonce(17), Some("a&b"));
        assert_eq!(
            text(&body),
            "nonce=17&otp=a%26b&pair=XBT%2FUSD&validate=true&userref=-7&oflags=post%2Cfciq\
             &close%5Bordertype%5D=limit&close%5Bprice%5D=%2B5%25"
        );
        assert_eq!(body.content_type(), "application/x-www-form-urlencoded; charset=utf-8");
        assert_eq!(text(&Params::new().body(Encoding::Form, Nonce(17), None)), "nonce=17");
    }

    #[test]
    fn json_keeps_types_and_writes_the_nonce_as_text_in_front() {
        let body = order().body(Encoding::Json, Nonce(u64::MAX), None);
        assert_eq!(
            text(&body),
            r#"{"nonce":"18446744073709551615","pair":"XBT/USD","validate":true,"userref":-7,"oflags":["post","fciq"],"close":{"ordertype":"limit","price":"+5%"}}"#
        );
        let body = Params::new().body(Encoding::Json, Nonce(1), Some("x"));
        assert_eq!(text(&body), r#"{"nonce":"1","otp":"x"}"#);
    }

    #[test]
    fn rows_are_numbered_in_queries_and_an_array_in_bodies() {
        let row = |price: &str| {
            let mut row = Params::new();
            row.text("price", price);
            row
        };
        let mut batch = Params::new();
        batch.push("orders", Value::Rows(vec![row("1"), row("2")]));
        assert_eq!(batch.query(), "orders%5B0%5D%5Bprice%5D=1&orders%5B1%5D%5Bprice%5D=2");
        let json = batch.body(Encoding::Json, Nonce(1), None);
        assert_eq!(text(&json), r#"{"nonce":"1","orders":[{"price":"1"},{"price":"2"}]}"#);
        let asked_for_a_form = batch.body(Encoding::Form, Nonce(1), None);
        assert_eq!(
            (text(&asked_for_a_form), asked_for_a_form.content_type()),
            (text(&json), json.content_type())
        );
    }

    #[test]
    fn queries_have_no_nonce() {
        assert_eq!(Params::new().query(), "");
        let mut params = Params::new();
        params.text("pair", "XBTUSD,ETH/USD");
        params.push("assetVersion", Value::Int(1));
        assert_eq!(params.query(), "pair=XBTUSD%2CETH%2FUSD&assetVersion=1");
    }

    #[test]
    fn a_body_does_not_print_what_is_in_it() {
        let body = order().body(Encoding::Form, Nonce(17), Some("second-factor"));
        let printed = format!("{body:?}");
        assert!(!printed.contains("second-factor") && !printed.contains("XBT"), "{printed}");
    }

    /// An independent reader of forms.
    fn decode(form: &str) -> Vec<(String, String)> {
        let plain = |text: &str| {
            let (bytes, mut out, mut i) = (text.as_bytes(), Vec::new(), 0);
            while i < bytes.len() {
                if bytes[i] == b'%' {
                    out.push(u8::from_str_radix(&text[i + 1..i + 3], 16).expect("two hex digits"));
                    i += 3;
                } else {
                    out.push(bytes[i]);
                    i += 1;
                }
            }
            String::from_utf8(out).expect("UTF-8")
        };
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').expect("a pair");
            (plain(name), plain(value))
        };
        form.split('&').filter(|s| !s.is_empty()).map(pair).collect()
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same_pairs(
            values in proptest::collection::vec(".{0,30}", 0..6), nonce: u64, nested in ".{0,30}", otp in proptest::option::of(".{1,20}"),
        ) {
            let names = ["a", "b-c", "d[e]", "f&g", "h=i", "j k"];
            let mut params = Params::new();
            for (name, value) in names.iter().zip(&values) {
                params.text(name, value.clone());
            }
            let mut inner = Params::new();
            inner.text("x", nested.clone());
            params.push("close", Value::Nested(inner));

            let mut wanted = vec![("nonce".to_owned(), nonce.to_string())];
            wanted.extend(otp.iter().map(|otp| ("otp".to_owned(), otp.clone())));
            wanted.extend(names.iter().zip(&values).map(|(n, v)| ((*n).to_owned(), v.clone())));
            wanted.push(("close[x]".to_owned(), nested.clone()));
            let form = params.body(Encoding::Form, Nonce(nonce), otp.as_deref());
            prop_assert!(text(&form).bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~%&=".contains(&b)));
            prop_assert_eq!(decode(text(&form)), wanted);

            let json = params.body(Encoding::Json, Nonce(nonce), otp.as_deref());
            let read: serde_json::Value = serde_json::from_slice(json.bytes()).expect("JSON");
            prop_assert_eq!(&read["nonce"], &serde_json::Value::String(nonce.to_string()));
            prop_assert_eq!(read["otp"].as_str(), otp.as_deref());
            for (name, value) in names.iter().zip(&values) {
                prop_assert_eq!(read[*name].as_str(), Some(value.as_str()));
            }
            prop_assert_eq!(read["close"]["x"].as_str(), Some(nested.as_str()));
        }
    }
}
