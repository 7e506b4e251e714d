//! Amounts of requests: refused by name, or sent digit for digit.

use proptest::prelude::*;
use tidegate_core::Error;
use tidegate_kraken::{Params, Value};
use tidegate_proto::v1;

use super::{earn, funding, orders, request, subaccounts};

/// The field, Kraken's name of it, and the parameters of a request with this amount.
type Case = (&'static str, &'static str, fn(&str) -> Result<Params, Error>);

const CASES: &[Case] = &[
    ("volume", "volume", |amount| {
        request::add_order(&v1::AddOrderRequest {
            pair: "BTC/USD".into(),
            side: v1::Side::Buy.into(),
            order_type: v1::OrderType::Limit.into(),
            volume: amount.into(),
            price: "1".into(),
            ..Default::default()
        })
    }),
    ("price", "price", |amount| {
        request::add_order(&v1::AddOrderRequest {
            pair: "BTC/USD".into(),
            side: v1::Side::Buy.into(),
            order_type: v1::OrderType::Limit.into(),
            volume: "1".into(),
            price: amount.into(),
            ..Default::default()
        })
    }),
    ("limit_price", "limit_price", |amount| {
        let change = v1::AmendOrderRequest {
            target: Some(v1::amend_order_request::Target::OrderId("OLM64K-2CIQH-3PVKSQ".into())),
            limit_price: amount.into(),
            ..Default::default()
        };
        orders::amend_order(&change).map(|(params, _)| params)
    }),
    ("amount", "amount", |amount| {
        funding::withdraw_of(&v1::WithdrawRequest {
            asset: "XBT".into(),
            key: "cold-wallet-1".into(),
            amount: amount.into(),
            ..Default::default()
        })
    }),
    ("max_fee", "max_fee", |amount| {
        funding::withdraw_of(&v1::WithdrawRequest {
            asset: "XBT".into(),
            key: "cold-wallet-1".into(),
            amount: "1".into(),
            max_fee: amount.into(),
            ..Default::default()
        })
    }),
    ("amount", "amount", |amount| {
        subaccounts::account_transfer_of(&v1::AccountTransferRequest {
            asset: "XBT".into(),
            amount: amount.into(),
            from_iiban: "AA11 N22G TEST 0001".into(),
            to_iiban: "AA11 N22G TEST 0002".into(),
            ..Default::default()
        })
    }),
    ("amount", "amount", |amount| earn::move_of("ESRFUO3-Q62XD-WIOIL7", amount)),
];

fn sent(params: &Params, wanted: &str) -> Option<String> {
    params.iter().find_map(|(name, value)| match value {
        Value::Text(text) if name == wanted => Some(text.clone()),
        _ => None,
    })
}

/// Without zeros in front, which say nothing.
fn plain(amount: &str) -> String {
    let digits = amount.trim_start_matches(['+', '-', '#']);
    let sign = &amount[..amount.len() - digits.len()];
    let short = digits.trim_start_matches('0');
    let zero = if short.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "0" };
    format!("{sign}{zero}{short}")
}

proptest! {
    #[test]
    fn an_amount_is_sent_digit_for_digit(whole in 1_u64..1_000_000_000, fraction in "[0-9]{1,10}") {
        let amount = format!("{whole}.{fraction}");
        for (field, name, of) in CASES {
            let params = of(&amount).unwrap_or_else(|error| panic!("{field}: {error:?}"));
            let sent = sent(&params, name);
            prop_assert_eq!(sent.as_deref(), Some(amount.as_str()), "{}", field);
        }
    }

    #[test]
    fn anything_else_is_refused_by_name_or_sent_as_it_is(text in "[-+#0-9.,eE%x _]{1,12}|.{1,8}") {
        for (field, name, of) in CASES {
            match of(&text) {
                Ok(params) => {
                    let sent = sent(&params, name);
                    prop_assert_eq!(sent.as_deref().map(plain), Some(plain(&text)), "{}", field);
                }
                Err(error) => {
                    let named = error.fields.iter().any(|wrong| wrong.field.starts_with(field));
                    prop_assert!(named, "{}: {:?}", field, error);
                }
            }
        }
    }
}
