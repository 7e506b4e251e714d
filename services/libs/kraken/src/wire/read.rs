//! Taking objects apart without losing members, order or digits.
//!
//! A reader asks for members by name. Those that it passes on the way it remembers and finds again, so the order on the wire does not
//! matter; but who asks in Kraken's order reads the text in one pass. Of two members with one name the first counts, and the other stays
//! with the rest.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::json::Json;

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
    /// Reads the value at this place.
    ///
    /// # Errors
    /// When it is not what it should be.
    fn take(from: &mut Json<'_>) -> Result<Self, ShapeError>;

    /// Reads a whole text.
    ///
    /// # Errors
    /// When it is not what it should be.
    fn read(raw: &RawValue) -> Result<Self, ShapeError> {
        Self::take(&mut Json::of(raw))
    }
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
    fn take(from: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut members = Object::of(from)?;
        let mut entries = Vec::new();
        while let Some(name) = members.next_name() {
            match members.from.value(T::take) {
                Ok(value) => entries.push((name.into_owned(), value)),
                Err(error) => return Err(error.inside(&name)),
            }
        }
        Ok(Self(entries))
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn take(from: &mut Json<'_>) -> Result<Self, ShapeError> {
        if !from.pass(b'[') {
            return Err(ShapeError::here("a list"));
        }
        let mut items = Self::new();
        while !from.pass(b']') && from.peek() != 0 {
            let at = items.len();
            items.push(from.value(T::take).map_err(|error| error.inside(&at.to_string()))?);
            from.pass(b',');
        }
        Ok(items)
    }
}

/// The members of one object, to be taken out one by one.
pub(super) struct Object<'j, 'a> {
    from: &'j mut Json<'a>,
    /// Whether there may be more than was passed.
    more: bool,
    /// Members that nobody has asked for yet: their names, and the places of their values.
    passed: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'j, 'a> Object<'j, 'a> {
    pub(super) fn of(from: &'j mut Json<'a>) -> Result<Self, ShapeError> {
        if !from.pass(b'{') {
            return Err(ShapeError::here("an object"));
        }
        Ok(Self { from, more: true, passed: Vec::new() })
    }

    /// Goes to the next value, and says whose it is. A name with an escape that means no character stays as it is written.
    fn next_name(&mut self) -> Option<Cow<'a, str>> {
        if !self.more {
            return None;
        }
        self.from.pass(b',');
        if self.from.peek() != b'"' {
            self.from.pass(b'}');
            self.more = false;
            return None;
        }
        let name = self.from.string().unwrap_or_else(|| Cow::Borrowed(self.from.take()));
        self.from.pass(b':');
        Some(name)
    }

    fn pass_value(&mut self, name: Cow<'a, str>) {
        self.from.peek();
        self.passed.push((name, *self.from));
        self.from.take();
    }

    /// A member that may be missing or null, which mean the same.
    pub(super) fn opt<T: Wire>(&mut self, name: &str) -> Result<Option<T>, ShapeError> {
        if let Some(at) = self.passed.iter().position(|(passed, _)| passed == name) {
            let (_, mut value) = self.passed.remove(at);
            return unless_null(&mut value, name);
        }
        while let Some(found) = self.next_name() {
            if found == name {
                return unless_null(self.from, name);
            }
            self.pass_value(found);
        }
        Ok(None)
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
    pub(super) fn rest(mut self) -> Extra {
        while let Some(name) = self.next_name() {
            self.pass_value(name);
        }
        // From behind, so that of two with one name the first stays.
        let left = std::mem::take(&mut self.passed).into_iter().rev();
        left.map(|(name, mut value)| (name.into_owned(), value.take().to_owned())).collect()
    }
}

impl Drop for Object<'_, '_> {
    /// Whoever wants no more of it leaves the rest to be passed.
    fn drop(&mut self) {
        while self.next_name().is_some() {
            self.from.take();
        }
    }
}

/// The one member whose name the caller cannot know, because Kraken names it after a pair: the first that is a list
/// (`[`) or an object (`{`). And the others.
pub(super) fn named<'j, 'a>(
    from: &'j mut Json<'a>,
    opens: u8,
) -> Result<(String, Json<'a>, Object<'j, 'a>), ShapeError> {
    let mut members = Object::of(from)?;
    while let Some(name) = members.next_name() {
        members.pass_value(name);
    }
    let at = members.passed.iter_mut().position(|(_, value)| value.peek() == opens);
    let (name, value) =
        members.passed.remove(at.ok_or(ShapeError::here("an object with the data of a pair"))?);
    Ok((name.into_owned(), value, members))
}

fn unless_null<T: Wire>(from: &mut Json<'_>, name: &str) -> Result<Option<T>, ShapeError> {
    if from.peek() == b'n' {
        from.take();
        return Ok(None);
    }
    from.value(T::take).map(Some).map_err(|error| error.inside(name))
}

/// The values of one row, told apart by where they stand.
pub(super) struct Row<'j, 'a> {
    from: &'j mut Json<'a>,
    /// Where the next value stands; nothing behind the last one.
    next: Option<usize>,
    /// Values that nobody has asked for yet, but for nulls.
    passed: Vec<(usize, Json<'a>)>,
}

impl<'j, 'a> Row<'j, 'a> {
    pub(super) fn of(from: &'j mut Json<'a>) -> Result<Self, ShapeError> {
        if !from.pass(b'[') {
            return Err(ShapeError::here("a row"));
        }
        Ok(Self { from, next: Some(0), passed: Vec::new() })
    }

    /// Goes to the next value, and says where it stands.
    fn next_place(&mut self) -> Option<usize> {
        let at = self.next?;
        self.from.pass(b',');
        self.next = if self.from.pass(b']') || self.from.peek() == 0 { None } else { Some(at + 1) };
        self.next.map(|_| at)
    }

    fn pass_value(&mut self, at: usize) {
        if self.from.peek() != b'n' {
            self.passed.push((at, *self.from));
        }
        self.from.take();
    }

    /// A value that may be missing or null, which mean the same.
    pub(super) fn opt<T: Wire>(&mut self, at: usize) -> Result<Option<T>, ShapeError> {
        if let Some(known) = self.passed.iter().position(|(passed, _)| *passed == at) {
            let (_, mut value) = self.passed.remove(known);
            return unless_null(&mut value, &at.to_string());
        }
        while self.next.is_some_and(|next| next <= at) {
            match self.next_place() {
                Some(place) if place == at => return unless_null(self.from, &at.to_string()),
                Some(place) => self.pass_value(place),
                None => break,
            }
        }
        Ok(None)
    }

    /// A value that must be there.
    pub(super) fn need<T: Wire>(&mut self, at: usize) -> Result<T, ShapeError> {
        self.opt(at)?.ok_or_else(|| ShapeError::here("present").inside(&at.to_string()))
    }

    /// What nobody has taken, by its position.
    pub(super) fn rest(mut self) -> Extra {
        while let Some(at) = self.next_place() {
            self.pass_value(at);
        }
        let left = std::mem::take(&mut self.passed).into_iter();
        left.map(|(at, mut value)| (at.to_string(), value.take().to_owned())).collect()
    }
}

impl Drop for Row<'_, '_> {
    fn drop(&mut self) {
        while self.next_place().is_some() {
            self.from.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scalar::Decimal;
    use super::*;

    /// Two amounts, and whatever else there is.
    #[derive(Debug, PartialEq)]
    struct Two(Decimal, Option<Decimal>, Extra);

    impl Wire for Two {
        fn take(from: &mut Json<'_>) -> Result<Self, ShapeError> {
            let mut from = Object::of(from)?;
            Ok(Self(from.need("a")?, from.opt("b")?, from.rest()))
        }
    }

    /// Wants one member and leaves the rest where it is.
    #[derive(Debug, PartialEq)]
    struct One(Decimal);

    impl Wire for One {
        fn take(from: &mut Json<'_>) -> Result<Self, ShapeError> {
            Object::of(from)?.need("a").map(Self)
        }
    }

    /// The second and the first value of a row, and the others.
    #[derive(Debug, PartialEq)]
    struct Turned(Decimal, Option<Decimal>, Extra);

    impl Wire for Turned {
        fn take(from: &mut Json<'_>) -> Result<Self, ShapeError> {
            let mut from = Row::of(from)?;
            Ok(Self(from.need(1)?, from.opt(0)?, from.rest()))
        }
    }

    fn read<T: Wire>(json: &str) -> Result<T, ShapeError> {
        T::read(&RawValue::from_string(json.to_owned()).expect("JSON"))
    }

    fn digits(text: &str) -> Decimal {
        Decimal(text.to_owned())
    }

    fn extra<const N: usize>(members: [(&str, &str); N]) -> Extra {
        members.map(|(name, json)| (name.to_owned(), json.to_owned())).into()
    }

    #[test]
    fn the_order_on_the_wire_does_not_matter() {
        let whole =
            Two(digits("1.0"), Some(digits("2.0")), extra([("c", r#"{"a":[1, "}"]}"#), ("d", "null")]));
        for json in [
            r#"{"a":1.0,"b":"2.0","c":{"a":[1, "}"]},"d":null}"#,
            r#" { "d" : null , "c" : {"a":[1, "}"]} , "b" : "2.0" , "a" : 1.0 } "#,
            r#"{"c":{"a":[1, "}"]},"\u0061":1.0,"d":null,"b":"2.0"}"#,
        ] {
            assert_eq!(read::<Two>(json).as_ref(), Ok(&whole), "{json}");
        }
        for json in [r#"{"a":"1.0"}"#, r#"{"b":null,"a":"1.0"}"#] {
            assert_eq!(read(json), Ok(Two(digits("1.0"), None, Extra::new())), "{json}");
        }
    }

    #[test]
    fn of_two_with_one_name_the_first_counts_and_the_other_is_seen() {
        let kept = |json| Ok(Two(digits("1"), None, extra([("a", json)])));
        assert_eq!(read(r#"{"a":1,"a":2}"#), kept("2"));
        assert_eq!(read(r#"{"a":1,"a":2,"a":3}"#), kept("2"));
        assert_eq!(read::<Two>(r#"{"a":null,"a":2}"#).expect_err("null").to_string(), "a is not present");
    }

    #[test]
    fn what_nobody_wants_is_passed() {
        let two = Ok(vec![One(digits("1")), One(digits("2"))]);
        assert_eq!(read(r#"[{"b":{"c":[]},"a":1,"d":[{}]},{"a":2,"e":"]"}]"#), two);
        let entries = read::<Entries<One>>(r#"{"y":{"a":1,"z":{}},"x":{"a":2}}"#).expect("two");
        assert_eq!(entries.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["y", "x"]);
        assert_eq!((read::<Vec<One>>("[ ]"), read::<Entries<One>>("{ }")), (Ok(vec![]), Ok(Entries(vec![]))));
    }

    #[test]
    fn rows_are_read_by_position_in_any_order() {
        assert_eq!(
            read(r#"["1","2.0",null,[3]]"#),
            Ok(Turned(digits("2.0"), Some(digits("1")), extra([("3", "[3]")])))
        );
        assert_eq!(read("[null,2]"), Ok(Turned(digits("2"), None, Extra::new())));
        assert_eq!(read::<Turned>("[1]").expect_err("short").to_string(), "1 is not present");
        assert_eq!(read::<Vec<Turned>>("[[1,2],[3,4,5]]").expect("two").len(), 2);
    }

    #[test]
    fn a_mistake_is_found_where_it_is_and_never_quoted() {
        let place = |json| read::<Entries<Vec<Two>>>(json).expect_err("a mistake").to_string();
        assert_eq!(place(r#"{"x":[{"a":1},{"a":{}}]}"#), "x.1.a is not an amount");
        assert_eq!(place(r#"{"x":[{"b":1}]}"#), "x.0.a is not present");
        assert_eq!(place(r#"{"x":{}}"#), "x is not a list");
        assert_eq!(place("[]"), " is not an object");
    }
}
