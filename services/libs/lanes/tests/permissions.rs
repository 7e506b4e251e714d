//! Who may serve what, generated from the recorded facts about Kraken's API: each endpoint, each set of permissions, and pools
//! of keys drawn at random.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Value;
use tidegate_core::{AccountName, Endpoint, ErrorKind, Permission, PermissionSet, UnixUs, endpoint};
use tidegate_lanes::{Asked, Candidate, Dates, choose};

type Tokens = BTreeSet<&'static str>;

/// One endpoint as the recorded facts have it.
struct Fact {
    name: &'static str,
    /// Any of these sets is enough; `None` for public endpoints.
    needs: Option<Vec<Tokens>>,
    /// The same as other sources of Kraken's read it, where they differ.
    other: Option<Vec<Tokens>>,
}

/// Where the sources conflict (rest.md, section 19), and what the other one asks for.
const CONFLICTS: [(&str, &[&[&str]]); 6] = [
    ("TradeBalance", &[&["query-funds"]]),
    ("TradesHistory", &[&["query-closed-trades"], &["query-open-trades"]]),
    ("QueryTrades", &[&["query-closed-trades"], &["query-open-trades"]]),
    ("DepositAddresses", &[&["add-funds"]]),
    ("CreateSubaccount", &[&["modify-trades"]]),
    ("FundingBeta/UpdateAddress", &[&["add-withdraw-address", "update-withdraw-address"]]),
];

static FACTS: LazyLock<Vec<Fact>> = LazyLock::new(|| {
    let facts: &'static Vec<Value> = Box::leak(Box::new(
        serde_json::from_str(include_str!("../../../../tests/data/endpoints.json")).expect("a JSON list"),
    ));
    let tokens = |set: &'static Value| -> Tokens {
        set.as_array().expect("tokens").iter().map(|token| token.as_str().expect("text")).collect()
    };
    let fact = |fact: &'static Value| {
        let name = fact["name"].as_str().expect("a name");
        let sets = fact["permission_tokens"].as_array().expect("alternatives");
        let needs: Vec<Tokens> = sets.iter().map(tokens).collect();
        let other = CONFLICTS.iter().find(|(conflict, _)| *conflict == name);
        Fact {
            name,
            needs: (!needs.is_empty()).then_some(needs),
            other: other.map(|(_, sets)| sets.iter().map(|set| set.iter().copied().collect()).collect()),
        }
    };
    facts.iter().map(fact).collect()
});

impl Fact {
    /// 0: fit by every reading; 1: by the most likely one; `None`: not.
    fn rank(&self, have: &Tokens) -> Option<u8> {
        let met = |sets: &[Tokens]| sets.iter().any(|set| set.is_subset(have));
        met(self.needs.as_ref()?).then(|| u8::from(self.other.as_ref().is_some_and(|other| !met(other))))
    }

    /// Every permission that some reading names.
    fn named(&self) -> Tokens {
        let sets = self.needs.iter().chain(&self.other).flatten();
        sets.flat_map(|set| set.iter().copied()).collect()
    }

    fn endpoint(&self) -> &'static Endpoint {
        endpoint(self.name).expect("a row for each fact")
    }
}

fn account() -> AccountName {
    "main".parse().expect("a label")
}

fn key(number: usize, have: &Tokens) -> Candidate {
    let permissions: PermissionSet = have.iter().map(|t| t.parse::<Permission>().expect("a token")).collect();
    Candidate::new(format!("key-{number}").parse().expect("a label"), account(), permissions)
}

/// The number of the key that serves.
fn chosen(endpoint: &Endpoint, pool: &[Candidate]) -> Result<usize, ErrorKind> {
    let account = account();
    let asked = Asked { endpoint, account: &account, key_tag: None, dates: Dates::default(), now: UnixUs(1) };
    let ranked = choose(&asked, pool).map_err(|error| error.into_error(endpoint).kind)?;
    Ok(pool.iter().position(|candidate| candidate.label == ranked[0].label).expect("one of the pool"))
}

fn subsets(of: &Tokens) -> Vec<Tokens> {
    let all: Vec<_> = of.iter().copied().collect();
    let pick =
        |bits: u32| all.iter().enumerate().filter(move |(i, _)| bits >> i & 1 == 1).map(|(_, token)| *token);
    (0..1_u32 << all.len()).map(|bits| pick(bits).collect()).collect()
}

#[test]
fn each_endpoint_with_each_set_of_the_permissions_that_it_names() {
    let every: Tokens = Permission::ALL.iter().map(|permission| permission.token()).collect();
    let mut judged = 0;
    for fact in FACTS.iter().filter(|fact| fact.needs.is_some()) {
        let named = fact.named();
        // What an endpoint does not name makes no difference: none of it, or all of it.
        let others: Tokens = every.difference(&named).copied().collect();
        for subset in subsets(&named) {
            let served = fact.rank(&subset).is_some();
            for have in [subset.clone(), &subset | &others] {
                let verdict = chosen(fact.endpoint(), &[key(0, &have)]);
                let wanted = if served { Ok(0) } else { Err(ErrorKind::NoKey) };
                assert_eq!(verdict, wanted, "{} with {have:?}", fact.name);
                judged += 1;
            }
        }
    }
    assert!(judged > 250, "only {judged}");
}

#[test]
fn what_is_missing_is_named_by_the_smallest_set_that_would_do() {
    for fact in FACTS.iter().filter(|fact| fact.rank(&Tokens::new()).is_none()) {
        let Some(needs) = &fact.needs else { continue };
        let account = account();
        let endpoint = fact.endpoint();
        let asked =
            Asked { endpoint, account: &account, key_tag: None, dates: Dates::default(), now: UnixUs(1) };
        let error = choose(&asked, &[key(0, &Tokens::new())])
            .expect_err("nothing is not enough")
            .into_error(endpoint);
        let said = error.facts.iter().find(|(name, _)| *name == "missing_permission").expect("a fact");
        let smallest = needs.iter().map(BTreeSet::len).min().expect("a set");
        let said: BTreeSet<Tokens> =
            said.1.clone().leak().split(" or ").map(|set| set.split(" + ").collect()).collect();
        let wanted: BTreeSet<Tokens> = needs.iter().filter(|set| set.len() == smallest).cloned().collect();
        assert_eq!(said, wanted, "{}", fact.name);
    }
}

fn some_key() -> impl Strategy<Value = Tokens> {
    let tokens: Vec<&'static str> = Permission::ALL.iter().map(|permission| permission.token()).collect();
    // Small keys often, large ones too: with random bits nearly every key would have a needless permission.
    prop::sample::subsequence(tokens, 0..=6).prop_map(|tokens| tokens.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// For every endpoint at once: of the keys that are fit alike, none has all but some permissions of the chosen one, and none
    /// all but some of its needless ones, those that no reading names.
    #[test]
    fn the_chosen_key_of_three_has_no_needless_permission_that_another_fit_key_lacks(
        keys in prop::collection::vec(some_key(), 3),
    ) {
        let pool: Vec<Candidate> = keys.iter().enumerate().map(|(number, have)| key(number, have)).collect();
        for fact in FACTS.iter().filter(|fact| fact.needs.is_some()) {
            let ranks: Vec<_> = keys.iter().map(|have| fact.rank(have)).collect();
            let best = ranks.iter().flatten().min();
            let Some(best) = best else {
                prop_assert_eq!(chosen(fact.endpoint(), &pool), Err(ErrorKind::NoKey), "{}", fact.name);
                continue;
            };
            let number = chosen(fact.endpoint(), &pool);
            let Ok(number) = number else { return Err(TestCaseError::fail(format!("{}: {number:?}", fact.name))) };
            prop_assert_eq!(ranks[number].as_ref(), Some(best), "{} by {:?}", fact.name, &keys[number]);
            let needless = |have: &Tokens| have.difference(&fact.named()).copied().collect::<Tokens>();
            for (other, have) in keys.iter().enumerate().filter(|(other, _)| ranks[*other].as_ref() == Some(best)) {
                let less = have.is_subset(&keys[number]) && *have != keys[number];
                prop_assert!(!less, "{}: key {number} of {keys:?}, and {other} has less", fact.name);
                let (mine, theirs) = (needless(&keys[number]), needless(have));
                let more = theirs.is_subset(&mine) && theirs != mine;
                prop_assert!(!more, "{}: key {number} of {keys:?} has more that is needless than {other}", fact.name);
            }
        }
    }
}
