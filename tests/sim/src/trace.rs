//! What happened, as a hash for every run and as text for the one that somebody wants to read.

/// The trace of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    /// Kept only when somebody reads it.
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(readable: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: readable.then(Vec::new) }
    }

    fn fold(&mut self, number: u64) {
        // FNV-1a, word by word: a difference anywhere stays.
        self.hash = (self.hash ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }

    /// One event: when, what kind, and two numbers that say which.
    pub(crate) fn event(&mut self, at_us: u64, kind: &'static str, a: u64, b: u64) {
        self.fold(at_us);
        kind.bytes().for_each(|byte| self.fold(u64::from(byte)));
        self.fold(a);
        self.fold(b);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.fold(u64::from(*byte)));
    }

    /// A line for readers. Not hashed: what it says follows from the events.
    pub(crate) fn say(&mut self, at_us: u64, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>4}.{:06}  {}", at_us / 1_000_000, at_us % 1_000_000, line()));
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
