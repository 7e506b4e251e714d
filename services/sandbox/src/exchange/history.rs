//! Open and closed orders, trades and ledger: filters, pages, look-ups by id (Kraken docs: Account Data).

use super::book::Side;
use super::engine::Engine;
use super::ids::Id;
use super::intake::{flag, userref};
use super::keys::KeyState;
use super::markets::find_asset;
use super::order::{Order, Trade};
use super::refusal::{Refusal, wrong};
use crate::wire::decimal;
use crate::wire::json::{Json, success};
use crate::wire::params::Params;

/// Items on a page.
const PAGE: usize = 50;
/// Ids in one look-up of orders,
const ORDER_IDS_MAX: usize = 50;
/// and of trades or ledger entries.
const IDS_MAX: usize = 20;

/// Orders by the caller's own marks.
struct Marks<'a> {
    userref: Option<i32>,
    cl_ord_id: Option<&'a str>,
}

impl<'a> Marks<'a> {
    fn read(params: &'a Params) -> Result<Self, Refusal> {
        Ok(Self { userref: userref(params)?, cl_ord_id: params.get("cl_ord_id") })
    }

    fn fit(&self, order: &Order) -> bool {
        self.userref.is_none_or(|wanted| order.terms.userref == Some(wanted))
            && self.cl_ord_id.is_none_or(|wanted| order.terms.cl_ord_id.as_deref() == Some(wanted))
    }
}

/// A stretch of time: after the first moment, up to and with the second, and inside what the key may see.
struct Stretch {
    after_us: Option<u64>,
    until_us: Option<u64>,
}

impl Stretch {
    /// Reads `start` and `end`: unix seconds, or an id whose time `find` knows. A stretch that reaches beyond the
    /// key's own dates is refused; one that is open there ends there.
    fn read(params: &Params, key: &KeyState, find: impl Fn(Id) -> Option<u64>) -> Result<Self, Refusal> {
        let moment = |name: &'static str| match params.get(name) {
            None | Some("0") => Ok(None),
            Some(text) => decimal::parse_seconds(text)
                .or_else(|| Id::parse(text).and_then(&find))
                .map(Some)
                .ok_or_else(|| wrong(name)),
        };
        let (start, end) = (moment("start")?, moment("end")?);
        let from = key.key.query_from.map(|at_s| at_s.saturating_mul(1_000_000));
        let to = key.key.query_to.map(|at_s| at_s.saturating_mul(1_000_000));
        if start.zip(from).is_some_and(|(start, from)| start < from)
            || end.zip(to).is_some_and(|(end, to)| end > to)
        {
            return Err(Refusal::InvalidArguments(None));
        }
        // `start` leaves out its own moment, the key's first date does not.
        Ok(Self { after_us: start.or(from.map(|from| from.saturating_sub(1))), until_us: end.or(to) })
    }

    fn holds(&self, at_us: u64) -> bool {
        self.after_us.is_none_or(|after| at_us > after) && self.until_us.is_none_or(|until| at_us <= until)
    }
}

/// Writes one page of `items`, newest first, and how many there are in all.
fn page<T>(
    params: &Params,
    name: &str,
    items: impl Iterator<Item = T>,
    write: impl Fn(&mut Json, T),
) -> Result<String, Refusal> {
    let offset: usize = match params.get("ofs") {
        None => 0,
        Some(text) => text.parse().map_err(|_| wrong("ofs"))?,
    };
    let without_count = flag(params, "without_count")?;
    let mut count = 0_usize;
    Ok(success(|json| {
        json.object(|json| {
            json.field(name).object(|json| {
                for item in items {
                    if (offset..offset.saturating_add(PAGE)).contains(&count) {
                        write(json, item);
                    }
                    count += 1;
                }
            });
            if !without_count {
                json.field("count").integer(count);
            }
        });
    }))
}

fn ids(params: &Params, name: &'static str, max: usize) -> Result<Vec<Id>, Refusal> {
    let list = params.get(name).ok_or_else(|| wrong(name))?;
    let ids: Vec<_> = list.split(',').filter_map(|text| Id::parse(text.trim())).collect();
    if ids.len() > max { Err(wrong(name)) } else { Ok(ids) }
}

/// When it is, and how young an order is not shown yet.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) now_us: u64,
    pub(crate) lag_us: u64,
}

impl Look {
    fn shows(self, order: &Order) -> bool {
        order.is_visible(self.now_us, self.lag_us)
    }
}

/// `OpenOrders`.
pub(crate) fn open_orders(
    engine: &Engine,
    look: Look,
    account: usize,
    params: &Params,
) -> Result<String, Refusal> {
    let (marks, trades) = (Marks::read(params)?, flag(params, "trades")?);
    Ok(success(|json| {
        json.object(|json| {
            json.field("open").object(|json| {
                let shown = |order: &&Order| look.shows(order) && marks.fit(order);
                for order in engine.open_orders(account).rev().filter(shown) {
                    order.write(json.field(order.id.as_str()), trades);
                }
            });
        });
    }))
}

/// `ClosedOrders`.
pub(crate) fn closed_orders(
    engine: &Engine,
    look: Look,
    key: &KeyState,
    params: &Params,
) -> Result<String, Refusal> {
    let (marks, trades) = (Marks::read(params)?, flag(params, "trades")?);
    let opened = |id| engine.find(key.account, id).map(|order| order.opened_us);
    let stretch = Stretch::read(params, key, opened)?;
    let in_time = |order: &Order| match params.get("closetime") {
        Some("open") => Ok(stretch.holds(order.opened_us)),
        Some("close") => Ok(stretch.holds(order.closed_us)),
        None | Some("both") => Ok(stretch.holds(order.opened_us) || stretch.holds(order.closed_us)),
        Some(_) => Err(wrong("closetime")),
    };
    let mut found = Vec::new();
    for number in engine.accounts.get(key.account).closed.iter().rev() {
        if let Some((_, order)) = engine.closed.get(*number)
            && look.shows(order)
            && marks.fit(order)
            && in_time(order)?
        {
            found.push(order);
        }
    }
    page(params, "closed", found.into_iter(), |json, order| {
        order.write(json.field(order.id.as_str()), trades);
    })
}

/// `QueryOrders`. What the key must be allowed to depends on whether the order is open; ids that lead nowhere are
/// left out.
pub(crate) fn query_orders(
    engine: &Engine,
    look: Look,
    key: &KeyState,
    params: &Params,
) -> Result<String, Refusal> {
    let (ids, trades) = (ids(params, "txid", ORDER_IDS_MAX)?, flag(params, "trades")?);
    let wanted = userref(params)?;
    let mut found = Vec::with_capacity(ids.len());
    for order in ids.into_iter().filter_map(|id| engine.find(key.account, id)) {
        if !look.shows(order) {
            continue;
        }
        may_see(key, order)?;
        if wanted.is_none_or(|wanted| order.terms.userref == Some(wanted)) {
            found.push(order);
        }
    }
    Ok(success(|json| {
        json.object(|json| {
            found.iter().for_each(|order| order.write(json.field(order.id.as_str()), trades));
        });
    }))
}

fn may_see(key: &KeyState, order: &Order) -> Result<(), Refusal> {
    let needed = if order.status.is_open() { "query-open-trades" } else { "query-closed-trades" };
    if key.may(needed) { Ok(()) } else { Err(Refusal::PermissionDenied) }
}

/// `OrderAmends`: the original and what was changed since, oldest first.
pub(crate) fn order_amends(
    engine: &Engine,
    look: Look,
    key: &KeyState,
    params: &Params,
) -> Result<String, Refusal> {
    let id = params.get("order_id").and_then(Id::parse).ok_or_else(|| wrong("order_id"))?;
    let found = engine.find(key.account, id).filter(|order| look.shows(order));
    let order = found.ok_or(Refusal::UnknownOrder)?;
    may_see(key, order)?;
    let mut amends = order.amends.clone();
    if amends.is_empty() {
        amends.push(order.original());
    }
    amends.retain(|amend| amend.original || amend.is_visible(look.now_us, look.lag_us));
    Ok(success(|json| {
        json.object(|json| {
            json.field("count").integer(amends.len());
            json.field("amends").array(|json| amends.iter().for_each(|amend| amend.write(json)));
        });
    }))
}

/// `TradesHistory`.
pub(crate) fn trades_history(engine: &Engine, key: &KeyState, params: &Params) -> Result<String, Refusal> {
    let ledgers = flag(params, "ledgers")?;
    let with_trades = flag(params, "trades")?;
    let opened = |id: Id, trade: &Trade| engine.positions.opened_by(id, trade.position);
    let wanted: &dyn Fn(Id, &Trade) -> bool = match params.get("type") {
        None | Some("all") => &|_, _| true,
        Some("no position") => &|_, trade| trade.leverage.is_none(),
        Some("any position") => &|_, trade| trade.leverage.is_some(),
        Some("closing position") => &|_, trade| trade.closing,
        Some("closed position") => &|id, trade| opened(id, trade).is_some_and(|it| it.open_lots() == 0),
        Some(_) => return Err(wrong("type")),
    };
    let stretch = Stretch::read(params, key, |id| engine.trades.find(id).map(|(_, trade)| trade.at_us))?;
    let numbers = engine.accounts.get(key.account).trades.iter().rev();
    let found = numbers
        .filter_map(|number| engine.trades.get(*number))
        .filter(|(id, trade)| stretch.holds(trade.at_us) && wanted(*id, trade));
    page(params, "trades", found, |json, (id, trade)| {
        trade.write(json.field(id.as_str()), ledgers, |json| {
            if let Some(position) = opened(*id, trade) {
                position.write_in_trade(json, with_trades);
            }
        });
    })
}

/// `QueryTrades`.
pub(crate) fn query_trades(engine: &Engine, key: &KeyState, params: &Params) -> Result<String, Refusal> {
    let ids = ids(params, "txid", IDS_MAX)?;
    let own = &engine.accounts.get(key.account).trades;
    Ok(success(|json| {
        json.object(|json| {
            for id in ids {
                if let Some((number, trade)) = engine.trades.find(id)
                    && own.binary_search(&number).is_ok()
                {
                    let opened = engine.positions.opened_by(id, trade.position);
                    let more = |json: &mut Json| opened.iter().for_each(|it| it.write_in_trade(json, false));
                    trade.write(json.field(id.as_str()), false, more);
                }
            }
        });
    }))
}

/// `Ledgers`.
pub(crate) fn ledgers(engine: &Engine, key: &KeyState, params: &Params) -> Result<String, Refusal> {
    let ledger = &engine.accounts.ledger;
    let assets = match params.get("asset") {
        None | Some("all") => None,
        Some(list) => Some(
            list.split(',')
                .map(|name| find_asset(name.trim()).ok_or(Refusal::UnknownAsset))
                .collect::<Result<Vec<_>, _>>()?,
        ),
    };
    let kind = params.get("type").filter(|kind| *kind != "all");
    let any = matches!(params.get("aclass"), None | Some("currency"));
    let stretch = Stretch::read(params, key, |id| ledger.find(id).map(|(_, entry)| entry.at_us))?;
    let numbers = engine.accounts.get(key.account).ledger.iter().rev();
    let found = numbers.filter_map(|number| ledger.get(*number)).filter(|(_, entry)| {
        any && kind.is_none_or(|kind| entry.kind == kind)
            && stretch.holds(entry.at_us)
            && assets.as_ref().is_none_or(|assets| assets.contains(&entry.asset))
    });
    page(params, "ledger", found, |json, (id, entry)| entry.write(json.field(id.as_str())))
}

/// `QueryLedgers`.
pub(crate) fn query_ledgers(engine: &Engine, key: &KeyState, params: &Params) -> Result<String, Refusal> {
    let ids = ids(params, "id", IDS_MAX)?;
    let stretch = Stretch::read(&Params::default(), key, |_| None)?;
    Ok(success(|json| {
        json.object(|json| {
            for id in ids {
                if let Some((_, entry)) = engine.accounts.ledger.find(id)
                    && entry.account == key.account
                    && stretch.holds(entry.at_us)
                {
                    entry.write(json.field(id.as_str()));
                }
            }
        });
    }))
}

/// What unfilled orders are worth, for the sum of an account.
pub(crate) fn held_in(engine: &Engine, account: usize, asset: usize) -> i128 {
    let worth = |order: &Order| {
        let pair = order.terms.pair();
        let held_in = if order.terms.side == Side::Buy { pair.quote } else { pair.base };
        engine.worth(order.held, held_in, asset)
    };
    engine.open_orders(account).map(worth).sum()
}
