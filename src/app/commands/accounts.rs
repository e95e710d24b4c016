//! Signing in at the console, and the accounts of those who may.
//!
//! Owns: the order of what is checked, the events. Does not own: passwords and second factors (`app/accounts`), the
//! setup code (`app/tokens`), cookies and lock-outs (`link/http`).
//! Invariants: while the clock is not believed nobody signs in, for no second factor could be checked; passwords are
//! hashed one after the other, so that a crowd costs the memory of one.

use super::Desk;
use super::OrRefuse as _;
use crate::app::accounts::sessions::Known;
use crate::domain::{ClockTrust, Event, EventKind, Now};
use crate::link::wire::{
    AccountsCommand, Beginning, Caller, Code, Finish, Login, Refusal, Reply, Role, Secret, Session, SignIn,
};

impl Desk {
    pub(super) fn accounts_command(
        &self,
        caller: &Caller,
        command: AccountsCommand,
    ) -> Result<Reply, Refusal> {
        let now = self.house.clock.now().utc;
        let event = |what: &str, name: &str| {
            let event = self.event(EventKind::ConfigChanged);
            event.with(format_args!("account {name} {what}, by {}", caller.name))
        };
        match command {
            AccountsCommand::List => Ok(Reply::Accounts(self.accounts.views())),
            AccountsCommand::Add(new) => self
                .accounts
                .invite(&new.name, Some(new.role), now, event("invited", &new.name))
                .map(Reply::Invited),
            AccountsCommand::Reset(name) => {
                self.accounts.invite(&name, None, now, event("reset", &name)).map(Reply::Invited)
            }
            AccountsCommand::Remove(name) => {
                self.accounts.remove(&name, event("removed", &name)).map(|()| Reply::Done)
            }
        }
    }

    fn login_event(&self, name: &str) -> Event {
        self.event(EventKind::AdminLogin).with(format_args!("{name} signed in at the console"))
    }

    /// The time, where a second factor can be checked by it.
    fn believed(&self) -> Result<Now, Refusal> {
        let now = self.house.clock.now();
        if now.trust == ClockTrust::Untrusted {
            return Err(Refusal::new(
                Code::Unavailable,
                "the door does not know the time, so no code can be checked; set the board's clock, then run there: \
                 ostiary door trust-clock",
            ));
        }
        Ok(now)
    }

    fn opened(&self, name: &str, role: Role, now: Now) -> Result<(Session, Secret), Refusal> {
        let (known, secret) = self.accounts.sessions.open(name, role, now.mono)?;
        Ok((session(known), secret))
    }

    /// Whether the code is the one on the display, for the first account of all, or an invitation.
    fn code_is_good(&self, name: &str, code: &Secret, now: Now) -> Result<bool, Refusal> {
        if self.accounts.is_invited(name, &code.0, now.utc) {
            return Ok(false);
        }
        let first = self.accounts.is_empty() && self.tokens.is_setup_open(now.mono);
        if first {
            return self.tokens.check_setup_code(&code.0, now.mono).map(|()| true);
        }
        Err(Refusal::new(
            Code::Unauthenticated,
            "the code is not for this name, was used, or is too old; a new one is made at the board with: ostiary \
             accounts add or reset",
        ))
    }
}

impl SignIn for Desk {
    fn is_first(&self) -> bool {
        self.accounts.is_empty() && self.tokens.is_setup_open(self.house.clock.now().mono)
    }

    fn begin(&self, name: &str, code: &Secret) -> Result<Beginning, Refusal> {
        let now = self.believed()?;
        self.code_is_good(name, code, now)?;
        self.accounts.begin(name, now.mono)
    }

    fn finish(&self, finish: &Finish) -> Result<(Session, Secret), Refusal> {
        let now = self.believed()?;
        let _one = self.signing_in();
        let first = self.code_is_good(&finish.name, &finish.code, now)?;
        let (password, digits) = (&finish.password.0, &finish.totp.0);
        let ready = self.accounts.ready(&finish.name, password, digits, (now.utc, now.mono))?;
        if first {
            self.tokens.use_setup_code(&finish.code.0, now.mono)?;
        }
        let event = self.login_event(&finish.name);
        let role = self.accounts.finish(&finish.name, ready, first, now.utc, event)?;
        self.opened(&finish.name, role, now)
    }

    fn login(&self, login: &Login) -> Result<(Session, Secret), Refusal> {
        let now = self.believed()?;
        let _one = self.signing_in();
        let event = self.login_event(&login.name);
        let role = self.accounts.check(&login.name, &login.password.0, &login.totp.0, now.utc, event)?;
        self.opened(&login.name, role, now)
    }

    fn session(&self, secret: &str, alive: bool) -> Option<Session> {
        self.accounts.sessions.find(secret, alive, self.house.clock.now().mono).map(session)
    }

    fn logout(&self, secret: &str) {
        let now = self.house.clock.now();
        if let Some(name) = self.accounts.sessions.close(secret, now.mono) {
            let event = self.event(EventKind::AdminLogin).with(format_args!("{name} signed out"));
            if let Err(error) = self.house.store.append(&[event]).or_refuse() {
                tracing::warn!(%error, "a sign-out was not written down");
            }
        }
    }
}

fn session(known: Known) -> Session {
    let Known { name, role, csrf, until } = known;
    let caller = Caller { name: format!("account {name}"), scopes: role.scopes() };
    Session { caller, name, role, csrf, until: until.0 }
}
