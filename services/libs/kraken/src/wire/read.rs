//! Taking objects apart without losing members, order or digits.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Members that this build does not know: name to JSON text.
pub type Extra = BTreeMap<String, String>;

/// A result, or a part of one, that is not what it should be. Holds no value from the reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} is not {expected}")]
pub struct ShapeError {
    /// Where, for instance `result.closed.OABCDE-FGHIJ-KLMNOP.vol`.
    pub path: String,
    /// What should be there.
    pub expected: &'static str,
}

impl ShapeError {
    pub(super) const fn here(expected: &'static str) -> Self {
        Self { path: String::new(), expected }
    }

    pub(super) fn inside(mut self, name: &str) -> Self {
        // Names come from the reply as well; they are kept short and printable.
        let name: String = name.chars().filter(char::is_ascii_graphic).take(40).collect();
        self.path = if self.path.is_empty() { name } else { format!("{name}.{}", self.path) };
        self
    }
}

/// Something that can be read from JSON text.
pub trait Wire: Sized {
    /// Reads the value.
    fn read(raw: &RawValue) -> Result<Self, ShapeError>;
}

/// Reads the `result` of a reply; a missing one is an error too.
pub fn read<T: Wire>(result: Option<&RawValue>) -> Result<T, ShapeError> {
    result.map_or_else(|| Err(ShapeError::here("present")), T::read).map_err(|error| error.inside("result"))
}

/// An object keyed by something of Kraken's, in Kraken's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries<T>(pub Vec<(String, T)>);

impl<T> Entries<T> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

impl<T: Wire> Wire for Entries<T> {
    fn read(raw: &RawValue) -> Result<Self, ShapeError> {
        let Members(members) = parse(raw, "an object")?;
        let entry = |(name, raw): (String, Box<RawValue>)| match T::read(&raw) {
            Ok(value) => Ok((name, value)),
            Err(error) => Err(error.inside(&name)),
        };
        members.into_iter().map(entry).collect::<Result<_, _>>().map(Self)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn read(raw: &RawValue) -> Result<Self, ShapeError> {
        let items: Vec<Box<RawValue>> = parse(raw, "a list")?;
        let item = |(i, raw): (usize, Box<RawValue>)| T::read(&raw).map_err(|e| e.inside(&i.to_string()));
        items.into_iter().enumerate().map(item).collect()
    }
}

/// The members of one object, to be taken out one by one.
pub(super) struct Object(BTreeMap<String, Box<RawValue>>);

impl Object {
    pub(super) fn of(raw: &RawValue) -> Result<Self, ShapeError> {
        let Members(members) = parse(raw, "an object")?;
        Ok(Self(members.into_iter().collect()))
    }

    /// A member that may be missing or null, which mean the same.
    pub(super) fn opt<T: Wire>(&mut self, name: &str) -> Result<Option<T>, ShapeError> {
        match self.0.remove(name) {
            Some(raw) if raw.get() != "null" => T::read(&raw).map(Some).map_err(|error| error.inside(name)),
            _ => Ok(None),
        }
    }

    /// A member that must be there.
    pub(super) fn need<T: Wire>(&mut self, name: &str) -> Result<T, ShapeError> {
        self.opt(name)?.ok_or_else(|| ShapeError::here("present").inside(name))
    }

    /// A member known by two names; the first one that is there counts.
    pub(super) fn either<T: Wire>(&mut self, name: &str, other: &str) -> Result<Option<T>, ShapeError> {
        let (first, second) = (self.opt(name)?, self.opt(other)?);
        Ok(first.or(second))
    }

    /// What nobody has taken.
    pub(super) fn rest(self) -> Extra {
        self.0.into_iter().map(|(name, raw)| (name, raw.get().to_owned())).collect()
    }
}

/// The one member whose name the caller cannot know, because Kraken names it after a pair: the first that is a list
/// (`[`) or an object (`{`). And the others.
pub(super) fn named(raw: &RawValue, opens: u8) -> Result<(String, Box<RawValue>, Object), ShapeError> {
    let Members(mut members) = parse(raw, "an object")?;
    let at = members.iter().position(|(_, raw)| raw.get().as_bytes().first() == Some(&opens));
    let (name, value) = members.remove(at.ok_or(ShapeError::here("an object with the data of a pair"))?);
    Ok((name, value, Object(members.into_iter().collect())))
}

/// The values of one row, told apart by where they stand.
pub(super) struct Row(Vec<Option<Box<RawValue>>>);

impl Row {
    pub(super) fn of(raw: &RawValue) -> Result<Self, ShapeError> {
        // An optional raw value reads null as nothing, which is what is wanted here.
        parse(raw, "a row").map(Self)
    }

    /// A value that may be missing or null, which mean the same.
    pub(super) fn opt<T: Wire>(&mut self, at: usize) -> Result<Option<T>, ShapeError> {
        match self.0.get_mut(at).and_then(Option::take) {
            Some(raw) => T::read(&raw).map(Some).map_err(|error| error.inside(&at.to_string())),
            None => Ok(None),
        }
    }

    /// A value that must be there.
    pub(super) fn need<T: Wire>(&mut self, at: usize) -> Result<T, ShapeError> {
        self.opt(at)?.ok_or_else(|| ShapeError::here("present").inside(&at.to_string()))
    }

    /// What nobody has taken, by its position.
    pub(super) fn rest(self) -> Extra {
        let left = self.0.into_iter().enumerate();
        left.filter_map(|(at, raw)| Some((at.to_string(), raw?.get().to_owned()))).collect()
    }
}

/// serde's own `flatten` cannot hold raw text, so objects are read as a list of members first.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(InOrder)
    }
}

pub(super) fn parse<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    expected: &'static str,
) -> Result<T, ShapeError> {
    serde_json::from_str(raw.get()).map_err(|_| ShapeError::here(expected))
}
