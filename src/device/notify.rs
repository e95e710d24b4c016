//! What systemd wants to know: started, alive, stopping, and one line of status.
//!
//! Owns: the messages. Does not own: when the watchdog may be fed (`app::supervisor`).
//! Invariant: without `NOTIFY_SOCKET` every call does nothing; a socket that cannot be written never disturbs the
//! door.

use sd_notify::NotifyState;

use ostiary_domain::Millis;

/// The line to the service manager.
#[derive(Debug)]
pub struct Notify {
    listening: bool,
    watchdog: Option<Millis>,
}

impl Notify {
    /// Looks for a service manager in the environment.
    #[must_use]
    pub fn new() -> Self {
        let listening = std::env::var_os("NOTIFY_SOCKET").is_some();
        let watchdog = sd_notify::watchdog_enabled().map(|period| Millis(period.as_millis() as u64));
        Self { listening, watchdog }
    }

    /// A line to nobody.
    #[must_use]
    pub const fn off() -> Self {
        Self { listening: false, watchdog: None }
    }

    /// Within what time the service manager wants to be told that the door is alive; tell it twice as often.
    #[must_use]
    pub const fn watchdog_period(&self) -> Option<Millis> {
        self.watchdog
    }

    /// The start is finished.
    pub fn ready(&self) {
        self.send(&[NotifyState::Ready]);
    }

    /// Feeds the watchdog.
    pub fn watchdog(&self) {
        if self.watchdog.is_some() {
            self.send(&[NotifyState::Watchdog]);
        }
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.send(&[NotifyState::Stopping]);
    }

    /// One line for `systemctl status`; what follows a line break is dropped, so that no text can forge a message.
    pub fn status(&self, text: &str) {
        self.send(&[NotifyState::Status(text.lines().next().unwrap_or_default())]);
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        if self.listening
            && let Err(error) = sd_notify::notify(states)
        {
            tracing::debug!(%error, "the service manager does not listen");
        }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}
