//! What is counted and shown, in types: labels are closed sets, so that the number of series is bounded.

use tidegate_core::ErrorKind;

/// How a call ended, as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// Kraken's answer was handed on, whatever it says.
    Ok,
    /// It may have been executed; the caller has a handle.
    Unresolved,
    /// Nothing was executed.
    Error(ErrorKind),
}

impl CallResult {
    /// The label: `OK`, `UNRESOLVED`, or the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Unresolved => "UNRESOLVED",
            Self::Error(kind) => kind.as_str(),
        }
    }
}

/// Where the time of a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Who, what, how often: all that the gateway decides.
    Policy,
    /// Waiting in a lane.
    Queue,
    /// Nonce and signature.
    Sign,
    /// From the first byte to Kraken to its response head.
    Kraken,
}

impl Stage {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Queue => "queue",
            Self::Sign => "sign",
            Self::Kraken => "kraken",
        }
    }
}

/// A request to the store of grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAct {
    /// Take, renew or look.
    Grant,
    /// Give back.
    Release,
}

impl StoreAct {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Release => "release",
        }
    }
}

/// What became of a request to Kraken, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// A reply of Kraken's came back, whatever it says.
    Answered,
    /// No byte was written.
    NotSent,
    /// It was written, perhaps, and no reply that can be read came back.
    Lost,
}

impl Sent {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotSent => "not_sent",
            Self::Lost => "lost",
        }
    }
}

/// Why Kraken refused a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceCause {
    /// Nothing that tidegate knows of explains it: another program uses the key, or there is a defect.
    Unexplained,
    /// The lane had gone on without the call, and a later one arrived first.
    Abandoned,
    /// Another process has taken the key since.
    Superseded,
}

impl NonceCause {
    /// All causes.
    pub const ALL: [Self; 3] = [Self::Unexplained, Self::Abandoned, Self::Superseded];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unexplained => "unexplained",
            Self::Abandoned => "abandoned",
            Self::Superseded => "superseded",
        }
    }
}

/// What was done where a pair's trading counter had no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradingHeld {
    /// An order or a change waited.
    Waited,
    /// It was refused, unsent.
    Refused,
    /// A cancel left in a batch.
    Joined,
    /// Kraken refused, although there should have been room.
    Full,
}

impl TradingHeld {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waited => "waited",
            Self::Refused => "refused",
            Self::Joined => "joined",
            Self::Full => "full",
        }
    }
}

/// What a lane shows of itself. Points are thousandths of Kraken's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneReading {
    /// Label of its key. Labels come from the configuration, so their number is bounded.
    pub lane: String,
    /// Whether this process owns the lane.
    pub owned: bool,
    /// Whether calls are sent: owned, its key verified, and a nonce to be had.
    pub open: bool,
    /// Whether the key is in quarantine.
    pub quarantined: bool,
    /// Requests that were sent and have no answer yet.
    pub in_flight: u64,
    /// Calls that wait.
    pub queue: u64,
    /// The REST counter as we model it.
    pub rest_points_milli: u64,
    /// The highest value that it may take.
    pub rest_points_max_milli: u64,
    /// When the key expires at Kraken, in unix seconds, if it does.
    pub expires_s: Option<u64>,
}

/// The open intents of an account that are in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentReading {
    /// The account. Accounts come from the configuration, so their number is bounded.
    pub account: String,
    /// The state, of a closed set.
    pub state: &'static str,
    /// How many.
    pub open: u64,
    /// How long ago the oldest of them was claimed, in seconds; zero where there is none.
    pub oldest_s: u64,
}
