//! Names and ids, each its own type, each checked when it is made.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::UnixUs;

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Labels are short and plain so that they fit metrics, file names and environment variables.
    #[error("must be 1 to 48 characters of a-z, 0-9, _ and -")]
    Label,
    /// Request ids carry their birth time.
    #[error("must be a UUID of version 7, for instance 01939b5e-8f4a-7c3e-9d52-0123456789ab")]
    RequestId,
    /// Kraken's own ids.
    #[error("must be 1 to 36 characters of A-Z, a-z, 0-9 and -")]
    TxId,
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let fits = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
                if (1..=48).contains(&text.len()) && text.bytes().all(fits) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(IdError::Label)
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

label! {
    /// The public name of an API key in tidegate. Never the key itself.
    KeyLabel
}
label! {
    /// A Kraken account (a master account or one of its subaccounts) as the configuration names it.
    AccountName
}
label! {
    /// An authenticated strategy.
    CallerName
}
label! {
    /// The keys that one executor deployment mounts.
    PoolName
}

/// One running process, as lane owners are told apart. New at every start.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerId(String);

impl OwnerId {
    /// A fresh id from 128 random bits.
    pub fn fresh() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// An id with a chosen text, for tests and simulations.
    pub fn named(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The caller's name for one intended act: a UUID of version 7, so that its age is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Uuid);

impl RequestId {
    /// The sixteen bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// When the id was made, by the clock of the one who made it. Milliseconds are all that version 7 keeps.
    pub fn birth(&self) -> UnixUs {
        let bytes = self.0.as_bytes();
        let ms = bytes[..6].iter().fold(0_u64, |ms, b| (ms << 8) | u64::from(*b));
        UnixUs(ms * 1_000)
    }
}

impl FromStr for RequestId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match Uuid::try_parse(text) {
            Ok(id) if id.get_version_num() == 7 && text.len() == 36 => Ok(Self(id)),
            _ => Err(IdError::RequestId),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An id that Kraken made: an order, trade or ledger entry. Kept opaque, because old ones have other shapes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TxId(String);

impl TxId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TxId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if (1..=36).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::TxId)
        }
    }
}

impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_plain() {
        assert!("desk-1_a".parse::<KeyLabel>().is_ok());
        for bad in ["", "Desk", "a b", "ä", &"x".repeat(49)] {
            assert_eq!(bad.parse::<KeyLabel>(), Err(IdError::Label), "{bad:?}");
        }
    }

    #[test]
    fn request_ids_are_version_seven_and_know_their_birth() {
        let id: RequestId = "01939b5e-8f4a-7c3e-9d52-0123456789ab".parse().expect("version 7");
        assert_eq!(id.birth().as_ms(), 0x0193_9b5e_8f4a);
        for bad in ["", "01939b5e-8f4a-4c3e-9d52-0123456789ab", "01939b5e8f4a7c3e9d520123456789ab"] {
            assert_eq!(bad.parse::<RequestId>(), Err(IdError::RequestId), "{bad:?}");
        }
    }
}
