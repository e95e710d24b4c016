//! What a board file says twice, or says that cannot be, without touching the board.
//!
//! Owns: the list of GPIO lines with what each is for, clashes between them, the ranges of door and display. Does not
//! own: whether the lines are there and free (`wiring::here`). Invariant: a line of a chip has one use.

use std::path::Path;

use super::raw_board::{RawBoard, RawDisplay, RawDoor, RawOutput, RawSpiPanel};

/// One use of a GPIO line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The key in the board file.
    pub name: &'static str,
    /// The chip.
    pub chip: &'a Path,
    /// Offset on the chip.
    pub line: u32,
}

/// Every line the board uses.
#[must_use]
pub fn lines(board: &RawBoard) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    match &board.door {
        RawDoor::Sim { .. } => {}
        RawDoor::Gpio { chip, relay, contact, rex, tamper, fire } => {
            lines.push(Line { name: "door.relay", chip, line: relay.line });
            let inputs =
                [("door.contact", contact), ("door.rex", rex), ("door.tamper", tamper), ("door.fire", fire)];
            let wired = inputs.into_iter().filter_map(|(name, input)| Some((name, input.as_ref()?)));
            lines.extend(wired.map(|(name, input)| Line { name, chip, line: input.line }));
        }
    }
    let output = |name, chip, output: &Option<RawOutput>| {
        output.as_ref().map(|output| Line { name, chip, line: output.line })
    };
    if let Some(signals) = &board.signals {
        let chip = signals.chip.as_path();
        lines.extend(output("signals.granted", chip, &signals.granted));
        lines.extend(output("signals.refused", chip, &signals.refused));
        lines.extend(output("signals.buzzer", chip, &signals.buzzer));
    }
    if let Some(panel) = spi(board) {
        let chip = panel.chip.as_path();
        lines.push(Line { name: "display.dc", chip, line: panel.dc });
        lines.extend(panel.reset.map(|line| Line { name: "display.reset", chip, line }));
        lines.extend(output("display.backlight", chip, &panel.backlight));
    }
    lines
}

fn spi(board: &RawBoard) -> Option<&RawSpiPanel> {
    match &board.display {
        RawDisplay::St7789(panel) | RawDisplay::Ili9341(panel) => Some(panel),
        RawDisplay::None
        | RawDisplay::Png { .. }
        | RawDisplay::Framebuffer { .. }
        | RawDisplay::Ssd1306 { .. } => None,
    }
}

/// Ranges and clashes.
pub(super) fn check(board: &RawBoard) -> Result<(), String> {
    let lines = lines(board);
    for (at, line) in lines.iter().enumerate() {
        if let Some(other) = lines[..at].iter().find(|o| o.chip == line.chip && o.line == line.line) {
            return Err(format!(
                "{} and {} both use line {}; each needs its own",
                line.name, other.name, line.line
            ));
        }
    }
    if let RawDoor::Gpio { relay, .. } = &board.door
        && let Some(seconds) = relay.max_on_s
    {
        between("door.relay.max_on_s", seconds, 1, 3_600)?;
    }
    match &board.display {
        RawDisplay::None | RawDisplay::Framebuffer { .. } => Ok(()),
        RawDisplay::Png { width, height, .. } => {
            between("display.width", *width, 64, 1_024)?;
            between("display.height", *height, 64, 1_024)
        }
        RawDisplay::Ssd1306 { address, .. } => between("display.address", (*address).into(), 0x08, 0x77),
        RawDisplay::St7789(panel) | RawDisplay::Ili9341(panel) => glass(panel),
    }
}

/// Both chips drive 240x320 pixels, of which the glass may show fewer.
fn glass(panel: &RawSpiPanel) -> Result<(), String> {
    let (across, down) = match panel.rotate {
        0 | 180 => (240, 320),
        90 | 270 => (320, 240),
        other => return Err(format!("display.rotate must be 0, 90, 180 or 270, it is {other}")),
    };
    between("display.width", panel.width, 64, across)?;
    between("display.height", panel.height, 64, down)?;
    between("display.mhz", panel.mhz, 1, 80)?;
    let [x, y] = panel.offset.map(u32::from);
    let (width, height) =
        if across < down { (panel.width, panel.height) } else { (panel.height, panel.width) };
    between("display.offset[0]", x, 0, 240 - width)?;
    between("display.offset[1]", y, 0, 320 - height)
}

fn between(key: &str, value: u32, low: u32, high: u32) -> Result<(), String> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(format!("{key} must be from {low} to {high}, it is {value}"))
}
