//! Funding (Beta): its way of calling, and what moves when.

#![expect(clippy::needless_pass_by_value, reason = "bodies are written where they are sent")]

use super::*;

const FUND: &str = "sandbox-fund";
const BITCOIN: &str = "5b2f0f0e-0000-4000-8000-00000000b001";
const ARBITRUM: &str = "5b2f0f0e-0000-4000-8000-00000000e002";
const EVM: &str = "5b2f0f0e-0000-4000-8000-00000000e000";
const OUT_BTC: &str = "5b2f0f0e-0000-4000-8000-000000000b01";
const OUT_ETH: &str = "5b2f0f0e-0000-4000-8000-000000000e01";
const IN_BTC: &str = "5b2f0f0e-0000-4000-8000-000000001b01";
const IN_ETH: &str = "5b2f0f0e-0000-4000-8000-000000001e01";
const IN_ARBITRUM: &str = "5b2f0f0e-0000-4000-8000-000000001e02";
const IN_SEPA: &str = "5b2f0f0e-0000-4000-8000-000000001a01";
const SECOND_US: u64 = 1_000_000;

/// A call of the family, signed by hand: nonce in a header, path with query in the signature.
fn call(label: &str, nonce: u64, verb: &str, target: &str, body: &str) -> Request {
    let key = keys().iter().find(|key| key.label == label).unwrap();
    let signer = Signer::new(&STANDARD.decode(&key.secret).unwrap()).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let nonce = nonce.to_string();
    Request {
        verb: verb.to_owned(),
        api_key: Some(key.api_key.clone()),
        api_sign: Some(signer.sign(path, query, &nonce, body.as_bytes())),
        api_nonce: Some(nonce),
        content_type: (!body.is_empty()).then(|| "application/json".to_owned()),
        body: body.to_owned().into(),
        ..request(target)
    }
}

impl Floor {
    fn tell(&mut self, request: Request) -> (u16, &'static str, Value) {
        let reply = self.exchange.handle(self.now_us, request);
        assert_eq!(reply.delivery, Delivery::Whole);
        (reply.http_status, reply.content_type, serde_json::from_slice(&reply.body).unwrap())
    }

    fn beta(&mut self, label: &str, verb: &str, target: &str, body: Value) -> (u16, Value) {
        self.nonce += 1;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, content_type, told) = self.tell(call(label, self.nonce, verb, target, &body));
        assert_eq!(content_type == "application/problem+json", status != 200, "{told}");
        (status, told)
    }

    fn ok(&mut self, verb: &str, target: &str, body: Value) -> Value {
        let (status, told) = self.beta(FUND, verb, target, body);
        assert_eq!(status, 200, "{verb} {target}: {told}");
        told
    }

    /// The title of the problem, and what it is about.
    fn problem(&mut self, verb: &str, target: &str, body: Value) -> (u16, String, Value) {
        let (status, told) = self.beta(FUND, verb, target, body);
        (status, told["title"].as_str().unwrap().to_owned(), told["detail"].clone())
    }

    fn owned(&mut self, asset: &str) -> String {
        self.result(FUND, "Balance", "")[asset].as_str().unwrap().to_owned()
    }

    fn saved(&mut self, name: &str, scope: Value) -> String {
        let details = json!({"crypto": {"address": "bc1q-cold"}});
        let body = json!({"scope": scope, "address_details": details, "name": name});
        let told = self.ok("POST", "/funding/v1/addresses", body);
        assert_eq!(told["verified"], false);
        told["address_id"].as_str().unwrap().to_owned()
    }
}

fn withdrawal(scope: Value, address_id: &str, amount: &str, fee: Value) -> Value {
    let asset_amount = json!({"asset": {"class": "currency", "name": "BTC"}, "amount": amount});
    json!({"scope": scope, "address_id": address_id, "amount": {"asset_amount": asset_amount}, "fee": fee})
}

#[test]
fn nonces_of_both_families_are_one_sequence() {
    let mut floor = floor();
    let networks = "/funding/v1/networks";
    let title = |told: &Value| told["title"].as_str().unwrap_or_default().to_owned();
    let (status, _, _) = floor.tell(call(FUND, NOW_US + 10, "GET", networks, ""));
    assert_eq!(status, 200);
    let (status, content_type, told) = floor.tell(call(FUND, NOW_US + 10, "GET", networks, ""));
    assert_eq!((status, content_type), (401, "application/problem+json"));
    let problem = json!({"type": "tag:kraken.com,2025:InvalidNonce", "status": 401, "title": "API: Invalid nonce",
        "detail": null, "data": null, "source": "Gateway"});
    assert_eq!(told, problem);
    assert_eq!(error(&floor.send(form(FUND, "Balance", NOW_US + 5, ""))), "EAPI:Invalid nonce");
    assert_eq!(floor.send(form(FUND, "Balance", NOW_US + 11, ""))["error"], json!([]));
    let (_, _, told) = floor.tell(call(FUND, NOW_US + 11, "GET", networks, ""));
    assert_eq!(title(&told), "API: Invalid nonce");
    assert_eq!(floor.log().last().unwrap()["nonce"], (NOW_US + 11).to_string());

    // Without the header there is none, whatever the body says.
    let without = Request { api_nonce: None, ..call(FUND, NOW_US + 12, "GET", networks, "") };
    assert_eq!(title(&floor.tell(without).2), "API: Invalid nonce");
    let otp = Request { api_otp: Some("1".into()), ..call(FUND, NOW_US + 13, "GET", networks, "") };
    assert_eq!(title(&floor.tell(otp).2), "API: Invalid key");
}

#[test]
fn the_signature_is_over_path_query_and_body() {
    let mut floor = floor();
    let title = |(_, _, told): (u16, &str, Value)| told["title"].as_str().unwrap_or_default().to_owned();
    let target = "/funding/v1/methods/withdraw?limit=2";
    let good = call(FUND, NOW_US + 1, "GET", target, "");
    let other_query = Request { query: "limit=3".into(), ..good.clone() };
    assert_eq!(title(floor.tell(other_query)), "API: Invalid signature");
    let other_path = Request { path: "/funding/v1/methods/deposit".into(), ..good.clone() };
    assert_eq!(title(floor.tell(other_path)), "API: Invalid signature");
    let other_nonce = Request { api_nonce: Some((NOW_US + 2).to_string()), ..good.clone() };
    assert_eq!(title(floor.tell(other_nonce)), "API: Invalid signature");
    assert_eq!(floor.tell(good).0, 200);
    let claim = call(FUND, NOW_US + 3, "PUT", "/funding/v1/deposit/address", r#"{"method_id":"x"}"#);
    let other_body = Request { body: r#"{"method_id":"y"}"#.into(), ..claim };
    assert_eq!(title(floor.tell(other_body)), "API: Invalid signature");
}

#[test]
fn each_call_needs_its_own_permission() {
    let mut floor = floor();
    for (label, verb, target, body) in [
        ("sandbox-ledger", "GET", "/funding/v1/networks", Value::Null),
        ("sandbox-read", "POST", "/funding/v1/addresses", json!({})),
        ("sandbox-read", "PUT", "/funding/v1/addresses/AB1", json!({})),
        ("sandbox-read", "DELETE", "/funding/v1/addresses/AB1", Value::Null),
        ("sandbox-read", "PUT", "/funding/v1/deposit/address", json!({})),
        ("sandbox-read", "POST", "/funding/v1/withdrawals", json!({})),
    ] {
        let (status, told) = floor.beta(label, verb, target, body);
        assert_eq!((status, &told["title"]), (403, &json!("General: Permission denied")), "{verb} {target}");
    }
    assert_eq!(floor.beta("sandbox-read", "GET", "/funding/v1/networks", Value::Null).0, 200);
    // What the gateway does not know it answers as everywhere.
    let (status, content_type, told) =
        floor.tell(call(FUND, NOW_US + 99, "PATCH", "/funding/v1/networks", ""));
    assert_eq!((status, content_type), (404, "application/json; charset=utf-8"));
    assert_eq!(told, json!({"error": ["EGeneral:Unknown method"]}));
}

#[test]
fn methods_and_networks_come_in_pages_and_by_asset() {
    let mut floor = floor();
    let ids = |page: &Value| {
        page["methods"].as_array().unwrap().iter().map(|m| m["method_id"].clone()).collect::<Vec<_>>()
    };
    let all = floor.ok("GET", "/funding/v1/methods/withdraw", Value::Null);
    assert_eq!((ids(&all).len(), all.get("next_cursor")), (3, None));
    assert_eq!(all["methods"][0]["asset"], json!({"class": "currency", "name": "BTC"}));
    assert_eq!(all["methods"][0]["fees"]["base"]["amount"], "0.0001500000");
    let mut seen = Vec::new();
    let mut target = "/funding/v1/methods/withdraw?limit=2".to_owned();
    loop {
        let page = floor.ok("GET", &target, Value::Null);
        seen.extend(ids(&page));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        target = format!("/funding/v1/methods/withdraw?cursor={cursor}");
    }
    assert_eq!(seen, ids(&all));
    let ether = "asset%5Bclass%5D=currency&asset%5Bname%5D=ETH";
    let page = floor.ok("GET", &format!("/funding/v1/methods/deposit?{ether}&limit=1"), Value::Null);
    assert_eq!(ids(&page), [IN_ETH]);
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    let page = floor.ok("GET", &format!("/funding/v1/methods/deposit?cursor={cursor}"), Value::Null);
    assert_eq!((ids(&page), page.get("next_cursor")), (vec![json!(IN_ARBITRUM)], None));
    assert_eq!(page["methods"][0]["deposit"]["shares_addresses_with_method_id"], IN_ETH);

    for (query, about) in [
        (format!("cursor={cursor}&limit=1"), "cursor"),
        (format!("cursor={cursor}&{ether}"), "cursor"),
        ("cursor=x".to_owned(), "cursor"),
        ("limit=0".to_owned(), "limit"),
        ("limit=501".to_owned(), "limit"),
        ("account_id=AA00".to_owned(), "account_id"),
    ] {
        let told = floor.problem("GET", &format!("/funding/v1/methods/deposit?{query}"), Value::Null);
        assert_eq!(told, (400, "General: Invalid arguments".to_owned(), json!(about)), "{query}");
    }
    assert_eq!(floor.problem("GET", "/funding/v1/methods/sideways", Value::Null).2, "direction");
    let own = account_iban("main").unwrap().replace(' ', "%20");
    let networks = floor.ok("GET", &format!("/funding/v1/networks?account_id={own}"), Value::Null);
    assert_eq!(networks["networks"].as_array().unwrap().len(), 3);
    assert_eq!(networks["network_groups"][0]["network_ids"].as_array().unwrap().len(), 2);
}

#[test]
fn a_quote_holds_for_five_minutes_and_for_as_many_as_like() {
    let mut floor = floor();
    let quote = |floor: &mut Floor, query: &str| {
        floor.ok("GET", &format!("/funding/v1/fees/{OUT_BTC}?{query}"), Value::Null)
    };
    let on_top = quote(&mut floor, "amount=0.5");
    let sums = |quote: &Value| {
        ["fee", "gross_amount", "net_amount"].map(|name| quote[name]["amount"].as_str().unwrap().to_owned())
    };
    assert_eq!(sums(&on_top), ["0.0001500000", "0.5001500000", "0.5000000000"]);
    let included = quote(&mut floor, "amount=0.5&fee_included=true");
    assert_eq!(sums(&included), ["0.0001500000", "0.5000000000", "0.4998500000"]);
    let deposit = floor.ok("GET", &format!("/funding/v1/fees/{IN_BTC}?amount=0.5"), Value::Null);
    assert_eq!(
        (deposit.get("withdrawal_fee_token"), &deposit["fee"]["amount"]),
        (None, &json!("0.0000000000"))
    );

    let token = on_top["withdrawal_fee_token"].as_str().unwrap().to_owned();
    let again = format!("amount=1&withdrawal_fee_token={token}");
    floor.now_us += 5 * 60 * SECOND_US - 1;
    assert_eq!(sums(&quote(&mut floor, &again))[1], "1.0001500000");
    floor.now_us += 1;
    let target = format!("/funding/v1/fees/{OUT_BTC}?{again}");
    assert_eq!(floor.problem("GET", &target, Value::Null).2, "withdrawal_fee_token");
    for query in ["", "amount=0", "amount=x", "amount=0.00000000001"] {
        let told = floor.problem("GET", &format!("/funding/v1/fees/{OUT_BTC}?{query}"), Value::Null);
        assert_eq!(told.2, "amount", "{query}");
    }
    let eaten = floor.problem(
        "GET",
        &format!("/funding/v1/fees/{OUT_BTC}?amount=0.0001&fee_included=true"),
        Value::Null,
    );
    assert_eq!(eaten.1, "Funding: Invalid amount");
}

#[test]
fn an_address_is_saved_confirmed_renamed_and_forgotten() {
    let mut floor = floor();
    let id = floor.saved("cold", json!({"network_id": BITCOIN}));
    assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [7, 5, 6]);
    assert!(id.starts_with("AB"));
    let list = |floor: &mut Floor, query: &str| {
        let page = floor.ok("GET", &format!("/funding/v1/addresses{query}"), Value::Null);
        page["addresses"].as_array().unwrap().clone()
    };
    let shown = list(&mut floor, "");
    assert_eq!(
        shown,
        [json!({"address_id": id, "scope": {"network_id": BITCOIN}, "name": "cold", "verified": false,
            "address_details": {"crypto": {"address": "bc1q-cold"}}})]
    );
    let title =
        |floor: &mut Floor, verb: &str, target: &str, body: Value| floor.problem(verb, target, body).1;
    let same = json!({"scope": {"method_id": OUT_ETH}, "name": "cold", "address_details": {"crypto": {"address": "0x"}}});
    assert_eq!(title(&mut floor, "POST", "/funding/v1/addresses", same), "Funding: Duplicate withdraw key");
    for (body, about) in [
        (json!({"name": "x", "address_details": {"crypto": {"address": "0x"}}}), "scope"),
        (
            json!({"scope": {"method_id": IN_BTC}, "name": "x", "address_details": {"crypto": {"address": "0x"}}}),
            "scope",
        ),
        (json!({"scope": {"method_id": OUT_BTC, "network_id": BITCOIN}, "name": "x"}), "scope"),
        (json!({"scope": {"method_id": OUT_BTC}, "name": "x"}), "address_details"),
        (
            json!({"scope": {"method_id": OUT_BTC}, "name": " ", "address_details": {"crypto": {"address": "0x"}}}),
            "name",
        ),
    ] {
        assert_eq!(floor.problem("POST", "/funding/v1/addresses", body.clone()).2, about, "{body}");
    }

    floor.now_us += 2 * SECOND_US;
    assert_eq!(list(&mut floor, "")[0]["verified"], true);
    let target = format!("/funding/v1/addresses/{id}");
    assert_eq!(floor.ok("PUT", &target, json!({"description": "deep"})), json!({"verified": true}));
    assert_eq!(
        floor.ok("PUT", &target, json!({"name": "colder", "description": ""})),
        json!({"verified": true})
    );
    let shown = list(&mut floor, "");
    assert_eq!((&shown[0]["name"], shown[0].get("description")), (&json!("colder"), None));
    assert_eq!(floor.problem("PUT", &target, json!({})).2, "name");
    // One that is not there.
    let other = floor.beta("sandbox-all-2", "DELETE", "/funding/v1/addresses/AB1", Value::Null);
    assert_eq!(other.1["title"], "Funding: Unknown withdraw key");
    assert_eq!(floor.ok("DELETE", &target, Value::Null), json!({"result": true}));
    assert_eq!(title(&mut floor, "DELETE", &target, Value::Null), "Funding: Unknown withdraw key");
    assert!(list(&mut floor, "").is_empty());
}

#[test]
fn addresses_are_listed_where_they_may_be_used() {
    let mut floor = floor();
    floor.saved("method", json!({"method_id": OUT_ETH}));
    floor.saved("network", json!({"network_id": ARBITRUM}));
    floor.saved("group", json!({"network_group_id": EVM}));
    floor.saved("bitcoin", json!({"network_id": BITCOIN}));
    let names = |floor: &mut Floor, query: &str| {
        let page = floor.ok("GET", &format!("/funding/v1/addresses?{query}"), Value::Null);
        let all = page["addresses"].as_array().unwrap();
        let names: Vec<_> = all.iter().map(|address| address["name"].as_str().unwrap().to_owned()).collect();
        (names.join(" "), page["next_cursor"].as_str().map(str::to_owned))
    };
    let asked = |floor: &mut Floor, name: &str, id: &str| names(floor, &format!("scope%5B{name}%5D={id}")).0;
    assert_eq!(asked(&mut floor, "method_id", OUT_ETH), "method group");
    assert_eq!(asked(&mut floor, "network_id", ARBITRUM), "network group");
    assert_eq!(asked(&mut floor, "network_group_id", EVM), "group");
    assert_eq!(asked(&mut floor, "method_id", OUT_BTC), "bitcoin");
    let (first, cursor) = names(&mut floor, &format!("limit=1&scope%5Bmethod_id%5D={OUT_ETH}"));
    let (second, end) = names(&mut floor, &format!("cursor={}", cursor.unwrap()));
    assert_eq!((first.as_str(), second.as_str(), end), ("method", "group", None));
}

#[test]
fn a_withdrawal_takes_the_gross_amount_off_with_one_entry() {
    let mut floor = floor();
    let before = floor.exchange.engine.accounts.total();
    let id = floor.saved("cold", json!({"network_id": BITCOIN}));
    let target = "/funding/v1/withdrawals";
    let way = || json!({"method_id": OUT_BTC});
    let current = || json!({"current_fee": {}});
    let early = floor.problem("POST", target, withdrawal(way(), &id, "0.5", current()));
    assert_eq!(early.1, "Funding: Unknown withdraw key");
    floor.now_us += 2 * SECOND_US;

    let told = floor.ok("POST", target, withdrawal(way(), &id, "0.5", current()));
    let withdrawal_id = told["withdrawal_id"].as_str().unwrap();
    let (head, tail) = withdrawal_id.split_once('-').unwrap();
    assert!(head.starts_with("FT") && (head.len(), tail.len()) == (7, 22), "{withdrawal_id}");
    let sum = |amount: &str| json!({"asset_amount": {"asset": {"class": "currency", "name": "BTC"}, "amount": amount}});
    assert_eq!(told["net_amount"], sum("0.5000000000"));
    assert_eq!((&told["gross_amount"], &told["fee"]), (&sum("0.5001500000"), &sum("0.0001500000")));
    assert_eq!(told.get("approval_request_id"), None);
    assert_eq!(floor.owned("XXBT"), "99.4998500000");
    let ledger = floor.result("sandbox-ledger", "Ledgers", "type=withdrawal");
    let entries: Vec<_> = ledger["ledger"].as_object().unwrap().values().collect();
    assert_eq!(entries.len(), 1);
    for (name, value) in [
        ("refid", withdrawal_id),
        ("type", "withdrawal"),
        ("asset", "XXBT"),
        ("amount", "-0.5000000000"),
        ("fee", "0.0001500000"),
        ("balance", "99.4998500000"),
    ] {
        assert_eq!(entries[0][name], value, "{name}");
    }

    // By the network, with the fee of a quote, out of the amount.
    let quote = floor.ok("GET", &format!("/funding/v1/fees/{OUT_BTC}?amount=1"), Value::Null);
    let quoted = json!({"quoted_fee": {"token": quote["withdrawal_fee_token"]}, "fee_included": true});
    let mut body = withdrawal(json!({"network_id": BITCOIN}), &id, "1", quoted.clone());
    body["expected_address"] = json!("bc1q-cold");
    let told = floor.ok("POST", target, body.clone());
    assert_eq!((&told["gross_amount"], &told["net_amount"]), (&sum("1.0000000000"), &sum("0.9998500000")));
    assert_eq!(floor.owned("XXBT"), "98.4998500000");
    assert_eq!(
        floor.exchange.engine.accounts.total(),
        before,
        "nothing is lost and nothing comes from nowhere"
    );

    body["expected_address"] = json!("bc1q-warm");
    assert_eq!(floor.problem("POST", target, body).1, "Funding: Invalid withdrawal address");
    floor.now_us += 300 * SECOND_US;
    let late = floor.problem("POST", target, withdrawal(way(), &id, "1", quoted));
    assert_eq!((late.1.as_str(), late.2), ("General: Invalid arguments", json!("fee")));
    assert_eq!(floor.owned("XXBT"), "98.4998500000");
}

#[test]
fn what_cannot_be_withdrawn_stays() {
    let mut floor = floor();
    let id = floor.saved("cold", json!({"network_id": BITCOIN}));
    let ether = floor.saved("ether", json!({"network_group_id": EVM}));
    floor.now_us += 2 * SECOND_US;
    let target = "/funding/v1/withdrawals";
    let way = || json!({"method_id": OUT_BTC});
    let current = || json!({"current_fee": {}});
    let most = |amount: &str, asset: &str| json!({"current_fee": {"max_fee": {"asset_amount": {"asset": {"class": "currency", "name": asset}, "amount": amount}}}});
    for (body, title) in [
        (withdrawal(way(), &id, "100", current()), "Funding: Invalid amount"),
        (withdrawal(way(), &id, "0.0004", current()), "Funding: Invalid amount"),
        (withdrawal(way(), &id, "-1", current()), "Funding: Invalid amount"),
        (withdrawal(way(), &ether, "1", current()), "Funding: Unknown withdraw key"),
        (withdrawal(way(), "AB", "1", current()), "Funding: Unknown withdraw key"),
        (withdrawal(json!({"method_id": OUT_ETH}), &ether, "1", current()), "Funding: No funding method"),
        (withdrawal(json!({"network_id": ARBITRUM}), &ether, "1", current()), "Funding: No funding method"),
        (withdrawal(json!({"network_group_id": EVM}), &ether, "1", current()), "General: Invalid arguments"),
        (withdrawal(way(), &id, "1", most("0.0001", "BTC")), "Funding: Max fee exceeded"),
        (withdrawal(way(), &id, "1", most("0.0001", "ETH")), "General: Invalid arguments"),
        (withdrawal(way(), &id, "1", json!({"quoted_fee": {"token": "x"}})), "General: Invalid arguments"),
        (json!({}), "General: Invalid arguments"),
    ] {
        assert_eq!(floor.problem("POST", target, body.clone()).1, title, "{body}");
    }
    assert_eq!(floor.owned("XXBT"), "100.0000000000");
    // What an order holds cannot go.
    floor.result("sandbox-trade", "AddOrder", "pair=XBTUSD&type=sell&ordertype=limit&price=70000&volume=99");
    assert_eq!(
        floor.problem("POST", target, withdrawal(way(), &id, "1", current())).1,
        "Funding: Invalid amount"
    );
    floor.ok("POST", target, withdrawal(way(), &id, "0.6", most("0.00015", "BTC")));
    assert_eq!(floor.owned("XXBT"), "99.3998500000");
}

#[test]
fn deposit_addresses_are_claimed_shared_or_there() {
    let mut floor = floor();
    let target = "/funding/v1/deposit/address";
    let claim = |floor: &mut Floor, method: &str| {
        floor.ok("PUT", target, json!({"method_id": method}))["address_details"].clone()
    };
    let (first, second) = (claim(&mut floor, IN_BTC), claim(&mut floor, IN_BTC));
    assert!(first["crypto"]["address"].is_string() && first != second);
    for _ in 0..3 {
        claim(&mut floor, IN_BTC);
    }
    let told = floor.problem("PUT", target, json!({"method_id": IN_BTC}));
    assert_eq!(told.1, "Funding: Too many addresses");
    let ether = claim(&mut floor, IN_ETH);
    assert_eq!((claim(&mut floor, IN_ARBITRUM), claim(&mut floor, IN_ARBITRUM)), (ether.clone(), ether));
    assert!(claim(&mut floor, IN_SEPA)["fiat"]["iban"].is_string());
    assert_eq!(floor.problem("PUT", target, json!({"method_id": OUT_BTC})).1, "Funding: No funding method");
    assert_eq!(floor.problem("PUT", target, json!({"method_id": "x"})).2, "method_id");
}

#[test]
fn faults_strike_this_family_in_its_own_words() {
    let mut floor = floor();
    let fault = |json: &str, floor: &mut Floor| {
        floor.exchange.add_faults(json.as_bytes()).unwrap();
        floor.problem("GET", "/funding/v1/networks", Value::Null)
    };
    let busy = fault(r#"{"endpoint":"FundingBeta/ListNetworks","error":"EService:Busy"}"#, &mut floor);
    assert_eq!((busy.0, busy.1.as_str()), (503, "Service: Busy"));
    let broken = fault(r#"{"execute_then_error":"EGeneral:Internal error"}"#, &mut floor);
    assert_eq!((broken.0, broken.1.as_str()), (500, "General: Internal error"));
    let resting = fault(r#"{"error":"EFunding:Withdrawals are resting:until noon"}"#, &mut floor);
    assert_eq!(resting, (400, "Funding: Withdrawals are resting".to_owned(), json!("until noon")));
}
