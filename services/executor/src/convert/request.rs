//! Requests of the API as Kraken's parameters. All mistakes of a request are named at once.

use prost_types::Timestamp;
use tidegate_core::{ClOrdId, Error, FieldViolation, PriceText, TxId, Volume};
use tidegate_kraken::{Params, Value};
use tidegate_lanes::Wish;
use tidegate_proto::v1;

use super::history::rebase;

/// An iceberg shows at least this part of itself.
const ICEBERG_PARTS: u32 = 15;

/// Collects what is wrong with a request while its parameters are written.
#[derive(Default)]
pub(crate) struct Builder {
    params: Params,
    wrong: Vec<FieldViolation>,
}

impl Builder {
    /// The parameters, or everything that is wrong.
    pub(crate) fn finish(self) -> Result<Params, Error> {
        if self.wrong.is_empty() { Ok(self.params) } else { Err(Error::invalid(self.wrong)) }
    }

    /// Notes a mistake.
    pub(crate) fn wrong(&mut self, field: &str, description: impl Into<String>) {
        self.wrong.push(FieldViolation { field: field.to_owned(), description: description.into() });
    }

    /// A parameter that has been checked already.
    pub(crate) fn text(&mut self, name: &'static str, value: impl Into<String>) {
        self.params.text(name, value);
    }

    /// A parameter that has been checked already and is no text.
    pub(crate) fn push(&mut self, name: &'static str, value: Value) {
        self.params.push(name, value);
    }

    /// Arguments of an argument; what is wrong with them is wrong with the request.
    pub(crate) fn nested(&mut self, name: &'static str, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.wrong.append(&mut inner.wrong);
        self.params.push(name, Value::Nested(inner.params));
    }

    /// A flag; left out where it is false, which is Kraken's default everywhere.
    pub(crate) fn flag(&mut self, name: &'static str, value: bool) {
        if value {
            self.params.push(name, Value::Bool(true));
        }
    }

    /// A whole number.
    pub(crate) fn int(&mut self, name: &'static str, value: i64) {
        self.params.push(name, Value::Int(value));
    }

    /// A short free text, left out where empty. Kraken's own names (pairs, assets, types) are judged by Kraken, but
    /// only plain ASCII goes there.
    pub(crate) fn word(&mut self, name: &'static str, field: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        if value.len() > 64 || !value.bytes().all(|b| b.is_ascii_graphic()) {
            self.wrong(field, "must be 1 to 64 printable ASCII characters without spaces");
            return;
        }
        self.params.text(name, value);
    }

    /// A pair under any of its names; left out where empty.
    pub(crate) fn pair(&mut self, value: &str) {
        self.word("pair", "pair", &super::names::kraken_pair(value));
    }

    /// Pairs under any of their names.
    pub(crate) fn pairs(&mut self, values: &[String]) {
        let values: Vec<String> = values.iter().map(|value| super::names::kraken_pair(value)).collect();
        self.words("pair", "pairs", &values);
    }

    /// A list of names, comma-joined; left out where empty. Kraken's limits on lists are far below ours.
    pub(crate) fn words(&mut self, name: &'static str, field: &str, values: &[String]) {
        if values.is_empty() {
            return;
        }
        let plain = |v: &String| {
            !v.is_empty() && v.len() <= 64 && v.bytes().all(|b| b.is_ascii_graphic() && b != b',')
        };
        if values.len() > 500 || !values.iter().all(plain) {
            self.wrong(
                field,
                "must be at most 500 names of 1 to 64 printable ASCII characters without commas",
            );
            return;
        }
        self.params.text(name, values.join(","));
    }

    /// A time in whole seconds, left out where unset.
    pub(crate) fn seconds(&mut self, name: &'static str, field: &str, time: Option<&Timestamp>) {
        let Some(time) = time else { return };
        if time.seconds <= 0 || time.nanos != 0 {
            self.wrong(field, "must be a time after 1970 in whole seconds: Kraken takes no fractions here");
            return;
        }
        self.params.push(name, Value::Int(time.seconds));
    }

    /// A client order id as a filter or target; left out where empty.
    pub(crate) fn cl_ord_id(&mut self, value: &str) {
        if value.is_empty() {
            return;
        }
        match value.parse::<ClOrdId>() {
            Ok(id) => self.params.text("cl_ord_id", id.as_str()),
            Err(text) => self.wrong("cl_ord_id", text),
        }
    }

    /// An offset into a list; left out where zero.
    pub(crate) fn offset(&mut self, offset: u32) {
        if offset > 0 {
            self.params.push("ofs", Value::Int(i64::from(offset)));
        }
    }
}

/// Parameters of Balance and BalanceEx.
pub(crate) fn balances(rebase_multiplier: i32) -> Result<Params, Error> {
    let mut to = Builder::default();
    rebase(&mut to, rebase_multiplier);
    to.finish()
}

/// Parameters of OpenOrders.
pub(crate) fn open_orders(request: &v1::GetOpenOrdersRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    to.flag("trades", request.trades);
    if let Some(userref) = request.userref {
        to.int("userref", i64::from(userref));
    }
    to.cl_ord_id(&request.cl_ord_id);
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of ClosedOrders.
pub(crate) fn closed_orders(request: &v1::GetClosedOrdersRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    to.flag("trades", request.trades);
    if let Some(userref) = request.userref {
        to.int("userref", i64::from(userref));
    }
    to.cl_ord_id(&request.cl_ord_id);
    to.seconds("start", "start_time", request.start_time.as_ref());
    to.seconds("end", "end_time", request.end_time.as_ref());
    to.offset(request.offset);
    match v1::CloseTimeKind::try_from(request.close_time_kind) {
        Ok(v1::CloseTimeKind::Unspecified) => {}
        Ok(v1::CloseTimeKind::Open) => to.text("closetime", "open"),
        Ok(v1::CloseTimeKind::Close) => to.text("closetime", "close"),
        Ok(v1::CloseTimeKind::Both) => to.text("closetime", "both"),
        Err(_) => to.wrong("close_time_kind", "is not one of the known kinds"),
    }
    to.flag("without_count", request.without_count);
    if let Some(joined) = request.consolidate_taker {
        to.push("consolidate_taker", Value::Bool(joined));
    }
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of QueryOrders.
pub(crate) fn query_orders(request: &v1::QueryOrdersRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    if request.order_ids.is_empty() || request.order_ids.len() > 50 {
        to.wrong("order_ids", "must be 1 to 50 order ids");
    }
    for (i, id) in request.order_ids.iter().enumerate() {
        if let Err(error) = id.parse::<TxId>() {
            to.wrong(&format!("order_ids[{i}]"), error.to_string());
        }
    }
    to.text("txid", request.order_ids.join(","));
    to.flag("trades", request.trades);
    if let Some(userref) = request.userref {
        to.int("userref", i64::from(userref));
    }
    if let Some(joined) = request.consolidate_taker {
        to.push("consolidate_taker", Value::Bool(joined));
    }
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of OrderAmends.
pub(crate) fn order_amends(request: &v1::GetOrderAmendsRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    match request.order_id.parse::<TxId>() {
        Ok(id) => to.text("order_id", id.as_str()),
        Err(error) => to.wrong("order_id", error.to_string()),
    }
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of Ledgers.
pub(crate) fn ledgers(request: &v1::GetLedgersRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    to.words("asset", "assets", &request.assets);
    to.word("aclass", "asset_class", &request.asset_class);
    to.word("type", "entry_type", &request.entry_type);
    to.seconds("start", "start_time", request.start_time.as_ref());
    to.seconds("end", "end_time", request.end_time.as_ref());
    to.offset(request.offset);
    to.flag("without_count", request.without_count);
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of CancelOrder.
pub(crate) fn cancel_order(request: &v1::CancelOrderRequest) -> Result<Params, Error> {
    use v1::cancel_order_request::Target;
    let mut to = Builder::default();
    match &request.target {
        Some(Target::OrderId(id)) => match id.parse::<TxId>() {
            Ok(id) => to.text("txid", id.as_str()),
            Err(error) => to.wrong("order_id", error.to_string()),
        },
        Some(Target::ClOrdId(id)) if id.is_empty() => to.wrong("cl_ord_id", "must not be empty"),
        Some(Target::ClOrdId(id)) => to.cl_ord_id(id),
        Some(Target::Userref(userref)) => to.text("txid", userref.to_string()),
        None => to.wrong("target", "must be one of order_id, cl_ord_id and userref"),
    }
    to.finish()
}

/// What is to happen to an order whose fate is in doubt.
pub(crate) fn wish(on_unresolved: i32) -> Result<Wish, Error> {
    match v1::OnUnresolved::try_from(on_unresolved) {
        Ok(v1::OnUnresolved::Unspecified | v1::OnUnresolved::Keep) => Ok(Wish::Keep),
        Ok(v1::OnUnresolved::Cancel) => Ok(Wish::CancelIfUnresolved),
        Err(_) => {
            Err(Error::invalid_field("on_unresolved", "must be ON_UNRESOLVED_KEEP or ON_UNRESOLVED_CANCEL"))
        }
    }
}

/// Parameters of AddOrder without `cl_ord_id` and `deadline`, which tidegate adds itself.
pub(crate) fn add_order(request: &v1::AddOrderRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    if request.pair.is_empty() {
        to.wrong("pair", "must be set, for instance BTC/USD");
    }
    to.pair(&request.pair);
    match v1::Side::try_from(request.side) {
        Ok(v1::Side::Buy) => to.text("type", "buy"),
        Ok(v1::Side::Sell) => to.text("type", "sell"),
        Ok(v1::Side::Unspecified) | Err(_) => to.wrong("side", "must be SIDE_BUY or SIDE_SELL"),
    }
    let order_type = v1::OrderType::try_from(request.order_type).unwrap_or(v1::OrderType::Unspecified);
    match super::order_type_text(order_type) {
        Some(text) => to.text("ordertype", text),
        None => to.wrong("order_type", "must be one of the known order types"),
    }
    match request.volume.parse::<Volume>() {
        Ok(volume) if volume.is_zero() && request.leverage.is_empty() => {
            to.wrong("volume", "must be above zero");
        }
        Ok(volume) => to.text("volume", volume.to_string()),
        Err(error) => to.wrong("volume", error.to_string()),
    }
    prices(&mut to, "", [&request.price, &request.price2], order_type);
    if !request.display_volume.is_empty() {
        match request.display_volume.parse::<Volume>() {
            Ok(volume) if order_type == v1::OrderType::Iceberg => {
                if is_too_small_a_part(volume, &request.volume) {
                    to.wrong("display_volume", "must be at least a fifteenth of volume");
                }
                to.text("displayvol", volume.to_string());
            }
            Ok(_) => to.wrong("display_volume", "is for iceberg orders only"),
            Err(error) => to.wrong("display_volume", error.to_string()),
        }
    } else if order_type == v1::OrderType::Iceberg {
        to.wrong("display_volume", "must be set for an iceberg order");
    }
    match v1::Trigger::try_from(request.trigger) {
        Ok(v1::Trigger::Unspecified) => {}
        Ok(v1::Trigger::Last) => to.text("trigger", "last"),
        Ok(v1::Trigger::Index) => to.text("trigger", "index"),
        Err(_) => to.wrong("trigger", "is not one of the known triggers"),
    }
    to.word("leverage", "leverage", &request.leverage);
    if request.reduce_only && request.leverage.is_empty() {
        to.wrong("reduce_only", "needs leverage: it reduces a margin position");
    }
    to.flag("reduce_only", request.reduce_only);
    match v1::SelfTradePrevention::try_from(request.self_trade_prevention) {
        Ok(v1::SelfTradePrevention::Unspecified) => {}
        Ok(v1::SelfTradePrevention::CancelNewest) => to.text("stptype", "cancel-newest"),
        Ok(v1::SelfTradePrevention::CancelOldest) => to.text("stptype", "cancel-oldest"),
        Ok(v1::SelfTradePrevention::CancelBoth) => to.text("stptype", "cancel-both"),
        Err(_) => to.wrong("self_trade_prevention", "is not one of the known ways"),
    }
    if order_type == v1::OrderType::SettlePosition && request.leverage.is_empty() {
        to.wrong("leverage", "must be set for settling a position");
    }
    flags_and_times(&mut to, request);
    close(&mut to, request);
    to.word("asset_class", "asset_class", &request.asset_class);
    to.word("broker", "broker", &request.broker);
    to.flag("validate", request.validate);
    to.finish()
}

/// Whether an iceberg of that volume may not show so little (Kraken docs: AddOrder, `displayvol`).
fn is_too_small_a_part(shows: Volume, of: &str) -> bool {
    let least = of.parse::<Volume>().ok().map(Volume::decimal);
    least.zip(shows.decimal().checked_mul(ICEBERG_PARTS.into())).is_some_and(|(whole, most)| most < whole)
}

/// What closes the order, if anything does.
fn close(to: &mut Builder, request: &v1::AddOrderRequest) {
    let Some(close) = &request.close else { return };
    if !request.cl_ord_id.is_empty() {
        to.wrong(
            "cl_ord_id",
            "must be empty beside a conditional close: Kraken takes no client order id there",
        );
    }
    let order_type = v1::OrderType::try_from(close.order_type).unwrap_or(v1::OrderType::Unspecified);
    let closes = !matches!(order_type, v1::OrderType::Market | v1::OrderType::SettlePosition);
    to.nested("close", |to| {
        match super::order_type_text(order_type).filter(|_| closes) {
            Some(text) => to.text("ordertype", text),
            None => to.wrong("close.order_type", "must be an order type that has a price"),
        }
        prices(to, "close.", [&close.price, &close.price2], order_type);
    });
}

/// Which prices an order type takes (Kraken docs: AddOrder, `price` and `price2`).
fn prices(to: &mut Builder, place: &str, texts: [&String; 2], order_type: v1::OrderType) {
    use v1::OrderType as T;
    let (first, second) = match order_type {
        T::Market | T::SettlePosition => (false, false),
        T::Limit | T::Iceberg | T::StopLoss | T::TakeProfit | T::TrailingStop => (true, false),
        T::StopLossLimit | T::TakeProfitLimit | T::TrailingStopLimit => (true, true),
        T::Unspecified => return,
    };
    let trails = matches!(order_type, T::TrailingStop | T::TrailingStopLimit);
    for (name, text, wanted) in [("price", texts[0], first), ("price2", texts[1], second)] {
        let field = format!("{place}{name}");
        match (text.is_empty(), wanted) {
            (true, true) => to.wrong(&field, "must be set for this order type"),
            (false, false) => to.wrong(&field, "is not taken by this order type"),
            (true, false) => {}
            (false, true) if trails && name == "price" && !text.starts_with('+') => {
                to.wrong(
                    &field,
                    "must begin with +: it is how far a trailing stop stays behind the best price",
                );
            }
            (false, true) if trails && !text.starts_with(['+', '-']) => {
                to.wrong(
                    &field,
                    "must begin with + or -: it is how far the limit lies from where the stop went off",
                );
            }
            (false, true) => match text.parse::<PriceText>() {
                Ok(price) => to.text(name, price.to_string()),
                Err(error) => {
                    to.wrong(
                        &field,
                        format!("{error}; a relative price begins with +, - or # and may end with %"),
                    );
                }
            },
        }
    }
}

fn flags_and_times(to: &mut Builder, request: &v1::AddOrderRequest) {
    let mut flags = Vec::new();
    for (i, flag) in request.order_flags.iter().enumerate() {
        match v1::OrderFlag::try_from(*flag) {
            Ok(v1::OrderFlag::Post) => flags.push("post"),
            Ok(v1::OrderFlag::FeeInBase) => flags.push("fcib"),
            Ok(v1::OrderFlag::FeeInQuote) => flags.push("fciq"),
            Ok(v1::OrderFlag::VolumeInQuote) => flags.push("viqc"),
            Ok(v1::OrderFlag::Unspecified) | Err(_) => {
                to.wrong(&format!("order_flags[{i}]"), "is not one of the known flags");
            }
        }
    }
    if flags.contains(&"fcib") && flags.contains(&"fciq") {
        to.wrong("order_flags", "has both fee flags, which exclude one another");
    }
    if !flags.is_empty() {
        to.text("oflags", flags.join(","));
    }
    let time_in_force = v1::TimeInForce::try_from(request.time_in_force);
    match time_in_force {
        Ok(v1::TimeInForce::Unspecified) => {}
        Ok(v1::TimeInForce::Gtc) => to.text("timeinforce", "GTC"),
        Ok(v1::TimeInForce::Ioc) => to.text("timeinforce", "IOC"),
        Ok(v1::TimeInForce::Gtd) => to.text("timeinforce", "GTD"),
        Ok(v1::TimeInForce::Fok) => to.text("timeinforce", "FOK"),
        Err(_) => to.wrong("time_in_force", "is not one of the known ones"),
    }
    if time_in_force == Ok(v1::TimeInForce::Gtd) && request.expire_time.is_none() {
        to.wrong("expire_time", "must be set for GTD");
    }
    to.seconds("starttm", "start_time", request.start_time.as_ref());
    to.seconds("expiretm", "expire_time", request.expire_time.as_ref());
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
