//! How an order that we placed can be found at Kraken again, by anyone who knows the request.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{AccountName, CallerName, RequestId};

/// A client order id in one of Kraken's three formats: a UUID, 32 hex digits, or up to 18 printable ASCII
/// characters. Kraken keeps it unique among *open* orders only (Kraken docs: client order id).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClOrdId(String);

impl ClOrdId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the id has the shape of a derived one: a UUID of version 8, which nobody else is known to make.
    pub fn looks_derived(&self) -> bool {
        self.0.len() == 36 && Uuid::try_parse(&self.0).is_ok_and(|id| id.get_version_num() == 8)
    }
}

impl fmt::Display for ClOrdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClOrdId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = |s: &str| s.bytes().all(|b| b.is_ascii_hexdigit());
        let fits = match text.len() {
            1..=18 => text.bytes().all(|b| b.is_ascii_graphic()),
            32 => hex(text),
            36 => Uuid::try_parse(text).is_ok(),
            _ => false,
        };
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be a UUID, 32 hex digits, or 1 to 18 printable ASCII characters")
        }
    }
}

/// The client order id of a placement: SHA-256 over deployment, account, caller and request id, as a UUID of
/// version 8.
///
/// Nobody needs to store it: whoever knows the request knows the handle, so the exchange itself is the record of
/// what was placed. Parts are preceded by their length, so that no two different requests run together, and no
/// caller can reach the id of another.
pub fn derive_cl_ord_id(
    deployment: &str,
    account: &AccountName,
    caller: &CallerName,
    request: &RequestId,
) -> ClOrdId {
    let digest = digest(deployment, account, caller, request, &[]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    ClOrdId(uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string())
}

/// The client order id of one row of a batch, counted from 0: as [`derive_cl_ord_id`], with the row as one more part (four
/// bytes, the highest first).
pub fn derive_row_cl_ord_id(
    deployment: &str,
    account: &AccountName,
    caller: &CallerName,
    request: &RequestId,
    row: u32,
) -> ClOrdId {
    let digest = digest(deployment, account, caller, request, &[&row.to_be_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    ClOrdId(uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string())
}

/// The number by which an order can be found where Kraken takes no client order id: 31 bits of the same digest, never zero.
/// It is not unique, so content and time count as well.
pub fn derive_userref(
    deployment: &str,
    account: &AccountName,
    caller: &CallerName,
    request: &RequestId,
) -> i32 {
    let digest = digest(deployment, account, caller, request, &[b"userref"]);
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&digest[..4]);
    (i32::from_be_bytes(bytes) & i32::MAX).max(1)
}

fn digest(
    deployment: &str,
    account: &AccountName,
    caller: &CallerName,
    request: &RequestId,
    more: &[&[u8]],
) -> [u8; 32] {
    let mut hash = Sha256::new();
    let parts =
        [deployment.as_bytes(), account.as_str().as_bytes(), caller.as_str().as_bytes(), request.as_bytes()];
    for part in parts.iter().copied().chain(more.iter().copied()) {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derive(deployment: &str, account: &str, caller: &str, id: &str) -> ClOrdId {
        let parse = "the test's own label";
        derive_cl_ord_id(
            deployment,
            &account.parse().expect(parse),
            &caller.parse().expect(parse),
            &id.parse().expect(parse),
        )
    }

    #[test]
    fn every_part_matters_and_borders_do_not_blur() {
        let id = "01939b5e-8f4a-7c3e-9d52-0123456789ab";
        let one = derive("prod", "main", "desk", id);
        assert_eq!(one, derive("prod", "main", "desk", id));
        for other in [
            derive("test", "main", "desk", id),
            derive("prod", "main2", "desk", id),
            derive("prodm", "ain", "desk", id),
            derive("prod", "main", "desk", "01939b5e-8f4a-7c3e-9d52-0123456789ac"),
        ] {
            assert_ne!(one, other);
        }
        assert!(one.as_str().parse::<ClOrdId>().is_ok_and(|id| id.looks_derived()));
        let of_a_caller: ClOrdId =
            "6d1b345e-2821-40e2-ad83-4ecb18a06876".parse().expect("a UUID of version 4");
        assert!(!of_a_caller.looks_derived());
    }

    #[test]
    fn rows_and_numbers_follow_from_the_request_too() {
        let (account, caller) = ("main".parse().expect("a name"), "desk".parse().expect("a name"));
        let id: RequestId = "01939b5e-8f4a-7c3e-9d52-0123456789ab".parse().expect("version 7");
        let row = |row| derive_row_cl_ord_id("prod", &account, &caller, &id, row);
        assert_eq!(row(0), row(0));
        assert_ne!(row(0), row(1));
        assert_ne!(row(0), derive_cl_ord_id("prod", &account, &caller, &id));
        assert!(row(14).looks_derived());
        let number = derive_userref("prod", &account, &caller, &id);
        assert!(number > 0 && number == derive_userref("prod", &account, &caller, &id));
        // As the id of a single order: what is in flight must be found by the next build too.
        assert_eq!(row(1).as_str(), "0c5f0e3c-ed54-8b94-ba4d-8fa58a3fcf35");
        assert_eq!(number, 516325809);
    }

    #[test]
    fn a_changed_derivation_would_lose_every_order_in_flight() {
        let one = derive("prod", "main", "desk", "01939b5e-8f4a-7c3e-9d52-0123456789ab");
        assert_eq!(one.as_str(), "d5f0271f-77d0-8299-9cab-82755c6e2616");
    }
}
