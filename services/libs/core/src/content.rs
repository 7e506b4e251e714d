//! What a request asks for, field by field, so that two requests under one id can be told apart.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

/// The fields of a request as digests: equal for equal requests, and of two different ones it is known where they differ.
///
/// Digests, because the text is kept in the store, which need not know what was ordered. 32 bits each: they tell apart what a
/// caller mixed up, and need not withstand anybody who looks for collisions in its own requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content(BTreeMap<String, String>);

impl Content {
    /// Of names and values. Their order does not matter.
    pub fn of<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let digest = |value: &str| {
            let digest = Sha256::digest(value);
            format!("{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
        };
        Self(fields.into_iter().map(|(name, value)| (name.to_owned(), digest(value))).collect())
    }

    /// Reads the text that was kept. What is no content reads as one without fields.
    pub fn kept(text: &str) -> Self {
        let field =
            |part: &str| part.split_once('=').map(|(name, digest)| (name.to_owned(), digest.to_owned()));
        Self(text.split(';').filter_map(field).collect())
    }

    /// The names of the fields that differ, in order.
    pub fn differences<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let names = self.0.keys().chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        let mut differing: Vec<&str> =
            names.filter(|name| self.0.get(*name) != other.0.get(*name)).map(String::as_str).collect();
        // Both maps may lend names: the order is that of neither.
        differing.sort_unstable();
        differing
    }
}

impl fmt::Display for Content {
    /// The text that is kept.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, digest)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={digest}", if i == 0 { "" } else { ";" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_requests_are_equal_and_others_say_where_they_differ() {
        let one = Content::of([("pair", "XBTUSD"), ("volume", "1"), ("price", "5")]);
        assert_eq!(one, Content::of([("price", "5"), ("pair", "XBTUSD"), ("volume", "1")]));
        assert_eq!(one, Content::kept(&one.to_string()));
        let other = Content::of([("pair", "XBTUSD"), ("volume", "2"), ("userref", "7")]);
        assert_eq!(one.differences(&other), ["price", "userref", "volume"]);
        assert_eq!(other.differences(&one), ["price", "userref", "volume"]);
        assert_eq!(one.differences(&one), Vec::<&str>::new());
        assert!(!one.to_string().contains("XBTUSD"), "the store need not know what is ordered");
    }
}
