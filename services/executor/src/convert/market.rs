//! Public data.

use tidegate_kraken::wire::{
    Asset, AssetPair, AssetPairs, Assets, Decimal, FeeTier, ServerTime, SystemStatus, Ticker, Tickers,
};
use tidegate_proto::v1;

use super::{keep_word, known_time};

pub(crate) fn server_time(mut time: ServerTime) -> v1::GetServerTimeResponse {
    let seconds = i64::try_from(time.unixtime).unwrap_or(i64::MAX);
    if let Some(text) = &time.rfc1123 {
        keep_word(&mut time.extra, "rfc1123", text, ());
    }
    v1::GetServerTimeResponse {
        time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        extra: time.extra.into_iter().collect(),
    }
}

pub(crate) fn system_status(mut status: SystemStatus) -> v1::GetSystemStatusResponse {
    let state = match status.status.as_str() {
        "online" => v1::SystemState::Online,
        "maintenance" => v1::SystemState::Maintenance,
        "cancel_only" => v1::SystemState::CancelOnly,
        "post_only" => v1::SystemState::PostOnly,
        _ => v1::SystemState::Unspecified,
    };
    let time = status.timestamp.and_then(|text| known_time(&mut status.extra, "timestamp", &text));
    v1::GetSystemStatusResponse {
        state: state.into(),
        status_text: status.status,
        time,
        extra: status.extra.into_iter().collect(),
    }
}

pub(crate) fn assets(assets: Assets) -> v1::GetAssetsResponse {
    v1::GetAssetsResponse { assets: assets.0.into_iter().map(asset).collect() }
}

fn asset((id, asset): (String, Asset)) -> v1::Asset {
    v1::Asset {
        name: Some(super::names::asset_name(&id)),
        id,
        altname: asset.altname,
        asset_class: asset.aclass.unwrap_or_default(),
        decimals: asset.decimals,
        display_decimals: asset.display_decimals,
        collateral_value: asset.collateral_value.map(|d| d.0),
        margin_rate: asset.margin_rate.map(|d| d.0),
        status: asset.status.unwrap_or_default(),
        extra: asset.extra.into_iter().collect(),
    }
}

pub(crate) fn asset_pairs(pairs: AssetPairs) -> v1::GetAssetPairsResponse {
    v1::GetAssetPairsResponse { pairs: pairs.0.into_iter().map(asset_pair).collect() }
}

fn asset_pair((id, pair): (String, AssetPair)) -> v1::AssetPair {
    v1::AssetPair {
        id,
        symbol: pair.wsname.as_deref().map(super::names::symbol).unwrap_or_default(),
        altname: pair.altname.unwrap_or_default(),
        wsname: pair.wsname.unwrap_or_default(),
        base: pair.base.unwrap_or_default(),
        quote: pair.quote.unwrap_or_default(),
        pair_decimals: pair.pair_decimals.unwrap_or_default(),
        lot_decimals: pair.lot_decimals.unwrap_or_default(),
        cost_decimals: pair.cost_decimals.unwrap_or_default(),
        leverage_buy: pair.leverage_buy,
        leverage_sell: pair.leverage_sell,
        fees: pair.fees.into_iter().map(fee_tier).collect(),
        fees_maker: pair.fees_maker.into_iter().map(fee_tier).collect(),
        order_min: super::digits(pair.ordermin),
        cost_min: super::digits(pair.costmin),
        tick_size: super::digits(pair.tick_size),
        status: pair.status.unwrap_or_default(),
        base_asset_class: pair.aclass_base.unwrap_or_default(),
        quote_asset_class: pair.aclass_quote.unwrap_or_default(),
        lot_multiplier: pair.lot_multiplier,
        fee_volume_currency: pair.fee_volume_currency.unwrap_or_default(),
        margin_call: pair.margin_call,
        margin_stop: pair.margin_stop,
        execution_venue: pair.execution_venue.unwrap_or_default(),
        long_position_limit: pair.long_position_limit,
        short_position_limit: pair.short_position_limit,
        extra: pair.extra.into_iter().collect(),
    }
}

fn fee_tier(tier: FeeTier) -> v1::FeeTier {
    v1::FeeTier { volume: tier.volume.0, percent: tier.percent.0 }
}

pub(crate) fn tickers(tickers: Tickers) -> v1::GetTickerResponse {
    v1::GetTickerResponse { tickers: tickers.0.into_iter().map(ticker).collect() }
}

fn ticker((pair, ticker): (String, Ticker)) -> v1::Ticker {
    let at = |list: &[Decimal], i: usize| list.get(i).map(|d| d.0.clone()).unwrap_or_default();
    v1::Ticker {
        pair,
        symbol: String::new(),
        ask_price: at(&ticker.a, 0),
        ask_volume: at(&ticker.a, 2),
        bid_price: at(&ticker.b, 0),
        bid_volume: at(&ticker.b, 2),
        last_price: at(&ticker.c, 0),
        last_volume: at(&ticker.c, 1),
        volume_today: at(&ticker.v, 0),
        volume_24h: at(&ticker.v, 1),
        vwap_today: at(&ticker.p, 0),
        vwap_24h: at(&ticker.p, 1),
        trades_today: ticker.t.first().copied().unwrap_or_default(),
        trades_24h: ticker.t.get(1).copied().unwrap_or_default(),
        low_today: at(&ticker.l, 0),
        low_24h: at(&ticker.l, 1),
        high_today: at(&ticker.h, 0),
        high_24h: at(&ticker.h, 1),
        open_price: super::digits(ticker.o),
        extra: ticker.extra.into_iter().collect(),
    }
}
