//! The store wherever operators put it, against real servers: behind sentinels, in a cluster, behind TLS, with users of
//! little right; late, and unfit.

mod clusters;
mod doors;
mod fitness;
mod owner;
mod sentinels;
