//! Panels on this board's own buses.
//!
//! Owns: opening them by name, and what to tell an installer when that fails. Does not own: the panels' commands.

use std::io;
use std::path::{Path, PathBuf};

use linux_embedded_hal::spidev::{SpiModeFlags, SpidevOptions};
use linux_embedded_hal::{CdevPin, Delay, I2cdev, SpidevDevice};

use ostiary_domain::clipped;
use ostiary_ports::DisplayError;

use super::spi::{Bus, SpiPanel, SpiSetup};
use super::{Oled, Panel};
use crate::door_gpio::{self, GpioError, OutputLine};

/// The wires of a colour panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpiWires {
    /// `/dev/spidev0.0`.
    pub bus: PathBuf,
    /// Clock in Hz.
    pub hz: u32,
    /// The chip of the lines below.
    pub chip: PathBuf,
    /// Low for commands, high for data.
    pub dc: u32,
    /// Low resets.
    pub reset: Option<u32>,
    /// Lights the panel.
    pub backlight: Option<OutputLine>,
}

/// Opens a colour panel.
///
/// # Errors
/// When the bus or a line cannot be had; says what to do.
pub fn spi(wires: &SpiWires, setup: SpiSetup) -> Result<Box<dyn Panel>, DisplayError> {
    let mut device = SpidevDevice::open(&wires.bus).map_err(|e| refused(&wires.bus, e.inner(), "spi"))?;
    let options = SpidevOptions::new()
        .bits_per_word(8)
        .max_speed_hz(wires.hz)
        .lsb_first(false)
        .mode(SpiModeFlags::SPI_MODE_0)
        .build();
    device.configure(&options).map_err(|e| refused(&wires.bus, &e, "spi"))?;
    let dc = door_gpio::pin(&wires.chip, "display.dc", wires.dc, true).map_err(|e| line(&e))?;
    let reset = wires
        .reset
        .map(|at| door_gpio::pin(&wires.chip, "display.reset", at, true).map_err(|e| line(&e)))
        .transpose()?;
    let mut light = wires
        .backlight
        .map(|at| door_gpio::output(&wires.chip, "display.backlight", at).map_err(|e| line(&e)))
        .transpose()?;
    let switch = move |on: bool| {
        // A panel without light is told by whoever stands before it; its pictures go on.
        if let Some(light) = &mut light
            && let Err(error) = light.set(on)
        {
            tracing::error!(%error, "the display's light");
        }
    };
    let panel = SpiPanel::<_, _, CdevPin, _>::open(setup, Bus::new(device, dc), reset, switch, &mut Delay)?;
    Ok(Box::new(panel))
}

/// Opens an SSD1306.
///
/// # Errors
/// When the bus cannot be had or nothing answers; says what to do.
pub fn oled(bus: &Path, address: u8, turned: bool) -> Result<Box<dyn Panel>, DisplayError> {
    let device = I2cdev::new(bus).map_err(|e| refused(bus, &io::Error::from(e), "i2c"))?;
    Ok(Box::new(Oled::open(device, address, turned)?))
}

/// Whether a device file can be opened for reading and writing, without touching the device.
///
/// # Errors
/// What is wrong and what to do, in one line; `bus` names the overlay and the group.
pub fn reachable(path: &Path, bus: &str) -> Result<(), DisplayError> {
    let opened = std::fs::OpenOptions::new().read(true).write(true).open(path);
    opened.map(drop).map_err(|e| refused(path, &e, bus))
}

fn line(error: &GpioError) -> DisplayError {
    DisplayError(clipped(&error.to_string()))
}

fn refused(path: &Path, error: &io::Error, bus: &str) -> DisplayError {
    let path = path.display();
    let text = match error.kind() {
        io::ErrorKind::NotFound => {
            format!("there is no {path}; switch {bus} on in the board's overlays and restart")
        }
        io::ErrorKind::PermissionDenied => {
            format!("no permission for {path}; add the user to the group {bus}")
        }
        _ => format!("{path}: {error}"),
    };
    DisplayError(clipped(&text))
}
