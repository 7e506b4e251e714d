//! A writer of JSON text. Kraken mixes decimals as texts, times as numbers with more digits than a float holds, and
//! members of fixed order in its samples; writing text directly keeps all three exact.

use std::fmt::{Display, Write as _};

use super::decimal;

/// JSON under construction. Values are appended in order; commas are its own business.
#[derive(Debug, Default)]
pub(crate) struct Json {
    text: String,
    /// Something stands before the next element on this level.
    needs_comma: bool,
}

impl Json {
    /// The finished text.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn element(&mut self) -> &mut String {
        if self.needs_comma {
            self.text.push(',');
        }
        self.needs_comma = true;
        &mut self.text
    }

    /// An object; the closure appends its members.
    pub(crate) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.nested('{', '}', members);
    }

    /// An array; the closure appends its elements.
    pub(crate) fn array(&mut self, elements: impl FnOnce(&mut Self)) {
        self.nested('[', ']', elements);
    }

    fn nested(&mut self, open: char, close: char, inner: impl FnOnce(&mut Self)) {
        self.element().push(open);
        self.needs_comma = false;
        inner(self);
        self.text.push(close);
        self.needs_comma = true;
    }

    /// The name of a member; exactly one value follows.
    pub(crate) fn field(&mut self, name: &str) -> &mut Self {
        self.text(name);
        self.text.push(':');
        self.needs_comma = false;
        self
    }

    /// A text.
    pub(crate) fn text(&mut self, value: &str) {
        let out = self.element();
        out.push('"');
        for character in value.chars() {
            match character {
                '"' | '\\' => out.extend(['\\', character]),
                // Writing to a String cannot fail.
                '\0'..='\x1f' => drop(write!(out, "\\u{:04x}", u32::from(character))),
                _ => out.push(character),
            }
        }
        out.push('"');
    }

    /// A text, or null.
    pub(crate) fn text_or_null(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    /// A whole number.
    pub(crate) fn integer<T: Display>(&mut self, value: T) {
        let _ = write!(self.element(), "{value}");
    }

    /// A whole number, or null.
    pub(crate) fn integer_or_null<T: Display>(&mut self, value: Option<T>) {
        match value {
            Some(value) => self.integer(value),
            None => self.null(),
        }
    }

    /// A decimal as a text with all places of its scale.
    pub(crate) fn decimal(&mut self, value: i128, scale: u32) {
        let out = self.element();
        out.push('"');
        decimal::write(out, value, scale);
        out.push('"');
    }

    /// A time as a number: unix seconds with six places.
    pub(crate) fn seconds(&mut self, at_us: u64) {
        decimal::write(self.element(), i128::from(at_us), 6);
    }

    /// A truth value.
    pub(crate) fn truth(&mut self, value: bool) {
        self.element().push_str(if value { "true" } else { "false" });
    }

    /// Null.
    pub(crate) fn null(&mut self) {
        self.element().push_str("null");
    }

    /// Text that is JSON already.
    pub(crate) fn raw(&mut self, json: &str) {
        self.element().push_str(json);
    }
}

/// Kraken's envelope round a result.
pub(crate) fn success(result: impl FnOnce(&mut Json)) -> String {
    let mut json = Json { text: String::with_capacity(256), needs_comma: false };
    json.object(|json| {
        json.field("error").array(|_| {});
        result(json.field("result"));
    });
    json.finish()
}

/// Kraken's envelope round a refusal. There is no `result`.
pub(crate) fn refusal(error: &str) -> String {
    let mut json = Json::default();
    json.object(|json| json.field("error").array(|json| json.text(error)));
    json.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_envelope_as_kraken_does() {
        let ok = success(|json| {
            json.object(|json| {
                json.field("txid").array(|json| json.text("OLM64K-2CIQH-3PVKSQ"));
                json.field("opentm").seconds(1_781_000_233_029_133);
                json.field("vol").decimal(25_000_000, 8);
                json.field("userref").null();
            });
        });
        assert_eq!(
            ok,
            r#"{"error":[],"result":{"txid":["OLM64K-2CIQH-3PVKSQ"],"opentm":1781000233.029133,"vol":"0.25000000","userref":null}}"#
        );
        assert_eq!(refusal("EAPI:Invalid nonce"), r#"{"error":["EAPI:Invalid nonce"]}"#);
    }

    #[test]
    fn strange_texts_survive() {
        let strange = "quote \" backslash \\ line\nbell\u{7} ü";
        let mut json = Json::default();
        json.text(strange);
        assert_eq!(serde_json::from_str::<String>(&json.finish()).unwrap(), strange);
    }
}
