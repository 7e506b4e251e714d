//! The table of methods, written by the build script from the protos.

/// One method of the API.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// gRPC path, for instance `/tidegate.v1.TradingService/AddOrder`.
    pub path: &'static str,
    /// Full name of the service.
    pub service: &'static str,
    /// Name of the method.
    pub name: &'static str,
    /// Kraken's name of the endpoint in which the call ends; `None` for calls that end inside tidegate.
    pub endpoint: Option<&'static str>,
    /// Full name of the request message.
    pub input: &'static str,
    /// Full name of the reply message.
    pub output: &'static str,
    /// Whether either side streams.
    pub streaming: bool,
    /// Whether it streams the pages of a list, each of which costs a call to Kraken.
    pub paged: bool,
}

include!(concat!(env!("OUT_DIR"), "/methods.rs"));

/// Looks a method up by its gRPC path.
pub fn method(path: &str) -> Option<&'static Method> {
    METHODS.iter().find(|m| m.path == path)
}
