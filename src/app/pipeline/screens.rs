//! The display thread: the newest screen wins.
//!
//! Owns: the mailbox and the loop. Does not own: drawing (`device::display`).
//! Overflow policy: a screen that was not drawn in time is overwritten by the next one.
//! Invariant: showing never blocks the control loop, and a failing panel is said once and tried again.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::app::supervisor::{Loop, Stamps};
use crate::app::window::Window;
use crate::domain::Screen;
use crate::ports::{Clock, Display};

use super::hands::ScreenSink;

const TURN: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Mailbox {
    screen: Option<Screen>,
    /// Shown in the place of every idle screen.
    banner: Option<Screen>,
    closed: bool,
}

/// The control loop's end.
#[derive(Clone)]
pub(super) struct Screens {
    shared: Arc<(Mutex<Mailbox>, Condvar)>,
    window: Arc<Window>,
    clock: Arc<dyn Clock>,
}

impl Screens {
    /// What is shown is seen through the window, too.
    pub(super) fn new(window: Arc<Window>, clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::default(), window, clock }
    }

    /// Draws until the mailbox is closed.
    pub(super) fn run(&self, mut display: Box<dyn Display>, clock: &dyn Clock, stamps: &Stamps) {
        let mut failing = false;
        loop {
            stamps.stamp(Loop::Display, clock.now().mono);
            let (mailbox, arrived) = &*self.shared;
            let guard = mailbox.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = arrived.wait_timeout_while(guard, TURN, |m| m.screen.is_none() && !m.closed);
            let mut guard = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard);
            let (screen, closed) = (guard.screen.take(), guard.closed);
            drop(guard);
            if let Some(screen) = screen {
                match display.show(&screen) {
                    Ok(()) => failing = false,
                    Err(error) if !failing => {
                        failing = true;
                        tracing::error!(%error, "the visitor sees an old screen");
                    }
                    Err(_) => {}
                }
            } else if closed {
                return;
            }
        }
    }

    /// Puts a screen in the place of every idle one, or takes it away again (an idle one follows within a minute).
    pub(super) fn set_banner(&self, banner: Option<Screen>) {
        let mut mailbox = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        if banner.is_some() {
            mailbox.screen.clone_from(&banner);
        }
        mailbox.banner = banner;
        self.shared.1.notify_one();
    }

    /// Ends the thread once the last screen is drawn.
    pub(super) fn close(&self) {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.1.notify_all();
    }
}

impl ScreenSink for Screens {
    fn show(&mut self, screen: Screen) {
        self.window.shows(&screen, self.clock.now().mono);
        let mut mailbox = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        mailbox.screen = match (&screen, &mailbox.banner) {
            (Screen::Idle { .. }, Some(banner)) => Some(banner.clone()),
            _ => Some(screen),
        };
        self.shared.1.notify_one();
    }
}

/// Draws at once, for the walk-up without threads.
pub struct DirectScreens(Box<dyn Display>);

impl DirectScreens {
    /// Draws on `display`.
    #[must_use]
    pub fn new(display: Box<dyn Display>) -> Self {
        Self(display)
    }
}

impl ScreenSink for DirectScreens {
    fn show(&mut self, screen: Screen) {
        if let Err(error) = self.0.show(&screen) {
            tracing::error!(%error, "the visitor sees an old screen");
        }
    }
}
