//! What does not work, and what that means for the door.
//!
//! Owns: the parts that can fail. Does not own: finding it out, mending it.
//! Invariants: broken wires release the relay whatever holds it; a blind or half-dead board lets no face in but
//! leaves the exit button, the operator and the fire alarm their way; a full disk changes no decision (SPEC 1).

use ostiary_domain::event::Detail;

/// A part that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The relay or the inputs do not obey: the relay is released and stays so.
    Wires,
    /// The camera delivers nothing usable: no face is let in.
    Camera,
    /// A loop stands still, or the gallery is damaged: no face is let in.
    Board,
    /// Events cannot be written: the door goes on deciding, the journal counts what it loses.
    Store,
}

impl Part {
    const COUNT: usize = 4;
}

/// What is wrong now.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults([Option<Detail>; Part::COUNT]);

impl Faults {
    pub(super) fn set(&mut self, part: Part, what: Detail) {
        self.0[part as usize] = Some(what);
    }

    pub(super) fn clear(&mut self, part: Part) {
        self.0[part as usize] = None;
    }

    pub(super) const fn is(&self, part: Part) -> bool {
        self.0[part as usize].is_some()
    }

    /// No face may be let in.
    pub(super) const fn bars_faces(&self) -> bool {
        self.is(Part::Wires) || self.is(Part::Camera) || self.is(Part::Board)
    }

    /// No PIN may let anybody in either: a blind camera is no matter where no face is asked for.
    pub(super) const fn bars_pins(&self) -> bool {
        self.is(Part::Wires) || self.is(Part::Board)
    }

    /// For the display: what keeps the door from working, the worst first.
    pub(super) fn shown(&self) -> Option<&str> {
        [Part::Wires, Part::Camera, Part::Board].into_iter().find_map(|part| self.text(part))
    }

    /// For the installer: also what the visitor need not know.
    pub(super) fn any(&self) -> Option<&str> {
        self.shown().or_else(|| self.text(Part::Store))
    }

    fn text(&self, part: Part) -> Option<&str> {
        self.0[part as usize].as_deref()
    }
}
