//! What an account traded, what it is worth, and what it pays.

use super::account::LedgerEntry;
use super::json::Json;
use super::market::FeeTier;
use super::read::{Entries, Extra, Object, ShapeError, Wire};
use super::scalar::{Decimal, Time, Words};

/// `TradeBalance`: the account's worth and margin in one currency. What speaks of margin is missing without positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeBalance {
    /// Equivalent balance: all assets.
    pub eb: Decimal,
    /// Trade balance: assets that count as collateral.
    pub tb: Decimal,
    /// Margin that open positions use.
    pub m: Option<Decimal>,
    /// Profit or loss of open positions that is not realised.
    pub n: Option<Decimal>,
    /// What open positions cost.
    pub c: Option<Decimal>,
    /// What open positions are worth now.
    pub v: Option<Decimal>,
    /// Equity: trade balance and unrealised profit or loss.
    pub e: Decimal,
    /// Free margin: equity less the margin used.
    pub mf: Decimal,
    /// Margin level in percent: equity by margin used.
    pub ml: Option<Decimal>,
    /// Value of orders that are not, or only partly, filled.
    pub uv: Option<Decimal>,
    /// Seen on the wire and not documented.
    pub mfo: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for TradeBalance {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            eb: from.need("eb")?,
            tb: from.need("tb")?,
            m: from.opt("m")?,
            n: from.opt("n")?,
            c: from.opt("c")?,
            v: from.opt("v")?,
            e: from.need("e")?,
            mf: from.need("mf")?,
            ml: from.opt("ml")?,
            uv: from.opt("uv")?,
            mfo: from.opt("mfo")?,
            extra: from.rest(),
        })
    }
}

/// One fill of one of the account's orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnTrade {
    /// The order.
    pub ordertxid: String,
    /// The position; there for spot trades, too.
    pub postxid: Option<String>,
    /// Id or altname: both occur.
    pub pair: String,
    /// Asset class; on the wire but not in the specification.
    pub aclass: Option<String>,
    /// When.
    pub time: Time,
    /// `buy` or `sell`.
    pub side: String,
    /// Type of the order.
    pub ordertype: String,
    /// Newer, and not documented; on the wire it repeats the type of the order.
    pub tradeordertype: Option<String>,
    /// Price.
    pub price: Decimal,
    /// Price times volume, in the quote asset.
    pub cost: Option<Decimal>,
    /// Fee.
    pub fee: Option<Decimal>,
    /// Volume, in the base asset.
    pub vol: Decimal,
    /// Initial margin; zero for spot trades.
    pub margin: Option<Decimal>,
    /// `0` for spot trades.
    pub leverage: Option<Decimal>,
    /// Comma-separated; `closing` when it closes a position.
    pub misc: Option<Words>,
    /// Ids of its ledger entries, if they were asked for.
    pub ledgers: Vec<String>,
    /// Its number in the public tape of the pair.
    pub trade_id: Option<u64>,
    /// Whether the order waited in the book.
    pub maker: Option<bool>,
    /// State of the position that the trade opened; missing, as the rest, if it opened none.
    pub posstatus: Option<String>,
    /// Average price at which the position was closed.
    pub cprice: Option<Decimal>,
    /// Cost of what was closed.
    pub ccost: Option<Decimal>,
    /// Fee of what was closed.
    pub cfee: Option<Decimal>,
    /// Volume that was closed.
    pub cvol: Option<Decimal>,
    /// Margin that was freed.
    pub cmargin: Option<Decimal>,
    /// Profit or loss of what was closed, with its sign.
    pub net: Option<Decimal>,
    /// The trades that closed the position.
    pub trades: Vec<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for OwnTrade {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            ordertxid: from.need("ordertxid")?,
            postxid: from.opt("postxid")?,
            pair: from.need("pair")?,
            aclass: from.opt("aclass")?,
            time: from.need("time")?,
            side: from.need("type")?,
            ordertype: from.need("ordertype")?,
            tradeordertype: from.opt("tradeordertype")?,
            price: from.need("price")?,
            cost: from.opt("cost")?,
            fee: from.opt("fee")?,
            vol: from.need("vol")?,
            margin: from.opt("margin")?,
            leverage: from.opt("leverage")?,
            misc: from.opt("misc")?,
            ledgers: from.opt("ledgers")?.unwrap_or_default(),
            trade_id: from.opt("trade_id")?,
            maker: from.opt("maker")?,
            posstatus: from.opt("posstatus")?,
            cprice: from.opt("cprice")?,
            ccost: from.opt("ccost")?,
            cfee: from.opt("cfee")?,
            cvol: from.opt("cvol")?,
            cmargin: from.opt("cmargin")?,
            net: from.opt("net")?,
            trades: from.opt("trades")?.unwrap_or_default(),
            extra: from.rest(),
        })
    }
}

/// `QueryTrades`: by trade id.
pub type TradesById = Entries<OwnTrade>;

/// `QueryLedgers`: by ledger id.
pub type LedgersById = Entries<LedgerEntry>;

/// `TradesHistory`: one page of 50, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradesHistory {
    /// By trade id, newest first.
    pub trades: TradesById,
    /// How many fit the filter on all pages; missing if not asked for.
    pub count: Option<u64>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for TradesHistory {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { trades: from.need("trades")?, count: from.opt("count")?, extra: from.rest() })
    }
}

/// `OpenPositions`: by position id. What is joined by market comes as a list instead, whose items have no id: this is not
/// documented, but two clients read it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPositions(pub Vec<(Option<String>, OpenPosition)>);

impl Wire for OpenPositions {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        if raw.peek() == b'[' {
            let joined = Vec::take(raw)?;
            return Ok(Self(joined.into_iter().map(|one| (None, one)).collect()));
        }
        let Entries(named) = Entries::take(raw)?;
        Ok(Self(named.into_iter().map(|(id, one)| (Some(id), one)).collect()))
    }
}

/// One open margin position, or those of one pair joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPosition {
    /// The order that opened it.
    pub ordertxid: Option<String>,
    /// `open`.
    pub posstatus: Option<String>,
    /// The pair.
    pub pair: String,
    /// Asset class, which Kraken calls `class` here and `aclass` elsewhere; not in the specification.
    pub aclass: Option<String>,
    /// When it was opened.
    pub time: Option<Time>,
    /// `buy` or `sell`.
    pub side: String,
    /// Type of the order.
    pub ordertype: Option<String>,
    /// What it cost, in the quote asset.
    pub cost: Option<Decimal>,
    /// Fee.
    pub fee: Option<Decimal>,
    /// Volume, in the base asset.
    pub vol: Decimal,
    /// The part of it that is closed.
    pub vol_closed: Option<Decimal>,
    /// Initial margin.
    pub margin: Option<Decimal>,
    /// Worth of what is open, if it was asked for.
    pub value: Option<Decimal>,
    /// Profit or loss that is not realised, with its sign, if it was asked for.
    pub net: Option<Decimal>,
    /// For people: what staying open costs.
    pub terms: Option<String>,
    /// When that falls due next.
    pub rollovertm: Option<Time>,
    /// Comma-separated.
    pub misc: Option<Words>,
    /// Comma-separated flags.
    pub oflags: Option<Words>,
    /// How many are joined here.
    pub positions: Option<u64>,
    /// Seen where they are joined.
    pub leverage: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for OpenPosition {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            ordertxid: from.opt("ordertxid")?,
            posstatus: from.opt("posstatus")?,
            pair: from.need("pair")?,
            aclass: from.either("class", "aclass")?,
            time: from.opt("time")?,
            side: from.need("type")?,
            ordertype: from.opt("ordertype")?,
            cost: from.opt("cost")?,
            fee: from.opt("fee")?,
            vol: from.need("vol")?,
            vol_closed: from.opt("vol_closed")?,
            margin: from.opt("margin")?,
            value: from.opt("value")?,
            net: from.opt("net")?,
            terms: from.opt("terms")?,
            rollovertm: from.opt("rollovertm")?,
            misc: from.opt("misc")?,
            oflags: from.opt("oflags")?,
            positions: from.opt("positions")?,
            leverage: from.opt("leverage")?,
            extra: from.rest(),
        })
    }
}

/// `TradeVolume`: what was traded in 30 days, and the fees that follow from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeVolume {
    /// Currency of the volumes.
    pub currency: String,
    /// Class of the currency; seen, not documented.
    pub asset_class: Option<String>,
    /// Volume of 30 days.
    pub volume: Decimal,
    /// What the tier is made from: name to amount; seen, not documented. What is no amount is among the other members.
    pub inputs: Option<Entries<Decimal>>,
    /// By pair, the taker's fee; missing unless pairs were asked for.
    pub fees: Option<Entries<FeeStanding>>,
    /// By pair, the maker's.
    pub fees_maker: Option<Entries<FeeStanding>>,
    /// By pair, all tiers, if they were asked for. Their form is not documented: in another one than this they are among
    /// the other members.
    pub schedules: Option<Entries<FeeSchedule>>,
    /// Other members.
    pub extra: Extra,
}

/// The amounts of an object whose members are not documented; others are kept by the name of the object and their own.
fn amounts(Entries(given): Entries<Text>, name: &str, extra: &mut Extra) -> Entries<Decimal> {
    let mut found = Vec::with_capacity(given.len());
    for (member, Text(json)) in given {
        match Decimal::take(&mut Json::again(&json)) {
            Ok(amount) => found.push((member, amount)),
            Err(_) => drop(extra.insert(format!("{name}.{member}"), json)),
        }
    }
    Entries(found)
}

impl Wire for TradeVolume {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        let (currency, asset_class) = (from.need("currency")?, from.opt("asset_class")?);
        let (volume, given) = (from.need("volume")?, from.opt::<Entries<Text>>("inputs")?);
        let (fees, fees_maker) = (from.opt("fees")?, from.opt("fees_maker")?);
        let schedules: Option<Text> = from.opt("schedules")?;
        let mut extra = from.rest();
        let inputs = given.map(|given| amounts(given, "inputs", &mut extra));
        let schedules = schedules.and_then(|Text(json)| {
            Entries::take(&mut Json::again(&json))
                .inspect_err(|_| drop(extra.insert("schedules".to_owned(), json.clone())))
                .ok()
        });
        Ok(Self { currency, asset_class, volume, inputs, fees, fees_maker, schedules, extra })
    }
}

/// JSON that is looked at later.
struct Text(String);

impl Wire for Text {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        Ok(Self(raw.take().to_owned()))
    }
}

/// What an account pays in a pair. The documentation writes the names with an underscore, the wire without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeStanding {
    /// The fee now, in percent.
    pub fee: Decimal,
    /// The lowest fee there is, in percent.
    pub minfee: Option<Decimal>,
    /// The highest.
    pub maxfee: Option<Decimal>,
    /// The fee of the next tier; missing in the last one.
    pub nextfee: Option<Decimal>,
    /// Volume at which the next tier begins.
    pub nextvolume: Option<Decimal>,
    /// Volume at which this one began.
    pub tiervolume: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FeeStanding {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            fee: from.need("fee")?,
            minfee: from.either("minfee", "min_fee")?,
            maxfee: from.either("maxfee", "max_fee")?,
            nextfee: from.either("nextfee", "next_fee")?,
            nextvolume: from.either("nextvolume", "next_volume")?,
            tiervolume: from.either("tiervolume", "tier_volume")?,
            extra: from.rest(),
        })
    }
}

/// The tiers of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeSchedule {
    /// The taker's.
    pub taker: Vec<FeeTier>,
    /// The maker's.
    pub maker: Vec<FeeTier>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FeeSchedule {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            taker: from.opt("taker")?.unwrap_or_default(),
            maker: from.opt("maker")?.unwrap_or_default(),
            extra: from.rest(),
        })
    }
}
