//! Reports: asked for, built after a while, fetched as an archive, taken away (Kraken docs: Account Data, exports).
//!
//! A report covers a stretch of time that is fixed when it is asked for, and what it covers never changes. So it is written when
//! it is fetched, and is the same each time.

mod table;

use std::collections::VecDeque;

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use super::engine::Engine;
use super::ids::Source;
use super::private::Done;
use super::public::timestamp;
use super::refusal::{Refusal, wrong};
use crate::wire::json::{Json, success};
use crate::wire::params::Params;
use crate::wire::{decimal, zip};
use table::Table;

/// Reports kept, of all accounts.
const KEPT_MAX: usize = 1_000;
/// For how long one is kept: 14 days, the longest of Kraken's samples.
const KEPT_FOR_US: u64 = 14 * 86_400_000_000;
const ID_LENGTH: usize = 4;

/// A report that was asked for.
#[derive(Debug)]
struct Export {
    id: String,
    account: usize,
    descr: Box<str>,
    table: Table,
    tabs: bool,
    /// As asked for.
    fields: Box<str>,
    created_us: u64,
    /// When somebody begins with it, and when it is ready.
    begun_us: u64,
    ready_us: u64,
    from_us: u64,
    until_us: u64,
}

impl Export {
    fn is_ready(&self, now_us: u64) -> bool {
        now_us >= self.ready_us
    }

    fn write(&self, json: &mut Json, now_us: u64) {
        let seconds = |at_us: u64| (at_us / 1_000_000).to_string();
        let reached = |at_us: u64| if now_us >= at_us { seconds(at_us) } else { "0".to_owned() };
        let status = match (now_us >= self.begun_us, self.is_ready(now_us)) {
            (_, true) => "Processed",
            (true, false) => "Processing",
            (false, false) => "Queued",
        };
        let texts = [
            ("id", self.id.as_str()),
            ("descr", &self.descr),
            ("format", if self.tabs { "TSV" } else { "CSV" }),
            ("report", self.table.report()),
            ("subtype", "all"),
            ("status", status),
            ("flags", "0"),
            ("fields", &self.fields),
            ("createdtm", &seconds(self.created_us)),
            ("expiretm", &seconds(self.created_us + KEPT_FOR_US)),
            ("starttm", &reached(self.begun_us)),
            ("completedtm", &reached(self.ready_us)),
            ("datastarttm", &seconds(self.from_us)),
            ("dataendtm", &seconds(self.until_us)),
            ("aclass", "forex"),
            ("asset", "all"),
        ];
        json.object(|json| texts.iter().for_each(|(name, text)| json.field(name).text(text)));
    }
}

/// All reports, oldest first.
#[derive(Debug)]
pub(crate) struct Exports {
    all: VecDeque<Export>,
    ids: Source,
}

impl Exports {
    pub(crate) fn new(seed: u64) -> Self {
        Self { all: VecDeque::new(), ids: Source::new(seed, 4) }
    }

    /// Forgets what is too old.
    pub(crate) fn tick(&mut self, now_us: u64) {
        self.all.retain(|export| now_us < export.created_us.saturating_add(KEPT_FOR_US));
    }

    /// `AddExport`. Half of `takes_us` it waits, the other half it is worked on.
    pub(crate) fn add(
        &mut self,
        now_us: u64,
        takes_us: u64,
        account: usize,
        params: &Params,
    ) -> Result<Done, Refusal> {
        let table = table(params)?.with_fields(params.get("fields"))?;
        let descr = params.get("description").ok_or_else(|| wrong("description"))?.into();
        let tabs = match params.get("format") {
            None | Some("CSV") => false,
            Some("TSV") => true,
            Some(_) => return Err(wrong("format")),
        };
        let moment = |name: &'static str| {
            let text = params.get(name);
            text.map(|text| decimal::parse_seconds(text).ok_or_else(|| wrong(name))).transpose()
        };
        let from_us = moment("starttm")?.unwrap_or_else(|| month_began(now_us));
        let until_us = moment("endtm")?.unwrap_or(now_us);
        if from_us > until_us {
            return Err(wrong("endtm"));
        }
        let id = loop {
            let id = self.id();
            if !self.all.iter().any(|export| export.id == id) {
                break id;
            }
        };
        if self.all.len() == KEPT_MAX {
            self.all.pop_front();
        }
        let body = success(|json| json.object(|json| json.field("id").text(&id)));
        self.all.push_back(Export {
            id,
            account,
            descr,
            table,
            tabs,
            fields: params.get("fields").unwrap_or("all").into(),
            created_us: now_us,
            begun_us: now_us + takes_us / 2,
            ready_us: now_us + takes_us,
            from_us,
            until_us,
        });
        Ok(Done::answer(body))
    }

    fn id(&mut self) -> String {
        let letter = |chance: u64| char::from(b'A' + u8::try_from(chance).unwrap_or(0));
        (0..ID_LENGTH).map(|_| letter(self.ids.up_to(25))).collect()
    }

    /// `ExportStatus`, newest first.
    pub(crate) fn status(&self, now_us: u64, account: usize, params: &Params) -> Result<String, Refusal> {
        let wanted = table(params)?.report();
        let of_kind = |export: &&Export| export.account == account && export.table.report() == wanted;
        Ok(success(|json| {
            json.array(|json| {
                self.all.iter().rev().filter(of_kind).for_each(|export| export.write(json, now_us));
            });
        }))
    }

    /// `RetrieveExport`: the archive. Kraken does not document what it says of one that is not ready, or not there.
    pub(crate) fn retrieve(
        &self,
        engine: &Engine,
        now_us: u64,
        account: usize,
        params: &Params,
    ) -> Result<Vec<u8>, Refusal> {
        let at = self.find(account, params)?;
        let export = self.all.get(at).filter(|export| export.is_ready(now_us)).ok_or_else(|| wrong("id"))?;
        let content = export.table.written(engine, account, export.from_us..=export.until_us, export.tabs);
        let ending = if export.tabs { "tsv" } else { "csv" };
        let name = format!("{}.{ending}", export.table.report());
        Ok(zip::stored(&name, content.as_bytes(), zip::dos_time(civil(export.ready_us))))
    }

    /// `RemoveExport`: what is ready can be deleted, what is not can be cancelled.
    pub(crate) fn remove(&mut self, now_us: u64, account: usize, params: &Params) -> Result<Done, Refusal> {
        let at = self.find(account, params)?;
        let done = match params.get("type") {
            Some("delete") => "delete",
            Some("cancel") => "cancel",
            _ => return Err(wrong("type")),
        };
        if self.all[at].is_ready(now_us) != (done == "delete") {
            return Err(wrong("type"));
        }
        self.all.remove(at);
        Ok(Done::answer(success(|json| json.object(|json| json.field(done).truth(true)))))
    }

    fn find(&self, account: usize, params: &Params) -> Result<usize, Refusal> {
        let id = params.get("id").ok_or_else(|| wrong("id"))?;
        let own = |export: &Export| export.account == account && export.id == id;
        self.all.iter().position(own).ok_or_else(|| wrong("id"))
    }
}

fn table(params: &Params) -> Result<Table, Refusal> {
    params.get("report").and_then(Table::named).ok_or_else(|| wrong("report"))
}

fn civil(at_us: u64) -> DateTime {
    TimeZone::UTC.to_datetime(timestamp(at_us))
}

/// The first moment of the month.
fn month_began(now_us: u64) -> u64 {
    let first = civil(now_us).date().first_of_month().to_datetime(Time::midnight());
    TimeZone::UTC.to_timestamp(first).ok().and_then(|at| u64::try_from(at.as_microsecond()).ok()).unwrap_or(0)
}
