//! Keys for clients: make, list, revoke, and the first one by the code on the display.
//!
//! Owns: the commands and their events. Does not own: hashing and checking (`app/tokens`).

use super::OrRefuse as _;
use crate::domain::EventKind;
use crate::link::wire::{Refusal, Reply, Scope, Scopes, TokenIssued, TokenNew};

use super::Desk;

impl Desk {
    pub(super) fn create_token(&self, new: &TokenNew) -> Result<Reply, Refusal> {
        let scopes = Scopes::parse(new.scopes.iter().map(String::as_str)).map_err(|wrong| {
            let known: Vec<_> = Scope::ALL.iter().map(|s| s.name()).collect();
            Refusal::invalid(
                "scopes",
                format!("there is no scope {wrong:?}; there are: {}", known.join(", ")),
            )
        })?;
        self.issue(&new.name, scopes, new.expires.map(|m| m.0))
    }

    pub(super) fn revoke_token(&self, id: &str) -> Result<Reply, Refusal> {
        let event = self.event(EventKind::ConfigChanged).with(format_args!("key {id} revoked"));
        self.tokens.revoke(id, event)?;
        Ok(Reply::Done)
    }

    pub(super) fn setup(&self, code: &str, name: &str) -> Result<Reply, Refusal> {
        self.tokens.use_setup_code(code, self.house.clock.now().mono)?;
        let login = self.event(EventKind::AdminLogin).with(format_args!("setup code used"));
        self.house.store.append(&[login]).or_refuse()?;
        self.issue(name, Scopes::ALL, None)
    }

    fn issue(&self, name: &str, scopes: Scopes, expires: Option<i64>) -> Result<Reply, Refusal> {
        let now = self.house.clock.now().utc;
        let event =
            |id: &str| self.event(EventKind::ConfigChanged).with(format_args!("key {id} made for {scopes}"));
        let (view, secret) = self.tokens.issue(name, scopes, expires, now, event)?;
        Ok(Reply::TokenIssued(TokenIssued { view, secret }))
    }
}
