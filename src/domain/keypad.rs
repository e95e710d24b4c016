//! Keys at the reader and what is typed on them.
//!
//! Owns: the keys and the PIN as a value. Does not own: what a key means now (`access`), how a PIN is checked (outside
//! the core: it takes a slow hash).
//! Invariants: a PIN that exists has 4 to 16 digits; it never prints, and its memory is overwritten when it goes.

use core::fmt;

/// Fewest digits of a PIN.
pub const MIN_PIN: usize = 4;
/// Most digits of a PIN, and of an id typed at the keys.
pub const MAX_PIN: usize = 16;
/// Function keys of a reader.
pub const MAX_FUNCTION_KEYS: u8 = 16;

/// A key of the reader.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// 0 to 9; anything beyond is no digit.
    Digit(u8),
    /// Done.
    Enter,
    /// Begin again.
    Clear,
    /// 1 to 16: attendance.
    Function(u8),
}

// A row of keys in a log would be a PIN.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digit(_) => f.write_str("Digit(<redacted>)"),
            Self::Enter => f.write_str("Enter"),
            Self::Clear => f.write_str("Clear"),
            Self::Function(n) => write!(f, "Function({n})"),
        }
    }
}

/// Digits as they are typed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Typed(heapless::String<MAX_PIN>);

impl Typed {
    /// One more; nothing happens for what is no digit and beyond the sixteenth.
    pub fn push(&mut self, digit: u8) {
        if digit <= 9 {
            // Full: the digit is dropped, and the count on the display stands still.
            let _ = self.0.push(char::from(b'0' + digit));
        }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        let len = self.0.len();
        self.0.clear();
        for _ in 0..len {
            let _ = self.0.push('0');
        }
        core::hint::black_box(self.0.as_str());
        self.0.clear();
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Typed({} digits)", self.len())
    }
}

/// A PIN: 4 to 16 digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(Typed);

impl Pin {
    /// Takes 4 to 16 ASCII digits.
    #[must_use]
    pub fn new(digits: &str) -> Option<Self> {
        let sound = (MIN_PIN..=MAX_PIN).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !sound {
            return None;
        }
        let mut typed = Typed::default();
        digits.bytes().for_each(|b| typed.push(b - b'0'));
        Some(Self(typed))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(<redacted>)")
    }
}

/// What came of checking a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinVerdict {
    /// The person's PIN.
    Right,
    /// The person's PIN for when somebody stands behind them: the door opens, and a silent event is raised.
    Duress,
    /// Neither.
    Wrong,
    /// It could not be checked: the door stays shut, and no attack is counted.
    Unavailable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_four_to_sixteen_digits_and_does_not_print() {
        for good in ["1234", "0000000000000000"] {
            let pin = Pin::new(good).unwrap();
            assert_eq!(pin.as_str(), good);
            assert!(!format!("{pin:?}").contains(good));
        }
        for bad in ["", "123", "00000000000000000", "12a4", "12 4", "١٢٣٤"] {
            assert_eq!(Pin::new(bad), None, "{bad:?}");
        }
        let mut typed = Typed::default();
        (0..20).for_each(|d| typed.push(d % 11));
        assert_eq!(typed.as_str(), "0123456789012345");
        assert!(!format!("{typed:?} {:?}", Key::Digit(7)).contains('7'));
        typed.clear();
        assert!(typed.is_empty());
    }
}
