//! WebSocket tokens.

use tidegate_kraken::Params;
use tidegate_proto::v1::stream_service_server::StreamService;
use tidegate_proto::v1::{GetWebSocketsTokenRequest, GetWebSocketsTokenResponse};
use tonic::{Request, Response, Status};

use super::{Api, opened, status};
use crate::convert::account;

#[tonic::async_trait]
impl StreamService for Api {
    async fn get_web_sockets_token(
        &self,
        request: Request<GetWebSocketsTokenRequest>,
    ) -> Result<Response<GetWebSocketsTokenResponse>, Status> {
        let (info, _) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let token = self.read(&info, "GetWebSocketsToken", Params::new()).await.map_err(status)?;
        Ok(Response::new(account::web_sockets_token(token)))
    }
}
