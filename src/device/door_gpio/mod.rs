//! The door's wires on GPIO lines of the Linux character device.
//!
//! Owns: requesting the lines, the relay's polarity (`output`), edges with the kernel's time stamps. Does not own:
//! debounce and meaning (`access`), what the board is wired to (the board file).
//! Invariants: the relay is requested already released, and released again when the door is dropped; levels are
//! logical everywhere outside; an edge that the kernel lost is made up for by comparing levels.
//!
//! When the process is killed, no code runs: the kernel gives the line back and most chips keep or float its level.
//! So the board needs a resistor from the relay's input to its idle level, and the service a stop command that
//! releases the line; both are in the board file's notes.

mod guard;
mod output;
mod patient;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gpiocdev::Request;
use gpiocdev::line::{EdgeDetection, EdgeKind, EventClock, Value};
pub use linux_embedded_hal::CdevPin;
use linux_embedded_hal::gpio_cdev::{self, Chip, LineRequestFlags};

use ostiary_domain::{Millis, Mono};
use ostiary_ports::{Clock, Door, DoorError, Input, InputEdge};

use super::detail;

pub use guard::{Guarded, REST, UNATTENDED};
pub use output::Output;
pub use patient::PatientDoor;

/// Levels are compared with the edges seen this often.
const RECONCILE: Millis = Millis(1_000);
const CONSUMER: &str = "ostiary";

/// What is wired to which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpioConfig {
    /// `/dev/gpiochip0`.
    pub chip: PathBuf,
    /// Drives the strike or the magnet.
    pub relay: OutputLine,
    /// No pulse is longer, whoever wants it: for a strike that burns when it is held.
    pub max_on: Option<Millis>,
    /// Door contact: active while the door stands open.
    pub contact: Option<InputLine>,
    /// Exit button: active while pressed.
    pub rex: Option<InputLine>,
    /// Housing switch: active while the housing is open.
    pub tamper: Option<InputLine>,
    /// Fire alarm: active while it calls.
    pub fire: Option<InputLine>,
}

/// An output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLine {
    /// Offset on the chip, not the header's pin number.
    pub line: u32,
    /// The relay board energises on a low level.
    pub active_low: bool,
}

/// An input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputLine {
    /// Offset on the chip, not the header's pin number.
    pub line: u32,
    /// A low level means active.
    pub active_low: bool,
    /// The line's resistor.
    pub bias: Bias,
}

/// The line's internal resistor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// Left as the chip has it.
    AsIs,
    /// Towards the supply.
    PullUp,
    /// Towards ground.
    PullDown,
    /// None.
    Disabled,
}

/// Why the wires cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum GpioError {
    /// No such chip.
    #[error("there is no GPIO chip {0}; `ls /dev/gpiochip*` shows which there are")]
    NoChip(PathBuf),
    /// Not allowed.
    #[error("no permission for {0}; add the user to the group gpio (or the group that owns the file)")]
    Permission(PathBuf),
    /// Something else than a chip, or a chip that fails.
    #[error("{0} cannot be used as a GPIO chip: {1}")]
    Chip(PathBuf, #[source] gpio_cdev::Error),
    /// Not on this chip.
    #[error(
        "{name}: line {line} is not on {chip}, which has lines 0 to {last}; use the offset, not the header's pin"
    )]
    OutOfRange {
        /// Which wire.
        name: &'static str,
        /// The offset asked for.
        line: u32,
        /// The chip.
        chip: PathBuf,
        /// The last offset there is.
        last: u32,
    },
    /// Somebody else holds the line.
    #[error("{name}: line {line} is in use by {holder:?}; free it or choose another line")]
    Busy {
        /// Which wire.
        name: &'static str,
        /// The offset asked for.
        line: u32,
        /// Who holds it, as the kernel says.
        holder: String,
    },
    /// Two wires on one line.
    #[error("{second}: line {line} is already used for {first}")]
    Twice {
        /// The offset.
        line: u32,
        /// The first wire.
        first: &'static str,
        /// The second wire.
        second: &'static str,
    },
    /// An output's line.
    #[error("{name}: line {line} cannot be driven: {source}")]
    Output {
        /// Which wire.
        name: &'static str,
        /// The offset.
        line: u32,
        /// The cause.
        #[source]
        source: gpio_cdev::Error,
    },
    /// The relay's line cannot be released.
    #[error("the relay cannot be released: {0}")]
    Release(DoorError),
    /// The inputs.
    #[error(
        "the inputs cannot be read: {0}; a bias that the chip does not know is refused, try bias = \"as-is\""
    )]
    Inputs(#[source] gpiocdev::Error),
}

/// The door.
pub struct GpioDoor {
    relay: Guarded<CdevPin>,
    inputs: Option<Request>,
    wires: heapless::Vec<Wire, 4>,
    clock: Arc<dyn Clock>,
    compared: Mono,
}

struct Wire {
    input: Input,
    line: u32,
    /// As last told to the caller.
    told: bool,
}

impl GpioDoor {
    /// Requests the lines; the relay first, and released.
    ///
    /// # Errors
    /// See [`GpioError`]; the message says what to do.
    pub fn open(config: &GpioConfig, clock: Arc<dyn Clock>) -> Result<Self, GpioError> {
        let mut chip = Chip::new(&config.chip).map_err(|e| chip_error(&config.chip, e))?;
        check(config, &chip)?;
        let relay = open_relay(config, &mut chip)?;
        let relay = Guarded::new(relay, config.max_on, Arc::clone(&clock)).map_err(GpioError::Release)?;
        let wired = [
            (Input::Contact, config.contact),
            (Input::Rex, config.rex),
            (Input::Tamper, config.tamper),
            (Input::Fire, config.fire),
        ];
        let mut request = Request::builder();
        request.on_chip(&config.chip).with_consumer(CONSUMER).with_kernel_event_buffer_size(256);
        let mut wires = heapless::Vec::<Wire, 4>::new();
        for (input, line) in wired.into_iter().filter_map(|(input, line)| Some((input, line?))) {
            request.with_line(line.line).as_input().with_edge_detection(EdgeDetection::BothEdges);
            request.with_event_clock(EventClock::Monotonic);
            if line.active_low {
                request.as_active_low();
            }
            match line.bias {
                Bias::AsIs => {}
                Bias::PullUp => drop(request.with_bias(gpiocdev::line::Bias::PullUp)),
                Bias::PullDown => drop(request.with_bias(gpiocdev::line::Bias::PullDown)),
                Bias::Disabled => drop(request.with_bias(gpiocdev::line::Bias::Disabled)),
            }
            // Four inputs, four places.
            let _ = wires.push(Wire { input, line: line.line, told: false });
        }
        let inputs = if wires.is_empty() {
            None
        } else {
            Some(
                request
                    .request()
                    .map_err(|e| held_input(config, &mut chip).unwrap_or(GpioError::Inputs(e)))?,
            )
        };
        if let Some(request) = &inputs {
            for wire in &mut wires {
                wire.told = request.value(wire.line).map_err(GpioError::Inputs)? == Value::Active;
            }
        }
        let compared = clock.now().mono;
        Ok(Self { relay, inputs, wires, clock, compared })
    }

    /// Drives the relay's line to its released level and gives it back. For the moments when nothing else runs: early
    /// at boot, and after the program has ended in whatever way.
    ///
    /// # Errors
    /// See [`GpioError`]; a line that somebody holds is theirs to release.
    pub fn release(config: &GpioConfig) -> Result<(), GpioError> {
        let mut chip = Chip::new(&config.chip).map_err(|e| chip_error(&config.chip, e))?;
        check(config, &chip)?;
        open_relay(config, &mut chip).map(drop)
    }

    /// Finds a level that no edge told of; the kernel drops edges when its buffer is full.
    fn reconcile(&mut self, request: &Request, now: Mono) -> Result<Option<InputEdge>, DoorError> {
        for wire in &mut self.wires {
            let active = request.value(wire.line).map_err(|e| line_error(wire, &e))? == Value::Active;
            if active != wire.told {
                wire.told = active;
                return Ok(Some(InputEdge { input: wire.input, active, at: now }));
            }
        }
        self.compared = now;
        Ok(None)
    }

    fn poll(&mut self, request: &Request) -> Result<Option<InputEdge>, DoorError> {
        let broken = |e: &gpiocdev::Error| DoorError(detail(format_args!("the inputs cannot be read: {e}")));
        while request.has_edge_event().map_err(|e| broken(&e))? {
            let event = request.read_edge_event().map_err(|e| broken(&e))?;
            let active = match event.kind {
                EdgeKind::Rising => true,
                EdgeKind::Falling => false,
            };
            if let Some(wire) = self.wires.iter_mut().find(|w| w.line == event.offset) {
                // Two equal edges in a row mean that the one between was lost; the level is what counts.
                if wire.told != active {
                    wire.told = active;
                    let at = Mono(event.timestamp_ns / 1_000_000);
                    return Ok(Some(InputEdge { input: wire.input, active, at }));
                }
            }
        }
        let now = self.clock.now().mono;
        if now.since(self.compared) < RECONCILE {
            return Ok(None);
        }
        self.reconcile(request, now)
    }
}

impl Door for GpioDoor {
    fn set_relay(&mut self, energised: bool) -> Result<(), DoorError> {
        self.relay.set(energised)
    }

    fn poll_edge(&mut self) -> Result<Option<InputEdge>, DoorError> {
        self.relay.renew()?;
        let Some(request) = self.inputs.take() else { return Ok(None) };
        let outcome = self.poll(&request);
        self.inputs = Some(request);
        outcome
    }

    fn level(&mut self, input: Input) -> Result<Option<bool>, DoorError> {
        let wire = self.wires.iter().find(|w| w.input == input);
        let (Some(wire), Some(request)) = (wire, &self.inputs) else { return Ok(None) };
        let value = request.value(wire.line).map_err(|e| line_error(wire, &e))?;
        Ok(Some(value == Value::Active))
    }
}

fn open_relay(config: &GpioConfig, chip: &mut Chip) -> Result<Output<CdevPin>, GpioError> {
    switch(chip, "relay", config.relay)
}

/// Any other output of the board: a lamp, a buzzer, a backlight. Off when this returns.
///
/// # Errors
/// See [`GpioError`].
pub fn output(chip: &Path, name: &'static str, line: OutputLine) -> Result<Output<CdevPin>, GpioError> {
    switch(&mut opened(chip, name, line.line)?, name, line)
}

/// A bare output for a panel that knows no polarity, at `high` from the start.
///
/// # Errors
/// See [`GpioError`].
pub fn pin(chip: &Path, name: &'static str, line: u32, high: bool) -> Result<CdevPin, GpioError> {
    requested(&mut opened(chip, name, line)?, name, line, high)
}

/// What is wrong with lines that somebody means to use: not on the chip, or held by another program. Asks only.
#[must_use]
pub fn free(path: &Path, lines: impl Iterator<Item = (&'static str, u32)>) -> Vec<GpioError> {
    let mut chip = match Chip::new(path) {
        Ok(chip) => chip,
        Err(error) => return vec![chip_error(path, error)],
    };
    lines
        .filter_map(|(name, line)| {
            on_chip(path, &chip, name, line).err().or_else(|| holder(&mut chip, name, line))
        })
        .collect()
}

fn opened(path: &Path, name: &'static str, line: u32) -> Result<Chip, GpioError> {
    let chip = Chip::new(path).map_err(|e| chip_error(path, e))?;
    on_chip(path, &chip, name, line)?;
    Ok(chip)
}

fn switch(chip: &mut Chip, name: &'static str, wire: OutputLine) -> Result<Output<CdevPin>, GpioError> {
    // Requested without the kernel's own inversion, so that levels are physical both here and in `CdevPin`; `Output`
    // alone turns them round.
    let pin = requested(chip, name, wire.line, wire.active_low)?;
    Output::new(name, pin, wire.active_low).map_err(GpioError::Release)
}

fn requested(chip: &mut Chip, name: &'static str, line: u32, high: bool) -> Result<CdevPin, GpioError> {
    let handle = chip.get_line(line);
    let handle = handle.and_then(|l| l.request(LineRequestFlags::OUTPUT, u8::from(high), CONSUMER));
    handle
        .and_then(CdevPin::new)
        .map_err(|source| holder(chip, name, line).unwrap_or(GpioError::Output { name, line, source }))
}

fn on_chip(path: &Path, chip: &Chip, name: &'static str, line: u32) -> Result<(), GpioError> {
    if line < chip.num_lines() {
        return Ok(());
    }
    Err(GpioError::OutOfRange { name, line, chip: path.to_owned(), last: chip.num_lines().saturating_sub(1) })
}

fn check(config: &GpioConfig, chip: &Chip) -> Result<(), GpioError> {
    let mut seen = heapless::Vec::<(&'static str, u32), 5>::new();
    for (name, line) in wires(config) {
        on_chip(&config.chip, chip, name, line)?;
        if let Some((first, _)) = seen.iter().find(|(_, other)| *other == line) {
            return Err(GpioError::Twice { line, first, second: name });
        }
        // Five wires, five places.
        let _ = seen.push((name, line));
    }
    Ok(())
}

fn wires(config: &GpioConfig) -> impl Iterator<Item = (&'static str, u32)> {
    let inputs =
        [("contact", config.contact), ("rex", config.rex), ("tamper", config.tamper), ("fire", config.fire)];
    let inputs = inputs.into_iter().filter_map(|(name, input)| Some((name, input?.line)));
    std::iter::once(("relay", config.relay.line)).chain(inputs)
}

/// Who holds one of the inputs, where that is why they could not be had. Asked after a refusal and not before: the
/// kernel may go on marking a line as used that was an output, although it can be requested.
fn held_input(config: &GpioConfig, chip: &mut Chip) -> Option<GpioError> {
    wires(config).skip(1).find_map(|(name, line)| holder(chip, name, line))
}

fn holder(chip: &mut Chip, name: &'static str, line: u32) -> Option<GpioError> {
    let info = chip.get_line(line).and_then(|l| l.info()).ok()?;
    let holder = info.consumer().unwrap_or("the kernel").to_owned();
    info.is_used().then_some(GpioError::Busy { name, line, holder })
}

fn chip_error(chip: &Path, error: gpio_cdev::Error) -> GpioError {
    let source = std::error::Error::source(&error);
    let io = source.and_then(|s| s.downcast_ref::<io::Error>()).map(io::Error::kind);
    match io {
        Some(io::ErrorKind::NotFound) => GpioError::NoChip(chip.to_owned()),
        Some(io::ErrorKind::PermissionDenied) => GpioError::Permission(chip.to_owned()),
        Some(_) | None => GpioError::Chip(chip.to_owned(), error),
    }
}

fn line_error(wire: &Wire, error: &gpiocdev::Error) -> DoorError {
    DoorError(detail(format_args!("{:?} on line {}: {error}", wire.input, wire.line)))
}

#[cfg(test)]
mod tests {
    use super::super::clock_sim::SimClock;
    use super::*;

    fn open(chip: &Path) -> GpioError {
        let relay = OutputLine { line: 17, active_low: true };
        let chip = chip.to_owned();
        let config =
            GpioConfig { chip, relay, max_on: None, contact: None, rex: None, tamper: None, fire: None };
        GpioDoor::open(&config, Arc::new(SimClock::default())).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_chip_that_is_none_is_said_in_so_many_words() {
        assert!(matches!(open(Path::new("/dev/gpiochip99")), GpioError::NoChip(_)));
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(open(file.path()), GpioError::Chip(..)));
    }

    #[test]
    fn a_release_says_the_same_of_a_chip_that_is_not_there() {
        let (chip, relay) = (PathBuf::from("/dev/gpiochip99"), OutputLine { line: 1, active_low: false });
        let config =
            GpioConfig { chip, relay, max_on: None, contact: None, rex: None, tamper: None, fire: None };
        assert!(matches!(GpioDoor::release(&config), Err(GpioError::NoChip(_))));
    }
}
