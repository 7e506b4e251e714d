//! What the rules of market transparency want published: quotes before trades, and trades.

use super::json::Json;
use super::read::{Extra, Object, ShapeError, Wire};
use super::scalar::Decimal;

/// `PreTrade`: ten prices of each side. What names the pair is for people, so only the symbol is demanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreTrade {
    /// In the form `BTC/USD`.
    pub symbol: String,
    /// For instance `Bitcoin / US Dollars`.
    pub description: Option<String>,
    /// For instance `BTC`.
    pub base_asset: Option<String>,
    /// Digital token identifier of ISO 24165.
    pub base_dti_code: Option<String>,
    /// The short name that belongs to it.
    pub base_dti_short_name: Option<String>,
    /// `UNIT` or `MONE`.
    pub base_notation: Option<String>,
    /// For instance `USD`.
    pub quote_asset: Option<String>,
    /// Digital token identifier of ISO 24165.
    pub quote_dti_code: Option<String>,
    /// The short name that belongs to it.
    pub quote_dti_short_name: Option<String>,
    /// `UNIT` or `MONE`.
    pub quote_notation: Option<String>,
    /// Market identifier code.
    pub venue: Option<String>,
    /// For instance `CLOB`.
    pub system: Option<String>,
    /// Lowest first.
    pub asks: Vec<PreTradeLevel>,
    /// Highest first.
    pub bids: Vec<PreTradeLevel>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for PreTrade {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            symbol: from.need("symbol")?,
            description: from.opt("description")?,
            base_asset: from.opt("base_asset")?,
            base_dti_code: from.opt("base_dti_code")?,
            base_dti_short_name: from.opt("base_dti_short_name")?,
            base_notation: from.opt("base_notation")?,
            quote_asset: from.opt("quote_asset")?,
            quote_dti_code: from.opt("quote_dti_code")?,
            quote_dti_short_name: from.opt("quote_dti_short_name")?,
            quote_notation: from.opt("quote_notation")?,
            venue: from.opt("venue")?,
            system: from.opt("system")?,
            asks: from.need("asks")?,
            bids: from.need("bids")?,
            extra: from.rest(),
        })
    }
}

/// One price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreTradeLevel {
    /// `BUY` or `SELL`.
    pub side: Option<String>,
    /// The price.
    pub price: Decimal,
    /// The volume.
    pub qty: Decimal,
    /// How many orders.
    pub count: Option<u64>,
    /// When it was submitted, RFC 3339.
    pub submission_ts: Option<String>,
    /// When it was published, RFC 3339.
    pub publication_ts: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for PreTradeLevel {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            side: from.opt("side")?,
            price: from.need("price")?,
            qty: from.need("qty")?,
            count: from.opt("count")?,
            submission_ts: from.opt("submission_ts")?,
            publication_ts: from.opt("publication_ts")?,
            extra: from.rest(),
        })
    }
}

/// `PostTrade`: trades of one pair or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostTrade {
    /// The `from_ts` that goes on from here, RFC 3339.
    pub last_ts: Option<String>,
    /// How many trades there are in this reply.
    pub count: Option<u64>,
    /// The trades.
    pub trades: Vec<PublishedTrade>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for PostTrade {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            last_ts: from.opt("last_ts")?,
            count: from.opt("count")?,
            trades: from.need("trades")?,
            extra: from.rest(),
        })
    }
}

/// One trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedTrade {
    /// Kraken's id.
    pub trade_id: String,
    /// The price.
    pub price: Decimal,
    /// The volume.
    pub quantity: Decimal,
    /// In the form `BTC/USD`.
    pub symbol: Option<String>,
    /// For instance `Bitcoin / US Dollars`.
    pub description: Option<String>,
    /// For instance `BTC`.
    pub base_asset: Option<String>,
    /// `UNIT` or `MONE`.
    pub base_notation: Option<String>,
    /// For instance `USD`.
    pub quote_asset: Option<String>,
    /// `UNIT` or `MONE`.
    pub quote_notation: Option<String>,
    /// Market identifier code of where it was traded.
    pub trade_venue: Option<String>,
    /// When it was traded, RFC 3339.
    pub trade_ts: Option<String>,
    /// Market identifier code of where it was published.
    pub publication_venue: Option<String>,
    /// When it was published, RFC 3339.
    pub publication_ts: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for PublishedTrade {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            trade_id: from.need("trade_id")?,
            price: from.need("price")?,
            quantity: from.need("quantity")?,
            symbol: from.opt("symbol")?,
            description: from.opt("description")?,
            base_asset: from.opt("base_asset")?,
            base_notation: from.opt("base_notation")?,
            quote_asset: from.opt("quote_asset")?,
            quote_notation: from.opt("quote_notation")?,
            trade_venue: from.opt("trade_venue")?,
            trade_ts: from.opt("trade_ts")?,
            publication_venue: from.opt("publication_venue")?,
            publication_ts: from.opt("publication_ts")?,
            extra: from.rest(),
        })
    }
}
