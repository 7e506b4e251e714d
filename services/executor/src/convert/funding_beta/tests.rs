use prost::Message;
use serde_json::value::RawValue;
use tidegate_core::Error;
use tidegate_kraken::wire::{FundingAddresses, FundingFees, FundingMethods, FundingNetworks, Wire, read};
use tidegate_kraken::{Params, PreparedRequest};
use tidegate_proto::v1;
use v1::beta_scope::Of;
use v1::create_withdrawal_request::Fee;

use super::*;
use crate::answers::Answer;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("JSON")
}

fn wire<T: Wire>(json: &str) -> T {
    read(Some(&raw(json))).expect("fits")
}

fn fields(error: &Error) -> Vec<&str> {
    error.fields.iter().map(|wrong| wrong.field.as_str()).collect()
}

/// Path with query and body, as they would be sent.
fn sent(endpoint: &str, params: &Params) -> (String, String) {
    let endpoint = tidegate_core::endpoint(endpoint).expect("in the table");
    let request =
        PreparedRequest::of(endpoint, params, tidegate_core::Nonce(1), None).expect("can be written");
    (request.target().to_owned(), String::from_utf8(request.body().to_vec()).expect("UTF-8"))
}

fn of(of: Of) -> Option<v1::BetaScope> {
    Some(v1::BetaScope { of: Some(of), ..Default::default() })
}

fn btc() -> v1::BetaAsset {
    v1::BetaAsset { name: "BTC".into(), ..Default::default() }
}

#[test]
fn every_field_of_a_question_has_its_place() {
    let methods = v1::ListMethodsRequest {
        context: None,
        direction: v1::BetaDirection::Deposit.into(),
        asset: Some(v1::BetaAsset { asset_class: "tokenized_asset".into(), ..Default::default() }),
        rebase_multiplier: v1::RebaseMultiplier::Base.into(),
        page_size: 500,
        page_token: String::new(),
        account_id: "AA11 N22G".into(),
    };
    let (target, body) = sent("FundingBeta/ListMethods", &list_methods_params(&methods).expect("good"));
    assert_eq!(
        target,
        "/funding/v1/methods/deposit?limit=500&asset%5Bclass%5D=tokenized_asset&rebase_multiplier=base\
         &account_id=AA11%20N22G"
    );
    assert_eq!(body, "");
    let named = v1::ListMethodsRequest {
        direction: v1::BetaDirection::Withdraw.into(),
        asset: Some(btc()),
        ..Default::default()
    };
    let (target, _) = sent("FundingBeta/ListMethods", &list_methods_params(&named).expect("good"));
    assert_eq!(target, "/funding/v1/methods/withdraw?asset%5Bclass%5D=currency&asset%5Bname%5D=BTC");

    let networks = v1::ListNetworksRequest { account_id: "AA".into(), ..Default::default() };
    let (target, _) = sent("FundingBeta/ListNetworks", &list_networks_params(&networks).expect("good"));
    assert_eq!(target, "/funding/v1/networks?account_id=AA");

    let fees = v1::CalculateFeesRequest {
        context: None,
        method_id: "m 1".replace(' ', "-"),
        amount: "0.500".into(),
        fee_included: Some(false),
        fee_token: "AAAA,x_y".into(),
        rebase_multiplier: v1::RebaseMultiplier::Rebased.into(),
        account_id: "AA".into(),
    };
    let (target, _) = sent("FundingBeta/CalculateFees", &calculate_fees_params(&fees).expect("good"));
    assert_eq!(
        target,
        "/funding/v1/fees/m-1?amount=0.500&fee_included=false&withdrawal_fee_token=AAAA%2Cx_y\
         &rebase_multiplier=rebased&account_id=AA"
    );

    let addresses = v1::ListAddressesRequest {
        context: None,
        scope: of(Of::NetworkGroupId("g".into())),
        page_size: 3,
        page_token: String::new(),
        account_id: "AA".into(),
    };
    let (target, _) = sent("FundingBeta/ListAddresses", &list_addresses_params(&addresses).expect("good"));
    assert_eq!(target, "/funding/v1/addresses?limit=3&scope%5Bnetwork_group_id%5D=g&account_id=AA");
}

#[test]
fn a_page_that_is_named_by_its_token_is_asked_for_by_that_alone() {
    let next = v1::ListMethodsRequest {
        direction: v1::BetaDirection::Deposit.into(),
        page_size: 50,
        page_token: "Zm9v".into(),
        ..Default::default()
    };
    let (target, _) = sent("FundingBeta/ListMethods", &list_methods_params(&next).expect("good"));
    assert_eq!(target, "/funding/v1/methods/deposit?cursor=Zm9v");
    let filtered = v1::ListMethodsRequest {
        asset: Some(btc()),
        rebase_multiplier: 1,
        page_size: 501,
        page_token: "a b".into(),
        ..Default::default()
    };
    let error = list_methods_params(&filtered).expect_err("five mistakes");
    assert_eq!(fields(&error), ["direction", "page_size", "asset", "rebase_multiplier", "page_token"]);
    let filtered = v1::ListAddressesRequest {
        scope: of(Of::MethodId("m".into())),
        page_token: "x".into(),
        ..Default::default()
    };
    assert_eq!(fields(&list_addresses_params(&filtered).expect_err("a filter")), ["scope"]);
}

#[test]
fn every_field_of_an_act_has_its_place() {
    let create = v1::CreateAddressRequest {
        context: None,
        scope: of(Of::NetworkId("n".into())),
        address: "bc1q".into(),
        tag: String::new(),
        memo: "memo 7".into(),
        name: "cold wallet".into(),
        description: "the big one".into(),
        account_id: "AA".into(),
    };
    let (target, body) = sent("FundingBeta/CreateAddress", &create_address_params(&create).expect("good"));
    assert_eq!(target, "/funding/v1/addresses?account_id=AA");
    assert_eq!(
        body,
        r#"{"scope":{"network_id":"n"},"address_details":{"crypto":{"address":"bc1q","memo":"memo 7"}},"name":"cold wallet","description":"the big one"}"#
    );

    let update = v1::UpdateAddressRequest {
        address_id: "AB7J4FF-BGM7G-V2JMIH".into(),
        description: Some(String::new()),
        ..Default::default()
    };
    let (target, body) = sent("FundingBeta/UpdateAddress", &update_address_params(&update).expect("good"));
    assert_eq!(
        (target.as_str(), body.as_str()),
        ("/funding/v1/addresses/AB7J4FF-BGM7G-V2JMIH", r#"{"description":""}"#)
    );
    let renamed = v1::UpdateAddressRequest { name: Some("x y".into()), description: None, ..update };
    let (_, body) = sent("FundingBeta/UpdateAddress", &update_address_params(&renamed).expect("good"));
    assert_eq!(body, r#"{"name":"x y"}"#);

    let delete =
        v1::DeleteAddressRequest { address_id: "AB".into(), account_id: "AA".into(), ..Default::default() };
    let (target, body) = sent("FundingBeta/DeleteAddress", &delete_address_params(&delete).expect("good"));
    assert_eq!((target.as_str(), body.as_str()), ("/funding/v1/addresses/AB?account_id=AA", ""));

    let claim = v1::ClaimDepositAddressRequest {
        method_id: "m".into(),
        account_id: "AA".into(),
        ..Default::default()
    };
    let (target, body) =
        sent("FundingBeta/ClaimDepositAddress", &claim_deposit_address_params(&claim).expect("good"));
    assert_eq!(
        (target.as_str(), body.as_str()),
        ("/funding/v1/deposit/address?account_id=AA", r#"{"method_id":"m"}"#)
    );
}

fn withdrawal() -> v1::CreateWithdrawalRequest {
    v1::CreateWithdrawalRequest {
        scope: of(Of::MethodId("m".into())),
        address_id: "ABR6SXP-SF6CY-VJMONY".into(),
        amount: Some(v1::BetaAmount { asset: Some(btc()), amount: "0.5".into(), ..Default::default() }),
        ..Default::default()
    }
}

#[test]
fn a_withdrawal_names_way_address_amount_and_fee() {
    let body = |request: &v1::CreateWithdrawalRequest| {
        sent("FundingBeta/CreateWithdrawal", &create_withdrawal_params(request).expect("good")).1
    };
    let start = r#"{"scope":{"method_id":"m"},"address_id":"ABR6SXP-SF6CY-VJMONY","amount":{"asset_amount":{"asset":{"class":"currency","name":"BTC"},"amount":"0.5"}},"fee":"#;
    assert_eq!(body(&withdrawal()), format!(r#"{start}{{"current_fee":{{}}}}}}"#));
    let quoted = v1::CreateWithdrawalRequest {
        fee: Some(Fee::FeeToken("AAAA,x".into())),
        fee_included: Some(true),
        expected_address: "bc1q".into(),
        ..withdrawal()
    };
    assert_eq!(
        body(&quoted),
        format!(
            r#"{start}{{"quoted_fee":{{"token":"AAAA,x"}},"fee_included":true}},"expected_address":"bc1q"}}"#
        )
    );
    let capped = v1::CreateWithdrawalRequest {
        scope: of(Of::NetworkId("n".into())),
        fee: Some(Fee::MaxFee("0.001".into())),
        rebase_multiplier: v1::RebaseMultiplier::Base.into(),
        account_id: "AA".into(),
        ..withdrawal()
    };
    let inside = r#"{"asset_amount":{"asset":{"class":"currency","name":"BTC"},"amount":"#;
    assert_eq!(
        body(&capped),
        format!(
            r#"{{"scope":{{"network_id":"n"}},"address_id":"ABR6SXP-SF6CY-VJMONY","amount":{inside}"0.5"}},"rebase_multiplier":"base"}},"fee":{{"current_fee":{{"max_fee":{inside}"0.001"}},"rebase_multiplier":"base"}}}}}}}}"#
        )
    );
}

#[test]
fn all_mistakes_of_an_act_are_named_at_once() {
    let nothing =
        create_withdrawal_params(&v1::CreateWithdrawalRequest::default()).expect_err("nothing is there");
    assert_eq!(fields(&nothing), ["scope", "address_id", "amount"]);
    let mut request = v1::CreateWithdrawalRequest {
        scope: of(Of::NetworkGroupId("g".into())),
        address_id: "..".into(),
        fee: Some(Fee::MaxFee("-1".into())),
        expected_address: "a\nb".into(),
        rebase_multiplier: 9,
        ..withdrawal()
    };
    request.amount = Some(v1::BetaAmount {
        asset: Some(v1::BetaAsset { extra: [("x".to_owned(), "1".to_owned())].into(), ..Default::default() }),
        amount: "0".into(),
        ..Default::default()
    });
    let error = create_withdrawal_params(&request).expect_err("many mistakes");
    assert_eq!(
        fields(&error),
        [
            "scope.network_group_id",
            "address_id",
            "amount.asset.name",
            "amount.asset.extra",
            "amount.amount",
            "rebase_multiplier",
            "max_fee",
            "expected_address"
        ]
    );
    let request = v1::CreateWithdrawalRequest {
        amount: Some(v1::BetaAmount { amount: "1".into(), ..Default::default() }),
        fee: Some(Fee::FeeToken(String::new())),
        ..withdrawal()
    };
    assert_eq!(fields(&create_withdrawal_params(&request).expect_err("two")), ["amount.asset", "fee_token"]);
    let request = v1::CreateAddressRequest { tag: "1".into(), memo: "2".into(), ..Default::default() };
    let error = create_address_params(&request).expect_err("four");
    assert_eq!(fields(&error), ["scope", "memo", "address", "name"]);
    let error = update_address_params(&v1::UpdateAddressRequest::default()).expect_err("two");
    assert_eq!(fields(&error), ["address_id", "name"]);
    assert_eq!(
        fields(&delete_address_params(&v1::DeleteAddressRequest::default()).expect_err("one")),
        ["address_id"]
    );
}

#[test]
fn replies_say_all_that_kraken_says() {
    let page = methods(wire::<FundingMethods>(
        r#"{"methods":[{"method_id":"m","method_name":"Standard","asset":{"class":"currency","name":"USDC","z":1},"minimum_amount":"2",
            "maximum_amount":"9","network":{"network_id":"n","network_name":"Ethereum","contract_address":"0x","on_chain_asset_symbol":"U"},
            "fees":{"base":{"asset":"USDC","amount":"1"},"percentage":"0.1","min":{"asset":"USDC","amount":"2"},
                "max":{"asset":"USDC","amount":"3"},"included":false},
            "deposit":{"address_generation":{"status":"limited","limit":5,"left":4},"shares_addresses_with_method_id":"o",
                "address_setup_fee":{"asset":"USDC","amount":"4"},"allow_credit_cards":true,"exempted_withdrawal_hold":false},
            "withdrawal":{}},
            {"method_id":"short","network_id":"bare"}],"next_cursor":"c","more":2}"#,
    ));
    let usdc = |amount: &str| {
        Some(v1::BetaAmount {
            asset: Some(v1::BetaAsset { name: "USDC".into(), ..Default::default() }),
            amount: amount.into(),
            ..Default::default()
        })
    };
    let extra = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, json)| ((*name).to_owned(), (*json).to_owned())).collect()
    };
    let wanted = v1::BetaMethod {
        method_id: "m".into(),
        name: "Standard".into(),
        asset: Some(v1::BetaAsset {
            asset_class: "currency".into(),
            name: "USDC".into(),
            extra: extra(&[("z", "1")]),
        }),
        network: Some(v1::BetaMethodNetwork {
            network_id: "n".into(),
            name: "Ethereum".into(),
            contract_address: "0x".into(),
            on_chain_asset_symbol: "U".into(),
            extra: extra(&[]),
        }),
        minimum_amount: "2".into(),
        maximum_amount: "9".into(),
        fees: Some(v1::BetaMethodFees {
            base: usdc("1"),
            percent: "0.1".into(),
            minimum: usdc("2"),
            maximum: usdc("3"),
            included: Some(false),
            extra: extra(&[]),
        }),
        deposit: Some(v1::BetaMethodDeposit {
            address_generation: "limited".into(),
            address_limit: Some(5),
            shares_addresses_with_method_id: "o".into(),
            address_setup_fee: usdc("4"),
            allow_credit_cards: Some(true),
            exempted_withdrawal_hold: Some(false),
            extra: extra(&[("address_generation.left", "4")]),
        }),
        extra: extra(&[("withdrawal", "{}")]),
    };
    assert_eq!(page.methods[0], wanted);
    let bare = page.methods[1].network.as_ref().expect("a network");
    assert_eq!((bare.network_id.as_str(), page.next_page_token.as_str(), page.extra.len()), ("bare", "c", 1));

    let all = networks(wire::<FundingNetworks>(
        r#"{"network_groups":[{"network_group_id":"g","name":"EVM","network_ids":["n"]}],"networks":[{"network_id":"n","name":"E"}],"x":1}"#,
    ));
    assert_eq!((all.network_groups[0].network_ids.len(), all.networks[0].name.as_str()), (1, "E"));
    assert_eq!((all.network_groups[0].network_group_id.as_str(), all.extra.len()), ("g", 1));

    let quote = fees(wire::<FundingFees>(
        r#"{"fee":{"asset":"USDC","amount":"1"},"gross_amount":{"asset":"USDC","amount":"5"},"net_amount":{"asset":"USDC","amount":"4"},
            "fee_details":{"base_fee":{"asset":"USDC","amount":"1"},"fee_percentage":"0","tier":7},"withdrawal_fee_token":"t","until":1}"#,
    ));
    let wanted = v1::CalculateFeesResponse {
        fee: usdc("1"),
        gross_amount: usdc("5"),
        net_amount: usdc("4"),
        base_fee: usdc("1"),
        fee_percent: "0".into(),
        fee_token: "t".into(),
        extra: extra(&[("fee_details.tier", "7"), ("until", "1")]),
    };
    assert_eq!(quote, wanted);

    let page = addresses(wire::<FundingAddresses>(
        r#"{"addresses":[{"address_id":"AB","scope":{"network_group_id":"g"},"address_details":{"crypto":{"address":"0x","tag":"1",
            "memo":"2","beneficiary":{"typ":"business"}}},"name":"n","description":"d","modifier":"third_party","verified":true},
            {"address_id":"AC","verified":false,"address_details":{"fiat":{"iban":"DE"}}}],"next_cursor":"c"}"#,
    ));
    let wanted = v1::BetaAddress {
        address_id: "AB".into(),
        name: "n".into(),
        description: "d".into(),
        scope: of(Of::NetworkGroupId("g".into())),
        details: Some(v1::BetaAddressDetails {
            crypto: Some(v1::BetaCryptoAddress {
                address: "0x".into(),
                tag: "1".into(),
                memo: "2".into(),
                beneficiary: extra(&[("typ", "business")]),
                extra: extra(&[]),
            }),
            fiat: extra(&[]),
            extra: extra(&[]),
        }),
        modifier: "third_party".into(),
        verified: true,
        extra: extra(&[]),
    };
    assert_eq!((&page.addresses[0], page.next_page_token.as_str()), (&wanted, "c"));
    assert_eq!(page.addresses[1].details.as_ref().expect("there").fiat["iban"], "DE");
    assert_eq!(addresses(wire(r#"{"addresses":[]}"#)), v1::ListAddressesResponse::default());
}

fn answered(endpoint: &str, json: &str) -> Answer {
    unseen(endpoint).expect("an act")(&raw(json), vec!["WFunding:careful".to_owned()])
}

fn done<R: Message + Default>(endpoint: &str, json: &str) -> R {
    match answered(endpoint, json) {
        Answer::Done(bytes) => R::decode(bytes.as_slice()).expect("a reply"),
        _ => panic!("{endpoint} was done"),
    }
}

#[test]
fn answers_to_acts_are_read_by_their_endpoints() {
    let created: v1::CreateAddressResponse =
        done("FundingBeta/CreateAddress", r#"{"address_id":"AB","verified":false,"x":1}"#);
    assert_eq!(created.warnings, ["WFunding:careful"]);
    let Some(v1::create_address_response::Outcome::Accepted(created)) = created.outcome else {
        panic!("done")
    };
    assert_eq!((created.address_id.as_str(), created.verified, created.extra.len()), ("AB", Some(false), 1));

    let updated: v1::UpdateAddressResponse = done("FundingBeta/UpdateAddress", "{}");
    let Some(v1::update_address_response::Outcome::Accepted(updated)) = updated.outcome else {
        panic!("done")
    };
    assert_eq!(updated.verified, None);

    let deleted: v1::DeleteAddressResponse = done("FundingBeta/DeleteAddress", r#"{"result":true}"#);
    let Some(v1::delete_address_response::Outcome::Accepted(deleted)) = deleted.outcome else {
        panic!("done")
    };
    assert_eq!(deleted.deleted, Some(true));

    let claimed: v1::ClaimDepositAddressResponse =
        done("FundingBeta/ClaimDepositAddress", r#"{"address_details":{"fiat":{"iban":"DE"}}}"#);
    let Some(v1::claim_deposit_address_response::Outcome::Accepted(claimed)) = claimed.outcome else {
        panic!("done")
    };
    assert_eq!(claimed.details.expect("there").fiat["iban"], "DE");

    let inside = r#"{"asset_amount":{"asset":{"class":"currency","name":"BTC"},"amount":"4"}}"#;
    let withdrawn: v1::CreateWithdrawalResponse = done(
        "FundingBeta/CreateWithdrawal",
        &format!(
            r#"{{"withdrawal_id":"FT","net_amount":{inside},"gross_amount":{inside},"fee":{inside},"approval_request_id":"ar"}}"#
        ),
    );
    let Some(v1::create_withdrawal_response::Outcome::Accepted(withdrawn)) = withdrawn.outcome else {
        panic!("done")
    };
    assert_eq!((withdrawn.withdrawal_id.as_str(), withdrawn.approval_request_id.as_str()), ("FT", "ar"));
    let amounts = [withdrawn.net_amount, withdrawn.gross_amount, withdrawn.fee];
    assert!(
        amounts.iter().flatten().all(|amount| amount.amount == "4") && amounts.iter().all(Option::is_some)
    );

    for endpoint in
        ["FundingBeta/CreateAddress", "FundingBeta/ClaimDepositAddress", "FundingBeta/CreateWithdrawal"]
    {
        assert!(matches!(answered(endpoint, "{}"), Answer::Unreadable(_)), "{endpoint}");
    }
    assert!(unseen("FundingBeta/ListMethods").is_none() && unseen("Withdraw").is_none());
}

#[test]
fn every_act_of_the_family_has_a_reader() {
    for endpoint in
        tidegate_core::ENDPOINTS.iter().filter(|endpoint| endpoint.name.starts_with("FundingBeta/"))
    {
        assert_eq!(unseen(endpoint.name).is_some(), endpoint.effect.is_mutating(), "{}", endpoint.name);
    }
}

#[test]
fn what_a_person_has_decided_reads_as_the_reply() {
    let kept =
        crate::outcome::decided("FundingBeta/CreateWithdrawal", "id", vec!["FT1".into(), "FT2".into()]);
    let reply = v1::CreateWithdrawalResponse::decode(kept.as_slice()).expect("a reply");
    let Some(v1::create_withdrawal_response::Outcome::Accepted(made)) = reply.outcome else {
        panic!("executed")
    };
    assert_eq!(
        made,
        v1::create_withdrawal_response::Accepted { withdrawal_id: "FT1".into(), ..Default::default() }
    );
    let kept = crate::outcome::decided("FundingBeta/CreateAddress", "id", vec!["AB1".into()]);
    let reply = v1::CreateAddressResponse::decode(kept.as_slice()).expect("a reply");
    let Some(v1::create_address_response::Outcome::Accepted(made)) = reply.outcome else {
        panic!("executed")
    };
    assert_eq!(made.address_id, "AB1");
    for endpoint in
        ["FundingBeta/UpdateAddress", "FundingBeta/DeleteAddress", "FundingBeta/ClaimDepositAddress"]
    {
        let kept = crate::outcome::decided(endpoint, "id", vec!["X".into()]);
        let reply = v1::UpdateAddressResponse::decode(kept.as_slice()).expect("a reply");
        assert!(
            matches!(reply.outcome, Some(v1::update_address_response::Outcome::Accepted(_))),
            "{endpoint}"
        );
    }
}
