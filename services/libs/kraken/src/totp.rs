//! One-time codes, the second factor of a key that has an authenticator app (RFC 6238 over RFC 4226: HMAC-SHA-1, steps of
//! thirty seconds since 1970, six digits; Kraken docs: two-factor authentication for API keys).
//!
//! Kraken takes a code once (its own SDK supports static passwords alone for that reason), so whoever asks for one says for
//! which step, and never twice.

use std::fmt;

use sha1_smol::Sha1;
use zeroize::Zeroizing;

const DIGEST_BYTES: usize = 20;
const BLOCK_BYTES: usize = 64;
/// RFC 4226 demands 16 bytes; ten are what many sites give.
const SEED_BYTES_MIN: usize = 10;
const SEED_BYTES_MAX: usize = 128;

/// Why a seed cannot be used. No text ever quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// It is not what an authenticator app takes.
    #[error("the seed is not base32 (A to Z and 2 to 7), as the set-up page shows it beside the QR code")]
    NotBase32,
    /// Too short to be one, or far too long.
    #[error("the seed has fewer than 10 bytes or more than 128, so it is none")]
    Length,
}

/// The seed of a key's codes. It cannot be copied or printed, and is wiped from memory when it is dropped.
pub struct Totp {
    seed: Zeroizing<Vec<u8>>,
}

impl Totp {
    /// Takes a seed in base32. Blanks, dashes, padding and case make no difference.
    pub fn new(base32: &str) -> Result<Self, SeedError> {
        let mut seed = Zeroizing::new(Vec::with_capacity(base32.len()));
        let (mut bits, mut count) = (0_u32, 0);
        for byte in base32.trim().trim_end_matches('=').bytes() {
            let five = match byte.to_ascii_uppercase() {
                letter @ b'A'..=b'Z' => letter - b'A',
                digit @ b'2'..=b'7' => digit - b'2' + 26,
                b' ' | b'-' => continue,
                _ => return Err(SeedError::NotBase32),
            };
            (bits, count) = (bits << 5 | u32::from(five), count + 5);
            if count >= 8 {
                count -= 8;
                let [.., byte] = (bits >> count).to_be_bytes();
                seed.push(byte);
                bits &= (1 << count) - 1;
            }
        }
        if (SEED_BYTES_MIN..=SEED_BYTES_MAX).contains(&seed.len()) {
            Ok(Self { seed })
        } else {
            Err(SeedError::Length)
        }
    }

    /// The code of a step: the number of whole thirty seconds since 1970.
    pub fn code(&self, step: u64) -> String {
        let digest = hmac_sha1(&self.seed, &step.to_be_bytes());
        let at = usize::from(digest[DIGEST_BYTES - 1] & 15);
        let word = digest[at..at + 4].iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
    }
}

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Totp(..)")
    }
}

/// RFC 2104 over SHA-1.
fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut block = Zeroizing::new([0; BLOCK_BYTES]);
    if key.len() > BLOCK_BYTES {
        block[..DIGEST_BYTES].copy_from_slice(&sha1(&[key]));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let (inner, outer) = (block.map(|byte| byte ^ 0x36), block.map(|byte| byte ^ 0x5c));
    sha1(&[&outer, &sha1(&[&inner, message])])
}

fn sha1(parts: &[&[u8]]) -> [u8; DIGEST_BYTES] {
    let mut hash = Sha1::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.digest().bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of RFC 6238, appendix B: `12345678901234567890` in ASCII.
    const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let totp = Totp::new(SEED).expect("base32");
        // The last six digits of the RFC's eight.
        for (unix_s, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(totp.code(unix_s / 30), code, "at {unix_s}");
        }
    }

    #[test]
    fn macs_are_those_of_rfc_2202() {
        let hex = |digest: [u8; 20]| digest.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let jefe = hmac_sha1(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex(jefe), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        let long = hmac_sha1(&[0xaa; 80], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hex(long), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
    }

    #[test]
    fn a_seed_is_read_as_it_was_written_down() {
        let code = |seed: &str| Totp::new(seed).expect(seed).code(1);
        let spaced = SEED
            .to_ascii_lowercase()
            .as_bytes()
            .chunks(4)
            .map(|c| String::from_utf8_lossy(c).into_owned())
            .collect::<Vec<_>>();
        assert_eq!(code(&format!(" {}\n", spaced.join(" "))), "287082");
        assert_eq!(code(&format!("{}==", spaced.join("-"))), "287082");
        // What is no whole byte at the end is no part of it.
        assert_eq!(Totp::new("GEZDGNBVGY3TQOJQGE").expect("base32").seed.len(), 11);
        for (wrong, error) in
            [("", SeedError::Length), ("GEZDGNBVGY", SeedError::Length), ("GEZDGNBV1", SeedError::NotBase32)]
        {
            let found = Totp::new(wrong).expect_err(wrong);
            assert_eq!(found, error);
            assert!(wrong.is_empty() || !found.to_string().contains(wrong));
        }
    }

    #[test]
    fn it_is_not_printed() {
        let printed = format!("{:?}", Totp::new(SEED).expect("base32"));
        assert_eq!(printed, "Totp(..)");
    }
}
