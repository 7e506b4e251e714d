//! JSON taken apart so that one place of it can be changed. Order and digits stay as they were written.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    /// A text, number or word, as JSON.
    Leaf(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// The way to a place: names of members and positions.
pub(super) type Way = Vec<String>;

/// A way as the errors of the wire write it.
pub(super) fn written(way: &[String]) -> String {
    std::iter::once("result").chain(way.iter().map(String::as_str)).collect::<Vec<_>>().join(".")
}

impl Tree {
    pub(super) fn of(json: &str) -> Self {
        let json = json.trim();
        match json.as_bytes().first() {
            Some(b'{') => Self::Object(members(json)),
            Some(b'[') => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(json).expect("a list");
                Self::List(items.iter().map(|item| Self::of(item.get())).collect())
            }
            _ => Self::Leaf(json.to_owned()),
        }
    }

    pub(super) fn member(&self, wanted: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
    }

    /// Every place in it, itself first.
    pub(super) fn places(&self) -> Vec<(Way, &Self)> {
        let mut all = vec![(Way::new(), self)];
        let inner: Vec<(String, &Self)> = match self {
            Self::Leaf(_) => Vec::new(),
            Self::List(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect(),
            Self::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        };
        for (step, value) in inner {
            let deeper = value.places().into_iter();
            all.extend(
                deeper.map(|(way, place)| (std::iter::once(step.clone()).chain(way).collect(), place)),
            );
        }
        all
    }

    /// The place at the end of a way.
    pub(super) fn at(&mut self, way: &[String]) -> &mut Self {
        let Some((step, rest)) = way.split_first() else { return self };
        match self {
            Self::Leaf(json) => panic!("{step} is not in {json}"),
            Self::List(items) => items[step.parse::<usize>().expect("a position")].at(rest),
            Self::Object(members) => {
                members.iter_mut().find(|(name, _)| name == step).expect("a member").1.at(rest)
            }
        }
    }

    /// The same with another value in one place.
    pub(super) fn with(&self, way: &[String], json: &str) -> Self {
        let mut changed = self.clone();
        *changed.at(way) = Self::Leaf(json.to_owned());
        changed
    }

    /// The same without one member.
    pub(super) fn without(&self, way: &[String]) -> Self {
        let (name, outer) = way.split_last().expect("not the whole");
        let mut changed = self.clone();
        match changed.at(outer) {
            Self::Object(members) => members.retain(|(member, _)| member != name),
            other => panic!("{name} is no member of {other}"),
        }
        changed
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(json) => f.write_str(json),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(","))
            }
            Self::Object(members) => {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
                write!(f, "{{{}}}", members.join(","))
            }
        }
    }
}

fn members(json: &str) -> Vec<(String, Tree)> {
    struct InOrder;
    impl<'de> Visitor<'de> for InOrder {
        type Value = Vec<(String, Tree)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                members.push((name, Tree::of(value.get())));
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_str(json).deserialize_map(InOrder).expect("an object")
}
