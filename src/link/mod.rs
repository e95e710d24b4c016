//! The door's links to the world outside: what is said over HTTP and MQTT, and the transports.
//!
//! Owns: the words of the operations (`wire`), translation between them and each transport, a small broker (`broker`). Does not own: what an
//! operation does (`app/commands` handles it, behind [`wire::Operations`]), storage, recognition, the door.
//! Invariant: a link can be absent, slow or hostile and the door neither waits for it nor opens by its failure.

pub mod broker;
pub mod fleet;
pub mod http;
pub mod mqtt;
pub mod wire;

#[cfg(test)]
mod hostile;
