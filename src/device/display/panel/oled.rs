//! SSD1306: 128x64 pixels in black and white on I2C.
//!
//! Owns: its commands (Solomon Systech, SSD1306 data sheet rev. 1.1, chapters 9 and 10). Does not own: the picture.
//! Invariant: a byte holds eight rows of one column, the topmost in bit 0, so that areas are widened to whole pages.
//!
//! The crate `ssd1306` would bring a macro package that nobody maintains, for these twelve commands.

use embedded_graphics::pixelcolor::RgbColor as _;
use embedded_graphics::primitives::Rectangle;
use embedded_hal::i2c::I2c;

use ostiary_domain::clipped;
use ostiary_ports::DisplayError;

use super::super::Framebuffer;
use super::Panel;

/// The address of nearly every such panel; the others have 0x3D.
pub const ADDRESS: u8 = 0x3C;

const WIDTH: u32 = 128;
const HEIGHT: u32 = 64;
/// First byte of a message: what follows are commands, or data.
const COMMANDS: u8 = 0x00;
const DATA: u8 = 0x40;

/// Off; clock; 64 rows; no offset; first row 0; charge pump on; whole rows, then the next page; column 127 and row 63
/// first (the connector above the picture); common pins; contrast; precharge; deselect level; from memory; not inverted.
const SETUP: [u8; 24] = [
    0xAE, 0xD5, 0x80, 0xA8, 0x3F, 0xD3, 0x00, 0x40, 0x8D, 0x14, 0x20, 0x00, 0xA1, 0xC8, 0xDA, 0x12, 0x81,
    0xCF, 0xD9, 0xF1, 0xDB, 0x40, 0xA4, 0xA6,
];
const TURNED: [u8; 2] = [0xA0, 0xC0];
const ON: u8 = 0xAF;
const COLUMNS: u8 = 0x21;
const PAGES: u8 = 0x22;

/// Such a panel.
pub struct Oled<I> {
    bus: I,
    address: u8,
    dark: bool,
}

impl<I: I2c> Oled<I> {
    /// Sets the panel up; it stays dark until the first picture.
    ///
    /// # Errors
    /// When nothing answers at the address.
    pub fn open(bus: I, address: u8, turned: bool) -> Result<Self, DisplayError> {
        let mut panel = Self { bus, address, dark: true };
        panel.write(COMMANDS, &SETUP)?;
        if turned {
            panel.write(COMMANDS, &TURNED)?;
        }
        Ok(panel)
    }

    fn write(&mut self, kind: u8, bytes: &[u8]) -> Result<(), DisplayError> {
        let mut message = Vec::with_capacity(bytes.len() + 1);
        message.push(kind);
        message.extend_from_slice(bytes);
        let address = self.address;
        self.bus.write(address, &message).map_err(|e| {
            DisplayError(clipped(&format!(
                "no SSD1306 answers at 0x{address:02X} ({e:?}); `i2cdetect -y BUS` lists who does"
            )))
        })
    }
}

impl<I: I2c + Send> Panel for Oled<I> {
    fn size(&self) -> (u32, u32) {
        (WIDTH, HEIGHT)
    }

    fn is_mono(&self) -> bool {
        true
    }

    fn send(&mut self, picture: &Framebuffer, area: Rectangle) -> Result<(), DisplayError> {
        let Some(corner) = area.bottom_right() else { return Ok(()) };
        let (left, right) = (area.top_left.x as u32, (corner.x as u32).min(WIDTH - 1));
        let (first, last) = (area.top_left.y as u32 / 8, (corner.y as u32).min(HEIGHT - 1) / 8);
        self.write(COMMANDS, &[COLUMNS, left as u8, right as u8, PAGES, first as u8, last as u8])?;
        let mut row = Vec::with_capacity(WIDTH as usize);
        for page in first..=last {
            row.clear();
            for x in left..=right {
                let lit = |bit: &u32| picture.pixel(x, page * 8 + bit).is_some_and(|c| c.g() >= 128);
                row.push((0..8_u32).filter(lit).fold(0, |byte, bit| byte | 1 << bit));
            }
            self.write(DATA, &row)?;
        }
        if self.dark {
            self.write(COMMANDS, &[ON])?;
            self.dark = false;
        }
        Ok(())
    }
}
