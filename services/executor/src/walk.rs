//! A walk down a list that Kraken cuts into pages by an offset, while the list grows.
//!
//! *The idea.* An offset counts from the newest entry, so each entry that comes meanwhile moves all others down by one, and whoever just
//! goes on is given some twice. Two things are done about it. From the second page on the list ends with the second of the newest entry
//! of the first page, which keeps out nearly all that comes later: not what comes within that second, nor orders that were open then and
//! are closed now. And each page but the first begins one entry early, with the last entry that was handed out, the *anchor*: what
//! stands behind it is new, wherever it is found. A page above it is passed over; a page that is older than it, or the end of the list,
//! proves that entries are gone. Then nobody knows where to go on, and the walk says so, because a list that ends well is whole.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message as _;
use tidegate_core::{Error, ErrorKind};

/// Entries on a page (Kraken docs: Closed Orders, Trades History, Ledgers).
const PAGE: usize = 50;

/// What the walk knows an entry by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    id: u64,
    /// Nanoseconds since 1970; zero if Kraken does not say.
    at_ns: i64,
}

impl Mark {
    /// Of an entry with its id and time.
    pub(crate) fn of(id: &str, time: Option<&prost_types::Timestamp>) -> Self {
        let at_ns = time.map(|t| t.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(t.nanos)));
        Self { id: hash(id.bytes()), at_ns: at_ns.unwrap_or_default() }
    }
}

/// The same number for the same bytes, in every build: FNV-1a.
pub(crate) fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Where a walk stands, as its token has it.
#[derive(Clone, PartialEq, prost::Message)]
struct Place {
    /// Of which list: a digest of the request.
    #[prost(fixed64, tag = "1")]
    list: u64,
    /// Where the next page begins.
    #[prost(uint32, tag = "2")]
    offset: u32,
    /// The last second of the list.
    #[prost(int64, optional, tag = "3")]
    until_s: Option<i64>,
    /// The last entry that was handed out.
    #[prost(fixed64, optional, tag = "4")]
    anchor: Option<u64>,
    #[prost(int64, tag = "5")]
    anchor_ns: i64,
    /// How many entries there were in all when the walk began.
    #[prost(uint64, optional, tag = "6")]
    total: Option<u64>,
}

/// What a page brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// So many at its end were not handed out before.
    pub new: usize,
    /// Whether the list ends here.
    pub is_last: bool,
}

/// A walk.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    place: Place,
}

impl Walk {
    /// From the beginning of a list, or from where a token says.
    ///
    /// Errors: the token is none of ours, or of another list.
    pub(crate) fn begin(list: u64, token: &str) -> Result<Self, Error> {
        if token.is_empty() {
            return Ok(Self { place: Place { list, ..Place::default() } });
        }
        let wrong = |text| Error::invalid_field("page_token", text);
        let place = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| Place::decode(bytes.as_slice()).ok());
        let place = place.ok_or_else(|| wrong("must be the next_page_token of an earlier message"))?;
        if place.list != list {
            return Err(wrong("belongs to a request with other filters, or for another account"));
        }
        Ok(Self { place })
    }

    /// Where the next page begins, for whoever goes on there; empty at the beginning of the list.
    pub(crate) fn token(&self) -> String {
        if self.is_at_begin() {
            return String::new();
        }
        URL_SAFE_NO_PAD.encode(self.place.encode_to_vec())
    }

    /// Whether no page was taken in yet.
    pub(crate) const fn is_at_begin(&self) -> bool {
        self.place.anchor.is_none()
    }

    /// How many entries the next page leaves out.
    pub(crate) const fn offset(&self) -> u32 {
        self.place.offset
    }

    /// The last second of the list, once it is known.
    pub(crate) const fn until_s(&self) -> Option<i64> {
        self.place.until_s
    }

    /// Takes a page in: its entries, newest first, and how many there are in all if Kraken said so.
    ///
    /// Errors: entries that were there are gone.
    pub(crate) fn take(&mut self, page: &[Mark], total: Option<u64>) -> Result<Taken, Error> {
        let place = &mut self.place;
        let known = place.anchor.map(|anchor| page.iter().rposition(|mark| mark.id == anchor));
        let begins = match known {
            None => 0,
            Some(Some(at)) => at + 1,
            Some(None) if page.iter().all(|mark| mark.at_ns < place.anchor_ns) => {
                let text = "entries that were there are gone, so it is not known where to go on; begin again";
                return Err(Error::new(ErrorKind::Unavailable, text));
            }
            Some(None) => {
                place.offset = place.offset.saturating_add(length(page));
                return Ok(Taken { new: 0, is_last: false });
            }
        };
        if place.anchor.is_none() {
            let newest_ns = page.iter().map(|mark| mark.at_ns).max().filter(|ns| *ns > 0);
            place.until_s = newest_ns.map(|ns| ns.saturating_add(999_999_999) / 1_000_000_000);
            place.total = total;
        }
        let new = page.len() - begins;
        let end = place.offset.saturating_add(length(page));
        // The total may count what Kraken does not show, so an end that it speaks against is proved by a page that brings nothing
        // behind an anchor that stands where it is expected.
        let is_last = (new == 0 && begins <= 1)
            || (page.len() < PAGE && place.total.is_some_and(|total| u64::from(end) >= total));
        if let Some(last) = page.last() {
            (place.anchor, place.anchor_ns) = (Some(last.id), last.at_ns);
            place.offset = end.saturating_sub(1);
        }
        Ok(Taken { new, is_last })
    }
}

fn length(page: &[Mark]) -> u32 {
    u32::try_from(page.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
