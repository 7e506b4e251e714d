//! Intents on a real Redis: the same random histories as in memory give the same answers and records.

mod pair;
mod redis_server;

use std::cell::RefCell;
use std::collections::BTreeMap;

use pair::{Pair, T, look};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis_server::RedisServer;
use tidegate_core::UnixUs;
use tidegate_lanes::{
    Claim, ClaimReply, GrantStore, HaltScope, IntentKey, IntentState, IntentStore, Prepared, Settle, Settled,
    Wanted, Wish, Withdraw,
};

const WISHES: [Wish; 4] = [Wish::Keep, Wish::CancelIfUnresolved, Wish::Cancel, Wish::Done];
const STATES: [IntentState; 5] = [
    IntentState::Doubtful,
    IntentState::NeedsOperator,
    IntentState::Executed,
    IntentState::Refused,
    IntentState::Absent,
];

#[derive(Clone, Debug)]
enum Op {
    Claim {
        which: Which,
        born_off: i64,
        skew: i64,
        not_after_s: u64,
        findable: bool,
        wish: usize,
    },
    Settle {
        which: Which,
        state: usize,
        len: usize,
        verdict: u8,
        wish: usize,
    },
    Want {
        which: Which,
        wish: usize,
    },
    Withdraw {
        which: Which,
    },
    Advance {
        us: u64,
    },
    /// The server's clock is set back.
    Back {
        us: u64,
    },
    Replace {
        server: u8,
    },
    Flush,
    /// An operator halts an account or all, or lets them go on.
    Halt {
        all: bool,
        on: bool,
    },
    /// Somebody asks for a grant, which begins a generation where there is none.
    Grant,
}

/// Mostly nothing is wished.
fn wish() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0_usize), 2 => 1_usize..3, 1 => Just(3_usize)]
}

/// One of two ids, of two contents and of three claimants.
type Which = (u8, u8, u8);

fn op() -> impl Strategy<Value = Op> {
    let which = (0_u8..2, prop_oneof![9 => Just(0_u8), 1 => Just(1_u8)], 0_u8..3);
    let born = prop_oneof![6 => -2_000_000_i64..2_000_000, 1 => 4_000_000_i64..9_000_000, 1 => -90_000_000_000_i64..0, 1 => -100_000_000_000_i64..-86_000_000_000];
    let us = prop_oneof![8 => 0_u64..9_000_000, 1 => 0_u64..100_000_000_000, 1 => 200_000_000_000_u64..300_000_000_000];
    let skew = prop_oneof![6 => -2_000_000_i64..2_000_001, 1 => 2_000_001_i64..9_000_000_000];
    let claim =
        (which.clone(), (born, skew), prop_oneof![9 => 0_u64..30, 1 => 120_u64..130], any::<bool>(), wish());
    let settle = (which.clone(), 0..STATES.len(), 0_usize..40, 0_u8..4, wish());
    let want = (which.clone(), wish());
    prop_oneof![
        6 => claim.prop_map(|(which, (born_off, skew), not_after_s, findable, wish)| Op::Claim { which, born_off, skew, not_after_s, findable, wish }),
        8 => settle.prop_map(|(which, state, len, verdict, wish)| Op::Settle { which, state, len, verdict, wish }),
        2 => want.prop_map(|(which, wish)| Op::Want { which, wish }),
        2 => which.prop_map(|which| Op::Withdraw { which }),
        4 => us.prop_map(|us| Op::Advance { us }),
        1 => (0_u64..30_000_000).prop_map(|us| Op::Back { us }),
        1 => (0_u8..3).prop_map(|server| Op::Replace { server }),
        1 => Just(Op::Flush),
        3 => Just(Op::Grant),
        1 => (any::<bool>(), prop::bool::weighted(0.4)).prop_map(|(all, on)| Op::Halt { all, on }),
    ]
}

fn claim(
    domain: &str,
    (id, content, who): Which,
    (born_us, caller_now_us): (u64, u64),
    not_after_us: u64,
    findable: bool,
    wish: usize,
) -> Claim {
    Claim {
        key: IntentKey { domain: domain.parse().expect("a label"), id: format!("id{id}") },
        account: "account".parse().expect("a label"),
        endpoint: "AddOrder".into(),
        request_id: "request".into(),
        content: format!("pair={content}"),
        token: format!("t{who}"),
        born_us,
        caller_now_us,
        not_after_us,
        findable,
        cancels: !findable,
        caller: format!("caller{who}"),
        handle: "h".repeat(usize::from(who)),
        wish: WISHES[wish],
    }
}

async fn history(domain: &str, ops: &[Op], pair: &mut Pair, kinds: &mut BTreeMap<&'static str, u32>) {
    let mut now = T;
    pair.clock.set_wall(UnixUs(now));
    pair.facts.replace_server("server0");
    let name = domain.parse().expect("a label");
    let account = "account".parse().expect("a label");
    let (memory, redis) = (&pair.memory, &pair.redis);
    assert_eq!(redis.prepare(&name, "prepared").await, Ok(Prepared::Now));
    // The store in memory prepares a domain when it is first asked for it.
    memory.open_intents(&name, &account, 1).await.expect("the memory");
    let mut last: BTreeMap<u8, Claim> = BTreeMap::new();
    for op in ops {
        match *op {
            Op::Advance { us } => now += us,
            Op::Back { us } => now -= us,
            Op::Replace { server } => pair.facts.replace_server(&format!("server{server}")),
            Op::Flush => {
                memory.forget(&name);
                let names = ["generation", "open:account", "intent:id0", "intent:id1", "halts"]
                    .map(|name| format!("{{test:{domain}}}:{name}"));
                let _: u64 = redis::cmd("DEL").arg(&names).query_async(&mut pair.raw).await.expect("deleted");
            }
            Op::Halt { all, on } => {
                let scope = if all { HaltScope::All } else { HaltScope::Account(account.clone()) };
                let reason = on.then_some(if all { "all" } else { "one" });
                assert_eq!(memory.halt(&name, &scope, reason).await, redis.halt(&name, &scope, reason).await);
                assert_eq!(memory.halts(&name).await, redis.halts(&name).await);
            }
            Op::Grant => {
                let request = look(&name, now);
                let (here, there) = (memory.grant(&request).await, redis.grant(&request).await);
                assert_eq!(here, there);
            }
            Op::Claim { which, born_off, skew, not_after_s, findable, wish } => {
                let born_us = now.saturating_add_signed(born_off);
                let not_after_us = if not_after_s == 0 { 0 } else { now + not_after_s * 1_000_000 };
                let claim = claim(
                    domain,
                    which,
                    (born_us, now.saturating_add_signed(skew)),
                    not_after_us,
                    findable,
                    wish,
                );
                let (here, there) = (memory.claim(&claim).await, redis.claim(&claim).await);
                assert_eq!(here, there, "{claim:?}");
                *kinds.entry(claimed(&here.expect("small numbers"))).or_default() += 1;
                last.insert(which.0, claim);
            }
            Op::Settle { which, state, len, verdict, wish } => {
                let Some(known) = last.get(&which.0) else { continue };
                let open = memory.open_intents(&name, &account, 9).await.expect("the memory");
                let settle = Settle {
                    claim: Claim {
                        token: format!("t{}", which.2),
                        content: format!("pair={}", which.1),
                        wish: WISHES[wish],
                        ..known.clone()
                    },
                    state: STATES[state],
                    outcome: vec![0xff; len],
                    generation: [None, None, Some(open.generation), Some("another".to_owned())]
                        [usize::from(verdict)]
                    .clone(),
                    note: "n".repeat(len),
                };
                let (here, there) = (memory.settle(&settle).await, redis.settle(&settle).await);
                assert_eq!(here, there, "{settle:?}");
                *kinds.entry(settled(&here.expect("small numbers"))).or_default() += 1;
            }
            Op::Want { which, wish } => {
                let key = IntentKey { domain: name.clone(), id: format!("id{}", which.0) };
                let wanted = Wanted { key, account: account.clone(), wish: WISHES[wish] };
                let (here, there) = (memory.wish(&wanted).await, redis.wish(&wanted).await);
                assert_eq!(here, there, "{wanted:?}");
                let known = here.expect("small numbers").is_some();
                *kinds.entry(if known { "wished" } else { "not wished" }).or_default() += 1;
            }
            Op::Withdraw { which } => {
                let key = IntentKey { domain: name.clone(), id: format!("id{}", which.0) };
                let withdraw = Withdraw { key, account: account.clone(), token: format!("t{}", which.2) };
                let (here, there) = (memory.withdraw(&withdraw).await, redis.withdraw(&withdraw).await);
                assert_eq!(here, there, "{withdraw:?}");
                *kinds.entry(if here == Ok(true) { "gone" } else { "not gone" }).or_default() += 1;
            }
        }
        pair.clock.set_wall(UnixUs(now));
        let (here, there) =
            (memory.open_intents(&name, &account, 9).await, redis.open_intents(&name, &account, 9).await);
        assert_eq!(here, there, "after {op:?}");
    }
}

fn claimed(reply: &ClaimReply) -> &'static str {
    match reply {
        ClaimReply::Claimed { .. } => "claimed",
        ClaimReply::Known(record) if record.state == IntentState::Lost => "lost",
        ClaimReply::Known(_) => "known",
        ClaimReply::Halted { .. } => "halted",
        ClaimReply::NoGeneration => "no generation",
        ClaimReply::Skewed { .. } => "skewed",
        ClaimReply::TooFar { .. } => "too far",
        ClaimReply::Unborn { .. } => "unborn",
        ClaimReply::TooOld { .. } => "too old",
    }
}

fn settled(settled: &Settled) -> &'static str {
    match settled {
        Settled::Written => "written",
        Settled::Replaced(_) => "replaced",
        Settled::Kept(_) => "kept",
        Settled::Stale => "stale",
    }
}

#[test]
fn five_thousand_random_histories_agree_with_the_memory_store() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = RedisServer::start(&[]);
    let pair = runtime.block_on(Pair::at(server.url()));
    let state = RefCell::new((pair, 0_u32, BTreeMap::new()));
    let mut runner = TestRunner::new(Config { cases: 5_000, failure_persistence: None, ..Config::default() });
    let run = runner.run(&prop::collection::vec(op(), 1..20), |ops| {
        let (pair, cases, kinds) = &mut *state.borrow_mut();
        *cases += 1;
        runtime.block_on(history(&format!("k{cases}"), &ops, pair, kinds));
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
    let (_, _, kinds) = state.into_inner();
    for kind in [
        "claimed",
        "known",
        "lost",
        "halted",
        "no generation",
        "skewed",
        "too far",
        "unborn",
        "too old",
        "written",
        "replaced",
        "kept",
        "stale",
        "gone",
        "not gone",
        "wished",
        "not wished",
    ] {
        assert!(kinds.get(kind).is_some_and(|seen| *seen >= 20), "{kind} was hardly seen: {kinds:?}");
    }
}
