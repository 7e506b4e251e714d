//! The protocol of the lanes as a finite model, searched exhaustively.
//!
//! *The idea.* One key, two processes, one store and one exchange, with time, nonces and ranges cut down to a handful of
//! values. Every order of events is tried: requests that are delayed, lost, doubled or overtaken, processes that pause, die or
//! hand over, stores that are flushed or replaced by an older copy. Properties say what must never happen; each guard of the
//! protocol can be taken out, and the table of [`variants`] says what breaks then. The code under `services/libs/lanes` is not
//! used here: this is the protocol, written down a second time, so that a mistake of thought shows.
//!
//! *Not modelled:* a third process, a second key, orders and their claims, cancels without a store, WebSocket, budgets,
//! clocks of different speed, a store that still answers one side after a promotion.

//!
//! *The idea.* Two processes want one API key. A store hands out exclusive ranges of nonces for a time, and may lose its
//! memory; the network delays, loses and reorders; processes pause and die; the exchange judges nonces as Kraken does. All
//! of that fits into a few dozen bytes when a tick is one unit of time and one unit of nonce, so every order of events can
//! be tried. Each rule of the protocol is a [`config::Guard`] that a variant may take away: a rule whose absence breaks
//! nothing is either redundant or not understood, and [`variants::all`] says of each which it is.
//!
//! A pause is a process that takes no step while time goes on, a lost message one that is never delivered: neither needs a
//! step of its own. What is asked of every state stands in [`protocol`]; which worlds are searched, in [`variants`].
//!
//! Two words are narrower here than elsewhere. A *takeover* explains a refusal only if the refused call was written before
//! the newer grant: a call written later should not have been written. And a lane counts as *open* from the moment its
//! owner may send calls, so that "no older request is accepted any more" can be asked of a protocol without a fence.
//!
//! # What is not modelled
//!
//! - More than one key or two owners; intents, orders and their deadlines, the resolver: authentication and execution are
//!   one step here. What an order may do after it was authenticated is not seen.
//! - Cancels without a store, budgets, priorities, quarantine, the one time that a refused fence raises its floor: here its
//!   owner simply asks anew.
//! - Two servers that answer at once, `WAIT`, scripts that run late: a script runs when it is sent, its answer travels.
//! - Epochs that a loss makes equal: they are unique here, the real ones are compared together with owner and boot.
//! - Clocks of different speed, the tenth by which leases end early, units other than the store's, the margin of the span
//!   rule and the edge of the window, which Kraken does not describe: `highest - window` itself is refused here.
//! - The exchange forgets nothing; nobody else uses the key.
//!
//! *Holds* means: no state of that bounded world breaks a property. States are told apart by 64-bit fingerprints, so a
//! state could be missed with a probability below one in a hundred thousand. In worlds with two losses the answers of the
//! store arrive at once, a lapsed lease is not renewed, and epochs and requests on the wire are few.

pub mod config;
mod exchange;
mod liveness;
mod owner;
pub mod protocol;
pub mod search;
pub mod state;
mod store;
mod tidy;
pub mod variants;
mod worlds;
