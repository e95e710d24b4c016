//! What comes in: commands, uploads, bare orders, receipts.
//!
//! Owns: what becomes of each message. Does not own: the connection (`link`), carrying out (`work`), freshness (`guard`).
//! Invariants: a retained message changes nothing; what is refused is answered where there is somebody to answer.

use std::sync::PoisonError;

use serde_json::json;

use super::super::wire::{Caller, Code, Command, DoorOrder, EventQuery, Refusal, Scope, Scopes};
use super::config::Confirm;
use super::discovery;
use super::envelope::{self, Opened};
use super::guard::{Held, Stamp};
use super::link::{Link, Live};
use super::session::{Inbound, Message};
use super::topics::Heading;
use super::work::{Content, Job, ReplyTo, answer};
use ostiary_domain::{Now, Utc};

/// Longest payload of a message that moves the door.
const DOOR_BYTES: usize = 4_096;
/// Events sent again in one answer to `events.replay`.
const REPLAY: u64 = 10_000;

/// Whether the verb needs the scope `door`: such a command is signed and fresh, or not obeyed.
fn moves(verb: &str) -> bool {
    verb.starts_with("door.") && verb != "door.state" || verb == "apb.reset"
}

impl Link {
    pub(super) fn message(&mut self, live: &mut Live, message: &Inbound) {
        if message.topic == discovery::BIRTH {
            if !message.retain && message.payload == b"online" {
                self.discover();
            }
            return;
        }
        if self.hear_fleet(message) {
            return;
        }
        match self.config.topics.read(&message.topic) {
            Heading::Command(verb) if message.retain => {
                tracing::warn!(verb, "a retained command was dropped");
                self.refuse(message, &verb, Refusal::new(Code::Conflict, Held::Retained.to_string()));
            }
            Heading::Command(verb) if verb == "events.replay" => self.replay(live, message),
            Heading::Command(verb) => self.command(verb, message),
            Heading::Upload { .. } if message.retain => {}
            Heading::Upload { name, part, parts } => self.upload(&name, part, parts, message),
            Heading::Set(door) => self.set(door, message),
            Heading::Ack if !message.retain => self.ack(message),
            Heading::Ack | Heading::Other => {}
        }
    }

    fn reply_to(&self, message: &Inbound, req_id: Option<&str>) -> ReplyTo {
        let correlation = message.correlation.clone().filter(|c| c.len() <= 256);
        let id = match (req_id, &correlation) {
            (Some(id), _) => id.to_owned(),
            (None, Some(bytes)) => String::from_utf8(bytes.clone()).unwrap_or_else(|e| {
                e.as_bytes().iter().fold(String::new(), |out, b| out + &format!("{b:02x}"))
            }),
            (None, None) => "-".to_owned(),
        };
        let topic = self.config.topics.response(message.response_topic.as_deref(), &id);
        ReplyTo { topic, id, correlation }
    }

    fn refuse(&mut self, message: &Inbound, verb: &str, refusal: Refusal) {
        // Whoever gave an id is answered under it, where that costs nothing.
        let small = message.payload.len() <= DOOR_BYTES;
        let req_id = small.then(|| envelope::req_id(&message.payload)).flatten();
        let to = self.reply_to(message, req_id.as_deref());
        let body = answer(&to.id, verb, Err(refusal));
        self.send(Message { correlation: to.correlation, ..Message::new(to.topic, body) });
    }

    fn command(&mut self, verb: String, message: &Inbound) {
        let now = self.clock.now();
        let mut not_after = None;
        // Small ones are opened here: the guard must know when they came.
        let moves = moves(&verb);
        let content = if message.payload.len() <= DOOR_BYTES || moves {
            if message.payload.len() > DOOR_BYTES {
                return self.refuse(
                    message,
                    &verb,
                    Refusal::new(Code::TooLarge, "a door's command is small"),
                );
            }
            match envelope::open(&self.config, &message.topic, &message.payload) {
                Ok(opened) => {
                    if let Err(held) = self.held(moves, message, &opened, now) {
                        tracing::warn!(verb, %held, caller = opened.caller.name, "a command was refused");
                        let code =
                            if held == Held::Unsigned { Code::Unauthenticated } else { Code::Conflict };
                        let to = self.reply_to(message, opened.req_id.as_deref());
                        let body = answer(&to.id, &verb, Err(Refusal::new(code, held.to_string())));
                        return self
                            .send(Message { correlation: to.correlation, ..Message::new(to.topic, body) });
                    }
                    if moves {
                        not_after = Some(now.mono.0 + 2_000);
                    }
                    if opened.signed {
                        Content::Opened(Box::new(opened))
                    } else {
                        Content::Raw(message.payload.clone())
                    }
                }
                Err(refusal) => return self.refuse(message, &verb, refusal),
            }
        } else {
            Content::Raw(message.payload.clone())
        };
        let reply = self.reply_to(message, None);
        let job = Job { verb, topic: message.topic.clone(), content, reply, not_after };
        if let Err(job) = self.lanes.take(job) {
            let refusal = Refusal::busy("the door has too much to do; try again in a moment");
            self.refuse(message, &job.verb, refusal);
        }
    }

    /// What moves the door, and whatever is signed, must be fresh.
    fn held(&mut self, moves: bool, message: &Inbound, opened: &Opened, now: Now) -> Result<(), Held> {
        let stamp = Stamp {
            retained: message.retain,
            duplicate: message.duplicate,
            signed: opened.signed,
            issued_at: opened.issued_at.map(|t| Utc(t.0)),
            nonce: opened.nonce.as_deref(),
            expiry: message.expiry,
        };
        if moves {
            return self.guard.command(&stamp, now);
        }
        if !opened.signed {
            return Ok(());
        }
        let (Some(issued), Some(nonce)) = (stamp.issued_at, stamp.nonce) else { return Err(Held::Unstamped) };
        self.guard.fresh(issued, nonce, now)
    }

    /// `LOCK`, `UNLOCK`, `OPEN` without a stamp, where the installer has switched that on.
    fn set(&mut self, door: u8, message: &Inbound) {
        let order = match message.payload.trim_ascii() {
            b"LOCK" => DoorOrder::Lock,
            b"UNLOCK" => DoorOrder::Unlock { seconds: 0 },
            b"OPEN" => DoorOrder::Open,
            _ => return tracing::warn!("an order that is none of LOCK, UNLOCK, OPEN was dropped"),
        };
        if !self.config.door_set || door != 1 {
            return tracing::warn!(
                door,
                "a bare order was dropped: mqtt.door_set is off, or there is no such door"
            );
        }
        let now = self.clock.now();
        if let Err(held) = self.guard.bare(message.retain, message.duplicate, now) {
            return tracing::warn!(%held, "a bare order was dropped");
        }
        let caller = Caller { name: "mqtt door/set".into(), scopes: Scopes::NONE.with(Scope::Door) };
        let job = Job {
            verb: "own".into(),
            topic: String::new(),
            content: Content::Own(caller, Box::new(Command::Door(order))),
            reply: ReplyTo { topic: String::new(), id: String::new(), correlation: None },
            not_after: Some(now.mono.0 + 2_000),
        };
        if self.lanes.take(job).is_err() {
            tracing::warn!("a bare order was dropped: the door has too much to do");
        }
    }

    fn upload(&mut self, name: &str, part: u16, parts: u16, message: &Inbound) {
        let now = self.clock.now().mono;
        let payload = message.payload.clone();
        let allowed = self.config.scopes.has(Scope::Enroll) || !self.config.operators.is_empty();
        let outcome = if allowed {
            self.uploads.lock().unwrap_or_else(PoisonError::into_inner).put(name, part, parts, payload, now)
        } else {
            Err(Refusal::new(Code::Forbidden, "nobody may enrol over MQTT here: see mqtt.scopes"))
        };
        let outcome = match outcome {
            Ok(missing) if missing > 0 => return,
            Ok(_) => Ok(json!({ "upload": name, "parts": parts })),
            Err(refusal) => Err(refusal),
        };
        let mut to = self.reply_to(message, None);
        if message.correlation.is_none() && message.response_topic.is_none() {
            to.topic = self.config.topics.response(None, name);
            name.clone_into(&mut to.id);
        }
        let body = answer(&to.id, "upload", outcome);
        self.send(Message { correlation: to.correlation, ..Message::new(to.topic, body) });
    }

    /// `{"upto": seq}`: a receiver has everything up to there.
    fn ack(&mut self, message: &Inbound) {
        let upto = envelope::object(&message.payload).ok().and_then(|o| o.get("upto")?.as_u64());
        match upto {
            // Only what a broker was given can have arrived.
            Some(upto) if upto <= self.delivered => match self.config.confirm {
                Confirm::Receiver => {
                    self.confirmed = self.confirmed.max(upto);
                    self.outbox.confirm(upto);
                }
                Confirm::Broker => {}
            },
            Some(upto) => {
                tracing::warn!(
                    upto,
                    delivered = self.delivered,
                    "a receipt for events that were not sent was dropped"
                );
            }
            None => tracing::warn!("a receipt that is no {{\"upto\": NUMBER}} was dropped"),
        }
    }

    /// `events.replay {"from": seq, "limit": n}`: sends events again, whoever has confirmed them.
    fn replay(&mut self, live: &mut Live, message: &Inbound) {
        let outcome = envelope::open(&self.config, &message.topic, &message.payload).and_then(|opened| {
            if !opened.caller.may(Scope::Events) {
                return Err(Refusal::new(Code::Forbidden, "the scope \"events\" is needed"));
            }
            let query: EventQuery = serde_json::from_value(opened.parameters.into())
                .map_err(|e| Refusal::new(Code::Malformed, format!("the JSON cannot be used: {e}")))?;
            Ok((query.from.max(1), u64::from(query.limit).clamp(1, REPLAY), opened.req_id))
        });
        let (id, outcome) = match outcome {
            Ok((from, limit, id)) => {
                live.replay = Some((from, from.saturating_add(limit - 1)));
                live.wanted = true;
                (id, Ok(json!({ "from": from, "upto": from.saturating_add(limit - 1) })))
            }
            Err(refusal) => (None, Err(refusal)),
        };
        let to = self.reply_to(message, id.as_deref());
        let body = answer(&to.id, "events.replay", outcome);
        self.send(Message { correlation: to.correlation, ..Message::new(to.topic, body) });
    }
}
