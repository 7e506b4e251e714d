use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use tidegate_core::endpoint;

use super::*;

fn named(name: &str) -> &'static Endpoint {
    endpoint(name).expect("in the table")
}

/// Stands for every call whose arguments are a form, and for every one whose arguments are JSON.
const A_FORM: &str = "AddOrder";
const JSON_BODY: &str = "CancelOrderBatch";

fn written(name: &str, params: &Params, nonce: u64, otp: Option<&str>) -> PreparedRequest {
    PreparedRequest::of(named(name), params, Nonce(nonce), otp).expect("can be written")
}

fn text(request: &PreparedRequest) -> &str {
    std::str::from_utf8(request.body()).expect("ASCII")
}

fn texts(pairs: &[(&'static str, &str)]) -> Params {
    let mut params = Params::new();
    pairs.iter().for_each(|(name, value)| params.text(name, *value));
    params
}

fn order() -> Params {
    let mut order = texts(&[("pair", "XBT/USD")]);
    order.push("validate", Value::Bool(true));
    order.push("userref", Value::Int(-7));
    order.push("oflags", Value::List(vec!["post".to_owned(), "fciq".to_owned()]));
    order.push("close", Value::Nested(texts(&[("ordertype", "limit"), ("price", "+5%")])));
    order
}

#[test]
fn forms_are_written_as_kraken_reads_them() {
    let request = written(A_FORM, &order(), 17, Some("a&b"));
    assert_eq!(
        text(&request),
        "nonce=17&otp=a%26b&pair=XBT%2FUSD&validate=true&userref=-7&oflags=post%2Cfciq\
         &close%5Bordertype%5D=limit&close%5Bprice%5D=%2B5%25"
    );
    assert_eq!(request.content_type(), Some("application/x-www-form-urlencoded; charset=utf-8"));
    assert_eq!((request.verb(), request.target()), (Verb::Post, "/0/private/AddOrder"));
    assert_eq!(request.headers().count(), 0);
    assert_eq!(text(&written(A_FORM, &Params::new(), 17, None)), "nonce=17");
}

#[test]
fn json_keeps_types_and_writes_the_nonce_as_text_in_front() {
    let request = written(JSON_BODY, &order(), u64::MAX, None);
    assert_eq!(
        text(&request),
        r#"{"nonce":"18446744073709551615","pair":"XBT/USD","validate":true,"userref":-7,"oflags":["post","fciq"],"close":{"ordertype":"limit","price":"+5%"}}"#
    );
    assert_eq!(text(&written(JSON_BODY, &Params::new(), 1, Some("x"))), r#"{"nonce":"1","otp":"x"}"#);
}

#[test]
fn rows_are_numbered_in_queries_and_an_array_in_bodies() {
    let mut batch = Params::new();
    batch.push("orders", Value::Rows(vec![texts(&[("price", "1")]), texts(&[("price", "2")])]));
    assert_eq!(batch.query(), "orders%5B0%5D%5Bprice%5D=1&orders%5B1%5D%5Bprice%5D=2");
    let json = written(JSON_BODY, &batch, 1, None);
    assert_eq!(text(&json), r#"{"nonce":"1","orders":[{"price":"1"},{"price":"2"}]}"#);
    let asked_for_a_form = written(A_FORM, &batch, 1, None);
    assert_eq!(
        (text(&asked_for_a_form), asked_for_a_form.content_type()),
        (text(&json), json.content_type())
    );
}

#[test]
fn a_request_does_not_print_what_is_in_it() {
    let hidden = texts(&[("id", "AB7J4FF-BGM7G-V2JMIH"), ("name", "secret wallet")]);
    for request in [
        written(A_FORM, &order(), 17, Some("second-factor")),
        written("FundingBeta/UpdateAddress", &hidden, 17, Some("second-factor")),
    ] {
        let printed = format!("{request:?}");
        for word in ["second-factor", "XBT", "secret wallet", "AB7J4FF"] {
            assert!(!printed.contains(word), "{printed}");
        }
    }
}

#[test]
fn the_beta_family_has_its_arguments_in_path_query_and_body_and_its_nonce_in_a_header() {
    let header = |request: &PreparedRequest| {
        request.headers().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    };
    let asked = texts(&[("direction", "deposit"), ("cursor", "a+b/c"), ("account_id", "AA 1")]);
    let list = written("FundingBeta/ListMethods", &asked, 5, None);
    assert_eq!(list.target(), "/funding/v1/methods/deposit?cursor=a%2Bb%2Fc&account_id=AA%201");
    assert_eq!((list.verb(), list.body().len(), list.content_type()), (Verb::Get, 0, None));
    assert_eq!(header(&list), ["api-nonce: 5"]);

    let changed = texts(&[("id", "AB7J4FF-BGM7G-V2JMIH"), ("name", "cold ü"), ("account_id", "AA")]);
    let update = written("FundingBeta/UpdateAddress", &changed, 6, Some("1234"));
    assert_eq!(update.target(), "/funding/v1/addresses/AB7J4FF-BGM7G-V2JMIH?account_id=AA");
    assert_eq!((update.verb(), update.content_type()), (Verb::Put, Some("application/json")));
    assert_eq!(text(&update), r#"{"name":"cold ü"}"#);
    assert_eq!(header(&update), ["api-nonce: 6", "api-otp: 1234"]);

    let delete = written("FundingBeta/DeleteAddress", &texts(&[("id", "AB7J4FF-BGM7G-V2JMIH")]), 7, None);
    assert_eq!(
        (delete.verb(), delete.target()),
        (Verb::Delete, "/funding/v1/addresses/AB7J4FF-BGM7G-V2JMIH")
    );
    assert_eq!((delete.body().len(), delete.content_type()), (0, None));

    // The same name in another call's body is not taken for a part of the path.
    let claim = written("FundingBeta/ClaimDepositAddress", &texts(&[("method_id", "m")]), 8, None);
    assert_eq!((claim.target(), text(&claim)), ("/funding/v1/deposit/address", r#"{"method_id":"m"}"#));
}

#[test]
fn nothing_leads_out_of_its_path() {
    for strange in ["a/b", "a?b", "a#b", "..%2F", "{id}", "ü"] {
        let request = written("FundingBeta/DeleteAddress", &texts(&[("id", strange)]), 1, None);
        let part = request.target().strip_prefix("/funding/v1/addresses/").expect("its path");
        assert!(part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~%".contains(&b)), "{part}");
        assert_eq!(decode(part), [(strange.to_owned(), String::new())]);
    }
    let wrong = |params: &Params| {
        let refused = PreparedRequest::of(named("FundingBeta/DeleteAddress"), params, Nonce(1), None);
        refused.expect_err("no such part").to_string()
    };
    for step in ["", ".", ".."] {
        assert!(wrong(&texts(&[("id", step)])).starts_with("FundingBeta/DeleteAddress needs id in its path"));
    }
    wrong(&Params::new());
    for public in ["Time", "Depth"] {
        let refused = PreparedRequest::of(named(public), &Params::new(), Nonce(1), None).expect_err("public");
        assert_eq!(refused, Unwritable::NotSigned(named(public).name));
    }
}

#[test]
fn every_signed_endpoint_can_be_written() {
    let anything = texts(&[("direction", "deposit"), ("method_id", "m"), ("id", "i"), ("amount", "1")]);
    for endpoint in tidegate_core::ENDPOINTS.iter().filter(|endpoint| endpoint.is_private()) {
        let request =
            PreparedRequest::of(endpoint, &anything, Nonce(123_456_789), None).expect(endpoint.name);
        assert!(!request.target().contains(['{', '}', ' ']), "{}", request.target());
        // The nonce stands in exactly one place.
        let in_body = text(&request).contains("123456789");
        assert_eq!(in_body, request.headers().count() == 0, "{}", endpoint.name);
    }
}

/// Computed with another implementation (Python's hmac and hashlib) from the documented formula, over the published secret of the
/// guide's first example.
#[test]
fn signatures_of_the_beta_family() {
    let credential = crate::Credential::new("public".to_owned(), SECRET).expect("a pair");
    let mut asset = Params::new();
    asset.push("asset", Value::Nested(texts(&[("class", "currency"), ("name", "USDC")])));
    asset.push("limit", Value::Int(50));
    asset.text("direction", "deposit");
    let update = texts(&[("id", "AB7J4FF-BGM7G-V2JMIH"), ("name", "cold wallet"), ("account_id", "AA12")]);
    for (name, params, target, body, sign) in [
        ("FundingBeta/ListMethods", asset, VECTORS[0].0, VECTORS[0].1, VECTORS[0].2),
        ("FundingBeta/UpdateAddress", update, VECTORS[1].0, VECTORS[1].1, VECTORS[1].2),
        (
            "FundingBeta/DeleteAddress",
            texts(&[("id", "AB7J4FF-BGM7G-V2JMIH")]),
            VECTORS[2].0,
            VECTORS[2].1,
            VECTORS[2].2,
        ),
        (
            "FundingBeta/ClaimDepositAddress",
            texts(&[("method_id", "m-1")]),
            VECTORS[3].0,
            VECTORS[3].1,
            VECTORS[3].2,
        ),
    ] {
        // The second factor is a header and no part of what is signed.
        for otp in [None, Some("123456")] {
            let request = written(name, &params, 1_616_492_376_594, otp);
            assert_eq!((request.target(), text(&request)), (target, body));
            let signed = credential.sign(request.target(), request.nonce(), request.body());
            assert_eq!(signed.as_str(), sign, "{name}");
            assert_eq!(by_hand(target, "1616492376594", body), sign, "{name}");
        }
    }
}

const SECRET: &str =
    "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==";

/// Path with query, body, signature; the first is the documentation's own request (D8 of the recorded facts).
#[rustfmt::skip]
const VECTORS: [(&str, &str, &str); 4] = [
    ("/funding/v1/methods/deposit?asset%5Bclass%5D=currency&asset%5Bname%5D=USDC&limit=50", "", "Y5hXbQCmLKF01kZL0BsE3XmksKF9G1my5eeXwVrJ/pfIgG7HgPso+TcZm/WF8uKAMqd6/dgz05s7DQREWKJn+w=="),
    ("/funding/v1/addresses/AB7J4FF-BGM7G-V2JMIH?account_id=AA12", r#"{"name":"cold wallet"}"#, "GbKQujWdVPY1FGgsqkknU+jPKH7jlIuU81zQZhTBuXHIrLvfBMgaHoVkZaQe/mn1JLnOlQpM2ZoahqZAdfTVxg=="),
    ("/funding/v1/addresses/AB7J4FF-BGM7G-V2JMIH", "", "wr3HmBvkPlGUUKVyPp3nXo7lqhsTpHAwmwzl5LL9Q4egxNUZe2lBkJozhUrfAsHKWbP3afr8Y/nHc6XjxhuFEQ=="),
    ("/funding/v1/deposit/address", r#"{"method_id":"m-1"}"#, "x0mebM9AnLTHYVogp3e9SAehLflQMlg5S44doWnzI9tbJyEOavqDljZ8OQiHUU17tL1+lAn2fKBTM6lrCiJdjQ=="),
];

/// HMAC and hashes written out, so that the test does not ask the code what the code thinks (RFC 2104).
fn by_hand(target: &str, nonce: &str, body: &str) -> String {
    use sha2::{Digest as _, Sha256, Sha512};
    let inner = Sha256::digest([nonce.as_bytes(), body.as_bytes()].concat());
    let mut key = STANDARD.decode(SECRET).expect("base64");
    key.resize(128, 0);
    let pad = |byte: u8| key.iter().map(|k| k ^ byte).collect::<Vec<u8>>();
    let inside = Sha512::digest([pad(0x36).as_slice(), target.as_bytes(), inner.as_slice()].concat());
    STANDARD.encode(Sha512::digest([pad(0x5c).as_slice(), inside.as_slice()].concat()))
}

/// An independent reader of forms.
fn decode(form: &str) -> Vec<(String, String)> {
    let plain = |text: &str| {
        let (bytes, mut out, mut i) = (text.as_bytes(), Vec::new(), 0);
        while i < bytes.len() {
            if bytes[i] == b'%' {
                out.push(u8::from_str_radix(&text[i + 1..i + 3], 16).expect("two hex digits"));
                i += 3;
            } else {
                out.push(bytes[i]);
                i += 1;
            }
        }
        String::from_utf8(out).expect("UTF-8")
    };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (plain(name), plain(value))
    };
    form.split('&').filter(|s| !s.is_empty()).map(pair).collect()
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same_pairs(
        values in proptest::collection::vec(".{0,30}", 0..6), nonce: u64, nested in ".{0,30}", otp in proptest::option::of(".{1,20}"),
    ) {
        let names = ["a", "b-c", "d[e]", "f&g", "h=i", "j k"];
        let mut params = Params::new();
        for (name, value) in names.iter().zip(&values) {
            params.text(name, value.clone());
        }
        params.push("close", Value::Nested(texts(&[("x", &nested)])));

        let mut wanted = vec![("nonce".to_owned(), nonce.to_string())];
        wanted.extend(otp.iter().map(|otp| ("otp".to_owned(), otp.clone())));
        wanted.extend(names.iter().zip(&values).map(|(n, v)| ((*n).to_owned(), v.clone())));
        wanted.push(("close[x]".to_owned(), nested.clone()));
        let form = written(A_FORM, &params, nonce, otp.as_deref());
        prop_assert!(text(&form).bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~%&=".contains(&b)));
        prop_assert_eq!(decode(text(&form)), wanted);

        let json = written(JSON_BODY, &params, nonce, otp.as_deref());
        let read: serde_json::Value = serde_json::from_slice(json.body()).expect("JSON");
        prop_assert_eq!(&read["nonce"], &serde_json::Value::String(nonce.to_string()));
        prop_assert_eq!(read["otp"].as_str(), otp.as_deref());
        for (name, value) in names.iter().zip(&values) {
            prop_assert_eq!(read[*name].as_str(), Some(value.as_str()));
        }
        prop_assert_eq!(read["close"]["x"].as_str(), Some(nested.as_str()));
    }
}
