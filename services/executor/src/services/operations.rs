//! This process's lanes, and what Kraken says of one key.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use tidegate_core::{Error, KeyLabel};
use tidegate_kraken::Params;
use tidegate_kraken::wire::ApiKeyInfo;
use tidegate_proto::v1;
use tidegate_proto::v1::operations_service_server::OperationsService;
use tidegate_proto::v1::{
    GetApiKeyInfoRequest, GetApiKeyInfoResponse, ListLanesRequest, ListLanesResponse, WatchLanesRequest,
    WatchLanesResponse,
};
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use super::{Api, known, opened, shaped, status};
use crate::convert::account;
use crate::execute::Call;

#[tonic::async_trait]
impl OperationsService for Api {
    async fn list_lanes(&self, _: Request<ListLanesRequest>) -> Result<Response<ListLanesResponse>, Status> {
        Ok(Response::new(ListLanesResponse { lanes: self.directory.borrow().lanes.clone() }))
    }

    type WatchLanesStream = Pin<Box<dyn Stream<Item = Result<WatchLanesResponse, Status>> + Send>>;

    async fn watch_lanes(
        &self,
        _: Request<WatchLanesRequest>,
    ) -> Result<Response<Self::WatchLanesStream>, Status> {
        // Ends with the last lane: until then gateways learn where the others have gone.
        let reports = WatchStream::new(self.directory.clone()).map(Ok);
        Ok(Response::new(Box::pin(reports)))
    }

    async fn get_api_key_info(
        &self,
        request: Request<GetApiKeyInfoRequest>,
    ) -> Result<Response<GetApiKeyInfoResponse>, Status> {
        let (mut info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let wrong = |error: tidegate_core::IdError| Error::invalid_field("key_label", error.to_string());
        let label: KeyLabel = message.key_label.parse().map_err(wrong).map_err(status)?;
        if let Some(cell) = self.lanes.cells.iter().find(|cell| cell.key.label == label) {
            // The question is about the key, whatever account it belongs to.
            info.account = cell.key.account.clone();
        }
        let endpoint = known("GetApiKeyInfo").map_err(status)?;
        let call = Call { label: Some(label), ..Call::read(&info, endpoint, Params::new()) };
        let result = self.lanes.read(call).await.map_err(status)?;
        let key: ApiKeyInfo = shaped(endpoint, Some(&result)).map_err(status)?;
        Ok(Response::new(account::key_info(&message.key_label, key)))
    }

    async fn list_unresolved(
        &self,
        request: Request<v1::ListUnresolvedRequest>,
    ) -> Result<Response<v1::ListUnresolvedResponse>, Status> {
        let (info, _) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.unresolved_intents(&info).await.map(Response::new).map_err(status)
    }

    async fn decide_intent(
        &self,
        request: Request<v1::DecideIntentRequest>,
    ) -> Result<Response<v1::DecideIntentResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.decided_intent(&info, message).await.map(Response::new).map_err(status)
    }
}
