//! Funding (Beta).

mod acts;
mod reply;
mod request;

pub(crate) use acts::unseen;
pub(crate) use reply::{addresses, fees, methods, networks};
pub(crate) use request::{
    calculate_fees_params, claim_deposit_address_params, create_address_params, create_withdrawal_params,
    delete_address_params, list_addresses_params, list_methods_params, list_networks_params,
    update_address_params,
};

#[cfg(test)]
mod tests;
