//! Names of assets and pairs: Kraken's, and those of today.
//!
//! Kraken says XBT and XDG where everybody says BTC and DOGE, writes one pair as `XXBTZUSD`, `XBTUSD` and `XBT/USD`, and marks
//! kinds of one asset with a suffix (`DOT.S`). Callers may write today's symbols, `BTC/USD`, wherever a pair is asked for, and
//! are told them beside Kraken's own names (Kraken docs: asset names; fact sheet REST, section on names).

use tidegate_proto::v1;

/// What follows the point in the name of an asset that is not plain money of an account.
const SUFFIXES: [&str; 6] = ["S", "M", "F", "B", "T", "HOLD"];

/// A pair as Kraken's older calls take it: `XBT/USD` for `BTC/USD`. Anything without a stroke is left as it is.
pub(crate) fn kraken_pair(written: &str) -> String {
    match written.split_once('/') {
        Some((base, quote)) => format!("{}/{}", kraken_asset(base), kraken_asset(quote)),
        None => written.to_owned(),
    }
}

fn kraken_asset(asset: &str) -> &str {
    match asset {
        "BTC" => "XBT",
        "DOGE" => "XDG",
        other => other,
    }
}

/// A pair in today's spelling: `BTC/USD` for Kraken's `XBT/USD`. Empty where the parts are not told apart.
pub(crate) fn symbol(wsname: &str) -> String {
    let Some((base, quote)) = wsname.split_once('/') else { return String::new() };
    format!("{}/{}", modern(base), modern(quote))
}

fn modern(asset: &str) -> &str {
    match asset {
        "XBT" => "BTC",
        "XDG" => "DOGE",
        other => other,
    }
}

/// An asset in today's spelling, and its kind: `("DOT", "S")` for `DOT.S`, `("BTC", "")` for `XXBT`.
///
/// Only names of four letters that begin with X or Z carry such a prefix, and not all of these do; the ones that do are old and
/// their list does not grow (Kraken docs: asset names).
pub(crate) fn asset(id: &str) -> (String, String) {
    let (name, kind) = match id.rsplit_once('.') {
        Some((name, suffix)) if SUFFIXES.contains(&suffix) => (name, suffix),
        _ => (id, ""),
    };
    const PREFIXED: [&str; 21] = [
        "XETC", "XETH", "XLTC", "XMLN", "XREP", "XXBT", "XXDG", "XXLM", "XXMR", "XXRP", "XZEC", "ZAUD",
        "ZCAD", "ZEUR", "ZGBP", "ZJPY", "ZUSD", "ZCHF", "XICN", "XNMC", "XXVN",
    ];
    let plain = if PREFIXED.contains(&name) { &name[1..] } else { name };
    (modern(plain).to_owned(), kind.to_owned())
}

/// The same as a part of a reply.
pub(crate) fn asset_name(id: &str) -> v1::AssetName {
    let (symbol, kind) = asset(id);
    v1::AssetName { symbol, kind }
}

/// Replies that name pairs under Kraken's names, and are to name them in today's spelling as well.
pub(crate) trait Named {
    /// Writes the symbols that are known beside Kraken's names.
    fn name(&mut self, symbol: &dyn Fn(&str) -> String);
}

impl Named for v1::Order {
    fn name(&mut self, symbol: &dyn Fn(&str) -> String) {
        if let Some(description) = &mut self.description {
            description.symbol = symbol(&description.pair);
        }
    }
}

macro_rules! by_pair {
    ($($message:ident)*) => {$(
        impl Named for v1::$message {
            fn name(&mut self, symbol: &dyn Fn(&str) -> String) {
                self.symbol = symbol(&self.pair);
            }
        }
    )*};
}

by_pair! {
    OwnTrade OpenPosition Ticker GetDepthResponse GetTradesResponse GetSpreadResponse GetOhlcResponse GetGroupedBookResponse
    GetLevel3Response
}

impl Named for v1::GetTradeVolumeResponse {
    fn name(&mut self, symbol: &dyn Fn(&str) -> String) {
        for (pair, standing) in self.fees.iter_mut().chain(&mut self.fees_maker) {
            standing.symbol = symbol(pair);
        }
        for (pair, schedule) in &mut self.schedules {
            schedule.symbol = symbol(pair);
        }
    }
}

impl<T: Named> Named for Vec<T> {
    fn name(&mut self, symbol: &dyn Fn(&str) -> String) {
        self.iter_mut().for_each(|one| one.name(symbol));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn todays_symbols_and_krakens_names_are_turned_into_each_other() {
        for (kraken, today) in [("XBT/USD", "BTC/USD"), ("XDG/XBT", "DOGE/BTC"), ("ETH/EUR", "ETH/EUR")] {
            assert_eq!((symbol(kraken), kraken_pair(today)), (today.to_owned(), kraken.to_owned()));
            assert_eq!(kraken_pair(kraken), kraken, "its own are left alone");
        }
        assert_eq!((kraken_pair("XXBTZUSD"), kraken_pair("BTCUSD")), ("XXBTZUSD".into(), "BTCUSD".into()));
        assert_eq!((symbol("XBTUSD"), symbol("")), (String::new(), String::new()));
    }

    #[test]
    fn every_pair_of_a_reply_is_named_beside_krakens_name() {
        let symbol = |pair: &str| if pair == "XXBTZUSD" { "BTC/USD".to_owned() } else { String::new() };
        let mut book = v1::GetDepthResponse { pair: "XXBTZUSD".into(), ..Default::default() };
        book.name(&symbol);
        assert_eq!((book.pair.as_str(), book.symbol.as_str()), ("XXBTZUSD", "BTC/USD"));
        let pairs = || ["XXBTZUSD", "NEWUSD"].map(str::to_owned).into_iter();
        let standings = || pairs().map(|pair| (pair, v1::FeeStanding::default())).collect();
        let mut volume = v1::GetTradeVolumeResponse {
            fees: standings(),
            fees_maker: standings(),
            schedules: pairs().map(|pair| (pair, v1::FeeSchedule::default())).collect(),
            ..Default::default()
        };
        volume.name(&symbol);
        for standings in [&volume.fees, &volume.fees_maker] {
            assert_eq!(
                (standings["XXBTZUSD"].symbol.as_str(), standings["NEWUSD"].symbol.as_str()),
                ("BTC/USD", "")
            );
        }
        assert_eq!(volume.schedules["XXBTZUSD"].symbol, "BTC/USD");
        assert_eq!(volume.schedules["NEWUSD"].symbol, "");
    }

    #[test]
    fn an_asset_is_a_name_and_a_kind() {
        for (id, name, kind) in [
            ("XXBT", "BTC", ""),
            ("ZUSD", "USD", ""),
            ("XXDG", "DOGE", ""),
            ("XBT.M", "BTC", "M"),
            ("DOT.S", "DOT", "S"),
            ("USDC.F", "USDC", "F"),
            ("ZUSD.HOLD", "USD", "HOLD"),
            ("AAPLx.T", "AAPLx", "T"),
            ("XRT", "XRT", ""),
            ("ZRX", "ZRX", ""),
            ("X.Y", "X.Y", ""),
            ("DOT28.S", "DOT28", "S"),
        ] {
            assert_eq!(asset(id), (name.to_owned(), kind.to_owned()), "{id}");
        }
    }
}
