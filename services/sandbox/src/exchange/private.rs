//! The other private endpoints: balances, keys, tokens, and what changes orders.

use super::engine::{Engine, Margin};
use super::ids::{Id, Source};
use super::intake;
use super::keys::{KeyState, iban};
use super::markets::{ASSETS, DOLLAR, find_asset, find_pair};
use super::order::NewOrder;
use super::refusal::{Refusal, wrong};
use super::trading::{CANCEL_ALL, Cost};
use crate::options::Casing;
use crate::wire::json::{Json, success};
use crate::wire::params::Params;

/// What the engine did and says.
pub(crate) struct Done {
    pub(crate) body: String,
    /// The orders that were placed or cancelled.
    pub(crate) orders: Vec<Id>,
    /// False for an order that was only validated.
    pub(crate) acted: bool,
    /// What became of each row of a batch.
    pub(crate) rows: Vec<Row>,
}

/// One row of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) cl_ord_id: Option<Box<str>>,
    /// The order that was placed.
    pub(crate) id: Option<Id>,
}

impl Done {
    /// An answer that changed nothing.
    pub(crate) fn answer(body: String) -> Self {
        Self { body, orders: Vec::new(), acted: true, rows: Vec::new() }
    }
}

/// When the built-in keys were made: the first of January 2026.
const KEYS_BORN_S: &str = "1767225600";
/// How long a WebSocket token may wait to be used.
const TOKEN_LIFE_S: u64 = 900;
const TOKEN_LENGTH: usize = 43;

/// `Balance`.
pub(crate) fn balance(engine: &Engine, account: usize) -> String {
    let account = engine.accounts.get(account);
    success(|json| {
        json.object(|json| {
            for (asset, balance) in ASSETS.iter().zip(account.balances) {
                json.field(asset.id).decimal(balance, asset.decimals);
            }
        });
    })
}

/// `BalanceEx`.
pub(crate) fn balance_ex(engine: &Engine, account: usize) -> String {
    let account = engine.accounts.get(account);
    success(|json| {
        json.object(|json| {
            for (index, asset) in ASSETS.iter().enumerate() {
                json.field(asset.id).object(|json| {
                    json.field("balance").decimal(account.balances[index], asset.decimals);
                    json.field("hold_trade").decimal(account.held[index], asset.decimals);
                });
            }
        });
    })
}

/// `TradeBalance`. All that an account owns is collateral. `ml`, `uv` and `mfo` are missing without positions.
pub(crate) fn trade_balance(engine: &Engine, account: usize, params: &Params) -> Result<String, Refusal> {
    let asset = match params.get("asset") {
        None => DOLLAR,
        Some(name) => find_asset(name).ok_or(Refusal::UnknownAsset)?,
    };
    let worth = engine.worth_of(account, asset);
    let Margin { used, net, cost, value } = engine.margin(account, asset);
    let (equity, unfilled) = (worth + net, super::history::held_in(engine, account, asset));
    let decimals = ASSETS[asset].decimals;
    Ok(success(|json| {
        json.object(|json| {
            json.field("eb").decimal(worth, decimals);
            json.field("tb").decimal(worth, decimals);
            for (name, amount) in [("m", used), ("n", net), ("c", cost), ("v", value), ("e", equity)] {
                json.field(name).decimal(amount, decimals);
            }
            json.field("mf").decimal(equity - used, decimals);
            if used > 0 {
                json.field("ml").decimal(equity * 10_000 / used, 2);
                json.field("uv").decimal(unfilled, decimals);
                json.field("mfo").decimal(equity - used - unfilled, decimals);
            }
        });
    }))
}

/// `GetWebSocketsToken`.
pub(crate) fn websockets_token(tokens: &mut Source) -> String {
    success(|json| {
        json.object(|json| {
            json.field("token").text(&tokens.token(TOKEN_LENGTH));
            json.field("expires").integer(TOKEN_LIFE_S);
        });
    })
}

/// `GetApiKeyInfo`, about the key that asks.
pub(crate) fn api_key_info(state: &KeyState, account: &str, casing: Casing) -> String {
    let key = &state.key;
    let seconds = |at: Option<u64>| at.unwrap_or(0).to_string();
    let camel = casing == Casing::Camel;
    let name = |camel_name, snake_name| if camel { camel_name } else { snake_name };
    success(|json| {
        json.object(|json| {
            json.field(name("apiKeyName", "api_key_name")).text(&key.label);
            json.field(name("apiKey", "api_key")).text(&key.api_key);
            json.field("nonce").text(&seconds(state.nonce.highest()));
            match casing {
                Casing::Camel => json.field("nonceWindow").integer(key.nonce_window),
                Casing::Snake => json.field("nonce_window").text(&key.nonce_window.to_string()),
            }
            json.field("permissions")
                .array(|json| key.permission_tokens.iter().for_each(|token| json.text(token)));
            json.field("iban").text(&iban(account));
            json.field(name("validUntil", "valid_until")).text(&seconds(key.valid_until));
            json.field(name("queryFrom", "query_from")).text(&seconds(key.query_from));
            json.field(name("queryTo", "query_to")).text(&seconds(key.query_to));
            json.field(name("createdTime", "created_time")).text(KEYS_BORN_S);
            json.field(name("modifiedTime", "modified_time")).text(KEYS_BORN_S);
            json.field(name("ipAllowlist", "ip_allowlist"))
                .array(|json| key.ip_allowlist.iter().for_each(|entry| json.text(entry)));
            let last_used = state.last_used_us.map(|at_us| (at_us / 1_000_000).to_string());
            json.field(name("lastUsed", "last_used")).text_or_null(last_used.as_deref());
        });
    })
}

/// What Kraken makes of an order in words.
pub(crate) struct Sentences {
    order: String,
    close: Option<String>,
}

impl Sentences {
    pub(crate) fn of(terms: &NewOrder) -> Self {
        Self { order: terms.sentence(), close: terms.close_sentence() }
    }

    /// Appends `{"order", "close"}`, the second only where there is one.
    pub(crate) fn write(&self, json: &mut Json) {
        json.object(|json| {
            json.field("order").text(&self.order);
            if let Some(close) = &self.close {
                json.field("close").text(close);
            }
        });
    }
}

/// What new orders cost, and where. Kraken does not say whether one that is only validated counts: here it does not.
pub(crate) fn price_of(params: &Params, cost: Cost, only_validate: bool) -> Option<(usize, Cost)> {
    let pair = params.get("pair").and_then(find_pair)?;
    (!only_validate).then_some((pair, cost))
}

/// `AddOrder`. The deadline is judged by when the request arrived, and enforced here, at the engine's door.
pub(crate) fn add_order(
    engine: &mut Engine,
    now_us: u64,
    received_us: u64,
    account: usize,
    params: &Params,
) -> Result<Done, Refusal> {
    let deadline_us = intake::deadline(params, received_us)?;
    let (read, only_validate) =
        (intake::read(params, now_us, &engine.prices()), intake::flag(params, "validate")?);
    let at = price_of(params, Cost::ADD, only_validate);
    let (sentence, placed) = engine.metered(account, at, read, |engine, terms| {
        if deadline_us.is_some_and(|deadline_us| now_us > deadline_us) {
            return Err(Refusal::DeadlineElapsed);
        }
        let sentence = Sentences::of(&terms);
        if only_validate {
            engine.judge(account, &terms)?;
            return Ok((sentence, None));
        }
        Ok((sentence, Some(engine.place(now_us, account, terms)?)))
    })?;
    let body = success(|json| {
        json.object(|json| {
            sentence.write(json.field("descr"));
            if let Some(id) = &placed {
                json.field("txid").array(|json| json.text(id.as_str()));
            }
        });
    });
    Ok(Done { body, acted: placed.is_some(), orders: placed.into_iter().collect(), rows: Vec::new() })
}

/// `CancelOrder`: by ids (comma between them), by `userref`, or by `cl_ord_id`.
pub(crate) fn cancel_order(
    engine: &mut Engine,
    now_us: u64,
    account: usize,
    params: &Params,
) -> Result<Done, Refusal> {
    let found: Vec<_> = match (params.get("txid"), params.get("cl_ord_id")) {
        (Some(_), Some(_)) => return Err(wrong("cl_ord_id")),
        (None, None) => return Err(wrong("txid")),
        (None, Some(id)) => engine.accounts.get(account).cl_ord_ids.get(id).copied().into_iter().collect(),
        (Some(list), None) => {
            let ids: Vec<_> = list.split(',').map(str::trim).collect();
            let named = |text: &&str, order: &super::order::Order| match text.parse::<i32>() {
                Ok(userref) => order.terms.userref == Some(userref),
                Err(_) => order.id.as_str() == *text,
            };
            let matches = |order: &&super::order::Order| ids.iter().any(|text| named(text, order));
            engine.open_orders(account).filter(matches).map(|order| order.number).collect()
        }
    };
    if found.is_empty() {
        return Err(Refusal::UnknownOrder);
    }
    let costs = engine.cancel_costs(now_us, &found);
    engine.counters.admit(account, &costs)?;
    Ok(cancel(engine, now_us, account, &found, &costs))
}

/// `CancelAll`. The counters never refuse it.
pub(crate) fn cancel_all(engine: &mut Engine, now_us: u64, account: usize) -> Done {
    let all: Vec<_> = engine.accounts.get(account).open.iter().copied().collect();
    let mut costs = engine.cancel_costs(now_us, &all);
    costs.iter_mut().for_each(|(_, points)| *points = CANCEL_ALL);
    cancel(engine, now_us, account, &all, &costs)
}

/// Cancels orders of an account by their numbers, at so many points by pair.
pub(crate) fn cancel(
    engine: &mut Engine,
    now_us: u64,
    account: usize,
    numbers: &[u64],
    costs: &[(usize, u32)],
) -> Done {
    costs.iter().for_each(|(pair, points)| engine.counters.charge(account, *pair, *points));
    let ids: Vec<_> =
        numbers.iter().filter_map(|number| engine.open_order(*number)).map(|order| order.id).collect();
    numbers.iter().for_each(|number| engine.cancel(now_us, *number));
    engine.follow_up(now_us);
    let body = success(|json| json.object(|json| json.field("count").integer(ids.len())));
    Done { body, orders: ids, acted: true, rows: Vec::new() }
}
