//! The assets and pairs that are traded here, under all the names that Kraken gives them (Kraken docs: Get Asset
//! Info, Get Tradable Asset Pairs).

/// Number of assets; an asset is its index in [`ASSETS`].
pub(crate) const ASSET_COUNT: usize = 4;
/// Number of pairs; a pair is its index in [`PAIRS`].
pub(crate) const PAIR_COUNT: usize = 3;

/// Places of every volume: one lot is 10^-8 of the base asset.
pub(crate) const LOT_DECIMALS: u32 = 8;
/// Places of costs and fees in order and trade objects.
pub(crate) const COST_DECIMALS: u32 = 5;

/// Ten-thousandths that the maker pays.
pub(crate) const MAKER_FEE: i128 = 25;
/// Ten-thousandths that the taker pays.
pub(crate) const TAKER_FEE: i128 = 40;

/// An asset.
#[derive(Debug)]
pub(crate) struct Asset {
    /// Kraken's own name.
    pub(crate) id: &'static str,
    pub(crate) altname: &'static str,
    /// The name in `assetVersion=1`.
    pub(crate) modern: &'static str,
    /// Places of balances and ledger entries.
    pub(crate) decimals: u32,
    pub(crate) display_decimals: u32,
    /// What every account owns at the start, in units of the last place.
    pub(crate) starting_balance: i128,
}

/// A pair. Prices are counted in units of 10^-`price_decimals`.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) id: &'static str,
    pub(crate) altname: &'static str,
    pub(crate) wsname: &'static str,
    /// The name in `assetVersion=1` and on the WebSocket.
    pub(crate) modern: &'static str,
    /// The same without its slash.
    modern_plain: &'static str,
    pub(crate) base: usize,
    pub(crate) quote: usize,
    pub(crate) price_decimals: u32,
    /// Prices are multiples of this.
    pub(crate) tick: u64,
    /// Smallest volume in lots.
    pub(crate) order_min: u64,
    /// Smallest price times volume, at [`COST_DECIMALS`].
    pub(crate) cost_min: i128,
    /// What may be traded with lent money, and how much of it is lent at most.
    pub(crate) leverages: &'static [u32],
    pub(crate) house: House,
}

/// The quotes of the house's market maker: on both sides of a middle price that many levels of equal size.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) middle: u64,
    /// Distance of the levels from the middle and from each other.
    pub(crate) step: u64,
    pub(crate) levels: u64,
    pub(crate) lots: u64,
}

const XXBT: usize = 0;
const XETH: usize = 1;
const ZUSD: usize = 2;
const ZEUR: usize = 3;
/// The asset that balances are valued in unless told otherwise.
pub(crate) const DOLLAR: usize = ZUSD;
/// The asset that is traded against every other one: cross rates go through it.
pub(crate) const BRIDGE: usize = XXBT;

pub(crate) const ASSETS: [Asset; ASSET_COUNT] = [
    Asset {
        id: "XXBT",
        altname: "XBT",
        modern: "BTC",
        decimals: 10,
        display_decimals: 5,
        starting_balance: 1_000_000_000_000,
    },
    Asset {
        id: "XETH",
        altname: "ETH",
        modern: "ETH",
        decimals: 10,
        display_decimals: 5,
        starting_balance: 10_000_000_000_000,
    },
    Asset {
        id: "ZUSD",
        altname: "USD",
        modern: "USD",
        decimals: 4,
        display_decimals: 2,
        starting_balance: 10_000_000_000,
    },
    Asset {
        id: "ZEUR",
        altname: "EUR",
        modern: "EUR",
        decimals: 4,
        display_decimals: 2,
        starting_balance: 10_000_000_000,
    },
];

pub(crate) const PAIRS: [Pair; PAIR_COUNT] = [
    Pair {
        id: "XXBTZUSD",
        altname: "XBTUSD",
        wsname: "XBT/USD",
        modern: "BTC/USD",
        modern_plain: "BTCUSD",
        base: XXBT,
        quote: ZUSD,
        price_decimals: 1,
        tick: 1,
        order_min: 5_000,
        cost_min: 50_000,
        leverages: &[2, 3, 4, 5],
        house: House { middle: 600_000, step: 5, levels: 40, lots: 500_000_000 },
    },
    Pair {
        id: "XETHZUSD",
        altname: "ETHUSD",
        wsname: "ETH/USD",
        modern: "ETH/USD",
        modern_plain: "ETHUSD",
        base: XETH,
        quote: ZUSD,
        price_decimals: 2,
        tick: 1,
        order_min: 100_000,
        cost_min: 50_000,
        leverages: &[2, 3, 4, 5],
        house: House { middle: 300_000, step: 25, levels: 40, lots: 5_000_000_000 },
    },
    Pair {
        id: "XXBTZEUR",
        altname: "XBTEUR",
        wsname: "XBT/EUR",
        modern: "BTC/EUR",
        modern_plain: "BTCEUR",
        base: XXBT,
        quote: ZEUR,
        price_decimals: 1,
        // Coarser than its decimals, as some pairs of Kraken's are, so that clients meet the check.
        tick: 5,
        order_min: 5_000,
        cost_min: 45_000,
        leverages: &[2, 3],
        house: House { middle: 550_000, step: 5, levels: 40, lots: 500_000_000 },
    },
];

/// The pair of any of its names, in any case.
pub(crate) fn find_pair(name: &str) -> Option<usize> {
    let is_it = |pair: &Pair| {
        [pair.id, pair.altname, pair.wsname, pair.modern, pair.modern_plain]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    };
    PAIRS.iter().position(is_it)
}

/// The asset of any of its names, in any case.
pub(crate) fn find_asset(name: &str) -> Option<usize> {
    let is_it = |asset: &Asset| {
        [asset.id, asset.altname, asset.modern].iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    ASSETS.iter().position(is_it)
}

impl Pair {
    /// Scale of price times volume before any rounding.
    pub(crate) fn notional_scale(&self) -> u32 {
        self.price_decimals + LOT_DECIMALS
    }

    pub(crate) fn base_decimals(&self) -> u32 {
        ASSETS[self.base].decimals
    }

    pub(crate) fn quote_decimals(&self) -> u32 {
        ASSETS[self.quote].decimals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_pair() {
        for name in ["XBTUSD", "XXBTZUSD", "XBT/USD", "BTC/USD", "BTCUSD", "btcusd"] {
            assert_eq!(find_pair(name), Some(0), "{name}");
        }
        assert_eq!(find_pair("ETH/USD"), Some(1));
        assert_eq!(find_pair("XXBTZEUR"), Some(2));
        assert_eq!(find_pair("XBT"), None);
        assert_eq!(find_asset("xbt"), Some(XXBT));
        assert_eq!(find_asset("BTC"), Some(XXBT));
        assert_eq!(find_asset("DOGE"), None);
    }

    #[test]
    fn the_house_quotes_allowed_prices() {
        for pair in PAIRS {
            assert_eq!(pair.house.middle % pair.tick, 0);
            assert_eq!(pair.house.step % pair.tick, 0);
            assert!(pair.house.middle > pair.house.step * pair.house.levels);
            assert!(pair.house.lots >= pair.order_min);
        }
    }
}
