//! The decision core: who may pass, what the door does, what is shown and what is logged. Pure.
//!
//! Owns: the walk-up attempt, the rules in their order, the door's state machine, the choice of screen.
//! Does not own: clocks, wires, disk, display (all of them are the caller's; time is an argument).
//! Invariants: no allocation, no clock, no IO; the relay goes on only together with one logged cause; any deny
//! wins, silence denies.
//!
//! `gate` is the way in and out; `attempt` makes looks a finding, `rules` says yes or no to it, `door` moves the
//! relay, `screens` picks the picture.

pub mod config;
pub mod debounce;
pub mod door;
pub mod effects;
pub mod gate;
pub mod input;
pub mod outputs;
pub mod rules;

mod attempt;
mod faults;
mod lockout;
mod presence;
mod screens;

pub use config::{ConfigError, GateConfig, Settings, UntrustedClock};
pub use door::{DoorState, Operator, OverrideTime, OverrideTooLong};
pub use faults::Part;
pub use gate::Gate;
pub use input::Input;
pub use outputs::Output;
