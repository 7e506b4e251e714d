//! The exchange from outside: requests in, replies, log and statistics out.

mod beta;
mod conservation;
mod earn;
mod exports;
mod faults;
mod fees;
mod funding;
mod judging;
mod margin;
mod market;
mod metering;
mod modes;
mod moving;
mod order_types;
mod orders;
mod speed;
mod subaccounts;
mod trading;

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::sign::Signer;
use super::*;

const NOW_US: u64 = 1_781_000_000_000_000;
const ORDER: &str = "pair=XBTUSD&type=buy&ordertype=limit&price=50000&volume=0.1";

fn request(path: &str) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Request {
        peer_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        verb: "GET".to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        api_key: None,
        api_sign: None,
        api_nonce: None,
        api_otp: None,
        content_type: None,
        body: Bytes::new(),
    }
}

/// A request signed by hand. `body` is sent as it is.
fn signed(label: &str, endpoint: &str, nonce: &str, body: String, content_type: &str) -> Request {
    let key = keys().iter().find(|key| key.label == label).unwrap();
    let path = format!("/0/private/{endpoint}");
    let signer = Signer::new(&STANDARD.decode(&key.secret).unwrap()).unwrap();
    Request {
        verb: "POST".to_owned(),
        api_key: Some(key.api_key.clone()),
        api_sign: Some(signer.sign(&path, "", nonce, body.as_bytes())),
        content_type: Some(content_type.to_owned()),
        body: body.into(),
        ..request(&path)
    }
}

fn form(label: &str, endpoint: &str, nonce: u64, more: &str) -> Request {
    let body = format!("nonce={nonce}&{more}");
    signed(label, endpoint, &nonce.to_string(), body, "application/x-www-form-urlencoded; charset=utf-8")
}

struct Floor {
    exchange: Exchange,
    now_us: u64,
    nonce: u64,
}

impl Floor {
    fn new(options: &Options) -> Self {
        Self { exchange: Exchange::new(options), now_us: NOW_US, nonce: NOW_US }
    }

    fn send(&mut self, request: Request) -> Value {
        let reply = self.exchange.handle(self.now_us, request);
        assert_eq!((reply.http_status, reply.delivery), (200, Delivery::Whole));
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// Sends a form under a fresh nonce.
    fn ask(&mut self, label: &str, endpoint: &str, more: &str) -> Value {
        self.nonce += 1;
        self.send(form(label, endpoint, self.nonce, more))
    }

    fn result(&mut self, label: &str, endpoint: &str, more: &str) -> Value {
        let envelope = self.ask(label, endpoint, more);
        assert_eq!(envelope["error"], json!([]), "{endpoint} {more}");
        envelope["result"].clone()
    }

    fn refusal(&mut self, label: &str, endpoint: &str, more: &str) -> String {
        error(&self.ask(label, endpoint, more))
    }

    fn log(&self) -> Vec<Value> {
        let page: Value = serde_json::from_str(&self.exchange.log_json(0, usize::MAX)).unwrap();
        page["entries"].as_array().unwrap().clone()
    }

    fn stats(&self) -> Value {
        serde_json::from_str(&self.exchange.stats_json()).unwrap()
    }
}

/// The one error of an envelope that has no result.
fn error(envelope: &Value) -> String {
    assert_eq!(envelope.get("result"), None);
    envelope["error"][0].as_str().unwrap().to_owned()
}

fn floor() -> Floor {
    Floor::new(&Options::default())
}
