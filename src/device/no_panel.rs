//! A board without a panel.
//!
//! Owns: nothing. Invariant: showing always succeeds.

use ostiary_domain::Screen;
use ostiary_ports::{Display, DisplayError};

/// Takes every screen and shows none.
pub struct NoPanel;

impl Display for NoPanel {
    fn show(&mut self, _screen: &Screen) -> Result<(), DisplayError> {
        Ok(())
    }
}
