//! The form encoder: what is read back from the bytes that are signed and sent is what was asked for.

use prost::Message;
use serde_json::{Map, Value as Json};
use tidegate_core::{ErrorKind, Nonce, endpoint};
use tidegate_executor::mapping;
use tidegate_kraken::{Params, PreparedRequest, Value};
use tidegate_proto::v1;

use crate::form::parse;

/// Beginning with `o`: a message AddOrderRequest; with anything else: a program that makes arguments.
///
/// - An order is refused with the fields at fault, or becomes a form that says nothing more and nothing else: read back, it is the order.
/// - Any arguments, nested and in rows, are read back from form, query and JSON as they were, the nonce before them.
///
/// # Panics
/// When one of these does not hold.
pub fn encoder(data: &[u8]) {
    match data.split_first() {
        Some((b'o', message)) => {
            if let Ok(order) = v1::AddOrderRequest::decode(message) {
                an_order(order);
            }
        }
        Some((_, program)) => {
            let (params, pairs, json) = arguments(&mut program.iter().copied(), 0);
            any_arguments(&params, pairs, json);
        }
        None => {}
    }
}

fn body(name: &str, params: &Params) -> Vec<u8> {
    let endpoint = endpoint(name).expect("in the table");
    PreparedRequest::of(endpoint, params, Nonce(7), None).expect("has nothing in its path").body().to_vec()
}

fn an_order(mut order: v1::AddOrderRequest) {
    let params = match mapping::add_order(&order) {
        Ok(params) => params,
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error}");
            assert!(!error.fields.is_empty(), "{error} names no field");
            assert!(error.fields.iter().all(|f| !f.field.is_empty() && !f.description.is_empty()), "{error}");
            return;
        }
    };
    let form = String::from_utf8(body("AddOrder", &params)).expect("a form is ASCII");
    let read = order_of(&parse(&form).expect("a form"));
    // What is no part of the order itself: it is for tidegate, which adds id and deadline later.
    (order.context, order.deadline, order.on_unresolved) = (None, None, 0);
    (order.cl_ord_id, order.unchecked_amounts) = (String::new(), false);
    order.pair = krakens(&order.pair);
    for amount in [&mut order.volume, &mut order.price, &mut order.price2, &mut order.display_volume] {
        *amount = unpadded(amount);
    }
    if let Some(close) = &mut order.close {
        (close.price, close.price2) = (unpadded(&close.price), unpadded(&close.price2));
    }
    assert_eq!(read, order, "{form}");
}

/// An amount without zeros in front, which are the one thing that may be left out of it.
fn unpadded(amount: &str) -> String {
    let number = amount.trim_start_matches(['+', '-', '#']);
    let (sign, significant) = (&amount[..amount.len() - number.len()], number.trim_start_matches('0'));
    let zero = if number.starts_with('0') && !significant.starts_with(|c: char| c.is_ascii_digit()) {
        "0"
    } else {
        ""
    };
    format!("{sign}{zero}{significant}")
}

/// Kraken's older names of two assets.
fn krakens(pair: &str) -> String {
    let asset = |name: &str| match name {
        "BTC" => "XBT".to_owned(),
        "DOGE" => "XDG".to_owned(),
        other => other.to_owned(),
    };
    pair.split_once('/').map_or(pair.to_owned(), |(base, quote)| format!("{}/{}", asset(base), asset(quote)))
}

/// The order that a form means, by Kraken's documentation of AddOrder.
fn order_of(form: &[(String, String)]) -> v1::AddOrderRequest {
    let (first, rest) = form.split_first().expect("a nonce");
    assert_eq!((first.0.as_str(), first.1.as_str()), ("nonce", "7"), "the nonce comes first");
    let mut order = v1::AddOrderRequest::default();
    let time = |text: &str| Some(prost_time(text.parse().expect("whole seconds")));
    for (at, (name, value)) in rest.iter().enumerate() {
        assert!(rest[..at].iter().all(|(other, _)| other != name), "{name} is written twice");
        match name.as_str() {
            "pair" => order.pair.clone_from(value),
            "type" => order.set_side(if value == "buy" { v1::Side::Buy } else { v1::Side::Sell }),
            "ordertype" => order.set_order_type(order_type(value)),
            "volume" => order.volume.clone_from(value),
            "price" => order.price.clone_from(value),
            "price2" => order.price2.clone_from(value),
            "displayvol" => order.display_volume.clone_from(value),
            "leverage" => order.leverage.clone_from(value),
            "broker" => order.broker.clone_from(value),
            "close[ordertype]" => order.close.get_or_insert_default().set_order_type(order_type(value)),
            "close[price]" => order.close.get_or_insert_default().price.clone_from(value),
            "close[price2]" => order.close.get_or_insert_default().price2.clone_from(value),
            "asset_class" => order.asset_class.clone_from(value),
            "trigger" => {
                order.set_trigger(if value == "last" { v1::Trigger::Last } else { v1::Trigger::Index });
            }
            "reduce_only" => order.reduce_only = value == "true",
            "validate" => order.validate = value == "true",
            "stptype" => order.set_self_trade_prevention(match value.as_str() {
                "cancel-newest" => v1::SelfTradePrevention::CancelNewest,
                "cancel-oldest" => v1::SelfTradePrevention::CancelOldest,
                _ => v1::SelfTradePrevention::CancelBoth,
            }),
            "timeinforce" => order.set_time_in_force(match value.as_str() {
                "GTC" => v1::TimeInForce::Gtc,
                "IOC" => v1::TimeInForce::Ioc,
                "GTD" => v1::TimeInForce::Gtd,
                _ => v1::TimeInForce::Fok,
            }),
            "oflags" => value.split(',').for_each(|flag| {
                order.push_order_flags(match flag {
                    "post" => v1::OrderFlag::Post,
                    "fcib" => v1::OrderFlag::FeeInBase,
                    "fciq" => v1::OrderFlag::FeeInQuote,
                    _ => v1::OrderFlag::VolumeInQuote,
                });
            }),
            "starttm" => order.start_time = time(value),
            "expiretm" => order.expire_time = time(value),
            other => panic!("{other}={value} was not asked for"),
        }
    }
    order
}

fn order_type(word: &str) -> v1::OrderType {
    let name = format!("ORDER_TYPE_{}", word.replace('-', "_").to_ascii_uppercase());
    v1::OrderType::from_str_name(&name).unwrap_or_else(|| panic!("{word} is no order type"))
}

fn prost_time(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

/// Names of arguments. Each is used once in its place: what a second one would mean, no reader of forms agrees about.
const NAMES: [&str; 6] = ["pair", "close", "orders", "txid", "a b", "ü[0]"];
/// Arguments of arguments of arguments are as deep as Kraken goes.
const DEPTH_MAX: usize = 2;

/// Arguments, and what must be read back from them as pairs and as JSON.
fn arguments(
    program: &mut impl Iterator<Item = u8>,
    depth: usize,
) -> (Params, Vec<(String, String)>, Map<String, Json>) {
    let (mut params, mut pairs, mut json) = (Params::new(), Vec::new(), Map::new());
    for name in NAMES {
        let Some(kind) = program.next() else { break };
        match kind % 8 {
            0 => {
                let text = text(program);
                params.text(name, text.clone());
                pairs.push((name.to_owned(), text.clone()));
                json.insert(name.to_owned(), text.into());
            }
            1 => {
                let yes = kind > 127;
                params.push(name, Value::Bool(yes));
                pairs.push((name.to_owned(), yes.to_string()));
                json.insert(name.to_owned(), yes.into());
            }
            2 => {
                let number =
                    program.by_ref().take(8).fold(0_i64, |n, byte| n.wrapping_mul(256) ^ i64::from(byte));
                params.push(name, Value::Int(number));
                pairs.push((name.to_owned(), number.to_string()));
                json.insert(name.to_owned(), number.into());
            }
            3 | 4 => {
                let items: Vec<String> = (0..kind / 8 % 4).map(|_| text(program)).collect();
                json.insert(name.to_owned(), items.clone().into());
                if kind % 8 == 3 {
                    pairs.push((name.to_owned(), items.join(",")));
                    params.push(name, Value::List(items));
                } else {
                    let at = |(i, item): (usize, &String)| (format!("{name}[{i}]"), item.clone());
                    pairs.extend(items.iter().enumerate().map(at));
                    params.push(name, Value::Array(items));
                }
            }
            5 if depth < DEPTH_MAX => {
                let (inner, inner_pairs, inner_json) = arguments(program, depth + 1);
                pairs.extend(nested(name, inner_pairs));
                params.push(name, Value::Nested(inner));
                json.insert(name.to_owned(), inner_json.into());
            }
            6 if depth < DEPTH_MAX => {
                let rows: Vec<_> = (0..kind / 8 % 4).map(|_| arguments(program, depth + 1)).collect();
                let (mut all, mut list) = (Vec::new(), Vec::new());
                for (i, (row, row_pairs, row_json)) in rows.into_iter().enumerate() {
                    pairs.extend(nested(&format!("{name}[{i}]"), row_pairs));
                    all.push(row);
                    list.push(Json::from(row_json));
                }
                params.push(name, Value::Rows(all));
                json.insert(name.to_owned(), list.into());
            }
            _ => {}
        }
    }
    (params, pairs, json)
}

/// What stands inside of an argument, with its name as a form writes it.
fn nested(outer: &str, pairs: Vec<(String, String)>) -> impl Iterator<Item = (String, String)> {
    pairs.into_iter().map(move |(inner, value)| {
        let is_it =
            |known: &&&str| inner.strip_prefix(**known).is_some_and(|b| b.is_empty() || b.starts_with('['));
        let known = NAMES.iter().find(is_it).expect("one of the names");
        (format!("{outer}[{known}]{}", &inner[known.len()..]), value)
    })
}

/// A text of a length that the program says, with whatever characters its bytes are.
fn text(program: &mut impl Iterator<Item = u8>) -> String {
    let length = program.next().unwrap_or(0) % 32;
    let bytes: Vec<u8> = program.by_ref().take(length.into()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn any_arguments(params: &Params, mut pairs: Vec<(String, String)>, mut json: Map<String, Json>) {
    assert_eq!(parse(&params.query()).as_ref(), Some(&pairs), "{}", params.query());
    // Lists of objects go as JSON whatever the table says, so either may come out.
    for name in ["AddOrder", "AddOrderBatch"] {
        let body = String::from_utf8(body(name, params)).expect("text");
        if body.starts_with('{') {
            let read: Json = serde_json::from_str(&body).expect("JSON");
            json.insert("nonce".to_owned(), "7".into());
            assert_eq!(read, Json::from(json.clone()), "{body}");
            assert!(body.starts_with(r#"{"nonce":"7""#), "{body}");
        } else {
            pairs.insert(0, ("nonce".to_owned(), "7".to_owned()));
            assert_eq!(parse(&body).as_ref(), Some(&pairs), "{body}");
            pairs.remove(0);
        }
    }
}
