//! What is learnt from Kraken's denials: a key that should have been fit for an endpoint and was not.
//!
//! Kraken's sources differ about what some endpoints need, and may be wrong about others. So a denial ranks the key behind
//! others for that endpoint alone. It is forgotten after an hour, because a denial can have other causes (an account that is
//! checked, a moment's trouble), and when the key is verified as the first call of a new epoch. The look at the key that follows
//! each denial is no reason to forget: it finds the permissions that were there before.

use tidegate_core::{Endpoint, MonoUs};

/// How long a denial is remembered.
pub const DENIED_FOR_US: u64 = 3_600_000_000;

/// The endpoints that Kraken has denied to a key not long ago: at most as many as there are.
#[derive(Debug, Default)]
pub struct Denials(Vec<(&'static str, MonoUs)>);

impl Denials {
    /// Kraken has denied the endpoint to the key.
    pub fn note(&mut self, endpoint: &Endpoint, now: MonoUs) {
        self.0.retain(|(name, at)| *name != endpoint.name && now.us_since(*at) < DENIED_FOR_US);
        self.0.push((endpoint.name, now));
    }

    /// Whether it did so within the hour.
    pub fn holds(&self, endpoint: &Endpoint, now: MonoUs) -> bool {
        self.names(now).any(|name| name == endpoint.name)
    }

    /// What it denied within the hour.
    pub fn names(&self, now: MonoUs) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(move |(_, at)| now.us_since(*at) < DENIED_FOR_US).map(|(name, _)| *name)
    }

    /// The key was verified anew.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::{ENDPOINTS, endpoint};

    use super::*;

    #[test]
    fn a_denial_is_of_one_endpoint_and_for_an_hour() {
        let (balance, ledgers) = (endpoint("Balance").expect("a row"), endpoint("Ledgers").expect("a row"));
        let mut denials = Denials::default();
        denials.note(balance, MonoUs(5));
        assert!(denials.holds(balance, MonoUs(4 + DENIED_FOR_US)));
        assert!(!denials.holds(balance, MonoUs(5 + DENIED_FOR_US)));
        assert!(!denials.holds(ledgers, MonoUs(5)));
        denials.note(balance, MonoUs(9));
        assert!(denials.holds(balance, MonoUs(5 + DENIED_FOR_US)), "the newest counts");
        denials.forget();
        assert!(!denials.holds(balance, MonoUs(9)));
    }

    #[test]
    fn it_remembers_no_more_than_there_is() {
        let mut denials = Denials::default();
        for round in 0..3 {
            ENDPOINTS.iter().for_each(|endpoint| denials.note(endpoint, MonoUs(round)));
        }
        assert_eq!(denials.0.len(), ENDPOINTS.len());
        denials.note(&ENDPOINTS[0], MonoUs(3 + DENIED_FOR_US));
        assert_eq!(denials.0.len(), 1, "what is forgotten takes no room");
    }
}
