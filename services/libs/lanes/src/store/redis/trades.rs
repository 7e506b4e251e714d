//! Trading counters in Redis: what goes to the script, and what comes back.

use super::{RedisStore, reply};
use crate::intent::NOT_AFTER_MAX_US;
use crate::keys;
use crate::store::{StoreError, StoreFuture, TradeStore};
use crate::trade::{
    AGE_KEPT_US, Aged, CancelSeen, DECAY_SPAN_MAX_US, LEVEL_MAX_MILLI, TradeAct, TradeReply, TradeRequest,
};

/// What stands for a name that an order does not have.
const NONE: &str = "-";

impl RedisStore {
    /// A counter is not waited for at replicas: after a promotion it begins at its maximum anyway.
    async fn trade_now(&self, request: &TradeRequest) -> Result<TradeReply, StoreError> {
        let TradeRequest { domain, account, tier, act } = request;
        let generation = keys::generation(&self.prefix, domain);
        let names = vec![
            generation.clone(),
            keys::trading(&self.prefix, domain, account),
            keys::order(&self.prefix, domain, account),
        ];
        let (name, aged, more) = told(act);
        let mut args = vec![name.to_owned()];
        let rules = [
            tier.max_milli,
            tier.usable_milli(),
            tier.decay_milli_per_s,
            NOT_AFTER_MAX_US,
            AGE_KEPT_US,
            LEVEL_MAX_MILLI,
            DECAY_SPAN_MAX_US,
        ];
        args.extend(rules.map(|rule| rule.to_string()));
        args.push(aged.map(brackets).unwrap_or_default());
        args.extend([self.now_arg(), self.replication_id_arg()]);
        args.extend(more);
        let (answer,): (Vec<String>,) = self.link.ask(&generation, self.trade.call(names, args)).await?;
        read(&answer).map_err(|reason| self.unreadable(reason))
    }
}

/// The script's name of an act, how age matters to it, and its own values.
fn told(act: &TradeAct) -> (&'static str, Option<Aged>, Vec<String>) {
    match act {
        TradeAct::Spend(spend) => {
            let (id, aged) =
                spend.order.clone().map_or_else(|| (String::new(), None), |(id, aged)| (id, Some(aged)));
            let (pair, token) = (spend.pair.clone(), spend.token.clone());
            let values = vec![pair, token, spend.fixed_milli.to_string(), id, spend.until_us.to_string()];
            ("spend", aged, values)
        }
        TradeAct::Land { pair, token, orders } => {
            let name = |name: &String| if name.is_empty() { NONE.to_owned() } else { name.clone() };
            let names = orders.iter().flat_map(|order| [name(&order.order_id), name(&order.cl_ord_id)]);
            ("land", None, [pair.clone(), token.clone()].into_iter().chain(names).collect())
        }
        TradeAct::Refund { pair, token } => ("refund", None, vec![pair.clone(), token.clone()]),
        TradeAct::Cancel { ids } => ("cancel", Some(Aged::Cancel), ids.clone()),
        TradeAct::Full { pair } => ("full", None, vec![pair.clone()]),
    }
}

fn brackets(aged: Aged) -> String {
    let texts: Vec<String> =
        aged.brackets().iter().map(|(below_us, milli)| format!("{below_us}:{milli}")).collect();
    texts.join(",")
}

fn read(answer: &[String]) -> Result<TradeReply, String> {
    let texts: Vec<&str> = answer.iter().map(String::as_str).collect();
    match texts.as_slice() {
        ["spent", pair, level] => {
            Ok(TradeReply::Spent { pair: (*pair).to_owned(), level_milli: reply::number(level)? })
        }
        ["over", pair, level, wait] => Ok(TradeReply::Over {
            pair: (*pair).to_owned(),
            level_milli: reply::number(level)?,
            wait_us: reply::number(wait)?,
        }),
        ["unknown"] => Ok(TradeReply::Unknown),
        ["noted", level] => Ok(TradeReply::Noted { level_milli: reply::number(level)? }),
        ["cancels", seen @ ..] if seen.len() % 3 == 0 => {
            let one = |seen: &[&str]| CancelSeen {
                pair: seen[0].to_owned(),
                order_id: seen[1].to_owned(),
                over: seen[2] == "1",
            };
            Ok(TradeReply::Cancels(seen.chunks_exact(3).map(one).collect()))
        }
        _ => Err(format!("{:?} to an act on a trading counter", texts.first().unwrap_or(&""))),
    }
}

impl TradeStore for RedisStore {
    fn trade<'a>(&'a self, request: &'a TradeRequest) -> StoreFuture<'a, TradeReply> {
        Box::pin(self.trade_now(request))
    }
}
