//! What the exchange writes down of every request, and what it counts. Tests of what happens when things go wrong
//! take this as the truth, so an entry exists from the moment that a request has arrived whole.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::ids::Id;
use super::private::Row;
use super::trading::Charge;
use crate::wire::json::Json;

/// Entries kept; older ones are dropped and counted.
pub(crate) const ENTRIES_MAX: usize = 200_000;
/// Texts of a caller are kept up to this length.
const TEXT_MAX: usize = 128;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) received_us: u64,
    pub(crate) auth_us: Option<u64>,
    pub(crate) executed_us: Option<u64>,
    pub(crate) key: Option<Box<str>>,
    pub(crate) nonce: Option<Box<str>>,
    pub(crate) endpoint: Option<&'static str>,
    pub(crate) path: Box<str>,
    pub(crate) peer: IpAddr,
    pub(crate) body_sha256: [u8; 32],
    pub(crate) cl_ord_id: Option<Box<str>>,
    /// `ok`, or the words of the refusal; none while the request is under way.
    pub(crate) verdict: Option<Cow<'static, str>>,
    /// The engine carried it out: an order was placed or cancelled, a question answered.
    pub(crate) executed: bool,
    /// The orders that it placed or cancelled, comma between them.
    pub(crate) txid: Option<Box<str>>,
    /// What became of each row of a batch; empty for any other request.
    pub(crate) rows: Vec<Row>,
    /// What it did to the trading counters; empty where it has nothing to do with them.
    pub(crate) trading: Vec<Charge>,
    pub(crate) fault: Option<&'static str>,
}

/// A caller's text, cut where it becomes unreasonable.
pub(crate) fn cut(text: &str) -> Box<str> {
    let end = (0..=TEXT_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].into()
}

/// All requests, newest last.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    dropped: u64,
}

impl Log {
    /// Writes an entry down; returns its sequence number. The first is 1.
    pub(crate) fn push(&mut self, entry: Entry) -> u64 {
        if self.entries.len() == ENTRIES_MAX {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.entries.push_back(entry);
        self.dropped + self.entries.len() as u64
    }

    /// The entry of a number, to complete it; none if it was dropped meanwhile.
    pub(crate) fn entry(&mut self, seq: u64) -> Option<&mut Entry> {
        let index = seq.checked_sub(self.dropped + 1)?;
        self.entries.get_mut(usize::try_from(index).ok()?)
    }

    /// Appends at most `limit` entries with numbers above `since`, oldest first.
    pub(crate) fn write(&self, json: &mut Json, since: u64, limit: usize) {
        let skip = usize::try_from(since.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        let mut seq = self.dropped + skip.min(self.entries.len()) as u64;
        json.object(|json| {
            json.field("dropped").integer(self.dropped);
            json.field("entries").array(|json| {
                for entry in self.entries.iter().skip(skip).take(limit) {
                    seq += 1;
                    write_entry(json, seq, entry);
                }
            });
            json.field("last_seq").integer(self.dropped + self.entries.len() as u64);
        });
    }
}

fn write_entry(json: &mut Json, seq: u64, entry: &Entry) {
    json.object(|json| {
        json.field("seq").integer(seq);
        json.field("received_us").integer(entry.received_us);
        json.field("auth_us").integer_or_null(entry.auth_us);
        json.field("executed_us").integer_or_null(entry.executed_us);
        json.field("key").text_or_null(entry.key.as_deref());
        json.field("nonce").text_or_null(entry.nonce.as_deref());
        json.field("endpoint").text_or_null(entry.endpoint);
        json.field("path").text(&entry.path);
        json.field("peer").text(&entry.peer.to_string());
        let hex: String = entry.body_sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        json.field("body_sha256").text(&hex);
        json.field("cl_ord_id").text_or_null(entry.cl_ord_id.as_deref());
        json.field("verdict").text_or_null(entry.verdict.as_deref());
        json.field("executed").truth(entry.executed);
        json.field("txid").text_or_null(entry.txid.as_deref());
        if !entry.rows.is_empty() {
            json.field("rows").array(|json| {
                for row in &entry.rows {
                    json.object(|json| {
                        json.field("cl_ord_id").text_or_null(row.cl_ord_id.as_deref());
                        json.field("txid").text_or_null(row.id.as_ref().map(Id::as_str));
                    });
                }
            });
        }
        if !entry.trading.is_empty() {
            json.field("trading").array(|json| entry.trading.iter().for_each(|charge| charge.write(json)));
        }
        json.field("fault").text_or_null(entry.fault);
    });
}

/// Counts by cause.
type Causes = BTreeMap<Cow<'static, str>, u64>;

/// What is counted of one key.
#[derive(Debug, Default)]
struct KeyCounts {
    requests: u64,
    refusals: Causes,
    in_flight: u64,
    max_in_flight: u64,
}

/// Counts since the start. Injected faults are counted as such and not as refusals.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    requests: u64,
    by_endpoint: BTreeMap<&'static str, u64>,
    refusals: Causes,
    faults: BTreeMap<&'static str, u64>,
    by_key: Vec<KeyCounts>,
}

impl Stats {
    /// A request has arrived whole. `key` is the index of a key that exists.
    pub(crate) fn arrived(
        &mut self,
        endpoint: Option<&'static str>,
        key: Option<usize>,
        fault: Option<&'static str>,
    ) {
        self.requests += 1;
        *self.by_endpoint.entry(endpoint.unwrap_or("unknown")).or_default() += 1;
        if let Some(fault) = fault {
            *self.faults.entry(fault).or_default() += 1;
        }
        if let Some(key) = key {
            let counts = self.key(key);
            counts.requests += 1;
            counts.in_flight += 1;
            counts.max_in_flight = counts.max_in_flight.max(counts.in_flight);
        }
    }

    /// Its answer leaves.
    pub(crate) fn answered(&mut self, key: usize) {
        let counts = self.key(key);
        counts.in_flight = counts.in_flight.saturating_sub(1);
    }

    pub(crate) fn refused(&mut self, key: Option<usize>, cause: Cow<'static, str>) {
        if let Some(key) = key {
            *self.key(key).refusals.entry(cause.clone()).or_default() += 1;
        }
        *self.refusals.entry(cause).or_default() += 1;
    }

    fn key(&mut self, key: usize) -> &mut KeyCounts {
        if self.by_key.len() <= key {
            self.by_key.resize_with(key + 1, KeyCounts::default);
        }
        &mut self.by_key[key]
    }

    /// Appends everything. `name_and_nonce` gives each key's public half and last nonce.
    pub(crate) fn write<'a>(
        &self,
        json: &mut Json,
        name_and_nonce: impl Fn(usize) -> (&'a str, Option<u64>),
    ) {
        let causes = |json: &mut Json, causes: &Causes| {
            json.object(|json| causes.iter().for_each(|(cause, count)| json.field(cause).integer(count)));
        };
        let names = |json: &mut Json, names: &BTreeMap<&'static str, u64>| {
            json.object(|json| names.iter().for_each(|(name, count)| json.field(name).integer(count)));
        };
        json.object(|json| {
            json.field("server").text("tidegate-sandbox");
            json.field("requests").integer(self.requests);
            names(json.field("by_endpoint"), &self.by_endpoint);
            causes(json.field("refusals"), &self.refusals);
            names(json.field("faults"), &self.faults);
            json.field("by_key").object(|json| {
                for (key, counts) in self.by_key.iter().enumerate().filter(|(_, counts)| counts.requests > 0)
                {
                    let (name, nonce) = name_and_nonce(key);
                    json.field(name).object(|json| {
                        json.field("requests").integer(counts.requests);
                        causes(json.field("refusals"), &counts.refusals);
                        json.field("last_nonce")
                            .text_or_null(nonce.map(|nonce| nonce.to_string()).as_deref());
                        json.field("in_flight").integer(counts.in_flight);
                        json.field("max_in_flight").integer(counts.max_in_flight);
                    });
                }
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(received_us: u64) -> Entry {
        Entry {
            received_us,
            auth_us: None,
            executed_us: None,
            key: None,
            nonce: None,
            endpoint: Some("Time"),
            path: "/0/public/Time".into(),
            peer: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            body_sha256: [0; 32],
            cl_ord_id: None,
            verdict: None,
            executed: false,
            txid: None,
            rows: Vec::new(),
            trading: Vec::new(),
            fault: None,
        }
    }

    fn page(log: &Log, since: u64, limit: usize) -> (u64, Vec<u64>) {
        let mut json = Json::default();
        log.write(&mut json, since, limit);
        let page: serde_json::Value = serde_json::from_str(&json.finish()).unwrap();
        let seqs = page["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap());
        (page["dropped"].as_u64().unwrap(), seqs.collect())
    }

    #[test]
    fn pages_by_number_and_says_what_it_dropped() {
        let mut log = Log::default();
        let count = ENTRIES_MAX as u64 + 3;
        for at in 1..=count {
            assert_eq!(log.push(entry(at)), at);
        }
        assert_eq!(page(&log, 0, 2), (3, vec![4, 5]));
        assert_eq!(page(&log, count - 1, 9), (3, vec![count]));
        assert_eq!(page(&log, count, 9), (3, vec![]));
        assert!(log.entry(3).is_none());
        assert_eq!(log.entry(4).unwrap().received_us, 4);
        assert!(log.entry(count + 1).is_none());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(&*cut("short"), "short");
        assert_eq!(cut(&"ü".repeat(100)).len(), 128);
        assert_eq!(cut(&format!("a{}", "ü".repeat(100))).len(), 127);
    }
}
