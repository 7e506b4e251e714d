//! Trades, positions, ledger entries by id, volumes, worth and credit: requests as parameters, results as replies.

use std::collections::HashMap;

use tidegate_core::{Error, TxId};
use tidegate_kraken::wire::{
    CreditLimits, CreditLine, CreditLines, Entries, Extra, FeeSchedule, FeeStanding, FeeTier, LedgersById,
    OpenPosition, OpenPositions, OwnTrade, TradeBalance, TradeVolume, TradesById, TradesHistory,
};
use tidegate_kraken::{Params, Value};
use tidegate_proto::v1;

use super::account::ledger_entry;
use super::request::Builder;
use super::{digits, order_type, timestamp, words};

/// Ids of trades or ledger entries in one look-up (Kraken docs: Query Trades Info, Query Ledgers).
const IDS_MAX: usize = 20;
/// Ids of positions and names of pairs in one call: Kraken documents no limit, but every list of ours has one.
const LIST_MAX: usize = 500;

/// Parameters of TradeBalance.
pub(crate) fn trade_balance_params(request: &v1::GetTradeBalanceRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    to.word("asset", "asset", &request.asset);
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of TradesHistory.
pub(crate) fn trades_history_params(request: &v1::GetTradesHistoryRequest) -> Result<Params, Error> {
    use v1::TradePositionKind as Kind;
    let mut to = Builder::default();
    match Kind::try_from(request.position_kind) {
        Ok(Kind::Unspecified) => {}
        Ok(Kind::All) => to.text("type", "all"),
        Ok(Kind::AnyPosition) => to.text("type", "any position"),
        Ok(Kind::ClosedPosition) => to.text("type", "closed position"),
        Ok(Kind::ClosingPosition) => to.text("type", "closing position"),
        Ok(Kind::NoPosition) => to.text("type", "no position"),
        Err(_) => to.wrong("position_kind", "is not one of the known kinds"),
    }
    to.flag("trades", request.trades);
    to.seconds("start", "start_time", request.start_time.as_ref());
    to.seconds("end", "end_time", request.end_time.as_ref());
    to.offset(request.offset);
    to.flag("without_count", request.without_count);
    if let Some(joined) = request.consolidate_taker {
        to.push("consolidate_taker", Value::Bool(joined));
    }
    to.flag("ledgers", request.ledgers);
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of QueryTrades.
pub(crate) fn query_trades_params(request: &v1::QueryTradesRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    ids(&mut to, "txid", "trade_ids", &request.trade_ids, 1, IDS_MAX);
    to.flag("trades", request.trades);
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of QueryLedgers.
pub(crate) fn query_ledgers_params(request: &v1::QueryLedgersRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    ids(&mut to, "id", "ledger_ids", &request.ledger_ids, 1, IDS_MAX);
    to.flag("trades", request.trades);
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of TradeVolume.
pub(crate) fn trade_volume_params(request: &v1::GetTradeVolumeRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    to.pairs(&request.pairs);
    if !request.classed_pairs.is_empty() {
        if !request.pairs.is_empty() {
            to.wrong("classed_pairs", "must be empty where pairs is not: Kraken takes one list");
        }
        if request.classed_pairs.len() > LIST_MAX {
            to.wrong("classed_pairs", format!("must be at most {LIST_MAX} pairs"));
        }
        let mut rows = Vec::with_capacity(request.classed_pairs.len().min(LIST_MAX));
        for (i, row) in request.classed_pairs.iter().take(LIST_MAX).enumerate() {
            let mut one = Builder::default();
            let members = [("asset", "pair", &row.pair), ("aclass", "asset_class", &row.asset_class)];
            for (name, member, value) in members {
                let field = format!("classed_pairs[{i}].{member}");
                if value.is_empty() {
                    one.wrong(&field, "must be set");
                }
                one.word(name, &field, value);
            }
            match one.finish() {
                Ok(params) => rows.push(params),
                Err(error) => {
                    error.fields.into_iter().for_each(|wrong| to.wrong(&wrong.field, wrong.description));
                }
            }
        }
        to.push("pair", Value::Rows(rows));
    }
    to.flag("fee_schedule", request.fee_schedule);
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of OpenPositions.
pub(crate) fn open_positions_params(request: &v1::GetOpenPositionsRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    ids(&mut to, "txid", "position_ids", &request.position_ids, 0, LIST_MAX);
    to.flag("docalcs", request.with_valuation);
    if request.consolidate_by_market {
        to.text("consolidation", "market");
    }
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of CreditLines.
pub(crate) fn credit_lines_params(request: &v1::GetCreditLinesRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// A list of Kraken's own ids; left out where it may be empty and is.
fn ids(to: &mut Builder, name: &'static str, field: &str, ids: &[String], min: usize, max: usize) {
    if !(min..=max).contains(&ids.len()) {
        to.wrong(field, format!("must be {min} to {max} ids"));
    }
    for (i, id) in ids.iter().enumerate().take(max) {
        if let Err(error) = id.parse::<TxId>() {
            to.wrong(&format!("{field}[{i}]"), error.to_string());
        }
    }
    if !ids.is_empty() {
        to.text(name, ids.join(","));
    }
}

/// How amounts of tokenized stocks are to be written.
pub(crate) fn rebase(to: &mut Builder, multiplier: i32) {
    match v1::RebaseMultiplier::try_from(multiplier) {
        Ok(v1::RebaseMultiplier::Unspecified) => {}
        Ok(v1::RebaseMultiplier::Rebased) => to.text("rebase_multiplier", "rebased"),
        Ok(v1::RebaseMultiplier::Base) => to.text("rebase_multiplier", "base"),
        Err(_) => to.wrong("rebase_multiplier", "is not one of the known ones"),
    }
}

pub(crate) fn trade_balance(worth: TradeBalance) -> v1::GetTradeBalanceResponse {
    v1::GetTradeBalanceResponse {
        equivalent_balance: worth.eb.0,
        trade_balance: worth.tb.0,
        margin_used: digits(worth.m),
        unrealized_net: digits(worth.n),
        cost_basis: digits(worth.c),
        floating_valuation: digits(worth.v),
        equity: worth.e.0,
        free_margin: worth.mf.0,
        margin_level_percent: digits(worth.ml),
        unfilled_value: digits(worth.uv),
        mfo: digits(worth.mfo),
        extra: worth.extra.into_iter().collect(),
    }
}

pub(crate) fn trades_history(page: TradesHistory) -> v1::GetTradesHistoryResponse {
    let extra = page.extra.into_iter().collect();
    v1::GetTradesHistoryResponse { trades: trades(page.trades), count: page.count, extra }
}

pub(crate) fn trades_by_id(found: TradesById) -> v1::QueryTradesResponse {
    v1::QueryTradesResponse { trades: trades(found) }
}

fn trades(trades: TradesById) -> Vec<v1::OwnTrade> {
    trades.0.into_iter().map(|(id, trade)| self::trade(id, trade)).collect()
}

fn trade(trade_id: String, trade: OwnTrade) -> v1::OwnTrade {
    let mut words_unknown = Words(trade.extra);
    let closed = v1::ClosedPart {
        position_status: trade.posstatus.unwrap_or_default(),
        price: digits(trade.cprice),
        cost: digits(trade.ccost),
        fee: digits(trade.cfee),
        volume: digits(trade.cvol),
        margin: digits(trade.cmargin),
        net: digits(trade.net),
        trade_ids: trade.trades,
    };
    v1::OwnTrade {
        trade_id,
        symbol: String::new(),
        order_id: trade.ordertxid,
        position_id: trade.postxid.unwrap_or_default(),
        pair: trade.pair,
        asset_class: trade.aclass.unwrap_or_default(),
        time: timestamp(Some(&trade.time)),
        side: words_unknown.side(trade.side).into(),
        order_type: words_unknown.order_type(trade.ordertype).into(),
        price: trade.price.0,
        cost: digits(trade.cost),
        fee: digits(trade.fee),
        volume: trade.vol.0,
        margin: digits(trade.margin),
        leverage: digits(trade.leverage),
        misc: words(trade.misc),
        ledger_ids: trade.ledgers,
        public_trade_id: trade.trade_id,
        maker: trade.maker,
        trade_order_type: trade.tradeordertype.unwrap_or_default(),
        closed_part: Some(closed).filter(|closed| *closed != v1::ClosedPart::default()),
        extra: words_unknown.0.into_iter().collect(),
    }
}

/// The other members of an object, where words of Kraken's that this build does not know are kept as well.
pub(crate) struct Words(pub(crate) Extra);

impl Words {
    pub(crate) fn keep(&mut self, name: &str, word: String) {
        self.0.insert(name.to_owned(), serde_json::Value::String(word).to_string());
    }

    fn side(&mut self, word: String) -> v1::Side {
        match word.as_str() {
            "buy" => v1::Side::Buy,
            "sell" => v1::Side::Sell,
            _ => {
                self.keep("type", word);
                v1::Side::Unspecified
            }
        }
    }

    fn order_type(&mut self, word: String) -> v1::OrderType {
        let known = order_type(&word);
        if known == v1::OrderType::Unspecified {
            self.keep("ordertype", word);
        }
        known
    }
}

pub(crate) fn ledgers_by_id(found: LedgersById) -> v1::QueryLedgersResponse {
    v1::QueryLedgersResponse { entries: found.0.into_iter().map(ledger_entry).collect() }
}

pub(crate) fn trade_volume(volume: TradeVolume) -> v1::GetTradeVolumeResponse {
    let inputs = volume.inputs.map(|inputs| inputs.0).unwrap_or_default();
    v1::GetTradeVolumeResponse {
        currency: volume.currency,
        asset_class: volume.asset_class.unwrap_or_default(),
        volume: volume.volume.0,
        inputs: inputs.into_iter().map(|(name, amount)| (name, amount.0)).collect(),
        fees: by_name(volume.fees, fee_standing),
        fees_maker: by_name(volume.fees_maker, fee_standing),
        schedules: by_name(volume.schedules, fee_schedule),
        extra: volume.extra.into_iter().collect(),
    }
}

fn by_name<T, U>(entries: Option<Entries<T>>, convert: impl Fn(T) -> U) -> HashMap<String, U> {
    let entries = entries.map(|entries| entries.0).unwrap_or_default();
    entries.into_iter().map(|(name, entry)| (name, convert(entry))).collect()
}

fn fee_standing(standing: FeeStanding) -> v1::FeeStanding {
    v1::FeeStanding {
        symbol: String::new(),
        fee: standing.fee.0,
        min_fee: digits(standing.minfee),
        max_fee: digits(standing.maxfee),
        next_fee: digits(standing.nextfee),
        next_volume: digits(standing.nextvolume),
        tier_volume: digits(standing.tiervolume),
        extra: standing.extra.into_iter().collect(),
    }
}

fn fee_schedule(schedule: FeeSchedule) -> v1::FeeSchedule {
    let tier = |tier: FeeTier| v1::FeeTier { volume: tier.volume.0, percent: tier.percent.0 };
    v1::FeeSchedule {
        symbol: String::new(),
        taker: schedule.taker.into_iter().map(tier).collect(),
        maker: schedule.maker.into_iter().map(tier).collect(),
        extra: schedule.extra.into_iter().collect(),
    }
}

pub(crate) fn open_positions(positions: OpenPositions) -> v1::GetOpenPositionsResponse {
    v1::GetOpenPositionsResponse {
        positions: positions.0.into_iter().map(|(id, one)| position(id, one)).collect(),
    }
}

fn position(position_id: Option<String>, position: OpenPosition) -> v1::OpenPosition {
    let mut words_unknown = Words(position.extra);
    let unstated = v1::OrderType::Unspecified;
    v1::OpenPosition {
        symbol: String::new(),
        position_id: position_id.unwrap_or_default(),
        order_id: position.ordertxid.unwrap_or_default(),
        status: position.posstatus.unwrap_or_default(),
        pair: position.pair,
        asset_class: position.aclass.unwrap_or_default(),
        time: timestamp(position.time.as_ref()),
        side: words_unknown.side(position.side).into(),
        order_type: position.ordertype.map_or(unstated, |word| words_unknown.order_type(word)).into(),
        cost: digits(position.cost),
        fee: digits(position.fee),
        volume: position.vol.0,
        volume_closed: digits(position.vol_closed),
        margin: digits(position.margin),
        value: digits(position.value),
        net: digits(position.net),
        terms: position.terms.unwrap_or_default(),
        rollover_time: timestamp(position.rollovertm.as_ref()),
        misc: words(position.misc),
        order_flags: words(position.oflags),
        joined_positions: position.positions,
        leverage: digits(position.leverage),
        extra: words_unknown.0.into_iter().collect(),
    }
}

pub(crate) fn credit_lines(lines: CreditLines) -> v1::GetCreditLinesResponse {
    v1::GetCreditLinesResponse {
        lines: by_name(lines.asset_details, credit_line),
        limits: lines.limits_monitor.map(credit_limits),
        extra: lines.extra.into_iter().collect(),
    }
}

fn credit_line(line: CreditLine) -> v1::CreditLine {
    v1::CreditLine {
        balance: digits(line.balance),
        credit_limit: line.credit_limit.0,
        credit_used: line.credit_used.0,
        available: digits(line.available_credit),
        extra: line.extra.into_iter().collect(),
    }
}

fn credit_limits(limits: CreditLimits) -> v1::CreditLimits {
    v1::CreditLimits {
        total_credit_usd: digits(limits.total_credit_usd),
        total_credit_used_usd: digits(limits.total_credit_used_usd),
        total_collateral_value_usd: digits(limits.total_collateral_value_usd),
        equity_usd: digits(limits.equity_usd),
        ongoing_balance: digits(limits.ongoing_balance),
        debt_to_equity: digits(limits.debt_to_equity),
        extra: limits.extra.into_iter().collect(),
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
