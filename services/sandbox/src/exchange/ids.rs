//! Ids and chance, both from the seed alone: the same requests at the same times give the same answers.

use std::fmt;

/// An order (`O`), trade (`T`) or ledger (`L`) id in Kraken's shape, `OABCDE-FGHIJ-KLMNOP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id([u8; 19]);

impl Id {
    pub(crate) fn as_str(&self) -> &str {
        // Only ever filled with ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The same letters as an id of another kind.
    pub(crate) fn as_kind(mut self, kind: u8) -> Self {
        self.0[0] = kind;
        self
    }

    /// The id of this text, if it has the length of one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What caused a movement: the id of a trade, or of a movement of money (`FT4Kx2b-` and 22 more letters and digits).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Refid {
    text: [u8; REFID_LENGTH],
    length: u8,
}

/// Two letters, five more, a dash, twenty-two.
const REFID_LENGTH: usize = 30;

impl Refid {
    pub(crate) fn as_str(&self) -> &str {
        // Only ever filled with ASCII.
        std::str::from_utf8(&self.text[..usize::from(self.length)]).unwrap_or_default()
    }

    /// The id of this text, if it is not too long for one.
    pub(crate) fn parse(id: &str) -> Option<Self> {
        let mut text = [0; REFID_LENGTH];
        text.get_mut(..id.len())?.copy_from_slice(id.as_bytes());
        Some(Self { text, length: u8::try_from(id.len()).ok()? })
    }
}

impl From<Id> for Refid {
    fn from(id: Id) -> Self {
        let mut text = [0; REFID_LENGTH];
        text[..id.0.len()].copy_from_slice(&id.0);
        Self { text, length: 19 }
    }
}

impl fmt::Debug for Refid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// SplitMix64's step and mix: a bijection of its counter, so that ids made from it never meet.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A source of ids and of chance.
#[derive(Debug)]
pub(crate) struct Source {
    state: u64,
}

impl Source {
    /// Streams with different names share no values worth noticing.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self { state: mix(seed.wrapping_add(STEP)).wrapping_add(mix(stream)) }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// The number that would come after `index` others.
    pub(crate) fn at(&self, index: u64) -> u64 {
        mix(self.state.wrapping_add(STEP.wrapping_mul(index.wrapping_add(1))))
    }

    /// A number from 0 to `max`, both included.
    pub(crate) fn up_to(&mut self, max: u64) -> u64 {
        match max.checked_add(1) {
            Some(count) => self.next_u64() % count,
            None => self.next_u64(),
        }
    }

    /// The next id of a kind.
    pub(crate) fn id(&mut self, kind: u8) -> Id {
        const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        // Sixteen letters of five bits: the whole 64 bits, hence unique, and some more for the looks.
        let value = self.next_u64();
        let mut bits = (u128::from(mix(value)) << 64) | u128::from(value);
        let mut id = [b'-'; 19];
        id[0] = kind;
        for (at, place) in id.iter_mut().enumerate().skip(1) {
            *place = match at {
                6 | 12 => b'-',
                _ => {
                    let letter = LETTERS[(bits & 31) as usize];
                    bits >>= 5;
                    letter
                }
            };
        }
        Id(id)
    }

    /// The next id of a movement of money.
    pub(crate) fn refid(&mut self) -> Refid {
        const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRabcdefghjkmnpqr9";
        // As in an order's id: the whole 64 bits are in it.
        let value = self.next_u64();
        let mut bits = (u128::from(mix(value)) << 64) | u128::from(value);
        let mut text = *b"FT----------------------------";
        for (at, place) in text.iter_mut().enumerate().skip(2) {
            if at == 7 {
                continue;
            }
            *place = LETTERS[(bits & 31) as usize];
            bits = bits.rotate_right(5);
        }
        Refid { text, length: 30 }
    }

    /// A text of that many letters of an alphabet of thirty-two.
    pub(crate) fn spelt(&mut self, length: usize, letters: &[u8; 32]) -> String {
        (0..length).map(|_| char::from(letters[(self.next_u64() & 31) as usize])).collect()
    }

    /// A text of that many letters and digits, for tokens.
    pub(crate) fn token(&mut self, length: usize) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..length).map(|_| char::from(LETTERS[(self.next_u64() & 63) as usize])).collect()
    }
}

/// Ids with commas between them; none if there are none.
pub(crate) fn joined(orders: &[Id]) -> Option<Box<str>> {
    match orders {
        [] => None,
        [one] => Some(one.as_str().into()),
        many => Some(many.iter().map(Id::as_str).collect::<Vec<_>>().join(",").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_krakens_shape_and_never_repeat() {
        let mut source = Source::new(7, 1);
        let ids: std::collections::HashSet<_> = (0..100_000).map(|_| source.id(b'O')).collect();
        assert_eq!(ids.len(), 100_000);
        for id in ids.iter().take(100) {
            let groups: Vec<_> = id.as_str().split('-').map(str::len).collect();
            assert_eq!(groups, [6, 5, 6]);
            assert!(id.as_str().bytes().all(|c| c == b'-' || c.is_ascii_uppercase() || c.is_ascii_digit()));
            assert_eq!(Id::parse(id.as_str()), Some(*id));
        }
        assert_eq!(Id::parse("O"), None);
    }

    #[test]
    fn refids_have_krakens_shape_and_never_repeat() {
        let mut source = Source::new(7, 1);
        let ids: std::collections::HashSet<_> = (0..100_000).map(|_| source.refid()).collect();
        assert_eq!(ids.len(), 100_000);
        for id in ids.iter().take(100) {
            let (head, tail) = id.as_str().split_once('-').unwrap();
            assert!(head.starts_with("FT") && head.len() == 7 && tail.len() == 22, "{id:?}");
            assert!(tail.bytes().all(|c| c.is_ascii_alphanumeric()), "{id:?}");
            assert_eq!(Refid::parse(id.as_str()), Some(*id));
        }
        let trade = source.id(b'T');
        assert_eq!(Refid::from(trade).as_str(), trade.as_str());
        assert_eq!(Refid::parse(&"x".repeat(31)), None);
    }

    #[test]
    fn the_seed_decides_everything() {
        let take = |seed| {
            let mut source = Source::new(seed, 1);
            (source.id(b'T'), source.up_to(50), source.token(43))
        };
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
        let mut source = Source::new(3, 3);
        let looked_up: Vec<_> = (0..10).map(|index| source.at(index)).collect();
        assert_eq!((0..10).map(|_| source.next_u64()).collect::<Vec<_>>(), looked_up);
        assert!((0..1000).all(|_| source.up_to(5) <= 5));
        assert_eq!(source.up_to(0), 0);
    }
}
