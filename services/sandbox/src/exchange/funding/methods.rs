//! Over which ways money comes and goes, at what price, and the addresses that every account may pay to.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Refusal;
use crate::exchange::ids::Source;

/// How the addresses of a way look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Bitcoin,
    /// Invoices, which name an amount and end.
    Lightning,
    Ethereum,
    /// Accounts at banks: none are made here.
    Bank,
}

/// A way in. Amounts are in units of the asset's last place.
#[derive(Debug)]
pub(crate) struct DepositMethod {
    pub(crate) asset: usize,
    pub(crate) name: &'static str,
    /// The most at a time.
    pub(crate) limit: Option<i128>,
    pub(crate) fee: i128,
    pub(crate) minimum: i128,
    pub(crate) form: Form,
}

/// A way out.
#[derive(Debug)]
pub(crate) struct WithdrawMethod {
    pub(crate) asset: usize,
    pub(crate) name: &'static str,
    pub(crate) id: &'static str,
    pub(crate) network: &'static str,
    pub(crate) network_id: &'static str,
    pub(crate) fee: i128,
    pub(crate) minimum: i128,
    pub(crate) form: Form,
}

const XXBT: usize = 0;
const XETH: usize = 1;
const ZUSD: usize = 2;
const ZEUR: usize = 3;

#[rustfmt::skip] // Tables are read by their columns.
pub(crate) static DEPOSIT_METHODS: [DepositMethod; 5] = [
    DepositMethod { asset: XXBT, name: "Bitcoin", limit: None, fee: 0, minimum: 1_000_000, form: Form::Bitcoin },
    DepositMethod { asset: XXBT, name: "Bitcoin Lightning", limit: Some(5_000_000_000), fee: 0, minimum: 1_000_000, form: Form::Lightning },
    DepositMethod { asset: XETH, name: "Ether (Hex)", limit: None, fee: 0, minimum: 10_000_000, form: Form::Ethereum },
    DepositMethod { asset: ZUSD, name: "Sandbox Bank (Wire)", limit: None, fee: 50_000, minimum: 1_500_000, form: Form::Bank },
    DepositMethod { asset: ZEUR, name: "Sandbox Bank (SEPA)", limit: None, fee: 0, minimum: 10_000, form: Form::Bank },
];

#[rustfmt::skip]
pub(crate) static WITHDRAW_METHODS: [WithdrawMethod; 4] = [
    WithdrawMethod { asset: XXBT, name: "Bitcoin", id: "8d1c1f0e-3a54-4f6e-9a55-0f8f7a2f4c11", network: "Bitcoin",
        network_id: "1f0c5a7e-7b0d-4a7c-9d7e-3a3a6b1c9f02", fee: 200_000, minimum: 4_000_000, form: Form::Bitcoin },
    WithdrawMethod { asset: XETH, name: "Ether", id: "5b7e9c32-40d1-4a8f-b6de-21c5f0a93e12", network: "Ethereum",
        network_id: "c2a9d480-6e17-4f35-8b90-7d41e5f6a203", fee: 15_000_000, minimum: 50_000_000, form: Form::Ethereum },
    WithdrawMethod { asset: ZUSD, name: "Sandbox Bank (Wire)", id: "0e4f6a18-9b2d-47c3-a5e8-3f70d1c8b613", network: "Wire",
        network_id: "a47d03e5-1c86-4b9f-92f0-58e6b7d2c404", fee: 40_000, minimum: 200_000, form: Form::Bank },
    WithdrawMethod { asset: ZEUR, name: "Sandbox Bank (SEPA)", id: "f31b85d7-62ea-4c09-8d74-9a0c2e5f7b14", network: "SEPA",
        network_id: "7e52c9f1-d038-46ab-b1c5-04f8a6e3d905", fee: 3_500, minimum: 20_000, form: Form::Bank },
];

/// A way in of an asset, by its exact name.
pub(crate) fn deposit_method(asset: usize, name: &str) -> Result<usize, Refusal> {
    let is_it = |method: &DepositMethod| method.asset == asset && method.name == name;
    DEPOSIT_METHODS.iter().position(is_it).ok_or(Refusal::NoFundingMethod)
}

/// An address of an account at this exchange.
#[derive(Clone, Debug)]
pub(crate) struct DepositAddress {
    /// An index of [`DEPOSIT_METHODS`].
    pub(crate) method: usize,
    pub(crate) address: Box<str>,
    /// Unix seconds; 0 is never.
    pub(crate) expires_s: u64,
    /// Whether anything was ever paid to it.
    pub(crate) used: bool,
}

/// An address elsewhere that an account may pay to, under a name.
#[derive(Clone, Debug)]
pub(crate) struct WithdrawKey {
    pub(crate) name: Box<str>,
    /// An index of [`WITHDRAW_METHODS`].
    pub(crate) method: usize,
    pub(crate) address: Box<str>,
    /// Whether its owner has confirmed it by e-mail.
    pub(crate) verified: bool,
}

/// A saved address, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawTo {
    method: MethodName,
    address: String,
    /// Whether it may be used: its owner has confirmed it.
    #[serde(default = "confirmed")]
    verified: bool,
}

const fn confirmed() -> bool {
    true
}

/// A way out, by its exact name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct MethodName(usize);

impl TryFrom<String> for MethodName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        WITHDRAW_METHODS.iter().position(|method| method.name == name).map(Self).ok_or_else(|| {
            let known: Vec<_> = WITHDRAW_METHODS.iter().map(|method| method.name).collect();
            format!("there is no way out {name:?}; must be one of: {}", known.join(", "))
        })
    }
}

/// What every account begins with: what is configured, or the built-in ones if nothing is.
pub(crate) fn keys_of(configured: &BTreeMap<String, WithdrawTo>) -> Vec<WithdrawKey> {
    if configured.is_empty() {
        return default_keys();
    }
    let key = |(name, to): (&String, &WithdrawTo)| WithdrawKey {
        name: name.as_str().into(),
        method: to.method.0,
        address: to.address.as_str().into(),
        verified: to.verified,
    };
    configured.iter().map(key).collect()
}

fn default_keys() -> Vec<WithdrawKey> {
    let key = |name: &str, method: usize, address: &str, verified: bool| WithdrawKey {
        name: name.into(),
        method,
        address: address.into(),
        verified,
    };
    vec![
        key("cold-wallet-1", 0, "bc1q0d5x3h8n2m7c4v6j9z0a2s3d4f5g6h7j8k9l0q", true),
        key("new-wallet", 0, "bc1q7r2k9e4s8f3u6w5t0y2x9c4v7n3m6a8s5d2fzq", false),
        key("eth-vault", 1, "0x615f9ba7a9575b0ab4d571b2b36b1b324bd83290", true),
        key("bank-usd", 2, "US-SANDBOX-0001-2233", true),
        key("bank-eur", 3, "SB00 0000 1122 3344 5566", true),
    ]
}

impl Form {
    /// A fresh address.
    pub(super) fn address(self, source: &mut Source) -> String {
        const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
        match self {
            Self::Bitcoin => format!("bc1q{}", source.spelt(38, BECH32)),
            Self::Lightning => format!("lnbc1{}", source.spelt(120, BECH32)),
            Self::Ethereum => format!("0x{}", &hex(source)[..40]),
            Self::Bank => String::new(),
        }
    }

    /// The id that the network gives a payment.
    pub(super) fn txid(self, source: &mut Source) -> String {
        match self {
            Self::Bitcoin | Self::Lightning => hex(source),
            Self::Ethereum => format!("0x{}", hex(source)),
            Self::Bank => source.up_to(99_999_999).to_string(),
        }
    }
}

/// Sixty-four digits.
fn hex(source: &mut Source) -> String {
    (0..4).map(|_| format!("{:016x}", source.next_u64())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_way_and_an_address_of_its_form() {
        for key in default_keys() {
            let starts = match WITHDRAW_METHODS[key.method].form {
                Form::Bitcoin => "bc1q",
                Form::Lightning => "lnbc",
                Form::Ethereum => "0x",
                Form::Bank => "",
            };
            assert!(key.address.starts_with(starts), "{key:?}");
        }
        let mut source = Source::new(1, 1);
        assert_eq!(Form::Bitcoin.address(&mut source).len(), 42);
        assert_eq!(Form::Ethereum.address(&mut source).len(), 42);
        assert_eq!(Form::Ethereum.txid(&mut source).len(), 66);
    }

    #[test]
    fn a_saved_address_names_a_way_that_there_is() {
        let read = |json: &str| serde_json::from_str::<WithdrawTo>(json).map_err(|error| error.to_string());
        let desk = read(r#"{"method":"Ether","address":"0x1"}"#).unwrap();
        assert_eq!((desk.method.0, desk.verified), (1, true));
        let named = keys_of(&BTreeMap::from([("desk".to_owned(), desk)]));
        assert_eq!((named.len(), &*named[0].name, &*named[0].address), (1, "desk", "0x1"));
        let error = read(r#"{"method":"ether","address":"0x1"}"#).unwrap_err();
        assert!(error.contains("\"ether\"; must be one of: Bitcoin, Ether, "), "{error}");
        assert!(
            read(r#"{"method":"Ether"}"#).is_err()
                && read(r#"{"method":"Ether","address":"0x1","x":1}"#).is_err()
        );
        assert_eq!(keys_of(&BTreeMap::new()).len(), 5);
    }

    #[test]
    fn what_a_way_takes_is_more_than_it_costs() {
        assert!(DEPOSIT_METHODS.iter().all(|method| method.minimum > method.fee));
        assert!(WITHDRAW_METHODS.iter().all(|method| method.minimum > method.fee));
        assert_eq!(deposit_method(XXBT, "Bitcoin"), Ok(0));
        assert_eq!(deposit_method(XETH, "Bitcoin"), Err(Refusal::NoFundingMethod));
    }
}
