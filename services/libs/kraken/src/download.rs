//! Answers that are archives if all went well, and envelopes if not (RetrieveExport).
//!
//! Kraken documents one content type for such an archive and clients meet another, so it is told by its first bytes: an
//! envelope is JSON, and no JSON begins like a ZIP file. Nothing of an archive is kept here; it is passed on piece by
//! piece, as fast as whoever takes it.

use std::fmt;

use bytes::Bytes;

use crate::client::{Head, ReadFault};
use crate::reply::Reply;

/// How a ZIP file begins (APPNOTE.TXT 4.3: every record's signature begins with these letters).
const MAGIC: &[u8] = b"PK";

/// An answer of which the beginning has come.
#[derive(Debug)]
pub enum Opened {
    /// An archive.
    Archive(Download),
    /// An envelope.
    Reply(Reply),
}

/// An archive on its way. Dropping it closes the connection.
pub struct Download {
    head: Head,
    announced_bytes: Option<u64>,
    /// What has come already and was not passed on.
    held: Bytes,
    /// How much has come.
    come_bytes: usize,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("come_bytes", &self.come_bytes).finish_non_exhaustive()
    }
}

impl Head {
    /// Reads as much of the body as tells what it is; of an envelope all, up to the client's limit.
    pub async fn open(mut self) -> Result<Opened, ReadFault> {
        // Before anything is read: of a body that is under way only the rest is told.
        let announced_bytes = self.announced_bytes();
        let mut start = Vec::new();
        while start.len() < MAGIC.len()
            && let Some(part) = self.chunk(start.len()).await?
        {
            start.extend_from_slice(&part);
        }
        if matches!(self.status(), 200 | 202) && start.starts_with(MAGIC) {
            let come_bytes = start.len();
            return Ok(Opened::Archive(Download {
                head: self,
                announced_bytes,
                held: start.into(),
                come_bytes,
            }));
        }
        self.read_behind(start).await.map(Opened::Reply)
    }
}

impl Download {
    /// How long the archive is as a whole, if Kraken says so.
    pub const fn announced_bytes(&self) -> Option<u64> {
        self.announced_bytes
    }

    /// The next piece, of `max` bytes at the most; nothing at the end of a whole archive.
    pub async fn next(&mut self, max: usize) -> Result<Option<Bytes>, ReadFault> {
        while self.held.is_empty() {
            match self.head.chunk(self.come_bytes).await? {
                Some(part) => {
                    self.come_bytes += part.len();
                    self.held = part;
                }
                None => return Ok(None),
            }
        }
        Ok(Some(self.held.split_to(max.min(self.held.len()))))
    }
}
