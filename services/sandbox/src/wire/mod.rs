//! How Kraken writes: request parameters in, JSON and archives out, decimals as texts of a fixed scale. Nothing here knows an
//! endpoint, and no number passes through a float.

pub(crate) mod decimal;
pub(crate) mod json;
pub(crate) mod params;
pub(crate) mod zip;
