//! Where the middle of a moving market is: a function of the seed and of time, and of nothing else.
//!
//! *The idea.* Noise in layers. A layer draws a number for each of its periods, and goes straight from one to the next; every
//! layer is four times as slow as the one before and goes twice as far, which is how far a random walk gets. So there is
//! something to see within a second, a minute, an hour and a day. The sum is bounded, so that no price ever runs away or
//! becomes nothing, and it can be asked for at any time without walking through the times before: a long silence costs nothing.
//!
//! Pairs of one asset move together, and each a little by itself, as their quote assets do.

use super::ids::Source;
use super::markets::PAIRS;

/// The slowest has a period of three days.
const LAYERS: u32 = 10;
/// How far the first layer goes either way, in thousandths of a millionth; its period is a second.
const FIRST_PPB: i64 = 10_000;
/// What a pair does by itself is this much smaller.
const OWN: i64 = 8;
const BILLION: i64 = 1_000_000_000;
/// Streams of [`Source`] from here on are layers of noise, sixteen for each asset and then for each pair.
const ASSETS_FROM: u64 = 64;
const PAIRS_FROM: u64 = 1_024;

/// The middle of a pair at a second of the market's clock, a multiple of its tick.
pub(crate) fn middle(seed: u64, pair: usize, at_s: u64) -> u64 {
    let market = &PAIRS[pair];
    let of_asset = noise(seed, ASSETS_FROM + 16 * market.base as u64, at_s);
    let own = noise(seed, PAIRS_FROM + 16 * pair as u64, at_s) / OWN;
    let centre = i128::from(market.house.middle);
    let off = centre * i128::from(of_asset + own) / i128::from(BILLION);
    let price = u64::try_from(centre + off).unwrap_or(market.house.middle);
    price - price % market.tick
}

/// Between plus and minus the sum of all layers, about a hundredth, in thousandths of a millionth.
fn noise(seed: u64, stream: u64, at_s: u64) -> i64 {
    let layer = |layer: u32| {
        let (period, reach) = (4_u64.pow(layer), FIRST_PPB << layer);
        let draws = Source::new(seed, stream + u64::from(layer));
        let draw = |index: u64| draw_within(&draws, index, reach);
        let (index, along) = (at_s / period, at_s % period);
        let (from, to) = (draw(index), draw(index + 1));
        // Both are below 2^23 and periods below 2^19.
        from + (to - from) * i64::try_from(along).unwrap_or(0) / i64::try_from(period).unwrap_or(1)
    };
    (0..LAYERS).map(layer).sum()
}

fn draw_within(draws: &Source, index: u64, reach: i64) -> i64 {
    i64::try_from(draws.at(index) % (2 * reach.unsigned_abs() + 1)).unwrap_or(reach) - reach
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_781_000_000;

    #[test]
    fn it_moves_within_a_second_and_never_runs_away() {
        for (pair, market) in PAIRS.iter().enumerate() {
            let centre = market.house.middle;
            // Minute by minute for four days, second by second for an hour.
            let minutes = (0..5_760).map(|minute| NOW_S + 60 * minute);
            let all: Vec<_> = minutes.chain(NOW_S..NOW_S + 3_600).map(|at_s| middle(7, pair, at_s)).collect();
            assert!(all.iter().all(|price| price % market.tick == 0));
            assert!(all.iter().all(|price| price.abs_diff(centre) * 80 < centre), "{}", market.id);
            let (low, high) = (all.iter().min().unwrap(), all.iter().max().unwrap());
            assert!(
                (high - low) * 500 > centre,
                "{}: days pass and nothing happens: {low} to {high}",
                market.id
            );
            let seconds = &all[5_760..];
            let moved = seconds.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(moved > 1_800, "{}: {moved} of an hour's seconds moved it", market.id);
            let widest = seconds.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap();
            assert!(widest * 10_000 < centre, "{}: a jump of {widest}", market.id);
        }
    }

    #[test]
    fn the_seed_and_the_time_decide() {
        let day = |seed, pair| (0..1_440).map(move |minute| middle(seed, pair, NOW_S + 60 * minute));
        assert!(day(1, 0).eq(day(1, 0)));
        assert!(day(1, 0).ne(day(2, 0)));
    }

    #[test]
    fn pairs_of_one_asset_move_together() {
        // Their ratio moves far less than either of them.
        let spread = |values: &mut dyn Iterator<Item = u64>| {
            let all: Vec<_> = values.collect();
            (all.iter().max().unwrap() - all.iter().min().unwrap()) * 1_000_000 / all[0]
        };
        let days = || (0..200).map(|step| NOW_S + 10_000 * step);
        let one = spread(&mut days().map(|at_s| middle(3, 0, at_s) * 1_000));
        let ratio = spread(&mut days().map(|at_s| middle(3, 0, at_s) * 1_000_000 / middle(3, 2, at_s)));
        assert!(ratio * 3 < one, "{ratio} of {one}");
    }
}
