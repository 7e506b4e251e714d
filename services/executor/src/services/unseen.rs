//! Acts without a handle: withdrawals, transfers, allocations, exports, subaccounts.
//!
//! Kraken keeps no id of ours with them and takes no deadline, so nobody can find out later whether one that was not answered
//! was done, or which of two that are alike. They are claimed, sent once and never again; a lost answer stays open until Kraken
//! answers after all, or a person has looked. Of what moves money the person is shown what looks like it (`evidence`).

use prost::Message;
use tidegate_core::{Error, ErrorKind};
use tidegate_kraken::Params;
use tidegate_lanes::Wish;

use super::{Api, known};
use crate::acts::Act;
use crate::caller::CallInfo;
use crate::evidence::Sought;
use crate::handle::Handle;
use crate::lane_cell::NotAfter;
use crate::outcome;

/// Calls by which money leaves an account, or that decide where it may go.
pub(crate) const TRANSFERS: [&str; 7] = [
    "Withdraw",
    "WalletTransfer",
    "AccountTransfer",
    "FundingBeta/CreateWithdrawal",
    "FundingBeta/CreateAddress",
    "FundingBeta/UpdateAddress",
    "FundingBeta/DeleteAddress",
];

impl Api {
    /// Does something at most once that cannot be looked for.
    ///
    /// # Errors
    /// When it was certainly not done: it is not allowed here, carries no request id, or was refused.
    pub(super) async fn act_unseen<R: Message + Default>(
        &self,
        info: &CallInfo,
        name: &'static str,
        params: Params,
    ) -> Result<R, Error> {
        if !self.allow_transfers && TRANSFERS.contains(&name) {
            let text = format!(
                "{name} is not allowed here: money leaves accounts only where an operator has set executor.allow_transfers; \
                 nothing was sent"
            );
            return Err(Error::new(ErrorKind::Denied, text).with_fact("endpoint", name));
        }
        let request_id = info.required_request_id()?;
        let sought = Sought::of(name, &params);
        let act = Act {
            info: info.clone(),
            endpoint: known(name)?,
            params,
            not_after: NotAfter::None,
            id: self.derived(info, &request_id),
            request_id,
            handle: Handle::Unseen { endpoint: name.to_owned(), sought },
            wish: Wish::Keep,
            objection: None,
        };
        Ok(outcome::reply(info, &self.acts.run(act).await?))
    }
}
