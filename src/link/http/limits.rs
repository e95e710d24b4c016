//! Who asks too often: a rate for each key, a lock-out for each address that presents wrong keys.
//!
//! Owns: the two counts, bounded in memory. Does not own: clocks (milliseconds are an argument), answers.
//! Invariants: neither table grows beyond its bound, whoever asks; waiting always helps; an address under lock-out
//! learns nothing of whether its next key would have been right.

use std::collections::HashMap;
use std::net::IpAddr;

/// Addresses and keys remembered; the least recent goes when there are more.
const MAX_ENTRIES: usize = 1_024;
/// Wrong keys from one address...
const FAILURES: u32 = 10;
/// ...within so long...
const WINDOW_MS: u64 = 60_000;
/// ...lock it out for so long.
const LOCKOUT_MS: u64 = 60_000;

/// Rates and lock-outs.
#[derive(Debug)]
pub(super) struct Limits {
    per_second: u32,
    buckets: HashMap<String, Bucket>,
    addresses: HashMap<IpAddr, Failures>,
}

#[derive(Debug)]
struct Bucket {
    /// Thousandths of a request that may be made at once.
    milli: u64,
    at: u64,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    since: u64,
    locked_until: u64,
}

impl Limits {
    /// `per_second` requests of one key on average, twice as many at once.
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), buckets: HashMap::new(), addresses: HashMap::new() }
    }

    /// Takes one request of `key`; otherwise the seconds to wait.
    pub(super) fn take(&mut self, key: &str, now: u64) -> Result<(), u32> {
        let full = u64::from(self.per_second) * 2_000;
        if self.buckets.len() >= MAX_ENTRIES
            && !self.buckets.contains_key(key)
            && let Some(oldest) = self.buckets.iter().min_by_key(|(_, b)| b.at).map(|(k, _)| k.clone())
        {
            self.buckets.remove(&oldest);
        }
        let bucket = self.buckets.entry(key.to_owned()).or_insert(Bucket { milli: full, at: now });
        let gained = now.saturating_sub(bucket.at).saturating_mul(u64::from(self.per_second));
        bucket.milli = bucket.milli.saturating_add(gained).min(full);
        bucket.at = now;
        if bucket.milli >= 1_000 {
            bucket.milli -= 1_000;
            return Ok(());
        }
        let wait_ms = (1_000 - bucket.milli).div_ceil(u64::from(self.per_second));
        Err(wait_ms.div_ceil(1_000).max(1) as u32)
    }

    /// Whether the address is locked out, and for how many seconds yet.
    pub(super) fn locked(&self, address: IpAddr, now: u64) -> Option<u32> {
        let failures = self.addresses.get(&network(address))?;
        let left = failures.locked_until.saturating_sub(now);
        (left > 0).then(|| left.div_ceil(1_000) as u32)
    }

    /// A wrong key came from the address.
    pub(super) fn failed(&mut self, address: IpAddr, now: u64) {
        let address = network(address);
        if self.addresses.len() >= MAX_ENTRIES
            && !self.addresses.contains_key(&address)
            && let Some(oldest) = self.addresses.iter().min_by_key(|(_, f)| f.since).map(|(a, _)| *a)
        {
            self.addresses.remove(&oldest);
        }
        let entry =
            self.addresses.entry(address).or_insert(Failures { count: 0, since: now, locked_until: 0 });
        if now.saturating_sub(entry.since) > WINDOW_MS {
            (entry.count, entry.since) = (0, now);
        }
        entry.count += 1;
        if entry.count >= FAILURES {
            entry.locked_until = now + LOCKOUT_MS;
            (entry.count, entry.since) = (0, now);
        }
    }
}

/// One customer's IPv6 network is one address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => v6
            .to_ipv4_mapped()
            .map_or_else(|| IpAddr::V6((u128::from(v6) & !(u128::from(u64::MAX))).into()), IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_rate_and_waiting_helps() {
        let mut limits = Limits::new(5);
        for _ in 0..10 {
            assert_eq!(limits.take("a", 0), Ok(()));
        }
        assert_eq!(limits.take("a", 0), Err(1));
        assert_eq!(limits.take("b", 0), Ok(()), "others are not concerned");
        assert_eq!(limits.take("a", 199), Err(1));
        assert_eq!(limits.take("a", 200), Ok(()));
        let allowed = (200..60_200).filter(|now| limits.take("a", *now).is_ok()).count();
        assert!((299..=301).contains(&allowed), "{allowed} in a minute");
    }

    #[test]
    fn ten_wrong_keys_lock_an_address_out_for_a_minute() {
        let mut limits = Limits::new(5);
        let (bad, good) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for i in 0..9 {
            limits.failed(bad, i);
        }
        assert_eq!(limits.locked(bad, 9), None);
        limits.failed(bad, 9);
        assert_eq!(limits.locked(bad, 9), Some(60));
        assert_eq!(limits.locked(good, 9), None);
        assert_eq!(limits.locked(bad, 60_009), None);
        for i in 0..30 {
            limits.failed(good, i * 61_000);
            assert_eq!(limits.locked(good, i * 61_000), None, "now and then is no attack");
        }
    }

    #[test]
    fn the_tables_are_bounded_and_a_network_is_one_address() {
        let mut limits = Limits::new(1);
        for i in 0..5_000_u32 {
            limits.failed(IpAddr::from(i.to_be_bytes()), u64::from(i));
            let _ = limits.take(&i.to_string(), u64::from(i));
        }
        assert!(limits.addresses.len() <= MAX_ENTRIES && limits.buckets.len() <= MAX_ENTRIES);
        for host in 1..=10_u128 {
            limits.failed(IpAddr::V6((0x2001_0db8_u128 << 96 | host).into()), 0);
        }
        assert!(limits.locked(IpAddr::V6((0x2001_0db8_u128 << 96 | 0x4d).into()), 1).is_some());
    }
}
