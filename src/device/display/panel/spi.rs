//! Colour panels on SPI: ST7789 and ILI9341, whose commands are mipidsi's.
//!
//! Owns: the bus as those panels want it (a line that tells commands from data, transfers no larger than the kernel
//! takes), their setting up, the backlight. Does not own: the commands (mipidsi), the picture.
//! Invariant: a panel lights up only once it holds its first picture, so that nobody sees noise.

use core::fmt::Debug;

use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::primitives::Rectangle;
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{self, OutputPin};
use embedded_hal::spi::SpiDevice;
use mipidsi::interface::{Interface, InterfaceKind};
use mipidsi::models::{ILI9341Rgb565, Model, ST7789};
use mipidsi::options::{ColorInversion, ColorOrder, Orientation, Rotation};

use ostiary_domain::{Millis, clipped};
use ostiary_ports::DisplayError;

use super::super::Framebuffer;
use super::Panel;
use crate::clock_os::pause;

/// The largest transfer; spidev's own limit (`bufsiz`) unless the kernel was told otherwise.
const TRANSFER: usize = 4_096;

/// Which chip drives the panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// Sitronix ST7789.
    St7789,
    /// Ilitek ILI9341.
    Ili9341,
}

/// How the panel is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpiSetup {
    /// The chip.
    pub controller: Controller,
    /// Pixels across as the visitor sees it.
    pub width: u16,
    /// Pixels down as the visitor sees it.
    pub height: u16,
    /// By how much the picture is turned clockwise: 0, 90, 180 or 270.
    pub rotate: u16,
    /// The glass shows the opposite of what it is sent (most ST7789).
    pub invert: bool,
    /// Blue comes first (most ILI9341).
    pub bgr: bool,
    /// Where the glass begins in the chip's memory, before turning.
    pub offset: (u16, u16),
}

/// The wires of such a panel as mipidsi wants them.
pub struct Bus<S, D> {
    spi: S,
    dc: D,
    buffer: Vec<u8>,
}

impl<S: SpiDevice, D: OutputPin> Bus<S, D> {
    /// The bus, and the line that is low for commands and high for data.
    pub fn new(spi: S, dc: D) -> Self {
        Self { spi, dc, buffer: Vec::with_capacity(TRANSFER) }
    }

    fn flush(&mut self) -> Result<(), BusError> {
        if !self.buffer.is_empty() {
            self.spi.write(&self.buffer).map_err(|e| BusError(format!("the SPI bus refuses: {e:?}")))?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn level(&mut self, data: bool) -> Result<(), BusError> {
        let set = if data { self.dc.set_high() } else { self.dc.set_low() };
        set.map_err(|e| BusError(format!("the data/command line cannot be written: {e:?}")))
    }
}

/// What the wires refused.
#[derive(Debug)]
pub struct BusError(String);

impl<S: SpiDevice, D: OutputPin> Interface for Bus<S, D> {
    type Word = u8;
    type Error = BusError;

    const KIND: InterfaceKind = InterfaceKind::Serial4Line;

    fn send_command(&mut self, command: u8, args: &[u8]) -> Result<(), BusError> {
        self.level(false)?;
        self.buffer.push(command);
        self.flush()?;
        self.level(true)?;
        self.buffer.extend_from_slice(args);
        self.flush()
    }

    fn send_pixels<const N: usize>(
        &mut self,
        pixels: impl IntoIterator<Item = [u8; N]>,
    ) -> Result<(), BusError> {
        for pixel in pixels {
            if self.buffer.len() + N > TRANSFER {
                self.flush()?;
            }
            self.buffer.extend_from_slice(&pixel);
        }
        self.flush()
    }

    fn send_repeated_pixel<const N: usize>(&mut self, pixel: [u8; N], count: u32) -> Result<(), BusError> {
        self.send_pixels(core::iter::repeat_n(pixel, count as usize))
    }
}

/// A panel that was set up.
pub struct SpiPanel<S: SpiDevice, D: OutputPin, R: OutputPin, L> {
    display: Driver<S, D, R>,
    size: (u32, u32),
    light: L,
    dark: bool,
}

type Wired<S, D, M, R> = mipidsi::Display<Bus<S, D>, M, Reset<R>>;

enum Driver<S: SpiDevice, D: OutputPin, R: OutputPin> {
    St7789(Wired<S, D, ST7789, R>),
    Ili9341(Wired<S, D, ILI9341Rgb565, R>),
}

impl<S, D, R, L> SpiPanel<S, D, R, L>
where
    S: SpiDevice,
    D: OutputPin,
    R: OutputPin,
    L: FnMut(bool),
{
    /// Resets the panel and sets it up: some 0.3 s. `light` is told to switch on once the first picture is there.
    ///
    /// # Errors
    /// When the bus refuses or the size does not fit the chip.
    pub fn open(
        setup: SpiSetup,
        bus: Bus<S, D>,
        reset: Option<R>,
        light: L,
        delay: &mut impl DelayNs,
    ) -> Result<Self, DisplayError> {
        let display = match setup.controller {
            Controller::St7789 => Driver::St7789(built(ST7789, setup, bus, reset, delay)?),
            Controller::Ili9341 => Driver::Ili9341(built(ILI9341Rgb565, setup, bus, reset, delay)?),
        };
        Ok(Self { display, size: (setup.width.into(), setup.height.into()), light, dark: true })
    }
}

fn built<S: SpiDevice, D: OutputPin, R: OutputPin, M: Model<ColorFormat = Rgb565>>(
    model: M,
    setup: SpiSetup,
    mut bus: Bus<S, D>,
    reset: Option<R>,
    delay: &mut impl DelayNs,
) -> Result<Wired<S, D, M, R>, DisplayError> {
    let rotation = match setup.rotate {
        90 => Rotation::Deg90,
        180 => Rotation::Deg180,
        270 => Rotation::Deg270,
        _ => Rotation::Deg0,
    };
    let (width, height) =
        if rotation.is_vertical() { (setup.height, setup.width) } else { (setup.width, setup.height) };
    if reset.is_none() {
        // mipidsi asks for a reset by command only where it has no pin at all.
        bus.send_command(SOFT_RESET, &[]).map_err(|e| DisplayError(clipped(&e.0)))?;
        delay.delay_ms(120);
    }
    mipidsi::Builder::new(model, bus)
        .reset_pin(Reset(reset))
        .display_size(width, height)
        .display_offset(setup.offset.0, setup.offset.1)
        .orientation(Orientation::new().rotate(rotation))
        .invert_colors(if setup.invert { ColorInversion::Inverted } else { ColorInversion::Normal })
        .color_order(if setup.bgr { ColorOrder::Bgr } else { ColorOrder::Rgb })
        .init(delay)
        .map_err(|e| DisplayError(clipped(&format!("the panel cannot be set up: {e:?}"))))
}

impl<S, D, R, L> Panel for SpiPanel<S, D, R, L>
where
    S: SpiDevice + Send,
    D: OutputPin + Send,
    R: OutputPin + Send,
    L: FnMut(bool) + Send,
{
    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn send(&mut self, picture: &Framebuffer, area: Rectangle) -> Result<(), DisplayError> {
        let Some(corner) = area.bottom_right() else { return Ok(()) };
        let (left, top) = (area.top_left.x as u16, area.top_left.y as u16);
        let (right, bottom) = (corner.x as u16, corner.y as u16);
        let pixels = area.rows().flat_map(|y| area.columns().map(move |x| (x, y)));
        let pixels = pixels.map(|(x, y)| Rgb565::from(picture.pixel(x as u32, y as u32).unwrap_or_default()));
        let sent = match &mut self.display {
            Driver::St7789(display) => display.set_pixels(left, top, right, bottom, pixels),
            Driver::Ili9341(display) => display.set_pixels(left, top, right, bottom, pixels),
        };
        sent.map_err(|e| DisplayError(clipped(&e.0)))?;
        if self.dark {
            (self.light)(true);
            self.dark = false;
        }
        Ok(())
    }
}

/// A reset line that may not be wired.
struct Reset<R>(Option<R>);

impl<R: OutputPin> digital::ErrorType for Reset<R> {
    type Error = R::Error;
}

impl<R: OutputPin> OutputPin for Reset<R> {
    fn set_low(&mut self) -> Result<(), R::Error> {
        self.0.as_mut().map_or(Ok(()), OutputPin::set_low)
    }

    fn set_high(&mut self) -> Result<(), R::Error> {
        let outcome = self.0.as_mut().map_or(Ok(()), OutputPin::set_high);
        // ILI9341 data sheet 15.4: commands 5 ms after the end of a reset, 120 ms where it slept; mipidsi waits less.
        pause(Millis(120));
        outcome
    }
}

const SOFT_RESET: u8 = 0x01;
