//! Who calls, and what they may do.
//!
//! There is one identity so far: everyone who reaches the listener is `local`. It is a value like any other, so
//! that authentication can take its place without touching what stands behind it.

use http::HeaderMap;
use tidegate_core::{AccountName, CallerName, Effect, Endpoint, Error, ErrorKind};

/// An authenticated caller and its rights.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Name in logs, quotas and derived client order ids.
    pub(crate) name: CallerName,
    /// Account of calls that name none.
    pub(crate) default_account: AccountName,
    /// Whether the caller may cancel everything on an account, whoever placed it.
    pub(crate) may_cancel_all: bool,
    /// Whether the caller may say what became of an act that needs a person.
    pub(crate) may_decide: bool,
}

/// Says who sent a request.
#[derive(Debug)]
pub(crate) struct Authenticator {
    local: Identity,
}

impl Authenticator {
    /// Everyone is this identity.
    pub(crate) const fn everyone_is(local: Identity) -> Self {
        Self { local }
    }

    /// The identity behind a request.
    pub(crate) fn identify(&self, _headers: &HeaderMap) -> Result<&Identity, Error> {
        Ok(&self.local)
    }
}

impl Identity {
    /// Whether the caller may use an endpoint on an account.
    pub(crate) fn authorise(&self, endpoint: &Endpoint, account: &AccountName) -> Result<(), Error> {
        if endpoint.effect == Effect::CancelScope && !self.may_cancel_all {
            let text = format!(
                "{} cancels the orders of every strategy on account {account}, and caller {} is not allowed to: \
                 set gateway.allow_cancel_all to allow it",
                endpoint.name, self.name
            );
            return Err(Error::new(ErrorKind::Denied, text).with_fact("endpoint", endpoint.name));
        }
        Ok(())
    }

    /// Whether the caller may give a verdict on an intent.
    pub(crate) fn authorise_verdict(&self) -> Result<(), Error> {
        if self.may_decide {
            return Ok(());
        }
        let text = format!(
            "caller {} is not allowed to decide what became of an act: set gateway.allow_decide_intents to allow it",
            self.name
        );
        Err(Error::new(ErrorKind::Denied, text))
    }
}
