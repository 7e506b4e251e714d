//! Every small search finds what the table says: what holds, and what breaks without each guard.

use tidegate_model::search::search;
use tidegate_model::variants::{Expect, all};

/// Above every small search.
const VISITS_MAX: usize = 8_000_000;

#[test]
fn every_small_search_finds_what_the_table_says() {
    let (mut holding, mut breaking, mut wrong) = (0, 0, Vec::new());
    for variant in all().into_iter().filter(|variant| variant.small) {
        let until = match variant.expect {
            Expect::Holds => None,
            Expect::Breaks(property) => Some(property),
        };
        let outcome = search(variant.config, until, VISITS_MAX);
        if !variant.agrees(&outcome) {
            wrong.push(format!("{}: {outcome:?}", variant.name));
        }
        match variant.expect {
            Expect::Holds => holding += 1,
            Expect::Breaks(_) => breaking += 1,
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(holding >= 20 && breaking >= 20, "{holding} hold, {breaking} break");
}
