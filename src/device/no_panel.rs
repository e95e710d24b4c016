//! A board without a panel.
//!
//! Owns: nothing. Invariant: showing always succeeds.

use crate::domain::Screen;
use crate::ports::{Display, DisplayError};

/// Takes every screen and shows none.
pub struct NoPanel;

impl Display for NoPanel {
    fn show(&mut self, _screen: &Screen) -> Result<(), DisplayError> {
        Ok(())
    }
}
