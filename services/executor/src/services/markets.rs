//! Keeping what is known of the pairs fresh, and asking it about an order.

use std::time::Duration;

use tidegate_core::{CallerName, Error};
use tidegate_kraken::Params;
use tokio::time::Instant;
use tracing::{info, warn};

use super::Api;
use crate::caller::CallInfo;
use crate::convert::names::Named;
use crate::markets::{Judgement, REFRESH_AGAIN, REFRESH_EVERY};

/// For one question to Kraken. An order may wait for it.
const PATIENCE: Duration = Duration::from_secs(2);

impl Api {
    /// Names pairs in today's spelling, beside Kraken's names.
    pub(super) fn name<T: Named>(&self, reply: &mut T) {
        reply.name(&|pair| self.markets.symbol(pair));
    }

    /// The same of a reply as it leaves.
    pub(super) fn named<T: Named>(&self, mut reply: T) -> T {
        self.name(&mut reply);
        reply
    }

    /// Asks Kraken for its pairs again and again until the process ends. `caller` is whose call it is in logs.
    pub(crate) async fn keep_markets(self, caller: CallerName) {
        let drain = self.lanes.shared.drain.clone();
        loop {
            self.refresh_markets(&caller).await;
            let rest = if self.markets.is_known() { REFRESH_EVERY } else { REFRESH_AGAIN };
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = drain.begun() => return,
            }
        }
    }

    /// What speaks against an act that places or changes orders, as far as its amounts go.
    pub(super) async fn objection(
        &self,
        caller: &CallerName,
        params: &Params,
        unchecked: bool,
    ) -> Option<Error> {
        let clock = &self.lanes.shared.clock;
        if unchecked {
            return None;
        }
        let judgement = self.markets.judge(params, clock.mono());
        if !matches!(judgement, Judgement::Stale(_)) {
            return judgement.error();
        }
        let _turn = self.markets.asking.lock().await;
        // Another may have asked meanwhile.
        if matches!(self.markets.judge(params, clock.mono()), Judgement::Stale(_)) {
            self.refresh_markets(caller).await;
        }
        self.markets.judge(params, clock.mono()).error()
    }

    async fn refresh_markets(&self, caller: &CallerName) {
        let Some(account) = self.acts.domains.keys().next() else { return };
        let info = CallInfo {
            caller: caller.clone(),
            account: account.clone(),
            request_id: None,
            key_tag: String::new(),
            answer_by: Instant::now() + PATIENCE,
        };
        match self.public(&info, "AssetPairs", Params::new()).await {
            Ok(pairs) => {
                let first = !self.markets.is_known();
                self.markets.learn(&pairs, self.lanes.shared.clock.mono());
                if first {
                    info!(
                        pairs = pairs.0.len(),
                        "Kraken's pairs are known; amounts of orders are checked from now on"
                    );
                }
            }
            Err(error) if self.markets.is_known() => {
                warn!(%error, "Kraken's pairs cannot be read; what was known of them before goes on");
            }
            Err(error) => {
                warn!(%error, "Kraken's pairs cannot be read; until they can, Kraken alone judges amounts of orders");
            }
        }
    }
}
