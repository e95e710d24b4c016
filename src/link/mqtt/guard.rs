//! What may move the door: the actuation guard of SPEC 4.
//!
//! Owns: freshness, nonces, the quiet time after a connection. Does not own: signatures (`envelope`), the door.
//! Invariants: pure, time is an argument; a command is accepted at most once; nothing is accepted that was given
//! before this connection was made, whatever a broker kept and whoever recorded it; while the wall clock is not
//! to be believed nothing is accepted that rests on it.

use std::collections::VecDeque;

use ostiary_domain::{ClockTrust, Millis, Now, Utc};

/// How old, and how far ahead of the door's clock, a command may be.
const FRESH: Millis = Millis(10_000);
/// Nothing moves the door so soon after a connection.
const SETTLE: Millis = Millis(2_000);
/// A burst of kept messages may lengthen the quiet time by as much as this.
const SETTLE_LONGEST: Millis = Millis(30_000);
/// Nonces remembered; when there are more in one window the newest are refused.
const NONCES: usize = 1_024;
const MIN_NONCE: usize = 8;
const MAX_NONCE: usize = 128;

/// Why a command does not move the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Held {
    /// Kept by the broker.
    #[error("a retained message never moves the door; publish it without the retain flag")]
    Retained,
    /// Delivered again.
    #[error("a message delivered a second time does not move the door; send a new one")]
    Repeated,
    /// Not signed.
    #[error("a command that moves the door must be signed by an operator of [[mqtt.operators]]")]
    Unsigned,
    /// Too soon after a connection.
    #[error("the door has just connected and obeys after 2 s; send a new command")]
    Settling,
    /// Nothing to check.
    #[error("a command that moves the door needs \"issued_at\" and \"nonce\" (8 to 128 bytes)")]
    Unstamped,
    /// No expiry under MQTT 5, or a longer one.
    #[error("a command that moves the door needs a message expiry of 1 to 10 s")]
    Expiry,
    /// Older than 10 s, or older than the connection.
    #[error("the command is too old: it was issued over 10 s ago or before the door connected")]
    Late,
    /// From the future.
    #[error("the command is dated ahead of the door's clock; set the sender's clock")]
    Ahead,
    /// The nonce was seen.
    #[error("this command was obeyed already: its nonce was used before")]
    Used,
    /// Too many in one window.
    #[error("too many commands at once; wait 10 s")]
    Crowded,
    /// The clock.
    #[error("the door's clock is not set, so it cannot tell a fresh command from an old one")]
    Clock,
}

/// What is known of a message that would move the door.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// Kept by the broker for whoever subscribes.
    pub retained: bool,
    /// Marked as delivered again.
    pub duplicate: bool,
    /// A known operator signed it.
    pub signed: bool,
    /// When it was given.
    pub issued_at: Option<Utc>,
    /// Used once.
    pub nonce: Option<&'a str>,
    /// How long the broker may keep it.
    pub expiry: Expiry,
}

/// How long a broker may keep a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// 3.1.1 has no such thing.
    Unknown,
    /// For ever.
    Never,
    /// So many seconds more.
    After(u32),
}

/// The memory of the guard.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    connected: Option<Now>,
    quiet_until: u64,
    nonces: VecDeque<(Utc, String)>,
}

impl Guard {
    /// The link is up and subscribed since now.
    pub fn connected(&mut self, now: Now) {
        self.connected = Some(now);
        self.quiet_until = now.mono.after(SETTLE).0;
    }

    /// A signed and stamped command.
    ///
    /// # Errors
    /// Why it does not move the door. One that was refused may be refused again for another reason.
    pub fn command(&mut self, stamp: &Stamp<'_>, now: Now) -> Result<(), Held> {
        self.carried(stamp.retained, stamp.duplicate, now)?;
        if !stamp.signed {
            return Err(Held::Unsigned);
        }
        let (Some(issued), Some(nonce)) = (stamp.issued_at, stamp.nonce) else { return Err(Held::Unstamped) };
        if !(MIN_NONCE..=MAX_NONCE).contains(&nonce.len()) {
            return Err(Held::Unstamped);
        }
        match stamp.expiry {
            Expiry::Unknown => {}
            Expiry::After(seconds) if u64::from(seconds) * 1_000 <= FRESH.0 => {}
            Expiry::After(_) | Expiry::Never => return Err(Held::Expiry),
        }
        self.fresh(issued, nonce, now)
    }

    /// A bare `LOCK`, `UNLOCK` or `OPEN`, where that was switched on.
    ///
    /// # Errors
    /// As [`Guard::command`].
    pub fn bare(&mut self, retained: bool, duplicate: bool, now: Now) -> Result<(), Held> {
        self.carried(retained, duplicate, now)
    }

    /// Issued within the window, after the connection, with a nonce never seen.
    ///
    /// # Errors
    /// As [`Guard::command`].
    pub fn fresh(&mut self, issued: Utc, nonce: &str, now: Now) -> Result<(), Held> {
        if now.trust == ClockTrust::Untrusted {
            return Err(Held::Clock);
        }
        let window = FRESH.0 as i64;
        let since = self.connected.map_or(i64::MAX, |c| c.utc.0);
        if issued.0 < now.utc.0.saturating_sub(window) || issued.0 < since {
            return Err(Held::Late);
        }
        if issued.0 > now.utc.0.saturating_add(window) {
            return Err(Held::Ahead);
        }
        // What is older than two windows could not pass the test above even if it came again.
        while self.nonces.front().is_some_and(|(at, _)| at.0 < now.utc.0.saturating_sub(2 * window)) {
            self.nonces.pop_front();
        }
        if self.nonces.iter().any(|(_, seen)| seen == nonce) {
            return Err(Held::Used);
        }
        if self.nonces.len() >= NONCES {
            return Err(Held::Crowded);
        }
        // By time of arrival, which rises; a clock that is set back only keeps them longer.
        self.nonces.push_back((now.utc, nonce.to_owned()));
        Ok(())
    }

    fn carried(&mut self, retained: bool, duplicate: bool, now: Now) -> Result<(), Held> {
        let Some(connected) = self.connected else { return Err(Held::Settling) };
        if now.mono.0 < self.quiet_until {
            // What a broker kept comes in a burst: the quiet time ends when the burst has.
            let longest = connected.mono.after(SETTLE_LONGEST).0;
            self.quiet_until = now.mono.after(SETTLE).0.min(longest).max(self.quiet_until);
            return Err(if retained { Held::Retained } else { Held::Settling });
        }
        if retained {
            return Err(Held::Retained);
        }
        if duplicate {
            return Err(Held::Repeated);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ostiary_domain::Mono;

    fn at(ms: u64) -> Now {
        Now { mono: Mono(ms), utc: Utc(1_800_000_000_000 + ms as i64), trust: ClockTrust::Trusted }
    }

    fn stamp(issued: Now, nonce: &str) -> Stamp<'_> {
        Stamp {
            retained: false,
            duplicate: false,
            signed: true,
            issued_at: Some(issued.utc),
            nonce: Some(nonce),
            expiry: Expiry::After(10),
        }
    }

    fn guard() -> Guard {
        let mut guard = Guard::default();
        guard.connected(at(0));
        guard
    }

    #[test]
    fn a_good_command_moves_the_door_once() {
        let mut g = guard();
        assert_eq!(g.command(&stamp(at(4_000), "nonce-01"), at(5_000)), Ok(()));
        assert_eq!(g.command(&stamp(at(4_000), "nonce-01"), at(6_000)), Err(Held::Used));
        assert_eq!(g.command(&stamp(at(6_500), "nonce-01"), at(7_000)), Err(Held::Used));
        assert_eq!(g.command(&stamp(at(6_500), "nonce-02"), at(7_000)), Ok(()));
    }

    #[test]
    fn each_bad_command_is_held_for_its_reason() {
        let now = at(60_000);
        let held = |change: fn(&mut Stamp<'static>)| {
            let mut s = stamp(at(59_000), "nonce-01");
            change(&mut s);
            guard().command(&s, now).unwrap_err()
        };
        assert_eq!(held(|s| s.retained = true), Held::Retained);
        assert_eq!(held(|s| s.duplicate = true), Held::Repeated);
        assert_eq!(held(|s| s.signed = false), Held::Unsigned);
        assert_eq!(held(|s| s.issued_at = None), Held::Unstamped);
        assert_eq!(held(|s| s.nonce = Some("short")), Held::Unstamped);
        assert_eq!(held(|s| s.expiry = Expiry::Never), Held::Expiry);
        assert_eq!(held(|s| s.expiry = Expiry::After(11)), Held::Expiry);
        assert_eq!(held(|s| s.issued_at = Some(at(49_000).utc)), Held::Late);
        assert_eq!(held(|s| s.issued_at = Some(at(71_000).utc)), Held::Ahead);
        let mut g = guard();
        let unset = Now { trust: ClockTrust::Untrusted, ..now };
        assert_eq!(g.command(&stamp(at(59_000), "nonce-01"), unset), Err(Held::Clock));
        let old = Stamp { expiry: Expiry::Unknown, ..stamp(at(59_000), "nonce-01") };
        assert_eq!(g.command(&old, now), Ok(()), "3.1.1 has no expiry");
    }

    #[test]
    fn nothing_moves_the_door_right_after_a_connection() {
        let mut g = Guard::default();
        assert_eq!(g.bare(false, false, at(0)), Err(Held::Settling));
        g.connected(at(10_000));
        assert_eq!(g.command(&stamp(at(11_000), "nonce-01"), at(11_500)), Err(Held::Settling));
        // The burst lengthened the quiet time.
        assert_eq!(g.bare(false, false, at(13_000)), Err(Held::Settling));
        assert_eq!(g.bare(false, false, at(15_001)), Ok(()));
        // Given before the connection, delivered after it.
        assert_eq!(g.command(&stamp(at(9_000), "nonce-02"), at(16_000)), Err(Held::Late));
        let mut g = guard();
        for ms in (0..100).map(|i| i * 1_000) {
            let _ = g.bare(false, false, at(ms));
        }
        assert_eq!(g.bare(false, false, at(31_000)), Ok(()), "the quiet time has an end");
    }

    proptest! {
        /// Whatever is played back, in any order and at any later time, moves the door at most once a nonce.
        #[test]
        fn a_recording_never_moves_the_door_again(
            plays in proptest::collection::vec((0_usize..6, 0_u64..40_000, any::<bool>()), 1..80),
        ) {
            let mut g = guard();
            let mut now = 3_000;
            let mut obeyed = [0; 6];
            for (which, wait, reconnect) in plays {
                now += wait;
                if reconnect {
                    g.connected(at(now));
                }
                let nonce = format!("nonce-{which:03}");
                let issued = at(4_000 + which as u64 * 20_000);
                if g.command(&stamp(issued, &nonce), at(now)).is_ok() {
                    obeyed[which] += 1;
                    prop_assert!(now.abs_diff(issued.mono.0) <= FRESH.0);
                }
            }
            prop_assert!(obeyed.iter().all(|n| *n <= 1));
        }
    }
}
