//! What tidegate's translation costs: an order to Kraken's form, and a list of open orders to the typed reply, the latter
//! beside what serde_json takes to parse the same bytes into structs that borrow from them.
//!
//! Time is CPU time of the thread, so whoever else is on the machine counts little; the kinds are measured in turn within one run, and
//! medians are compared. Where a process of the same bytes allocates is counted by whoever calls, who owns the allocator.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::Hash;
use std::hint::black_box;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use tidegate_core::{Nonce, endpoint};
use tidegate_executor::mapping;
use tidegate_kraken::{PreparedRequest, read_reply};
use tidegate_proto::v1;

/// Orders in the reply.
pub const ORDERS: usize = 20;
/// Times that each kind is measured, and how often it runs each time.
const SAMPLES: usize = 101;
const RUNS: u32 = 50;

/// What one run of a kind costs.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// CPU time in nanoseconds, the median.
    pub ns: u64,
    /// Allocations, reallocations among them.
    pub allocations: usize,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// AddOrder: the request's message to the signed form, without the signature.
    pub encode: Cost,
    /// OpenOrders: the body to the reply's message.
    pub decode: Cost,
    /// The same body into borrowed structs.
    pub plain: Cost,
    /// And into the same structs with texts of their own, as serde_json makes them: the reply's message cannot do with less.
    pub owned: Cost,
    /// Its length.
    pub body_bytes: usize,
}

/// Measures. `allocations` tells how many there were so far in this process.
///
/// # Errors
/// When what is measured does not work.
pub fn measure(allocations: impl Fn() -> usize) -> Result<Figures> {
    let (order, body) = (add_order(), open_orders(ORDERS));
    encode(&order)?;
    anyhow::ensure!(
        decode(&body)?.orders.len() == ORDERS && plain::<&str>(&body)? == ORDERS,
        "every order is read"
    );
    let kinds: [&dyn Fn(); 4] = [
        &|| drop(black_box(encode(black_box(&order)))),
        &|| drop(black_box(decode(black_box(&body)))),
        &|| drop(black_box(plain::<&str>(black_box(&body)))),
        &|| drop(black_box(plain::<String>(black_box(&body)))),
    ];
    let mut samples = kinds.map(|_| Vec::with_capacity(SAMPLES));
    for _ in 0..SAMPLES {
        for (kind, samples) in kinds.iter().zip(&mut samples) {
            let began = cpu_ns();
            for _ in 0..RUNS {
                kind();
            }
            samples.push((cpu_ns() - began) / u64::from(RUNS));
        }
    }
    let mut costs = kinds.iter().zip(samples).map(|(kind, mut samples)| {
        samples.sort_unstable();
        let before = allocations();
        kind();
        Cost { ns: samples[SAMPLES / 2], allocations: allocations() - before }
    });
    let mut next = || costs.next().context("four kinds");
    Ok(Figures { encode: next()?, decode: next()?, plain: next()?, owned: next()?, body_bytes: body.len() })
}

impl Figures {
    /// CPU time in hundredths of what the borrowed structs take.
    fn times_plain(&self, cost: Cost) -> String {
        let percent = cost.ns * 100 / self.plain.ns.max(1);
        format!("{}.{:02}", percent / 100, percent % 100)
    }

    /// The table.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<52}{:>12}{:>13}{:>6}\n",
            "translation, medians of one run", "CPU ns", "allocations", "x"
        );
        let mut row = |what: &str, cost: Cost, ratio: String| {
            let _ = writeln!(text, "{what:<52}{:>12}{:>13}{ratio:>6}", cost.ns, cost.allocations);
        };
        row("AddOrder to a form", self.encode, String::new());
        let orders = format!("{ORDERS} open orders");
        let borrowed = format!("{orders} ({} bytes), borrowed structs", self.body_bytes);
        row(&borrowed, self.plain, self.times_plain(self.plain));
        row(&format!("{orders}, the same with texts of their own"), self.owned, self.times_plain(self.owned));
        row(&format!("{orders}, the typed reply"), self.decode, self.times_plain(self.decode));
        text
    }
}

fn cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap_or_default()
}

fn add_order() -> v1::AddOrderRequest {
    v1::AddOrderRequest {
        pair: "BTC/USD".into(),
        side: v1::Side::Buy.into(),
        order_type: v1::OrderType::Limit.into(),
        volume: "0.01250000".into(),
        price: "37500.1".into(),
        order_flags: vec![v1::OrderFlag::Post.into()],
        time_in_force: v1::TimeInForce::Gtc.into(),
        ..v1::AddOrderRequest::default()
    }
}

fn encode(order: &v1::AddOrderRequest) -> Result<PreparedRequest> {
    let mut params = mapping::add_order(order)?;
    params.text("cl_ord_id", "c94754f9-15b0-8e8b-8b85-fa5176da06ea");
    params.text("deadline", "2026-11-30T12:00:00.000Z");
    let endpoint = endpoint("AddOrder").context("AddOrder is in the table")?;
    Ok(PreparedRequest::of(endpoint, &params, Nonce(1_780_000_000_000_000), None)?)
}

fn decode(body: &[u8]) -> Result<v1::GetOpenOrdersResponse> {
    let reply = read_reply(200, Some("application/json"), body)?;
    anyhow::ensure!(reply.errors.is_empty(), "an error");
    Ok(mapping::open_orders(&reply.result.context("a result")?)?)
}

/// As a client would write it for itself; with `&str` if it could live with what it borrows.
fn plain<'de, T: Deserialize<'de> + Eq + Hash>(body: &'de [u8]) -> Result<usize> {
    let reply: Envelope<T> = serde_json::from_slice(body)?;
    Ok(black_box(reply).result.open.len())
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed and not looked at")]
#[serde(bound(deserialize = "T: Deserialize<'de> + Eq + Hash"))]
struct Envelope<T> {
    error: Vec<T>,
    result: OpenOrders<T>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de> + Eq + Hash"))]
struct OpenOrders<T> {
    open: HashMap<T, Order<T>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
#[expect(dead_code, reason = "parsed and not looked at")]
struct Order<T> {
    refid: Option<T>,
    userref: Option<i64>,
    cl_ord_id: Option<T>,
    status: T,
    // As Kraken's own examples read it. Only here, where nobody looks at it.
    opentm: f64,
    starttm: f64,
    expiretm: f64,
    descr: Descr<T>,
    vol: T,
    vol_exec: T,
    cost: T,
    fee: T,
    price: T,
    stopprice: T,
    limitprice: T,
    trigger: Option<T>,
    margin: Option<bool>,
    misc: T,
    oflags: T,
    time_in_force: Option<T>,
    #[serde(default)]
    trades: Vec<T>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed and not looked at")]
struct Descr<T> {
    pair: T,
    aclass: Option<T>,
    #[serde(rename = "type")]
    side: T,
    ordertype: T,
    price: T,
    price2: T,
    leverage: T,
    order: T,
    close: T,
}

/// A reply as Kraken writes it.
fn open_orders(count: usize) -> Vec<u8> {
    let orders: Vec<String> = (0..count)
        .map(|i| {
            format!(
                r#""OQCLML-BW3P3-BUCM{i:02}":{{"refid":null,"userref":{i},"cl_ord_id":"6d1b345e-2821-40e2-ad83-4ecb18a06876","status":"open","opentm":1780000{i:03}.4938,"starttm":0,"expiretm":0,"descr":{{"pair":"XBTUSD","aclass":"forex","type":"buy","ordertype":"limit","price":"{price}.5","price2":"0","leverage":"none","order":"buy 1.25000000 XBTUSD @ limit {price}.5","close":""}},"vol":"1.25000000","vol_exec":"0.37500000","cost":"11253.7","fee":"18.00588","price":"30010.0","stopprice":"0.00000","limitprice":"0.00000","misc":"","oflags":"fciq,post","trades":["TCCCTY-WE2O6-P3NB{i:02}"]}}"#,
                price = 30_010 + i,
            )
        })
        .collect();
    format!(r#"{{"error":[],"result":{{"open":{{{}}}}}}}"#, orders.join(",")).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_what_kraken_wrote() {
        let body = open_orders(2);
        let reply = decode(&body).expect("a reply");
        assert_eq!(plain::<&str>(&body).expect("structs"), reply.orders.len());
        let order = &reply.orders[1];
        assert_eq!(order.order_id, "OQCLML-BW3P3-BUCM01");
        assert_eq!((order.volume_executed.as_str(), order.fee.as_str()), ("0.37500000", "18.00588"));
        assert_eq!(
            order.open_time.map(|time| (time.seconds, time.nanos)),
            Some((1_780_000_001, 493_800_000))
        );
        assert_eq!(order.order_flags, ["fciq", "post"]);
        assert!(order.extra.is_empty() && order.description.as_ref().is_some_and(|d| d.extra.is_empty()));
        let form = encode(&add_order()).expect("a form");
        assert!(form.body().starts_with(b"nonce=1780000000000000&pair=XBT%2FUSD&type=buy&ordertype=limit&"));
    }
}
