//! The two tables that reports show, and how they are written.

use std::ops::RangeInclusive;

use super::civil;
use crate::exchange::accounts::LedgerEntry;
use crate::exchange::engine::Engine;
use crate::exchange::ids::Id;
use crate::exchange::markets::{ASSETS, COST_DECIMALS, LOT_DECIMALS, PAIRS};
use crate::exchange::order::Trade;
use crate::exchange::refusal::{Refusal, wrong};
use crate::wire::decimal;

/// Columns that every row has, and those that can be chosen; in the order in which they are written.
const TRADES: [&str; 13] = [
    "txid",
    "ordertxid",
    "pair",
    "time",
    "type",
    "ordertype",
    "price",
    "cost",
    "fee",
    "vol",
    "margin",
    "misc",
    "ledgers",
];
const LEDGERS: [&str; 11] =
    ["txid", "refid", "time", "type", "subtype", "aclass", "asset", "wallet", "amount", "fee", "balance"];

/// Which rows, and which of their columns.
#[derive(Debug)]
pub(super) struct Table {
    trades: bool,
    columns: Vec<&'static str>,
}

/// One value of a row.
enum Cell {
    /// In quotes where commas are between them.
    Text(String),
    Number(String),
}

impl Table {
    pub(super) fn named(report: &str) -> Option<Self> {
        match report {
            "trades" => Some(Self { trades: true, columns: TRADES.to_vec() }),
            "ledgers" => Some(Self { trades: false, columns: LEDGERS.to_vec() }),
            _ => None,
        }
    }

    pub(super) fn report(&self) -> &'static str {
        if self.trades { "trades" } else { "ledgers" }
    }

    /// Only the columns of a comma list, beside the id.
    pub(super) fn with_fields(mut self, list: Option<&str>) -> Result<Self, Refusal> {
        let Some(list) = list.filter(|list| *list != "all") else { return Ok(self) };
        let wanted: Vec<_> = list.split(',').map(str::trim).collect();
        if !wanted.iter().all(|name| self.columns.contains(name)) {
            return Err(wrong("fields"));
        }
        self.columns.retain(|column| *column == "txid" || wanted.contains(column));
        Ok(self)
    }

    /// The whole table, oldest row first.
    pub(super) fn written(
        &self,
        engine: &Engine,
        account: usize,
        stretch: RangeInclusive<u64>,
        tabs: bool,
    ) -> String {
        let mut out = String::new();
        let head = self.columns.iter().map(|column| Cell::Text((*column).to_owned()));
        write_row(&mut out, head, tabs);
        let account = engine.accounts.get(account);
        if self.trades {
            let all = account.trades.iter().filter_map(|number| engine.trades.get(*number));
            for (id, trade) in all.filter(|(_, trade)| stretch.contains(&trade.at_us)) {
                write_row(&mut out, self.columns.iter().map(|column| of_trade(column, *id, trade)), tabs);
            }
        } else {
            let all = account.ledger.iter().filter_map(|number| engine.accounts.ledger.get(*number));
            for (id, entry) in all.filter(|(_, entry)| stretch.contains(&entry.at_us)) {
                write_row(&mut out, self.columns.iter().map(|column| of_entry(column, *id, entry)), tabs);
            }
        }
        out
    }
}

fn write_row(out: &mut String, cells: impl Iterator<Item = Cell>, tabs: bool) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(if tabs { '\t' } else { ',' });
        }
        match cell {
            Cell::Text(text) if !tabs => {
                out.push('"');
                out.push_str(&text);
                out.push('"');
            }
            Cell::Text(text) | Cell::Number(text) => out.push_str(&text),
        }
    }
    out.push('\n');
}

fn number(value: i128, scale: u32) -> Cell {
    let mut text = String::new();
    decimal::write(&mut text, value, scale);
    Cell::Number(text)
}

fn moment(at_us: u64) -> Cell {
    Cell::Text(civil(at_us).strftime("%Y-%m-%d %H:%M:%S.%4f").to_string())
}

fn of_trade(column: &str, id: Id, trade: &Trade) -> Cell {
    let pair = &PAIRS[trade.pair];
    let fee_decimals = if trade.fee_in_base { pair.base_decimals() } else { pair.quote_decimals() };
    let shown = |value: i128, scale: u32| {
        let places = scale.max(COST_DECIMALS);
        number(decimal::rescale(value, scale, places), places)
    };
    match column {
        "txid" => Cell::Text(id.as_str().to_owned()),
        "ordertxid" => Cell::Text(trade.order.as_str().to_owned()),
        "pair" => Cell::Text(pair.id.to_owned()),
        "time" => moment(trade.at_us),
        "type" => Cell::Text(trade.side.text().to_owned()),
        "ordertype" => Cell::Text(trade.order_type.text().to_owned()),
        "price" => shown(i128::from(trade.price), pair.price_decimals),
        "cost" => shown(trade.cost, pair.quote_decimals()),
        "fee" => shown(trade.fee, fee_decimals),
        "vol" => number(i128::from(trade.lots), LOT_DECIMALS),
        "margin" => shown(trade.margin, pair.quote_decimals()),
        "misc" if trade.closing => Cell::Text("closing".to_owned()),
        "ledgers" => Cell::Text(trade.ledgers.iter().map(Id::as_str).collect::<Vec<_>>().join(",")),
        _ => Cell::Text(String::new()),
    }
}

fn of_entry(column: &str, id: Id, entry: &LedgerEntry) -> Cell {
    let asset = &ASSETS[entry.asset];
    match column {
        "txid" => Cell::Text(id.as_str().to_owned()),
        "refid" => Cell::Text(entry.refid.as_str().to_owned()),
        "time" => moment(entry.at_us),
        "type" => Cell::Text(entry.kind.to_owned()),
        "subtype" => Cell::Text(entry.subtype.to_owned()),
        "aclass" => Cell::Text("currency".to_owned()),
        "asset" => Cell::Text(asset.id.to_owned()),
        "wallet" => Cell::Text("spot / main".to_owned()),
        "amount" => number(entry.amount, asset.decimals),
        "fee" => number(entry.fee, asset.decimals),
        "balance" => number(entry.balance, asset.decimals),
        _ => Cell::Text(String::new()),
    }
}
