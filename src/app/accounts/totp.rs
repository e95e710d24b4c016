//! The second factor: time-based one-time passwords (RFC 6238) as every authenticator makes them.
//!
//! Owns: the digits of a step, the steps that count now, the key's text forms. Does not own: clocks, who has which
//! key. Parameters: HMAC-SHA-1, 30 s, six digits, for that is what authenticators understand without being told.
//! Invariants: a step counts once; comparing takes the same time whatever differs.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

/// Bytes of a key (RFC 4226 asks for 20).
pub const KEY_BYTES: usize = 20;
const STEP_MS: i64 = 30_000;
/// Steps before and after the present one that count as well: a slow hand, a clock that is a little off.
const SLACK: i64 = 1;

/// The step of an instant.
#[must_use]
pub const fn step(utc_ms: i64) -> i64 {
    utc_ms.div_euclid(STEP_MS)
}

/// The step that these digits stand for, if it counts now and comes after `last`.
#[must_use]
pub fn check(key: &[u8], digits: &str, utc_ms: i64, last: i64) -> Option<i64> {
    let given: String = digits.chars().filter(|c| !c.is_whitespace()).collect();
    let now = step(utc_ms);
    let mut found = None;
    for step in now - SLACK..=now + SLACK {
        let same: bool = given.as_bytes().ct_eq(code(key, step).as_bytes()).into();
        if same && step > last {
            found = Some(step);
        }
    }
    found
}

/// The six digits of a step.
#[must_use]
pub fn code(key: &[u8], step: i64) -> String {
    format!("{:06}", truncated(key, step) % 1_000_000)
}

/// RFC 4226, section 5.3.
fn truncated(key: &[u8], step: i64) -> u32 {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) else { return 0 };
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]) & 0x7fff_ffff
}

/// Base32 (RFC 4648) without padding.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut out, mut held, mut bits) = (String::new(), 0_u32, 0_u32);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(ALPHABET[(held >> bits & 31) as usize]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        out.push(char::from(ALPHABET[(held << (5 - bits) & 31) as usize]));
    }
    out
}

/// What an authenticator reads from a link; `account` holds nothing that would have to be escaped.
#[must_use]
pub fn address(key: &[u8], account: &str) -> String {
    format!("otpauth://totp/Ostiary:{account}?secret={}&issuer=Ostiary", base32(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"12345678901234567890";

    #[test]
    fn the_vectors_of_the_rfcs() {
        // RFC 4226, appendix D: the truncated values of the first counters.
        let wanted = [1_284_755_224, 1_094_287_082, 137_359_152, 1_726_969_429, 1_640_338_314];
        for (step, wanted) in wanted.into_iter().enumerate() {
            assert_eq!(truncated(KEY, step as i64), wanted);
        }
        // RFC 6238, appendix B, the last six of its eight digits.
        for (seconds, digits) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(code(KEY, step(seconds * 1_000)), digits);
        }
        // RFC 4648, section 10.
        for (plain, coded) in [("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(base32(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn a_step_counts_once_and_for_a_minute_and_a_half() {
        let (digits, at) = (code(KEY, 100), 100 * STEP_MS);
        for late in [-STEP_MS, 0, STEP_MS, 2 * STEP_MS - 1] {
            assert_eq!(check(KEY, &digits, at + late, 0), Some(100), "{late}");
        }
        assert_eq!(check(KEY, &digits, at + 2 * STEP_MS, 0), None);
        assert_eq!(check(KEY, &digits, at - STEP_MS - 1, 0), None);
        assert_eq!(check(KEY, &digits, at, 100), None, "used before");
        assert_eq!(check(KEY, "", at, 0), None);
        assert_eq!(check(KEY, &format!("{} {}", &digits[..3], &digits[3..]), at, 0), Some(100));
    }
}
