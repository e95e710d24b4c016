//! Who may come to the broker, and who may say what there.
//!
//! Owns: the three entrances and the topics that are the door's own. Does not own: keys (behind
//! [`Operations::caller`]), what a command may do (`mqtt.scopes` and signatures, checked by the link).
//! Invariants: beyond this board nobody comes in without a key that the door made; only the door says what the door
//! says, so no state, event or answer of it can be made up.

use subtle::ConstantTimeEq as _;

use super::super::mqtt::Topics;
use super::super::wire::{Operations, Scope, Scopes};

/// By which address somebody comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrance {
    /// The door's own link, on a port of its own.
    Door,
    /// Programs of this board: no password, as at any broker on a loopback address.
    Board,
    /// Everybody else: TLS, and a key of the door as the password.
    World,
}

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Door,
    Board,
    Key { name: String, scopes: Scopes },
}

impl Who {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Door => "door",
            Self::Board => "board",
            Self::Key { name, .. } => name,
        }
    }
}

/// What decides.
pub(super) struct Rights {
    /// What the topics of this door begin with.
    own: String,
    /// What the door's own link shows.
    secret: String,
}

impl Rights {
    pub(super) fn new(topics: &Topics, secret: String) -> Self {
        Self { own: topics.own(""), secret }
    }

    /// Who comes, by the entrance and the password.
    pub(super) fn admit(
        &self,
        door: &dyn Operations,
        entrance: Entrance,
        password: Option<&[u8]>,
    ) -> Option<Who> {
        match entrance {
            Entrance::Door => {
                let same = bool::from(password?.ct_eq(self.secret.as_bytes()));
                same.then_some(Who::Door)
            }
            Entrance::Board => Some(Who::Board),
            Entrance::World => {
                let caller = door.caller(std::str::from_utf8(password?).ok()?)?;
                let name = format!("key {}", caller.name);
                caller.may(Scope::Events).then_some(Who::Key { name, scopes: caller.scopes })
            }
        }
    }

    /// Whether somebody may say something on that topic.
    pub(super) fn may_publish(&self, who: &Who, topic: &str) -> bool {
        if topic.starts_with('$') {
            return false;
        }
        let Some(below) = topic.strip_prefix(&self.own) else { return true };
        match who {
            Who::Door => true,
            Who::Board => into_the_door(below),
            Who::Key { scopes, .. } => {
                into_the_door(below) && (!below.starts_with("door/") || scopes.has(Scope::Door))
            }
        }
    }
}

/// Topics of the door that are for others to write on.
fn into_the_door(below: &str) -> bool {
    below == "events/ack"
        || below.starts_with("cmd/")
        || below.starts_with("door/") && below.ends_with("/set")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_door_says_what_the_door_says() {
        let rights = Rights::new(&Topics::new("front").unwrap(), "s".into());
        let key = |scopes| Who::Key { name: "k".into(), scopes };
        let door = key(Scopes::NONE.with(Scope::Events).with(Scope::Door));
        let plain = key(Scopes::NONE.with(Scope::Events));
        for topic in
            ["status", "info", "events/boot", "event", "rsp/x", "door/1/state", "tamper", "image/last", ""]
        {
            let topic = format!("ostiary/front/{topic}");
            assert!(rights.may_publish(&Who::Door, &topic), "{topic}");
            for who in [&Who::Board, &door, &plain] {
                assert!(!rights.may_publish(who, &topic), "{topic} {who:?}");
            }
        }
        for topic in ["cmd/status", "cmd/upload/a/0/1", "events/ack"] {
            for who in [&Who::Board, &door, &plain] {
                assert!(rights.may_publish(who, &format!("ostiary/front/{topic}")), "{topic} {who:?}");
            }
        }
        assert!(rights.may_publish(&door, "ostiary/front/door/1/set"));
        assert!(!rights.may_publish(&plain, "ostiary/front/door/1/set"));
        assert!(rights.may_publish(&plain, "homeassistant/status"));
        assert!(!rights.may_publish(&Who::Door, "$SYS/x"));
    }
}
