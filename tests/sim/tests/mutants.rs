//! Each guard of the protocol, taken away alone, is missed within some seeds.

use tidegate_lanes::{Guard, without};
use tidegate_sim::run;

fn main() {
    let max: u64 = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(600);
    for guard in Guard::ALL {
        let mut found = None;
        let mut count = 0;
        for seed in 0..max {
            let outcome = without(*guard, || run(seed));
            if !outcome.violations.is_empty() {
                count += 1;
                if found.is_none() { found = Some((seed, outcome.violations[0].clone())); }
                if count >= 3 { break; }
            }
        }
        println!("{guard:?}: {count} {found:?}");
    }
}
