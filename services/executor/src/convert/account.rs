//! Balances, orders, ledgers, keys.

use tidegate_kraken::wire::{
    Amend, ApiKeyInfo, AssetBalance, Balances, ClosedOrders, ExtendedBalances, LedgerEntry, Ledgers,
    OpenOrders, Order, OrderAmends, OrderDescr, OrdersById, WebSocketsToken,
};
use tidegate_proto::v1;

use super::books::at_ns;
use super::names::asset_name;
use super::{digits, keep_word, order_type, timestamp, words};

pub(crate) fn balance(balances: Balances) -> v1::GetBalanceResponse {
    let names = balances.0.iter().map(|(asset, _)| (asset.clone(), asset_name(asset))).collect();
    v1::GetBalanceResponse {
        balances: balances.0.into_iter().map(|(asset, d)| (asset, d.0)).collect(),
        names,
    }
}

pub(crate) fn extended_balance(balances: ExtendedBalances) -> v1::GetExtendedBalanceResponse {
    let one = |asset: &str, balance: AssetBalance| v1::ExtendedBalance {
        asset_name: Some(asset_name(asset)),
        balance: balance.balance.0,
        hold_trade: digits(balance.hold_trade),
        credit: balance.credit.map(|d| d.0),
        credit_used: balance.credit_used.map(|d| d.0),
        extra: balance.extra.into_iter().collect(),
    };
    v1::GetExtendedBalanceResponse {
        balances: balances.0.into_iter().map(|(a, b)| (a.clone(), one(&a, b))).collect(),
    }
}

pub(crate) fn open_orders(orders: OpenOrders) -> v1::GetOpenOrdersResponse {
    v1::GetOpenOrdersResponse { orders: by_id(orders.open), extra: orders.extra.into_iter().collect() }
}

pub(crate) fn closed_orders(orders: ClosedOrders) -> v1::GetClosedOrdersResponse {
    let extra = orders.extra.into_iter().collect();
    v1::GetClosedOrdersResponse { orders: by_id(orders.closed), count: orders.count, extra }
}

pub(crate) fn orders_by_id(orders: OrdersById) -> v1::QueryOrdersResponse {
    v1::QueryOrdersResponse { orders: by_id(orders) }
}

pub(crate) fn order_amends(amends: OrderAmends) -> v1::GetOrderAmendsResponse {
    let one = |amend: Amend| v1::OrderAmend {
        amend_id: amend.amend_id,
        kind: amend.kind,
        volume: digits(amend.order_qty),
        display_volume: digits(amend.display_qty),
        limit_price: digits(amend.limit_price),
        trigger_price: digits(amend.trigger_price),
        time: at_ns(amend.timestamp_ns),
        extra: amend.extra.into_iter().collect(),
    };
    let extra = amends.extra.into_iter().collect();
    v1::GetOrderAmendsResponse { amends: amends.amends.into_iter().map(one).collect(), extra }
}

fn by_id(orders: OrdersById) -> Vec<v1::Order> {
    orders.0.into_iter().map(|(id, order)| self::order(id, order)).collect()
}

fn order(order_id: String, mut order: Order) -> v1::Order {
    let extra = &mut order.extra;
    let status = match order.status.as_str() {
        "pending" => v1::OrderStatus::Pending,
        "open" => v1::OrderStatus::Open,
        "closed" => v1::OrderStatus::Closed,
        "canceled" => v1::OrderStatus::Canceled,
        "expired" => v1::OrderStatus::Expired,
        word => keep_word(extra, "status", word, v1::OrderStatus::Unspecified),
    };
    let time_in_force = match order.time_in_force.as_deref() {
        Some("gtc" | "GTC") => v1::TimeInForce::Gtc,
        Some("ioc" | "IOC") => v1::TimeInForce::Ioc,
        Some("gtd" | "GTD") => v1::TimeInForce::Gtd,
        Some("fok" | "FOK") => v1::TimeInForce::Fok,
        None => v1::TimeInForce::Unspecified,
        Some(word) => keep_word(extra, "time_in_force", word, v1::TimeInForce::Unspecified),
    };
    v1::Order {
        order_id,
        cl_ord_id: order.cl_ord_id.unwrap_or_default(),
        userref: order.userref.and_then(|userref| i32::try_from(userref).ok()),
        parent_order_id: order.refid.unwrap_or_default(),
        status: status.into(),
        reason: order.reason.unwrap_or_default(),
        open_time: timestamp(order.opentm.as_ref()),
        close_time: timestamp(order.closetm.as_ref()),
        start_time: timestamp(order.starttm.as_ref()),
        expire_time: timestamp(order.expiretm.as_ref()),
        description: Some(description(order.descr)),
        volume: order.vol.0,
        volume_executed: order.vol_exec.0,
        cost: digits(order.cost),
        fee: digits(order.fee),
        average_price: digits(order.price),
        stop_price: digits(order.stopprice),
        limit_price: digits(order.limitprice),
        trigger: order.trigger.unwrap_or_default(),
        margin: order.margin.unwrap_or_default(),
        misc: words(order.misc),
        order_flags: words(order.oflags),
        time_in_force: time_in_force.into(),
        trade_ids: order.trades,
        sender_sub_id: order.sender_sub_id.unwrap_or_default(),
        extra: order.extra.into_iter().collect(),
    }
}

fn description(mut descr: OrderDescr) -> v1::OrderDescription {
    let extra = &mut descr.extra;
    let side = match descr.side.as_str() {
        "buy" => v1::Side::Buy,
        "sell" => v1::Side::Sell,
        word => keep_word(extra, "type", word, v1::Side::Unspecified),
    };
    let order_type = match order_type(&descr.ordertype) {
        v1::OrderType::Unspecified => {
            keep_word(extra, "ordertype", &descr.ordertype, v1::OrderType::Unspecified)
        }
        known => known,
    };
    v1::OrderDescription {
        pair: descr.pair,
        symbol: String::new(),
        side: side.into(),
        order_type: order_type.into(),
        price: digits(descr.price),
        price2: digits(descr.price2),
        leverage: descr.leverage.unwrap_or_default(),
        order: descr.order.unwrap_or_default(),
        close: descr.close.unwrap_or_default(),
        asset_class: descr.aclass.unwrap_or_default(),
        extra: descr.extra.into_iter().collect(),
    }
}

pub(crate) fn ledgers(ledgers: Ledgers) -> v1::GetLedgersResponse {
    v1::GetLedgersResponse {
        entries: ledgers.ledger.0.into_iter().map(ledger_entry).collect(),
        count: ledgers.count,
        extra: ledgers.extra.into_iter().collect(),
    }
}

pub(super) fn ledger_entry((ledger_id, entry): (String, LedgerEntry)) -> v1::LedgerEntry {
    v1::LedgerEntry {
        ledger_id,
        asset_name: Some(asset_name(&entry.asset)),
        reference_id: entry.refid.unwrap_or_default(),
        time: timestamp(Some(&entry.time)),
        entry_type: entry.kind,
        entry_subtype: entry.subtype.unwrap_or_default(),
        asset_class: entry.aclass.unwrap_or_default(),
        asset: entry.asset,
        amount: entry.amount.0,
        fee: digits(entry.fee),
        balance: digits(entry.balance),
        extra: entry.extra.into_iter().collect(),
    }
}

pub(crate) fn key_info(key_label: &str, info: ApiKeyInfo) -> v1::GetApiKeyInfoResponse {
    v1::GetApiKeyInfoResponse {
        key_label: key_label.to_owned(),
        name: info.name.unwrap_or_default(),
        permissions: info.permissions,
        nonce_window: info.nonce_window,
        last_nonce: info.nonce.map(|nonce| nonce.to_string()).unwrap_or_default(),
        iban: info.iban.unwrap_or_default(),
        valid_until: timestamp(info.valid_until.as_ref()),
        query_from: timestamp(info.query_from.as_ref()),
        query_to: timestamp(info.query_to.as_ref()),
        ip_allowlist: info.ip_allowlist,
        created: timestamp(info.created_time.as_ref()),
        modified: timestamp(info.modified_time.as_ref()),
        last_used: timestamp(info.last_used.as_ref()),
        extra: info.extra.into_iter().collect(),
    }
}

pub(crate) fn web_sockets_token(token: WebSocketsToken) -> v1::GetWebSocketsTokenResponse {
    v1::GetWebSocketsTokenResponse {
        token: token.token,
        expires_in_s: u32::try_from(token.expires_s).unwrap_or(u32::MAX),
        extra: token.extra.into_iter().collect(),
    }
}
