//! What the binary can say about itself without running: its errors.

use std::fmt::Write as _;

use tidegate_core::ErrorKind;
use tidegate_runtime::status::code_of;

/// One line per kind of error: reason, gRPC code, what to do.
pub(crate) fn errors() -> String {
    let mut text = String::new();
    for kind in ErrorKind::ALL {
        let code = format!("{:?}", code_of(kind));
        let _ = writeln!(text, "{:<18} {code:<20} {}", kind.as_str(), kind.advice());
    }
    text
}

/// Every endpoint that an RPC names is in the table, and none is named twice.
#[cfg(test)]
mod tests {
    use tidegate_core::ENDPOINTS;
    use tidegate_proto::METHODS;

    use super::*;

    #[test]
    fn rpcs_and_endpoints_match_one_to_one() {
        for name in METHODS.iter().filter_map(|m| m.endpoint) {
            assert!(ENDPOINTS.iter().any(|e| e.name == name), "no endpoint {name} in core's table");
        }
        // A stream is another way to the endpoint of a unary RPC.
        let (streams, unary): (Vec<_>, Vec<_>) =
            METHODS.iter().filter(|m| m.endpoint.is_some()).partition(|m| m.streaming);
        let mut named: Vec<_> = unary.iter().filter_map(|m| m.endpoint).collect();
        assert!(streams.iter().filter_map(|m| m.endpoint).all(|name| named.contains(&name)));
        let count = named.len();
        named.sort_unstable();
        named.dedup();
        assert_eq!(named.len(), count, "two RPCs end in one endpoint");
        for method in METHODS.iter().filter(|m| m.endpoint.is_none()) {
            let inside = method.service.ends_with("OperationsService") || method.name.contains("Intent");
            assert!(inside, "{} names no endpoint", method.path);
        }
    }

    #[test]
    fn rpcs_have_the_name_of_their_endpoint() {
        // Kraken's name where it begins with a verb, else `Get` and the name; exceptions by name. Funding (Beta) has a service of its
        // own, so its prefix is not repeated; all its names begin with verbs.
        let verbs = ["Add", "Cancel", "Query", "Get", "Amend", "Edit", "Retrieve", "Remove", "Create"];
        for method in METHODS {
            let Some(endpoint) = method.endpoint else { continue };
            let expected = match endpoint {
                // An act whose name begins with no verb keeps it: nothing is got by it.
                "AccountTransfer" => endpoint.to_owned(),
                "Earn/Allocate" => "AllocateEarn".to_owned(),
                "Earn/Deallocate" => "DeallocateEarn".to_owned(),
                "RetrieveExport" if method.streaming => "StreamExport".to_owned(),
                // All pages of what the unary call gives one of.
                "FundingBeta/ListMethods" | "FundingBeta/ListAddresses" if method.streaming => {
                    endpoint.replace("FundingBeta/List", "Stream")
                }
                name if method.streaming => format!("Stream{}", name.replace('/', "")),
                "Time" => "GetServerTime".to_owned(),
                "BalanceEx" => "GetExtendedBalance".to_owned(),
                "Withdraw" | "WithdrawCancel" | "WalletTransfer" => endpoint.to_owned(),
                name if name.starts_with("FundingBeta/") => {
                    name.trim_start_matches("FundingBeta/").to_owned()
                }
                name if verbs.iter().any(|verb| name.starts_with(verb)) => name.to_owned(),
                name => format!("Get{}", name.replace('/', "")),
            };
            assert_eq!(method.name, expected);
        }
    }

    #[test]
    fn every_kind_is_listed() {
        assert_eq!(errors().lines().count(), ErrorKind::ALL.len());
    }
}
