//! Funding (Beta) in the forms in which it is documented or was recorded by clients, and in those that are only described.

use serde_json::value::RawValue;
use tidegate_kraken::wire::{
    AddressCreated, AddressDeleted, AddressUpdated, DepositAddressClaimed, FundingAddresses, FundingFees,
    FundingMethods, FundingNetworks, ShapeError, Wire, WithdrawalCreated, read,
};

fn parse<T: Wire>(json: &str) -> Result<T, ShapeError> {
    let raw = RawValue::from_string(json.to_owned()).expect("JSON");
    read(Some(&raw))
}

fn good<T: Wire>(json: &str) -> T {
    parse(json).expect("fits")
}

fn wrong<T: Wire>(json: &str) -> String {
    parse::<T>(json).err().expect("does not fit").to_string()
}

const DEPOSIT: &str = r#"{"asset":{"class":"currency","name":"USDC"},"method_id":"27ede8db-804b-4d91-8e25-46b7b9668730",
    "method_name":"Standard","minimum_amount":"2","maximum_amount":1e6,
    "fees":{"base":{"asset":{"class":"currency","name":"USDC"},"amount":"0.00000000"},"included":true,"percentage":0.10,
        "min":{"asset":"USDC","amount":"1"},"max":{"asset":"USDC","amount":"9"},"tier":[1, 2]},
    "network":{"network_id":"d9d375da-44b7-4be1-8a00-8b281acfe366","network_name":"Ethereum",
        "contract_address":"0xa0b8","on_chain_asset_symbol":"USDC"},
    "deposit":{"address_generation":{"status":"limited","limit":"5"},"shares_addresses_with_method_id":"a001231f",
        "address_setup_fee":{"asset":"USDC","amount":"0.1"},"allow_credit_cards":false,"exempted_withdrawal_hold":true},
    "new":{"a": [1]}}"#;

#[test]
fn methods() {
    let page: FundingMethods = good(&format!(r#"{{"methods":[{DEPOSIT}],"next_cursor":"Zm9v","more":1}}"#));
    assert_eq!((page.next_cursor.as_deref(), page.extra.len()), (Some("Zm9v"), 1));
    let method = &page.methods[0];
    assert_eq!((method.method_name.as_deref(), method.network_id.as_deref()), (Some("Standard"), None));
    let amount = |amount: &Option<tidegate_kraken::wire::Decimal>| amount.as_ref().map(|d| d.0.clone());
    assert_eq!(amount(&method.minimum_amount).as_deref(), Some("2"));
    assert_eq!(amount(&method.maximum_amount).as_deref(), Some("1000000"));
    let asset = method.asset.as_ref().expect("there");
    assert_eq!((asset.class.as_deref(), asset.name.as_str()), (Some("currency"), "USDC"));
    let fees = method.fees.as_ref().expect("there");
    assert_eq!((amount(&fees.percentage).as_deref(), fees.included), (Some("0.10"), Some(true)));
    assert_eq!(fees.extra.get("tier").map(String::as_str), Some("[1, 2]"));
    let least = fees.min.as_ref().expect("there");
    assert_eq!((least.asset.class.as_ref(), least.amount.0.as_str()), (None, "1"));
    let network = method.network.as_ref().expect("there");
    assert_eq!(network.network_name.as_deref(), Some("Ethereum"));
    let deposit = method.deposit.as_ref().expect("there");
    let generation = deposit.address_generation.as_ref().expect("there");
    assert_eq!((generation.status.as_str(), generation.limit), ("limited", Some(5)));
    assert_eq!((deposit.allow_credit_cards, deposit.exempted_withdrawal_hold), (Some(false), Some(true)));
    assert_eq!(method.extra.get("new").map(String::as_str), Some(r#"{"a": [1]}"#));

    // The form of the shorter sample: names for objects, and nothing that is not needed.
    let short: FundingMethods = good(r#"{"methods":[{"method_id":"m","asset":"BTC","network_id":"n"}]}"#);
    let method = &short.methods[0];
    assert_eq!((method.network_id.as_deref(), method.network.as_ref()), (Some("n"), None));
    assert_eq!(method.asset.as_ref().expect("there").name, "BTC");
    assert_eq!(good::<FundingMethods>(r#"{"methods":[]}"#).methods.len(), 0);
    assert_eq!(wrong::<FundingMethods>("{}"), "result.methods is not present");
    assert_eq!(wrong::<FundingMethods>(r#"{"methods":[{}]}"#), "result.methods.0.method_id is not present");
}

#[test]
fn networks() {
    let all: FundingNetworks = good(
        r#"{"network_groups":[{"network_group_id":"g","name":"EVM","network_ids":["a","b"],"x":1}],
            "networks":[{"network_id":"a","name":"Arbitrum One"},{"id":"b"}]}"#,
    );
    assert_eq!((all.network_groups[0].id.as_str(), all.network_groups[0].network_ids.len()), ("g", 2));
    assert_eq!(all.network_groups[0].extra.len(), 1);
    assert_eq!((all.networks[1].id.as_str(), all.networks[1].name.as_ref()), ("b", None));
    let short: FundingNetworks = good(r#"{"network_groups":[{"id":"g","networks":["a"]}],"networks":[]}"#);
    assert_eq!(short.network_groups[0].network_ids, ["a"]);
    assert_eq!(good::<FundingNetworks>(r#"{"networks":[]}"#).network_groups.len(), 0);
    assert_eq!(
        wrong::<FundingNetworks>(r#"{"networks":[{"name":"x"}]}"#),
        "result.networks.0.network_id is not present"
    );
}

#[test]
fn fees() {
    let usdc =
        |amount: &str| format!(r#"{{"asset":{{"class":"currency","name":"USDC"}},"amount":{amount}}}"#);
    let quote: FundingFees = good(&format!(
        r#"{{"fee":{},"gross_amount":{},"net_amount":{},"fee_details":{{"base_fee":{},"fee_percentage":"0"}},
            "withdrawal_fee_token":"AAAA,MBri_x","expires":"soon"}}"#,
        usdc("\"1.00000000\""),
        usdc("\"5.00000000\""),
        usdc("4.00000000"),
        usdc("\"1\""),
    ));
    assert_eq!(quote.withdrawal_fee_token.as_deref(), Some("AAAA,MBri_x"));
    assert_eq!(quote.net_amount.expect("there").amount.0, "4.00000000");
    assert_eq!(quote.fee_details.expect("there").fee_percentage.expect("there").0, "0");
    assert_eq!(quote.extra.get("expires").map(String::as_str), Some("\"soon\""));
    let short: FundingFees = good(r#"{"fee":{"asset":"BTC","amount":"0.00015"}}"#);
    assert_eq!((short.fee.amount.0.as_str(), short.withdrawal_fee_token), ("0.00015", None));
    assert_eq!(wrong::<FundingFees>("{}"), "result.fee is not present");
    assert_eq!(
        wrong::<FundingFees>(r#"{"fee":{"asset":"BTC","amount":true}}"#),
        "result.fee.amount is not an amount"
    );
}

#[test]
fn addresses() {
    let page: FundingAddresses = good(
        r#"{"addresses":[
            {"address_id":"AB7J4FF-BGM7G-V2JMIH","scope":{"network_id":"d9d375da"},"address_details":{"crypto":{"address":"0xBef7",
                "tag":"7","memo":"m","beneficiary":{"recipient":"other","typ":"individual","name":null,"vasp":{"id": 1}}}},
                "name":"Personal Wallet","description":"hardware","modifier":"third_party","verified":true,"colour":"red"},
            {"address_id":"ABR6SXP-SF6CY-VJMONY","scope":{"network_group_id":"f95acdb7","other":1},"verified":false,
                "address_details":{"fiat":{"iban":"DE89","bank":"B","expire_year":2030}}}],"next_cursor":null}"#,
    );
    assert_eq!((page.addresses.len(), page.next_cursor), (2, None));
    let [crypto, fiat] = &page.addresses[..] else { panic!("two") };
    let at = crypto.address_details.as_ref().and_then(|details| details.crypto.as_ref()).expect("there");
    assert_eq!(
        (at.address.as_str(), at.tag.as_deref(), at.memo.as_deref()),
        ("0xBef7", Some("7"), Some("m"))
    );
    let named = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let beneficiary = &at.beneficiary.as_ref().expect("there").0;
    let told = [named("recipient", "other"), named("typ", "individual"), named("vasp", r#"{"id": 1}"#)];
    assert_eq!(beneficiary[..], told);
    assert_eq!(
        (crypto.modifier.as_deref(), crypto.verified, crypto.extra.len()),
        (Some("third_party"), true, 1)
    );
    let bank = fiat.address_details.as_ref().and_then(|details| details.fiat.as_ref()).expect("there");
    assert_eq!(bank.0, [named("iban", "DE89"), named("bank", "B"), named("expire_year", "2030")]);
    let scope = fiat.scope.as_ref().expect("there");
    assert_eq!((scope.network_group_id.as_deref(), scope.extra.len()), (Some("f95acdb7"), 1));
    assert_eq!(good::<FundingAddresses>(r#"{"addresses":[]}"#).addresses.len(), 0);
    // Whether money may go there is nothing to guess.
    assert_eq!(
        wrong::<FundingAddresses>(r#"{"addresses":[{"address_id":"A"}]}"#),
        "result.addresses.0.verified is not present"
    );
}

#[test]
fn what_becomes_of_an_address() {
    let created: AddressCreated = good(r#"{"address_id":"AB7J4FF-BGM7G-V2JMIH","verified":false,"x":1}"#);
    assert_eq!((created.verified, created.extra.len()), (Some(false), 1));
    assert_eq!(wrong::<AddressCreated>(r#"{"verified":true}"#), "result.address_id is not present");
    assert_eq!(good::<AddressUpdated>(r#"{"verified":true}"#).verified, Some(true));
    assert_eq!(good::<AddressUpdated>("{}").verified, None);
    assert_eq!(good::<AddressDeleted>(r#"{"result":true}"#).result, Some(true));
    assert_eq!(good::<AddressDeleted>("{}").result, None);
    assert_eq!(wrong::<AddressDeleted>("true"), "result is not an object");

    let claimed: DepositAddressClaimed = good(r#"{"address_details":{"crypto":{"address":"Aiky"}},"x":1}"#);
    assert_eq!(claimed.address_details.crypto.expect("there").address, "Aiky");
    let plain: DepositAddressClaimed = good(r#"{"address":"Aiky"}"#);
    assert_eq!(plain.address_details.crypto.expect("there").address, "Aiky");
    assert_eq!(wrong::<DepositAddressClaimed>("{}"), "result.address_details is not present");
}

#[test]
fn withdrawals() {
    let inside = r#"{"asset_amount":{"asset":{"class":"tokenized_asset","name":"TSLAx"},"amount":"4.0"},"rebase_multiplier":"base","y":2}"#;
    let created: WithdrawalCreated = good(&format!(
        r#"{{"withdrawal_id":"FTVZiTI-e02T84mm87JmibnObWNdnW","net_amount":{inside},"gross_amount":{{"asset":"BTC","amount":5}},
            "fee":{inside},"approval_request_id":"ar","z":null}}"#
    ));
    let net = created.net_amount.expect("there");
    assert_eq!((net.asset.name.as_str(), net.amount.0.as_str()), ("TSLAx", "4.0"));
    assert_eq!((net.rebase_multiplier.as_deref(), net.extra.len()), (Some("base"), 1));
    assert_eq!(created.gross_amount.expect("there").amount.0, "5");
    assert_eq!((created.approval_request_id.as_deref(), created.extra.len()), (Some("ar"), 1));
    let short: WithdrawalCreated = good(r#"{"withdrawal_id":"FT"}"#);
    assert_eq!((short.net_amount, short.fee, short.approval_request_id), (None, None, None));
    let waiting: WithdrawalCreated = good(r#"{"approval_request_id":"ar"}"#);
    assert_eq!(waiting.withdrawal_id, None);
    assert_eq!(wrong::<WithdrawalCreated>("{}"), "result.withdrawal_id is not present");
}
