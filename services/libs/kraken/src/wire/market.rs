//! Public market data.

use super::json::Json;
use super::read::{Entries, Extra, Object, ShapeError, Wire};
use super::scalar::Decimal;

/// `Time`: Kraken's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTime {
    /// Whole seconds since 1970.
    pub unixtime: u64,
    /// The same for people, for instance `Tue,  9 Jun 26 10:20:00 +0000`.
    pub rfc1123: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for ServerTime {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { unixtime: from.need("unixtime")?, rfc1123: from.opt("rfc1123")?, extra: from.rest() })
    }
}

/// `SystemStatus`: whether the exchange takes orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemStatus {
    /// `online`, `maintenance`, `cancel_only`, `post_only`; anything else is to be taken for maintenance.
    pub status: String,
    /// RFC 3339, whole seconds.
    pub timestamp: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for SystemStatus {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { status: from.need("status")?, timestamp: from.opt("timestamp")?, extra: from.rest() })
    }
}

/// `Assets`: by asset id, for instance `XXBT`.
pub type Assets = Entries<Asset>;

/// One asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// `currency` or `tokenized_asset`.
    pub aclass: Option<String>,
    /// The short name, for instance `XBT`.
    pub altname: String,
    /// Digits that Kraken keeps in its books.
    pub decimals: u32,
    /// Digits that Kraken shows.
    pub display_decimals: Option<u32>,
    /// Share of the value that counts as margin collateral; missing for assets that do not count.
    pub collateral_value: Option<Decimal>,
    /// On the wire but not in the specification.
    pub margin_rate: Option<Decimal>,
    /// `enabled`, `deposit_only`, `withdrawal_only`, `funding_temporarily_disabled`; may be missing.
    pub status: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for Asset {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            aclass: from.opt("aclass")?,
            altname: from.need("altname")?,
            decimals: from.need("decimals")?,
            display_decimals: from.opt("display_decimals")?,
            collateral_value: from.opt("collateral_value")?,
            margin_rate: from.opt("margin_rate")?,
            status: from.opt("status")?,
            extra: from.rest(),
        })
    }
}

/// `AssetPairs`: by pair id, for instance `XXBTZUSD`, whatever name was asked for.
pub type AssetPairs = Entries<AssetPair>;

/// One step of a fee schedule, written `[volume, percent]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeTier {
    /// Volume of the last 30 days from which the fee applies, in the pair's fee currency.
    pub volume: Decimal,
    /// The fee in percent. A maker fee can be negative.
    pub percent: Decimal,
}

impl Wire for FeeTier {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let items: Vec<Decimal> = Wire::take(raw)?;
        let [volume, percent] =
            <[Decimal; 2]>::try_from(items).map_err(|_| ShapeError::here("a pair of volume and percent"))?;
        Ok(Self { volume, percent })
    }
}

/// One pair. With `info` other than `info` Kraken answers a part of the members only, and on the live wire some
/// are missing on some pairs, so all are optional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetPair {
    /// For instance `XBTUSD`.
    pub altname: Option<String>,
    /// For instance `XBT/USD`.
    pub wsname: Option<String>,
    /// Class of the base asset.
    pub aclass_base: Option<String>,
    /// Id of the base asset.
    pub base: Option<String>,
    /// Class of the quote asset.
    pub aclass_quote: Option<String>,
    /// Id of the quote asset.
    pub quote: Option<String>,
    /// Most digits of a cost.
    pub cost_decimals: Option<u32>,
    /// Most digits of a price.
    pub pair_decimals: Option<u32>,
    /// Most digits of a volume.
    pub lot_decimals: Option<u32>,
    /// What one lot is in units of the base.
    pub lot_multiplier: Option<u32>,
    /// Leverage that a buy may have; empty if none.
    pub leverage_buy: Vec<u32>,
    /// Leverage that a sell may have; empty if none.
    pub leverage_sell: Vec<u32>,
    /// Taker fees.
    pub fees: Vec<FeeTier>,
    /// Maker fees.
    pub fees_maker: Vec<FeeTier>,
    /// Currency in which the volume of the fee schedule counts.
    pub fee_volume_currency: Option<String>,
    /// Margin level of a margin call, in percent.
    pub margin_call: Option<u32>,
    /// Margin level of a liquidation, in percent.
    pub margin_stop: Option<u32>,
    /// Smallest order in the base asset.
    pub ordermin: Option<Decimal>,
    /// Smallest order in the quote asset.
    pub costmin: Option<Decimal>,
    /// Prices are multiples of it.
    pub tick_size: Option<Decimal>,
    /// `online`, `cancel_only`, `post_only`, `limit_only`, `reduce_only`; missing on about one pair in eight.
    pub status: Option<String>,
    /// `international` or `bitnomial_exchange`.
    pub execution_venue: Option<String>,
    /// Largest long margin position; may exceed 32 bits.
    pub long_position_limit: Option<u64>,
    /// Largest short margin position; may exceed 32 bits.
    pub short_position_limit: Option<u64>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for AssetPair {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            altname: from.opt("altname")?,
            wsname: from.opt("wsname")?,
            aclass_base: from.opt("aclass_base")?,
            base: from.opt("base")?,
            aclass_quote: from.opt("aclass_quote")?,
            quote: from.opt("quote")?,
            cost_decimals: from.opt("cost_decimals")?,
            pair_decimals: from.opt("pair_decimals")?,
            lot_decimals: from.opt("lot_decimals")?,
            lot_multiplier: from.opt("lot_multiplier")?,
            leverage_buy: from.opt("leverage_buy")?.unwrap_or_default(),
            leverage_sell: from.opt("leverage_sell")?.unwrap_or_default(),
            fees: from.opt("fees")?.unwrap_or_default(),
            fees_maker: from.opt("fees_maker")?.unwrap_or_default(),
            fee_volume_currency: from.opt("fee_volume_currency")?,
            margin_call: from.opt("margin_call")?,
            margin_stop: from.opt("margin_stop")?,
            ordermin: from.opt("ordermin")?,
            costmin: from.opt("costmin")?,
            tick_size: from.opt("tick_size")?,
            status: from.opt("status")?,
            execution_venue: from.opt("execution_venue")?,
            long_position_limit: from.opt("long_position_limit")?,
            short_position_limit: from.opt("short_position_limit")?,
            extra: from.rest(),
        })
    }
}

/// `Ticker`: by pair id.
pub type Tickers = Entries<Ticker>;

/// One ticker. Members keep Kraken's one-letter names. Pairs of values are `[today, last 24 hours]`, and "today"
/// begins at 00:00 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticker {
    /// Best ask: price, whole lots, lots.
    pub a: Vec<Decimal>,
    /// Best bid: price, whole lots, lots.
    pub b: Vec<Decimal>,
    /// Last trade: price, volume.
    pub c: Vec<Decimal>,
    /// Volume.
    pub v: Vec<Decimal>,
    /// Volume-weighted average price.
    pub p: Vec<Decimal>,
    /// Number of trades.
    pub t: Vec<u64>,
    /// Lowest price.
    pub l: Vec<Decimal>,
    /// Highest price.
    pub h: Vec<Decimal>,
    /// First price of today.
    pub o: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for Ticker {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            a: from.need("a")?,
            b: from.need("b")?,
            c: from.need("c")?,
            v: from.need("v")?,
            p: from.need("p")?,
            t: from.need("t")?,
            l: from.need("l")?,
            h: from.need("h")?,
            o: from.opt("o")?,
            extra: from.rest(),
        })
    }
}
