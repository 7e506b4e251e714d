//! gRPC on the wire, as far as an edge needs it that forwards messages without decoding them.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use tidegate_core::Error;
use tonic::body::Body;

/// Bytes before each message: a flag for compression and the length.
const PREFIX: usize = 5;

/// Reads the one message of a unary request.
///
/// Errors are the caller's: too large, compressed (we never offered it), cut, or more than one message.
pub(crate) async fn read_message(body: Body, limit_bytes: usize) -> Result<Bytes, Error> {
    let bytes = match Limited::new(body, limit_bytes + PREFIX).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(Error::invalid_field("message", format!("is larger than {limit_bytes} bytes")));
        }
        Err(error) => {
            return Err(
                Error::invalid_field("message", "ended before it was whole").with_log(error.to_string())
            );
        }
    };
    unframe(&bytes).map_err(|what| Error::invalid_field("message", what))
}

/// Takes the message out of its frame.
pub(crate) fn unframe(bytes: &Bytes) -> Result<Bytes, &'static str> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else {
        return Err("is missing");
    };
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    match prefix[0] {
        0 if rest.len() == length => Ok(bytes.slice(PREFIX..)),
        0 if rest.len() > length => Err("is not the only one, but the method is unary"),
        0 => Err("ended before it was whole"),
        1 => Err("is compressed, which this server does not offer"),
        _ => Err("has a frame that is not gRPC"),
    }
}

/// Puts a message into its frame.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

/// A request to an executor: our own headers, the caller's bytes.
pub(crate) fn request(path: &'static str, framed: Bytes, metadata: HeaderMap) -> Request<Body> {
    let mut request = Request::new(Body::new(Full::new(framed)));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static(path);
    *request.version_mut() = http::Version::HTTP_2;
    *request.headers_mut() = metadata;
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
    request
}

/// A good unary reply.
pub(crate) fn reply(framed: Bytes) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(framed).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The caller's `grpc-timeout`: up to eight digits and a unit (gRPC over HTTP/2, request headers).
pub(crate) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|text| {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let n = digits.parse::<u64>().ok()?;
        match unit {
            "H" => Some(Duration::from_secs(n * 3_600)),
            "M" => Some(Duration::from_secs(n * 60)),
            "S" => Some(Duration::from_secs(n)),
            "m" => Some(Duration::from_millis(n)),
            "u" => Some(Duration::from_micros(n)),
            "n" => Some(Duration::from_nanos(n)),
            _ => None,
        }
    });
    parsed.map(Some).ok_or_else(|| {
        Error::invalid_field("grpc-timeout", "must be 1 to 8 digits and one of H, M, S, m, u, n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(timeout: &'static str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert("grpc-timeout", HeaderValue::from_static(timeout));
        map
    }

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(timeout(&HeaderMap::new()), Ok(None));
        assert_eq!(timeout(&headers("100m")), Ok(Some(Duration::from_millis(100))));
        assert_eq!(timeout(&headers("2S")), Ok(Some(Duration::from_secs(2))));
        assert_eq!(timeout(&headers("99999999H")), Ok(Some(Duration::from_secs(99_999_999 * 3_600))));
        for bad in ["", "m", "1", "1x", "-1m", "123456789m", "1.5S"] {
            assert!(timeout(&headers(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn frames_round_trip_and_bad_ones_are_named() {
        assert_eq!(unframe(&frame(b"abc")), Ok(Bytes::from_static(b"abc")));
        assert_eq!(unframe(&Bytes::new()), Err("is missing"));
        assert_eq!(unframe(&frame(b"abc").slice(..6)), Err("ended before it was whole"));
        let two = [frame(b"abc"), frame(b"d")].concat();
        assert!(unframe(&Bytes::from(two)).is_err());
        assert!(
            unframe(&Bytes::from_static(&[1, 0, 0, 0, 0])).expect_err("compressed").contains("compressed")
        );
    }
}
