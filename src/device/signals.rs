//! Lamps and a buzzer beside the display: what a visitor sees and hears without reading.
//!
//! Owns: which screen lights what and sounds how, and the thread that times the beeps. Does not own: when a screen is
//! shown (`access`), polarity (`door_gpio::Output`).
//! Invariants: showing never waits for a beep; a newer screen ends the sound of an older one; all is off when this is
//! dropped; a lamp that fails never stops the door nor the display.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use embedded_hal::digital::OutputPin;

use ostiary_domain::Screen;
use ostiary_ports::{Display, DisplayError};

use super::detail;
use super::door_gpio::Output;

/// What is lit and sounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The lamp of "come in".
    pub granted: bool,
    /// The lamp of "no".
    pub refused: bool,
    /// On, off, on, ... in milliseconds.
    pub beeps: &'static [u64],
    /// Whether the beeps go on until another screen.
    pub repeat: bool,
}

impl Signal {
    const NONE: Self = Self { granted: false, refused: false, beeps: &[], repeat: false };

    /// What belongs to a screen: one beep for yes, two for no, and an alarm that nobody takes for either.
    #[must_use]
    pub const fn of(screen: &Screen) -> Self {
        match screen {
            Screen::Welcome { .. } | Screen::Punched { .. } => {
                Self { granted: true, beeps: &[120], ..Self::NONE }
            }
            Screen::Denied { .. } => Self { refused: true, beeps: &[120, 120, 120], ..Self::NONE },
            Screen::Alarm(_) => Self { refused: true, beeps: &[600, 300], repeat: true, ..Self::NONE },
            Screen::Fault { .. } => Self { refused: true, ..Self::NONE },
            Screen::TestCard => Self { granted: true, refused: true, beeps: &[120], ..Self::NONE },
            Screen::Idle { .. }
            | Screen::Look { .. }
            | Screen::Kiosk { .. }
            | Screen::Keypad { .. }
            | Screen::SecondPerson { .. }
            | Screen::Enrol { .. }
            | Screen::Setup { .. } => Self::NONE,
        }
    }
}

/// The outputs, any of which may be missing.
pub struct Lamps<P: OutputPin> {
    /// Lit for "come in".
    pub granted: Option<Output<P>>,
    /// Lit for "no", alarm and fault.
    pub refused: Option<Output<P>>,
    /// Sounds by itself while it is on.
    pub buzzer: Option<Output<P>>,
}

/// A display with lamps and a buzzer.
pub struct Signals {
    display: Box<dyn Display>,
    mailbox: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Mailbox(Mutex<Post>, Condvar);

#[derive(Default)]
struct Post {
    signal: Option<Signal>,
    closed: bool,
}

impl Signals {
    /// Adds lamps to a display.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn new<P: OutputPin + Send + 'static>(
        display: Box<dyn Display>,
        lamps: Lamps<P>,
    ) -> Result<Self, DisplayError> {
        let mailbox = Arc::new(Mailbox::default());
        let post = Arc::clone(&mailbox);
        let thread = std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || post.work(lamps))
            .map_err(|e| DisplayError(detail(format_args!("the lamps' thread cannot be started: {e}"))))?;
        Ok(Self { display, mailbox, thread: Some(thread) })
    }
}

impl Display for Signals {
    fn show(&mut self, screen: &Screen) -> Result<(), DisplayError> {
        let mut post = self.mailbox.0.lock().unwrap_or_else(PoisonError::into_inner);
        post.signal = Some(Signal::of(screen));
        drop(post);
        self.mailbox.1.notify_one();
        self.display.show(screen)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.mailbox.0.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.mailbox.1.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there switched the lamps off already.
            let _ = thread.join();
        }
    }
}

/// How a wait ended.
enum Waited {
    Newer(Signal),
    TimeIsUp,
    Closed,
}

impl Mailbox {
    fn work<P: OutputPin>(&self, mut lamps: Lamps<P>) {
        let mut failing = false;
        let mut signal = Signal::NONE;
        loop {
            set(&mut lamps.granted, signal.granted, &mut failing);
            set(&mut lamps.refused, signal.refused, &mut failing);
            let next = self.sound(signal, &mut lamps.buzzer, &mut failing);
            set(&mut lamps.buzzer, false, &mut failing);
            match next {
                Some(newer) => signal = newer,
                None => return,
            }
        }
    }

    /// Beeps until another signal comes, and waits for it in silence after the last beep.
    fn sound<P: OutputPin>(
        &self,
        signal: Signal,
        buzzer: &mut Option<Output<P>>,
        failing: &mut bool,
    ) -> Option<Signal> {
        loop {
            for (step, ms) in signal.beeps.iter().enumerate() {
                set(buzzer, step % 2 == 0, failing);
                match self.wait(signal, Some(Duration::from_millis(*ms))) {
                    Waited::Newer(newer) => return Some(newer),
                    Waited::TimeIsUp => {}
                    Waited::Closed => return None,
                }
            }
            if signal.repeat {
                continue;
            }
            set(buzzer, false, failing);
            return match self.wait(signal, None) {
                Waited::Newer(newer) => Some(newer),
                Waited::TimeIsUp | Waited::Closed => None,
            };
        }
    }

    /// Waits for another signal than the present one: the same screen drawn again (a box that moves) changes nothing.
    fn wait(&self, present: Signal, at_most: Option<Duration>) -> Waited {
        let mut post = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |p: &mut Post| p.signal.is_none_or(|signal| signal == present) && !p.closed;
        post = match at_most {
            None => self.1.wait_while(post, idle).unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                self.1.wait_timeout_while(post, time, idle).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        match post.signal.take() {
            _ if post.closed => Waited::Closed,
            Some(newer) if newer != present => Waited::Newer(newer),
            Some(_) | None => Waited::TimeIsUp,
        }
    }
}

fn set<P: OutputPin>(output: &mut Option<Output<P>>, on: bool, failing: &mut bool) {
    let Some(output) = output else { return };
    match output.set(on) {
        Ok(()) => *failing = false,
        Err(error) if !*failing => {
            *failing = true;
            tracing::error!(%error, "a lamp or the buzzer does not obey; the door goes on");
        }
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU32, Ordering};

    use embedded_hal::digital::ErrorType;
    use ostiary_domain::screen::AlarmKind;
    use ostiary_domain::{Millis, VisitorReason, clipped};

    use super::super::clock_os::pause;
    use super::super::no_panel::NoPanel;
    use super::*;

    /// Counts how often it was switched on; odd while it is on, even while it is off.
    #[derive(Clone, Default)]
    struct Pin(Arc<AtomicU32>);

    impl ErrorType for Pin {
        type Error = Infallible;
    }

    impl OutputPin for Pin {
        fn set_low(&mut self) -> Result<(), Infallible> {
            let now = self.0.load(Ordering::SeqCst);
            self.0.store(now.next_multiple_of(2), Ordering::SeqCst);
            Ok(())
        }

        fn set_high(&mut self) -> Result<(), Infallible> {
            let now = self.0.load(Ordering::SeqCst);
            self.0.store(now | 1, Ordering::SeqCst);
            Ok(())
        }
    }

    impl Pin {
        fn on(&self) -> bool {
            !self.0.load(Ordering::SeqCst).is_multiple_of(2)
        }

        fn times(&self) -> u32 {
            self.0.load(Ordering::SeqCst).div_ceil(2)
        }

        fn reaches(&self, times: u32) -> bool {
            (0..400).any(|_| {
                pause(Millis(10));
                self.times() >= times
            })
        }
    }

    fn signals() -> (Signals, [Pin; 3]) {
        let pins: [Pin; 3] = std::array::from_fn(|_| Pin::default());
        let output = |name, pin: &Pin| Some(Output::new(name, pin.clone(), false).unwrap());
        let lamps = Lamps {
            granted: output("green lamp", &pins[0]),
            refused: output("red lamp", &pins[1]),
            buzzer: output("buzzer", &pins[2]),
        };
        (Signals::new(Box::new(NoPanel), lamps).unwrap(), pins)
    }

    #[test]
    fn one_beep_for_yes_two_for_no_and_silence_after() {
        let (mut signals, [green, red, buzzer]) = signals();
        let welcome = Screen::Welcome { name: clipped("Anna") };
        signals.show(&welcome).unwrap();
        assert!(buzzer.reaches(1));
        signals.show(&welcome).unwrap();
        assert!(green.on() && !red.on());
        pause(Millis(400));
        assert_eq!((buzzer.times(), buzzer.on()), (1, false), "the same screen drawn again is silent");
        signals.show(&Screen::Denied { reason: VisitorReason::NotRecognised }).unwrap();
        assert!(buzzer.reaches(3));
        pause(Millis(600));
        assert_eq!((buzzer.times(), buzzer.on()), (3, false));
        assert!(!green.on() && red.on());
    }

    #[test]
    fn an_alarm_sounds_until_another_screen_and_the_end_is_dark() {
        let (mut signals, [_, red, buzzer]) = signals();
        signals.show(&Screen::Alarm(AlarmKind::Forced)).unwrap();
        assert!(buzzer.reaches(2), "it repeats");
        signals.show(&Screen::Idle { time: None, link_up: None, queued: 0 }).unwrap();
        pause(Millis(300));
        let times = buzzer.times();
        pause(Millis(1_100));
        assert_eq!((buzzer.times(), buzzer.on(), red.on()), (times, false, false));
        signals.show(&Screen::Alarm(AlarmKind::Forced)).unwrap();
        assert!(buzzer.reaches(times + 1));
        drop(signals);
        assert!(!buzzer.on() && !red.on());
    }
}
