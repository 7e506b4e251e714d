//! One-time codes as an authenticator app makes them (RFC 6238 with its defaults: SHA-1, thirty seconds, six digits), judged
//! as Kraken judges them: each is taken once.

use sha1_smol::Sha1;

const STEP_S: u64 = 30;
/// How many steps a clock may be off: what RFC 6238 recommends; Kraken does not say.
const DRIFT_STEPS: u64 = 1;

/// The codes of one key.
pub(crate) struct Codes {
    seed: Vec<u8>,
    /// The newest step whose code was taken.
    taken: Option<u64>,
}

impl std::fmt::Debug for Codes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Codes(..)")
    }
}

impl Codes {
    /// Reads a seed in base32; None if it is none.
    pub(crate) fn new(base32: &str) -> Option<Self> {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut bits = Vec::new();
        for letter in base32.trim_end_matches('=').bytes() {
            let value = ALPHABET.iter().position(|known| *known == letter.to_ascii_uppercase())?;
            bits.extend((0..5).rev().map(|bit| value >> bit & 1 == 1));
        }
        let byte = |bits: &[bool]| bits.iter().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit));
        let seed: Vec<u8> = bits.chunks_exact(8).map(byte).collect();
        (!seed.is_empty()).then_some(Self { seed, taken: None })
    }

    /// Whether a code is one of about now that was not taken, nor a newer one; then it is taken.
    pub(crate) fn take(&mut self, code: &str, now_s: u64) -> bool {
        let now = now_s / STEP_S;
        let mut steps = now.saturating_sub(DRIFT_STEPS)..=now + DRIFT_STEPS;
        let found =
            steps.find(|step| self.taken.is_none_or(|taken| *step > taken) && self.code(*step) == code);
        self.taken = found.or(self.taken);
        found.is_some()
    }

    fn code(&self, step: u64) -> String {
        let mut key = [0_u8; 64];
        if self.seed.len() <= key.len() {
            key[..self.seed.len()].copy_from_slice(&self.seed);
        } else {
            key[..20].copy_from_slice(&hash(&self.seed, &[]));
        }
        let inner = hash(&key.map(|byte| byte ^ 0x36), &step.to_be_bytes());
        let mac = hash(&key.map(|byte| byte ^ 0x5c), &inner);
        let offset = usize::from(mac[19] % 16);
        let number = u32::from_be_bytes([mac[offset], mac[offset + 1], mac[offset + 2], mac[offset + 3]]);
        format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
    }
}

fn hash(first: &[u8], second: &[u8]) -> [u8; 20] {
    let mut sha = Sha1::new();
    sha.update(first);
    sha.update(second);
    sha.digest().bytes()
}
