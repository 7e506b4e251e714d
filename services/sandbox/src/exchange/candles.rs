//! Candles, drawn from the minutes of the tape (Kraken docs: Get OHLC Data).

use super::engine::Engine;
use super::markets::{LOT_DECIMALS, PAIRS};
use super::order::to_i128;
use super::public::{one_of, one_pair, since_s};
use super::refusal::Refusal;
use super::tape::{Sums, Tape};
use crate::wire::json::{Json, success};
use crate::wire::params::Params;

/// As many candles as there are at most in an answer.
const CANDLES_MAX: u64 = 720;
const INTERVALS_MIN: &[u64] = &[1, 5, 15, 30, 60, 240, 1_440, 10_080, 21_600];

/// One candle.
#[derive(Clone, Copy, Debug)]
struct Candle {
    begins_s: u64,
    sums: Sums,
    close: u64,
}

/// The candles of a tape up to now. One without trades stands at the price before it. What the tape has forgotten is
/// in none of them.
fn candles(tape: &Tape, now_s: u64, interval_s: u64) -> Vec<Candle> {
    let begins = |at_s: u64| at_s - at_s % interval_s;
    let first_s = tape.minutes().next().map_or(now_s, |minute| minute.begins_s);
    let earliest_s = begins(now_s).saturating_sub((CANDLES_MAX - 1) * interval_s);
    let mut minutes = tape.minutes().peekable();
    let mut close = tape.minutes().next().map_or(tape.last().0, |minute| minute.sums.open);
    while let Some(minute) = minutes.next_if(|minute| minute.begins_s < earliest_s) {
        close = minute.close;
    }
    let mut all = Vec::new();
    let mut begins_s = begins(first_s).max(earliest_s);
    while begins_s <= now_s {
        let mut sums = Sums::default();
        while let Some(minute) = minutes.next_if(|minute| minute.begins_s < begins_s + interval_s) {
            sums = sums.join(minute.sums);
            close = minute.close;
        }
        all.push(Candle { begins_s, sums, close });
        begins_s += interval_s;
    }
    all
}

/// `OHLC`: after `since`, oldest first. The last candle is open still; `last` is the one before it.
pub(crate) fn ohlc(engine: &Engine, now_us: u64, params: &Params) -> Result<String, Refusal> {
    let (index, since_s) = (one_pair(params)?, since_s(params)?);
    let interval_s = 60 * one_of(params, "interval", INTERVALS_MIN, 1)?;
    let pair = &PAIRS[index];
    let now_s = now_us / 1_000_000;
    let all = candles(&engine.tapes[index], now_s, interval_s);
    let open_s = now_s - now_s % interval_s;
    Ok(success(|json| {
        json.object(|json| {
            json.field(pair.id).array(|json| {
                for candle in all.iter().filter(|candle| candle.begins_s > since_s) {
                    json.array(|json| write(json, candle, pair.price_decimals));
                }
            });
            json.field("last").integer(open_s.saturating_sub(interval_s));
        });
    }))
}

fn write(json: &mut Json, candle: &Candle, price_decimals: u32) {
    let Candle { begins_s, sums, close } = candle;
    let or_close = |price: u64| if sums.count == 0 { *close } else { price };
    json.integer(begins_s);
    for price in [or_close(sums.open), or_close(sums.high), or_close(sums.low), *close] {
        json.decimal(i128::from(price), price_decimals);
    }
    json.decimal(to_i128(sums.notional.checked_div(sums.lots).unwrap_or(0)), price_decimals);
    json.decimal(to_i128(sums.lots), LOT_DECIMALS);
    json.integer(sums.count);
}

#[cfg(test)]
mod tests {
    use super::super::book::Side;
    use super::super::order::OrderType;
    use super::*;

    const MINUTE_US: u64 = 60_000_000;

    fn shape(candle: &Candle) -> (u64, u64, u64, u64) {
        (candle.begins_s, candle.sums.count, candle.sums.high, candle.close)
    }

    #[test]
    fn trades_fall_into_their_minute_and_quiet_minutes_stand_still() {
        let mut tape = Tape::new(50);
        assert_eq!(candles(&tape, 130, 60).iter().map(shape).collect::<Vec<_>>(), [(120, 0, 0, 50)]);
        for (at_us, price) in [(MINUTE_US, 100), (MINUTE_US + 1, 110), (2 * MINUTE_US - 1, 90)] {
            tape.record(at_us, Side::Buy, OrderType::Limit, price, 2, 1);
        }
        tape.record(4 * MINUTE_US, Side::Buy, OrderType::Limit, 95, 2, 1);
        let all: Vec<_> = candles(&tape, 301, 60).iter().map(shape).collect();
        assert_eq!(
            all,
            [(60, 3, 110, 90), (120, 0, 0, 90), (180, 0, 0, 90), (240, 1, 95, 95), (300, 0, 0, 95)]
        );
        let hour: Vec<_> = candles(&tape, 301, 3_600).iter().map(shape).collect();
        assert_eq!(hour, [(0, 4, 110, 95)]);
    }

    #[test]
    fn a_long_silence_is_cut_and_its_price_remembered() {
        let mut tape = Tape::new(50);
        tape.record(MINUTE_US, Side::Buy, OrderType::Limit, 77, 2, 1);
        let all = candles(&tape, 1_781_000_000, 60);
        assert_eq!(all.len() as u64, CANDLES_MAX);
        assert!(all.iter().all(|candle| (candle.sums.count, candle.close) == (0, 77)));
        assert_eq!(all.last().map(|candle| candle.begins_s), Some(1_781_000_000 - 1_781_000_000 % 60));
    }
}
