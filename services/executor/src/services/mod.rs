//! The API as an executor serves it: a request becomes parameters, a result becomes a reply.

mod account;
mod cancels;
mod earn;
mod funding;
mod funding_beta;
mod intents;
mod market;
mod markets;
mod operations;
mod orders;
mod pages;
mod report;
mod stream;
mod trading;
mod unseen;

pub(crate) use unseen::TRANSFERS;

use std::sync::Arc;

use serde_json::value::RawValue;
use tidegate_core::{Endpoint, Error, ErrorKind, endpoint};
use tidegate_kraken::wire::{self, Wire};
use tidegate_kraken::{Params, RestClient};
use tidegate_proto::v1;
use tidegate_runtime::status::to_status;
use tonic::{Request, Status};

use crate::acts::Acts;
use crate::board::Board;
use crate::budget::Budget;
use crate::caller::CallInfo;
use crate::execute::{Call, Lanes};
use crate::joined::Joined;
use crate::markets::Markets;

/// What the services share.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub lanes: Arc<Lanes>,
    pub acts: Arc<Acts>,
    pub budget: Arc<Budget>,
    pub joined: Arc<Joined>,
    pub board: Arc<Board>,
    pub markets: Arc<Markets>,
    pub rest: RestClient,
    pub deployment: Arc<str>,
    pub directory: tokio::sync::watch::Receiver<v1::WatchLanesResponse>,
    pub allow_edit_order: bool,
    pub allow_transfers: bool,
}

/// The row of an endpoint that this crate names itself.
fn known(name: &'static str) -> Result<&'static Endpoint, Error> {
    endpoint(name).ok_or_else(|| Error::internal(format!("no endpoint {name} in the table")))
}

/// Who calls and what they ask, or why not.
fn opened<T>(
    request: Request<T>,
    context: impl Fn(&T) -> Option<&v1::CallContext>,
) -> Result<(CallInfo, T), Error> {
    let (metadata, _, message) = request.into_parts();
    let info = CallInfo::read(&metadata, context(&message))?;
    Ok((info, message))
}

/// Reads a result that changes nothing, or says that Kraken answered something else.
pub(crate) fn shaped<T: Wire>(endpoint: &Endpoint, result: Option<&RawValue>) -> Result<T, Error> {
    wire::read(result).map_err(|shape| {
        let text = format!("Kraken's answer to {} cannot be read; the call changes nothing", endpoint.name);
        Error::new(ErrorKind::Unavailable, text)
            .with_log(shape.to_string())
            .with_fact("endpoint", endpoint.name)
    })
}

impl Api {
    /// A private call that changes nothing.
    async fn read<T: Wire>(&self, info: &CallInfo, name: &'static str, params: Params) -> Result<T, Error> {
        let endpoint = known(name)?;
        let result = self.lanes.read(Call::read(info, endpoint, params)).await?;
        shaped(endpoint, Some(&result))
    }

    /// The same where Kraken answers null if there is nothing to say.
    async fn read_or_null<T: Wire>(
        &self,
        info: &CallInfo,
        name: &'static str,
        params: Params,
    ) -> Result<T, Error> {
        let endpoint = known(name)?;
        let call = Call { null_answers: true, ..Call::read(info, endpoint, params) };
        shaped(endpoint, Some(&self.lanes.read(call).await?))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err calls")]
fn status(error: Error) -> Status {
    to_status(&error)
}
