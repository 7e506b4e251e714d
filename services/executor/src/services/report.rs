//! Reports.
//!
//! An archive is passed on as it comes: nothing of it is kept but the piece that is on its way, and it comes no faster than its
//! caller takes it. The key's lane is free as soon as the archive begins.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, stream};
use tidegate_core::{Error, ErrorKind};
use tidegate_kraken::{Download, Params};
use tidegate_proto::v1::report_service_server::ReportService;
use tidegate_proto::v1::{
    AddExportRequest, AddExportResponse, GetExportStatusRequest, GetExportStatusResponse,
    RemoveExportRequest, RemoveExportResponse, RetrieveExportRequest, RetrieveExportResponse,
    StreamExportRequest, StreamExportResponse,
};
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status};
use tracing::warn;

use super::{Api, known, opened, status};
use crate::caller::CallInfo;
use crate::convert::report;
use crate::execute::{Call, unusable};

/// The largest archive in one reply: most gRPC clients take no more than 4 MiB.
const WHOLE_MAX: u64 = 4_000_000;
/// The largest archive at all.
const STREAM_MAX: u64 = 1 << 30;
/// The largest piece of one.
const PIECE_MAX: usize = 64 << 10;
/// For how long nothing may come of one.
const STALL_MAX: Duration = Duration::from_secs(30);

const RETRIEVE: &str = "RetrieveExport";

impl Api {
    async fn download(&self, info: &CallInfo, params: Params) -> Result<Download, Error> {
        let call = Call { archive: true, ..Call::read(info, known(RETRIEVE)?, params) };
        self.lanes.download(call).await
    }

    async fn whole_export(&self, info: &CallInfo, params: Params) -> Result<Vec<u8>, Error> {
        let mut passing = Passing::of(self.download(info, params).await?, WHOLE_MAX)?;
        let mut archive = Vec::new();
        loop {
            match timeout_at(info.answer_by, passing.piece()).await {
                Ok(Ok(Some(piece))) => archive.extend_from_slice(&piece),
                Ok(Ok(None)) => return Ok(archive),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    let text = "the archive did not come whole in the time left; StreamExport needs the time for its \
                                beginning only";
                    return Err(Error::new(ErrorKind::Late, text).with_fact("endpoint", RETRIEVE));
                }
            }
        }
    }
}

/// An archive on its way to a caller.
struct Passing {
    download: Download,
    passed_bytes: u64,
    max_bytes: u64,
}

impl Passing {
    /// Refuses at once what is announced to be too large.
    fn of(download: Download, max_bytes: u64) -> Result<Self, Error> {
        if download.announced_bytes().is_some_and(|bytes| bytes > max_bytes) {
            return Err(too_large(max_bytes));
        }
        Ok(Self { download, passed_bytes: 0, max_bytes })
    }

    async fn piece(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let until = Instant::now() + STALL_MAX;
        let piece = match timeout_at(until, self.download.next(PIECE_MAX)).await {
            Ok(Ok(piece)) => piece,
            Ok(Err(fault)) => return Err(broken_off(&fault.to_string())),
            Err(_) => return Err(broken_off("nothing has come for half a minute")),
        };
        let Some(piece) = piece else { return Ok(None) };
        self.passed_bytes += piece.len() as u64;
        if self.passed_bytes > self.max_bytes {
            return Err(too_large(self.max_bytes));
        }
        Ok(Some(piece.into()))
    }
}

fn broken_off(text: &str) -> Error {
    warn!(endpoint = RETRIEVE, text, "an archive of Kraken's broke off");
    match known(RETRIEVE) {
        Ok(endpoint) => unusable(endpoint, &format!("the archive broke off: {text}")),
        Err(error) => error,
    }
}

fn too_large(max_bytes: u64) -> Error {
    let advice = if max_bytes == WHOLE_MAX { "; StreamExport takes larger ones" } else { "" };
    let text =
        format!("names an archive of more than {max_bytes} bytes, the most that this call takes{advice}");
    Error::invalid_field("export_id", text)
}

#[tonic::async_trait]
impl ReportService for Api {
    async fn add_export(
        &self,
        request: Request<AddExportRequest>,
    ) -> Result<Response<AddExportResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = report::add_export_of(&message).map_err(status)?;
        self.act_unseen(&info, "AddExport", params).await.map(Response::new).map_err(status)
    }

    async fn get_export_status(
        &self,
        request: Request<GetExportStatusRequest>,
    ) -> Result<Response<GetExportStatusResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = report::export_status_of(&message).map_err(status)?;
        let found = self.read(&info, "ExportStatus", params).await.map_err(status)?;
        Ok(Response::new(report::export_status(found)))
    }

    async fn retrieve_export(
        &self,
        request: Request<RetrieveExportRequest>,
    ) -> Result<Response<RetrieveExportResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = report::retrieve_export_of(&message.export_id).map_err(status)?;
        let archive = self.whole_export(&info, params).await.map_err(status)?;
        Ok(Response::new(RetrieveExportResponse { archive }))
    }

    type StreamExportStream = Pin<Box<dyn Stream<Item = Result<StreamExportResponse, Status>> + Send>>;

    async fn stream_export(
        &self,
        request: Request<StreamExportRequest>,
    ) -> Result<Response<Self::StreamExportStream>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = report::retrieve_export_of(&message.export_id).map_err(status)?;
        let download = self.download(&info, params).await.map_err(status)?;
        let archive_bytes = download.announced_bytes();
        let passing = Passing::of(download, STREAM_MAX).map_err(status)?;
        let pieces = stream::try_unfold(passing, move |mut passing| async move {
            let piece = passing.piece().await.map_err(status)?;
            Ok::<_, Status>(piece.map(|piece| (StreamExportResponse { piece, archive_bytes }, passing)))
        });
        Ok(Response::new(Box::pin(pieces)))
    }

    async fn remove_export(
        &self,
        request: Request<RemoveExportRequest>,
    ) -> Result<Response<RemoveExportResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = report::remove_export_of(&message).map_err(status)?;
        self.act_unseen(&info, "RemoveExport", params).await.map(Response::new).map_err(status)
    }
}
