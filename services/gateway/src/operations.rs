//! The operations that end in the gateway: the lanes of the whole fleet.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use tidegate_core::Error;
use tidegate_proto::v1;
use tidegate_proto::v1::operations_service_server::OperationsService;
use tidegate_runtime::Drain;
use tidegate_runtime::status::to_status;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use crate::directory::{Directory, Picture};

/// Serves what the directory knows.
#[derive(Debug)]
pub(crate) struct Operations {
    pub(crate) directory: Directory,
    pub(crate) drain: Drain,
}

/// Every lane once. Of several reports the owner's counts; a lane that nobody owns is reported by any one.
fn merged(picture: &Picture) -> Vec<v1::Lane> {
    let mut lanes = std::collections::BTreeMap::<String, v1::Lane>::new();
    for report in picture.executors.values().flat_map(|executor| &executor.lanes).map(|entry| &entry.report) {
        let better = lanes.get(&report.key_label).is_none_or(|known| {
            known.state() == v1::LaneState::Elsewhere && report.state() != v1::LaneState::Elsewhere
        });
        if better {
            lanes.insert(report.key_label.clone(), report.clone());
        }
    }
    lanes.into_values().collect()
}

#[tonic::async_trait]
impl OperationsService for Operations {
    async fn list_lanes(
        &self,
        _: Request<v1::ListLanesRequest>,
    ) -> Result<Response<v1::ListLanesResponse>, Status> {
        Ok(Response::new(v1::ListLanesResponse { lanes: merged(&self.directory.now()) }))
    }

    type WatchLanesStream = Pin<Box<dyn Stream<Item = Result<v1::WatchLanesResponse, Status>> + Send>>;

    async fn watch_lanes(
        &self,
        _: Request<v1::WatchLanesRequest>,
    ) -> Result<Response<Self::WatchLanesStream>, Status> {
        let pictures = WatchStream::new(self.directory.subscribe())
            .map(|picture| {
                let lanes = merged(&picture);
                Ok(v1::WatchLanesResponse { lanes, peers: Vec::new(), owner: String::new() })
            })
            .take_until(self.drain.begun());
        Ok(Response::new(Box::pin(pictures)))
    }

    async fn get_api_key_info(
        &self,
        _: Request<v1::GetApiKeyInfoRequest>,
    ) -> Result<Response<v1::GetApiKeyInfoResponse>, Status> {
        // The front forwards every call that ends at Kraken before it comes here.
        Err(to_status(&Error::internal("GetApiKeyInfo reached the gateway's own routes")))
    }

    async fn list_unresolved(
        &self,
        _: Request<v1::ListUnresolvedRequest>,
    ) -> Result<Response<v1::ListUnresolvedResponse>, Status> {
        Err(to_status(&Error::internal("ListUnresolved reached the gateway's own routes")))
    }

    async fn decide_intent(
        &self,
        _: Request<v1::DecideIntentRequest>,
    ) -> Result<Response<v1::DecideIntentResponse>, Status> {
        Err(to_status(&Error::internal("DecideIntent reached the gateway's own routes")))
    }
}
