//! The board file as it is written: every key, its unit and its default.
//!
//! Owns: the shape of the file. Does not own: ranges and clashes (`board`).
//! Invariant: an unknown key is refused; a key that is not written takes the default given here.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A board file: what is soldered and plugged in.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawBoard {
    /// Name shown in events and on the console.
    pub name: String,
    /// The camera.
    pub camera: RawCamera,
    /// The door's wires.
    pub door: RawDoor,
    /// The visitor's display.
    #[serde(default)]
    pub display: RawDisplay,
    /// Lamps and a buzzer beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signals: Option<RawSignals>,
}

/// Where frames come from.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub enum RawCamera {
    /// A V4L2 device.
    V4l {
        /// `/dev/video0`, or better a name under `/dev/v4l/by-id` or `/dev/v4l/by-path`.
        device: PathBuf,
        /// Wanted width in pixels.
        #[serde(default = "width")]
        width: u32,
        /// Wanted height in pixels.
        #[serde(default = "height")]
        height: u32,
        /// Wanted frames per second.
        #[serde(default = "fps")]
        fps: u32,
        /// Exposure by hand, in microseconds (100 to 1,000,000). Left out: as the camera has it, which is automatic
        /// after plugging in.
        #[serde(skip_serializing_if = "Option::is_none")]
        exposure_us: Option<u32>,
        /// Gain by hand, in the camera's own steps (`v4l2-ctl -L`).
        #[serde(skip_serializing_if = "Option::is_none")]
        gain: Option<u32>,
        /// 50 or 60 against banding under lamps on the mains, 0 for no correction.
        #[serde(skip_serializing_if = "Option::is_none")]
        power_line_hz: Option<u32>,
    },
    /// A folder of pictures, an MJPEG or AVI file, or Y4M.
    Replay {
        /// The folder or file.
        path: PathBuf,
        /// Whether frames come at the recorded times.
        #[serde(default)]
        pace: RawPace,
        /// Whether to begin again at the end.
        #[serde(default, rename = "loop")]
        repeat: bool,
        /// Frames per second where the recording does not say (folders, MJPEG files).
        #[serde(default = "fps")]
        fps: u32,
    },
    /// Rendered people who walk up one after the other, without end; every fifth visit is a print or a phone held up.
    Visitors {
        /// Decides who they are.
        #[serde(default = "first")]
        seed: u64,
        /// How many different people.
        #[serde(default = "some_people")]
        people: u32,
    },
}

const fn first() -> u64 {
    1
}

const fn some_people() -> u32 {
    6
}

/// How fast a recording is played.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RawPace {
    /// At the recorded times; late frames are passed over as from a camera.
    #[default]
    Recorded,
    /// Every frame, as fast as the machine can, on the recording's clock.
    Fast,
}

/// The wires.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum RawDoor {
    /// No wires: the relay is a line in the log.
    Sim {
        /// Whether a simulated visitor opens and closes the door after an unlock.
        #[serde(default = "yes")]
        contact: bool,
    },
    /// GPIO lines.
    Gpio {
        /// `/dev/gpiochip0`.
        chip: PathBuf,
        /// Drives the strike or the magnet.
        relay: RawRelay,
        /// Door contact.
        contact: Option<RawInput>,
        /// Request-to-exit button.
        rex: Option<RawInput>,
        /// Housing switch.
        tamper: Option<RawInput>,
        /// Fire alarm.
        fire: Option<RawInput>,
    },
}

/// The relay's line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawRelay {
    /// Offset on the chip (not the header's pin number).
    pub line: u32,
    /// Whether the relay board energises on a low level.
    #[serde(default)]
    pub active_low: bool,
    /// No pulse is longer than that many seconds (1 to 3,600), whoever wants it; then the relay rests a minute and the
    /// door is in fault. For a strike that burns when it is held; without it holds are as long as the rules say.
    pub max_on_s: Option<u32>,
}

/// An output line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawOutput {
    /// Offset on the chip (not the header's pin number).
    pub line: u32,
    /// Whether the relay board energises on a low level.
    #[serde(default)]
    pub active_low: bool,
}

/// An input line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawInput {
    /// Offset on the chip (not the header's pin number).
    pub line: u32,
    /// Whether a low level means active.
    #[serde(default)]
    pub active_low: bool,
    /// The line's internal resistor.
    #[serde(default)]
    pub bias: RawBias,
}

/// The line's internal resistor.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RawBias {
    /// Left as the chip has it.
    #[default]
    AsIs,
    /// Towards the supply.
    PullUp,
    /// Towards ground.
    PullDown,
    /// None.
    Disabled,
}

/// The panel.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum RawDisplay {
    /// No panel.
    #[default]
    None,
    /// Pictures in a folder.
    Png {
        /// The folder; `latest.png` is what a visitor would see now.
        folder: PathBuf,
        /// Pixels.
        #[serde(default = "panel_width")]
        width: u32,
        /// Pixels.
        #[serde(default = "panel_height")]
        height: u32,
    },
    /// The kernel's framebuffer: HDMI, DSI, panels with a kernel driver. It tells its size itself.
    Framebuffer {
        /// `/dev/fb0`.
        device: PathBuf,
    },
    /// A colour panel with an ST7789 on SPI.
    St7789(RawSpiPanel),
    /// A colour panel with an ILI9341 on SPI.
    Ili9341(RawSpiPanel),
    /// 128x64 pixels in black and white on I2C.
    Ssd1306 {
        /// `/dev/i2c-1`.
        bus: PathBuf,
        /// 0x3C, or 0x3D where the resistor on its back says so.
        #[serde(default = "oled_address")]
        address: u8,
        /// Whether it is built in upside down.
        #[serde(default)]
        turned: bool,
    },
}

/// A colour panel on SPI.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawSpiPanel {
    /// `/dev/spidev0.0`.
    pub bus: PathBuf,
    /// Clock in MHz (1 to 80).
    #[serde(default = "spi_mhz")]
    pub mhz: u32,
    /// The GPIO chip of the lines below.
    pub chip: PathBuf,
    /// Offset of the line marked DC, RS or A0.
    pub dc: u32,
    /// Offset of the line marked RES or RST, where it is wired.
    pub reset: Option<u32>,
    /// The line marked BL or LED, where it is switched.
    pub backlight: Option<RawOutput>,
    /// Pixels across as the visitor sees it.
    #[serde(default = "panel_width")]
    pub width: u32,
    /// Pixels down as the visitor sees it.
    #[serde(default = "panel_height")]
    pub height: u32,
    /// By how much the picture is turned clockwise: 0, 90, 180 or 270.
    #[serde(default)]
    pub rotate: u16,
    /// Colours are inverted (most ST7789 want true).
    #[serde(default)]
    pub invert: bool,
    /// Red and blue are swapped (most ILI9341 want true).
    #[serde(default)]
    pub bgr: bool,
    /// Where the glass begins in the chip's memory before turning, across and down.
    #[serde(default)]
    pub offset: [u16; 2],
}

/// Lamps and a buzzer.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawSignals {
    /// `/dev/gpiochip0`.
    pub chip: PathBuf,
    /// Lit for "come in".
    pub granted: Option<RawOutput>,
    /// Lit for "no", alarm and fault.
    pub refused: Option<RawOutput>,
    /// Sounds by itself while it is on.
    pub buzzer: Option<RawOutput>,
}

const fn width() -> u32 {
    640
}
const fn height() -> u32 {
    480
}
const fn fps() -> u32 {
    30
}
const fn panel_width() -> u32 {
    240
}
const fn panel_height() -> u32 {
    320
}
const fn oled_address() -> u8 {
    0x3C
}
const fn spi_mhz() -> u32 {
    32
}
const fn yes() -> bool {
    true
}
