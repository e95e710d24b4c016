//! Fake panels: they decode their own commands into the picture that a visitor would see.
//!
//! Owns: what ST7789, ILI9341 and SSD1306 do with what they are sent, and that nothing they do not know is sent.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::pixelcolor::raw::RawU16;
use embedded_hal::digital::{self, OutputPin};
use embedded_hal::i2c::{self, I2c};
use embedded_hal::spi::{self, SpiDevice};

use super::super::ADDRESS;

/// A colour panel's controller: commands in, memory out.
#[expect(clippy::struct_excessive_bools, reason = "flags of the chip")]
pub(super) struct Glass {
    pub(super) data: bool,
    pub(super) command: u8,
    pub(super) args: Vec<u8>,
    pub(super) memory: Vec<u16>,
    pub(super) address_mode: u8,
    pub(super) format: u8,
    pub(super) inverted: bool,
    pub(super) lit: bool,
    pub(super) awake: bool,
    pub(super) window: [u16; 4],
    pub(super) cursor: (u16, u16),
    pub(super) half: Option<u8>,
    pub(super) bytes: usize,
    pub(super) largest: usize,
    pub(super) resets: u32,
    pub(super) broken: bool,
}

pub(super) const ACROSS: u16 = 240;
pub(super) const DOWN: u16 = 320;

impl Glass {
    pub(super) fn fresh() -> Shared {
        let memory = vec![0x1234; usize::from(ACROSS) * usize::from(DOWN)];
        Shared(Arc::new(Mutex::new(Self {
            data: false,
            command: 0,
            args: Vec::new(),
            memory,
            address_mode: 0,
            format: 0,
            inverted: false,
            lit: false,
            awake: false,
            window: [0, ACROSS - 1, 0, DOWN - 1],
            cursor: (0, 0),
            half: None,
            bytes: 0,
            largest: 0,
            resets: 0,
            broken: false,
        })))
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.largest = self.largest.max(bytes.len());
        for byte in bytes {
            if self.data {
                self.argument(*byte);
            } else {
                (self.command, self.half) = (*byte, None);
                self.args.clear();
                match byte {
                    0x01 => self.reset(),
                    0x11 => self.awake = true,
                    0x20 => self.inverted = false,
                    0x21 => self.inverted = true,
                    0x29 => self.lit = true,
                    0x2C => self.cursor = (self.window[0], self.window[2]),
                    _ => {}
                }
            }
        }
    }

    fn reset(&mut self) {
        self.resets += 1;
        (self.awake, self.lit) = (false, false);
    }

    fn argument(&mut self, byte: u8) {
        self.args.push(byte);
        let pair =
            |args: &[u8]| [u16::from_be_bytes([args[0], args[1]]), u16::from_be_bytes([args[2], args[3]])];
        match self.command {
            0x2A if self.args.len() == 4 => self.window[..2].copy_from_slice(&pair(&self.args)),
            0x2B if self.args.len() == 4 => self.window[2..].copy_from_slice(&pair(&self.args)),
            0x36 => self.address_mode = byte,
            0x3A => self.format = byte,
            0x2C => match self.half.take() {
                None => self.half = Some(byte),
                Some(high) => self.pixel(u16::from_be_bytes([high, byte])),
            },
            _ => {}
        }
    }

    fn pixel(&mut self, colour: u16) {
        assert!(self.awake && self.format & 7 == 5, "pixels before the panel was set up");
        let [left, right, _, bottom] = self.window;
        let (column, page) = self.cursor;
        assert!(page <= bottom, "more pixels than the window holds");
        // Exchange of rows and columns first, then the mirrors: ST7789V data sheet 8.12, ILI9341 data sheet 9.3.
        let (mut x, mut y) = if self.address_mode & 0x20 == 0 { (column, page) } else { (page, column) };
        if self.address_mode & 0x40 != 0 {
            x = ACROSS - 1 - x;
        }
        if self.address_mode & 0x80 != 0 {
            y = DOWN - 1 - y;
        }
        self.memory[usize::from(y) * usize::from(ACROSS) + usize::from(x)] = colour;
        self.cursor = if column == right { (left, page + 1) } else { (column + 1, page) };
    }

    pub(super) fn at(&self, x: u32, y: u32) -> Rgb565 {
        RawU16::new(self.memory[(y * u32::from(ACROSS) + x) as usize]).into()
    }
}

#[derive(Clone)]
pub(super) struct Shared(pub(super) Arc<Mutex<Glass>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Glass> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct Refused;

impl spi::Error for Refused {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

impl spi::ErrorType for Shared {
    type Error = Refused;
}

impl SpiDevice for Shared {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), Refused> {
        let mut glass = self.lock();
        for operation in operations {
            match operation {
                spi::Operation::Write(_) if glass.broken => return Err(Refused),
                spi::Operation::Write(bytes) => glass.take(bytes),
                other => panic!("nothing is read from a panel: {other:?}"),
            }
        }
        Ok(())
    }
}

pub(super) struct Dc(pub(super) Shared);

impl digital::ErrorType for Dc {
    type Error = Infallible;
}

impl OutputPin for Dc {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.lock().data = false;
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.lock().data = true;
        Ok(())
    }
}

pub(super) struct Rst(pub(super) Shared);

impl digital::ErrorType for Rst {
    type Error = Infallible;
}

impl OutputPin for Rst {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.lock().reset();
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// An SSD1306 at its address.
#[derive(Clone, Default)]
pub(super) struct Oled306(pub(super) Arc<Mutex<OledState>>);

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "flags of the chip")]
pub(super) struct OledState {
    pub(super) memory: Vec<u8>,
    pub(super) window: [u8; 4],
    pub(super) cursor: (u8, u8),
    pub(super) segments_from_right: bool,
    pub(super) rows_from_bottom: bool,
    pub(super) lit: bool,
    pub(super) pump: bool,
    pub(super) lit_before_data: bool,
    pub(super) messages: usize,
}

impl OledState {
    fn commands(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.iter().copied();
        while let Some(command) = bytes.next() {
            // How many arguments a command has decides where the next begins: data sheet table 9.
            let wanted = match command {
                0x20 | 0x81 | 0x8D | 0xA8 | 0xD3 | 0xD5 | 0xD9 | 0xDA | 0xDB => 1,
                0x21 | 0x22 => 2,
                0x40..=0x7F | 0xA0 | 0xA1 | 0xA4 | 0xA6 | 0xAE | 0xAF | 0xC0 | 0xC8 => 0,
                other => panic!("0x{other:02X} is no command of an SSD1306"),
            };
            let args: Vec<u8> = bytes.by_ref().take(wanted).collect();
            assert_eq!(args.len(), wanted, "0x{command:02X} lacks arguments");
            match command {
                0x20 => assert_eq!(args, [0], "whole rows, then the next page"),
                0x21 => (self.window[0], self.window[1], self.cursor.0) = (args[0], args[1], args[0]),
                0x22 => (self.window[2], self.window[3], self.cursor.1) = (args[0], args[1], args[0]),
                0x8D => self.pump = args == [0x14],
                0xA0 | 0xA1 => self.segments_from_right = command == 0xA1,
                0xC0 | 0xC8 => self.rows_from_bottom = command == 0xC8,
                0xAF => {
                    self.lit = true;
                    self.lit_before_data |= self.memory.iter().all(|byte| *byte == 0xAA);
                }
                0xAE => self.lit = false,
                _ => {}
            }
        }
    }

    fn data(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let (column, page) = self.cursor;
            self.memory[usize::from(page) * 128 + usize::from(column)] = *byte;
            self.cursor = match (column == self.window[1], page == self.window[3]) {
                (false, _) => (column + 1, page),
                (true, false) => (self.window[0], page + 1),
                (true, true) => (self.window[0], self.window[2]),
            };
        }
    }
}

#[derive(Debug)]
pub(super) struct NoAnswer;

impl i2c::Error for NoAnswer {
    fn kind(&self) -> i2c::ErrorKind {
        i2c::ErrorKind::NoAcknowledge(i2c::NoAcknowledgeSource::Address)
    }
}

impl i2c::ErrorType for Oled306 {
    type Error = NoAnswer;
}

impl I2c for Oled306 {
    fn transaction(&mut self, address: u8, operations: &mut [i2c::Operation<'_>]) -> Result<(), NoAnswer> {
        if address != ADDRESS {
            return Err(NoAnswer);
        }
        let mut state = self.0.lock().unwrap();
        state.messages += 1;
        for operation in operations {
            match operation {
                i2c::Operation::Write([0x00, commands @ ..]) => state.commands(commands),
                i2c::Operation::Write([0x40, data @ ..]) => state.data(data),
                other => panic!("neither commands nor data: {other:?}"),
            }
        }
        Ok(())
    }
}
