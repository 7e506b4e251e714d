//! Changing orders, and the switch that cancels them all (Kraken docs: Amend Order, Edit Order, Cancel All Orders After).

use super::engine::{Amendment, Engine};
use super::ids::Id;
use super::intake;
use super::markets::{LOT_DECIMALS, PAIRS, find_pair};
use super::order::{NewOrder, Order};
use super::prices::{Asked, Prices, Reference};
use super::private::Done;
use super::public::timestamp;
use super::refusal::{Refusal, wrong};
use super::terms::resolve;
use super::trading::Cost;
use crate::wire::json::success;
use crate::wire::params::Params;

/// The timer is shorter than this.
const TIMER_MAX_S: u64 = 86_400;

/// `AmendOrder`.
pub(crate) fn amend_order(
    engine: &mut Engine,
    now_us: u64,
    received_us: u64,
    account: usize,
    params: &Params,
) -> Result<Done, Refusal> {
    let deadline_us = intake::deadline(params, received_us)?;
    let is_named = |order: &&Order| match (params.get("txid"), params.get("cl_ord_id")) {
        (Some(txid), _) => order.id.as_str() == txid,
        (None, id) => order.terms.cl_ord_id.as_deref() == id,
    };
    match (params.get("txid"), params.get("cl_ord_id")) {
        (Some(_), Some(_)) => return Err(wrong("cl_ord_id")),
        (None, None) => return Err(wrong("txid")),
        _ => {}
    }
    let named = engine.open_orders(account).find(is_named);
    let at = named.map(|order| (order.terms.pair, Cost::amend(order.age_us(now_us))));
    let read = read_amendment(params, at.map_or(0, |(pair, _)| pair));
    let named = named.map(|order| (order.number, order.id));
    let (id, amend) = engine.metered(account, at, read, |engine, wanted| {
        if deadline_us.is_some_and(|deadline_us| now_us > deadline_us) {
            return Err(Refusal::DeadlineElapsed);
        }
        let (number, id) = named.ok_or(Refusal::UnknownOrder)?;
        Ok((id, engine.amend(now_us, number, wanted)?))
    })?;
    let body = success(|json| json.object(|json| json.field("amend_id").text(amend.as_str())));
    Ok(Done { body, orders: vec![id], acted: true, rows: Vec::new() })
}

fn read_amendment(params: &Params, pair: usize) -> Result<Amendment, Refusal> {
    let lots = |name: &'static str| {
        params.get(name).map(|text| intake::lots(text).ok_or_else(|| wrong(name))).transpose()
    };
    // Kraken has no `#` here: there is nothing to choose a side by.
    let price = |name: &'static str| match params.get(name).map(|text| Asked::read(text, name, &PAIRS[pair]))
    {
        Some(Ok(Asked::Either(_))) => Err(wrong(name)),
        price => price.transpose(),
    };
    let wanted = Amendment {
        lots: lots("order_qty")?,
        shows: lots("display_qty")?,
        limit: price("limit_price")?,
        trigger: price("trigger_price")?,
        post_only: intake::flag(params, "post_only")?,
    };
    if wanted.lots.or(wanted.shows).is_none() && wanted.limit.or(wanted.trigger).is_none() {
        return Err(Refusal::NothingToAmend);
    }
    Ok(wanted)
}

/// An edit, read and not yet done.
struct Edit {
    number: u64,
    old: Id,
    old_userref: Option<i32>,
    terms: NewOrder,
}

/// `EditOrder`: cancels an order and places another in its stead. Where that other one is refused, the first is gone all
/// the same.
pub(crate) fn edit_order(
    engine: &mut Engine,
    now_us: u64,
    received_us: u64,
    account: usize,
    params: &Params,
) -> Result<Done, Refusal> {
    let deadline_us = intake::deadline(params, received_us)?;
    let only_validate = intake::flag(params, "validate")?;
    for name in ["cl_ord_id", "asset_class", "cancel_response"] {
        if params.get(name).is_some_and(|text| text != "false") {
            return Err(wrong(name));
        }
    }
    let pair = find_pair(params.get("pair").ok_or_else(|| wrong("pair"))?).ok_or(Refusal::UnknownPair)?;
    let wanted = params.get("txid").ok_or_else(|| wrong("txid"))?;
    let is_named = |order: &&Order| match wanted.parse::<i32>() {
        Ok(userref) => order.terms.userref == Some(userref),
        Err(_) => order.id.as_str() == wanted,
    };
    let named: Vec<_> = engine.open_orders(account).filter(is_named).collect();
    let order = match named[..] {
        [order] => Ok(order),
        _ => Err(Refusal::UnknownOrder),
    };
    let cost = Cost::edit(order.as_ref().map_or(u64::MAX, |order| order.age_us(now_us)));
    let at = (!only_validate).then_some((pair, cost));
    let read = order.and_then(|order| read_edit(params, order, pair, &engine.prices()));
    let (edit, placed) = engine.metered(account, at, read, |engine, edit| {
        if deadline_us.is_some_and(|deadline_us| now_us > deadline_us) {
            return Err(Refusal::DeadlineElapsed);
        }
        // It would be half an edit, and no rule of the order's own is to blame for it.
        engine.modes.takes(&edit.terms)?;
        if only_validate {
            engine.judge(account, &edit.terms)?;
            return Ok((edit, None));
        }
        engine.cancel(now_us, edit.number);
        let placed = engine.place(now_us, account, edit.terms.clone());
        Ok((edit, Some(placed)))
    })?;
    let (old, terms) = (edit.old, &edit.terms);
    let text = |userref: Option<i32>| userref.map(|userref| userref.to_string()).unwrap_or_default();
    let body = success(|json| {
        json.object(|json| {
            let failed = matches!(placed, Some(Err(_)));
            json.field("status").text(if failed { "err" } else { "ok" });
            if let Some(Ok(id)) = &placed {
                json.field("txid").text(id.as_str());
            }
            json.field("originaltxid").text(old.as_str());
            json.field("newuserref").text(&text(terms.userref));
            json.field("olduserref").text(&text(edit.old_userref));
            json.field("orders_cancelled").integer(u8::from(placed.is_some()));
            json.field("volume").decimal(i128::from(terms.lots), LOT_DECIMALS);
            for (name, price) in ["price", "price2"].into_iter().zip(terms.prices()) {
                json.field(name).text(price.as_deref().unwrap_or("0"));
            }
            json.field("descr").object(|json| json.field("order").text(&terms.sentence()));
            if let Some(Err(refusal)) = &placed {
                json.field("error_message").text(&refusal.text());
            }
        });
    });
    let (acted, orders) = match &placed {
        None => (false, Vec::new()),
        Some(Ok(id)) => (true, vec![old, *id]),
        Some(Err(_)) => (true, vec![old]),
    };
    Ok(Done { body, orders, acted, rows: Vec::new() })
}

/// The order that is to stand in another's stead.
fn read_edit(params: &Params, order: &Order, pair: usize, prices: &Prices) -> Result<Edit, Refusal> {
    if order.terms.pair != pair {
        return Err(wrong("pair"));
    }
    // Kraken: neither what has gone off nor what has a conditional close.
    if order.terms.close.is_some() || order.terms.stop.is_some_and(|stop| stop.fired) {
        return Err(Refusal::NotEditable);
    }
    let mut terms = order.terms.clone();
    if let Some(text) = params.get("volume") {
        terms.lots = intake::lots(text).ok_or_else(|| wrong("volume"))?;
    }
    if params.get("displayvol").is_some()
        || terms.shows.is_some_and(|shows| !intake::enough_shows(shows, terms.lots))
    {
        terms.shows = intake::displayed(params, "displayvol", terms.order_type, terms.lots)?;
    }
    let [first, second] = match terms.stop {
        None => [terms.limit.map(Asked::At), None],
        Some(stop) => [Some(stop.trail.map_or(Asked::At(stop.at), Asked::Off)), stop.limit],
    };
    let read = |name: &'static str, old: Option<Asked>| match params.get(name).filter(|text| *text != "0") {
        Some(text) => Asked::read(text, name, &PAIRS[pair]).map(Some),
        None => Ok(old),
    };
    let asked = (read("price", first)?, read("price2", second)?);
    if asked.1.is_some() && !terms.order_type.has_second_price() {
        return Err(wrong("price2"));
    }
    let by = terms.stop.map_or(Reference::Last, |stop| stop.by);
    let found = resolve(terms.order_type, terms.side, pair, asked, by, prices, ["price", "price2"])?;
    (terms.limit, terms.stop) = (found.limit, found.stop);
    terms.post_only = match params.get("oflags") {
        None | Some("") => false,
        Some("post") => true,
        Some(_) => return Err(wrong("oflags")),
    };
    terms.userref = intake::userref(params)?;
    // An order of a client's own id loses it: the call has no place for one.
    terms.cl_ord_id = None;
    if terms.lots < order.filled_lots {
        return Err(Refusal::NotEditable);
    }
    Ok(Edit { number: order.number, old: order.id, old_userref: order.terms.userref, terms })
}

/// `CancelAllOrdersAfter`.
pub(crate) fn cancel_all_after(
    engine: &mut Engine,
    now_us: u64,
    account: usize,
    params: &Params,
) -> Result<Done, Refusal> {
    let timeout_s = params.get("timeout").and_then(|text| text.parse::<u64>().ok());
    let timeout_s = timeout_s.filter(|s| *s < TIMER_MAX_S).ok_or_else(|| wrong("timeout"))?;
    let trigger_us = (timeout_s > 0).then(|| now_us + timeout_s * 1_000_000);
    engine.accounts.get_mut(account).cancels_after_us = trigger_us;
    let seconds = |at_us: u64| timestamp(at_us / 1_000_000 * 1_000_000).to_string();
    let body = success(|json| {
        json.object(|json| {
            json.field("currentTime").text(&seconds(now_us));
            json.field("triggerTime").text(&trigger_us.map_or_else(|| "0".to_owned(), seconds));
        });
    });
    Ok(Done::answer(body))
}
