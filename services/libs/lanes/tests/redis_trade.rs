//! Trading counters in Redis against a real server: the same histories as in memory give the same answers.

mod pair;
mod redis_server;

use std::cell::RefCell;
use std::collections::BTreeMap;

use pair::{Pair, T, look};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis_server::RedisServer;
use tidegate_core::{AccountName, UnixUs};
use tidegate_lanes::{
    Aged, GrantStore, OrderNames, Prepared, Spend, TradeAct, TradeReply, TradeRequest, TradeStore, TradeTier,
};

const TIERS: [TradeTier; 3] = [TradeTier::STARTER, TradeTier::INTERMEDIATE, TradeTier::PRO];
const AGED: [Aged; 3] = [Aged::Amend, Aged::Edit, Aged::Cancel];

#[derive(Clone, Debug)]
enum Op {
    Spend {
        pair: u8,
        token: u8,
        fixed: u64,
        order: Option<(u8, usize)>,
        until_off: u64,
    },
    Land {
        pair: u8,
        token: u8,
        orders: Vec<(u8, u8)>,
    },
    Refund {
        pair: u8,
        token: u8,
    },
    Cancel {
        ids: Vec<u8>,
    },
    Full {
        pair: u8,
    },
    Advance {
        us: u64,
    },
    Back {
        us: u64,
    },
    Replace {
        server: u8,
    },
    Flush,
    /// Somebody asks for a grant, with which a generation begins.
    Grant,
}

fn op() -> impl Strategy<Value = Op> {
    let (pair, token, order) = (0_u8..3, 0_u8..4, 0_u8..5);
    let fixed = prop_oneof![4 => 0_u64..30_000, 1 => Just(1_000), 1 => Just(2_000_000_000)];
    let until_off = prop_oneof![4 => 0_u64..20_000_000, 1 => 100_000_000_u64..200_000_000];
    let us = prop_oneof![
        4 => 0_u64..3_000_000,
        3 => 1_000_000_u64..40_000_000,
        1 => 200_000_000_u64..2_000_000_000,
    ];
    prop_oneof![
        8 => (0_u8..4, token.clone(), fixed, prop::option::of((order.clone(), 0_usize..3)), until_off).prop_map(
            |(pair, token, fixed, order, until_off)| Op::Spend { pair, token, fixed, order, until_off }
        ),
        6 => (pair.clone(), token.clone(), prop::collection::vec((order.clone(), order.clone()), 0..3))
            .prop_map(|(pair, token, orders)| Op::Land { pair, token, orders }),
        2 => (pair.clone(), token).prop_map(|(pair, token)| Op::Refund { pair, token }),
        4 => prop::collection::vec(0_u8..10, 1..4).prop_map(|ids| Op::Cancel { ids }),
        1 => pair.prop_map(|pair| Op::Full { pair }),
        6 => us.prop_map(|us| Op::Advance { us }),
        1 => (0_u64..400_000_000).prop_map(|us| Op::Back { us }),
        1 => (0_u8..3).prop_map(|server| Op::Replace { server }),
        1 => Just(Op::Flush),
        2 => Just(Op::Grant),
    ]
}

fn pair_name(pair: u8) -> String {
    ["A", "B", "C", ""][usize::from(pair)].to_owned()
}

/// Ids of the exchange's are below five, those of clients from there on, and each fifth is missing.
fn names((order, client): (u8, u8)) -> OrderNames {
    let name = |number: u8, missing: bool| if missing { String::new() } else { format!("o{number}") };
    OrderNames { order_id: name(order, order == 4), cl_ord_id: name(client + 5, client == 4) }
}

fn act_of(op: &Op, now_us: u64) -> Option<TradeAct> {
    Some(match op {
        Op::Spend { pair, token, fixed, order, until_off } => TradeAct::Spend(Spend {
            pair: pair_name(*pair),
            token: format!("t{token}"),
            fixed_milli: *fixed,
            order: order.map(|(order, aged)| (format!("o{order}"), AGED[aged])),
            until_us: now_us + until_off,
        }),
        Op::Land { pair, token, orders } => TradeAct::Land {
            pair: pair_name(*pair),
            token: format!("t{token}"),
            orders: orders.iter().copied().map(names).collect(),
        },
        Op::Refund { pair, token } => TradeAct::Refund { pair: pair_name(*pair), token: format!("t{token}") },
        Op::Cancel { ids } => TradeAct::Cancel { ids: ids.iter().map(|id| format!("o{id}")).collect() },
        Op::Full { pair } => TradeAct::Full { pair: pair_name(*pair) },
        _ => return None,
    })
}

async fn history(
    domain: &str,
    tier: TradeTier,
    ops: &[Op],
    pair: &mut Pair,
    kinds: &mut BTreeMap<&'static str, u32>,
) {
    let mut now = T;
    pair.clock.set_wall(UnixUs(now));
    pair.facts.replace_server("server0");
    let name: AccountName = domain.parse().expect("a label");
    let (memory, redis) = (&pair.memory, &pair.redis);
    assert_eq!(redis.prepare(&name, "prepared").await, Ok(Prepared::Now));
    let request =
        |act| TradeRequest { domain: name.clone(), account: "account".parse().expect("a label"), tier, act };
    // The store in memory prepares a domain when it is first asked for it.
    memory.trade(&request(TradeAct::Cancel { ids: Vec::new() })).await.expect("the memory");
    for op in ops {
        match *op {
            Op::Advance { us } => now += us,
            Op::Back { us } => now -= us,
            Op::Replace { server } => pair.facts.replace_server(&format!("server{server}")),
            Op::Flush => {
                memory.forget(&name);
                let mut names = vec![format!("{{test:{domain}}}:generation")];
                names.extend(["A", "B", "C"].map(|it| format!("{{test:{domain}}}:trading:account:{it}")));
                names.extend((0..10).map(|it| format!("{{test:{domain}}}:order:account:o{it}")));
                let _: u64 = redis::cmd("DEL").arg(&names).query_async(&mut pair.raw).await.expect("deleted");
            }
            Op::Grant => {
                let request = look(&name, now);
                assert_eq!(memory.grant(&request).await, redis.grant(&request).await);
            }
            _ => {}
        }
        pair.clock.set_wall(UnixUs(now));
        let Some(act) = act_of(op, now) else { continue };
        let request = request(act);
        let (here, there) = (memory.trade(&request).await, redis.trade(&request).await);
        assert_eq!(here, there, "{request:?} in {ops:?}");
        *kinds.entry(here.as_ref().map_or("error", kind)).or_default() += 1;
    }
}

fn kind(reply: &TradeReply) -> &'static str {
    match reply {
        TradeReply::Spent { .. } => "spent",
        TradeReply::Over { .. } => "over",
        TradeReply::Unknown => "unknown",
        TradeReply::Noted { .. } => "noted",
        TradeReply::Cancels(seen) if seen.iter().any(|seen| seen.over) => "cancel over",
        TradeReply::Cancels(seen) if seen.iter().any(|seen| !seen.order_id.is_empty()) => "cancel",
        TradeReply::Cancels(_) => "cancel of what nobody knows",
    }
}

#[test]
fn five_thousand_random_histories_agree_with_the_memory_store() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = RedisServer::start(&[]);
    let pair = runtime.block_on(Pair::at(server.url()));
    let state = RefCell::new((pair, 0_u32, BTreeMap::new()));
    let mut runner = TestRunner::new(Config { cases: 5_000, failure_persistence: None, ..Config::default() });
    let run = runner.run(&(0_usize..3, prop::collection::vec(op(), 1..30)), |(tier, ops)| {
        let (pair, cases, kinds) = &mut *state.borrow_mut();
        *cases += 1;
        runtime.block_on(history(&format!("k{cases}"), TIERS[tier], &ops, pair, kinds));
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
    let (_, _, kinds) = state.into_inner();
    for kind in ["spent", "over", "unknown", "noted", "cancel over", "cancel", "error"] {
        assert!(kinds.get(kind).is_some_and(|seen| *seen >= 20), "{kind} was hardly seen: {kinds:?}");
    }
}
