//! What the door tells by itself while it is connected: how it stands, who it is, what was not acknowledged.
//!
//! Owns: the door's own questions to its operations and what their answers become on the wire. Does not own: the
//! connection (`link`), commands of others (`work`). Invariant: nothing here waits.

use serde_json::json;

use super::super::wire::{Caller, Command, DoorOrder, DoorStatus, Reply};
use super::config::Confirm;
use super::link::{Link, Live, REMIND};
use super::session::Message;
use super::work::{Answer, Content, Job, ReplyTo};

impl Link {
    /// A receiver that was away when events were sent, at a broker that kept them for nobody, has them sent again.
    pub(super) fn remind(&mut self, live: &mut Live) {
        let all_sent = live.window.is_empty() && live.events.is_empty() && live.replay.is_none();
        let waits = self.config.confirm == Confirm::Receiver && self.delivered > self.confirmed && all_sent;
        let (quiet, word, patience) = &mut live.quiet;
        if !waits || *word != self.confirmed {
            (*quiet, *word) = (0, self.confirmed);
            if self.delivered <= self.confirmed {
                *patience = REMIND.0;
            }
            return;
        }
        *quiet += 1;
        if *quiet >= *patience {
            (*quiet, *patience) = (0, (*patience * 2).min(REMIND.1));
            live.next = None;
            live.wanted = true;
        }
    }

    pub(super) fn ask_door(&mut self) {
        self.own(Command::Door(DoorOrder::State));
    }

    pub(super) fn own(&self, command: Command) {
        self.ask("own", command);
    }

    pub(super) fn ask(&self, verb: &str, command: Command) {
        let job = Job {
            verb: verb.into(),
            topic: String::new(),
            content: Content::Own(Caller::board(), Box::new(command)),
            reply: ReplyTo { topic: String::new(), id: String::new(), correlation: None },
            not_after: None,
        };
        // Asked again at the next turn.
        let _ = self.lanes.take(job);
    }

    pub(super) fn answered(&mut self, answer: Answer, live: Option<&mut Live>) {
        match answer {
            Answer::Message { to, body } => {
                let message = Message { correlation: to.correlation, ..Message::new(to.topic, body) };
                self.send(message);
            }
            Answer::Own(reply) => match (*reply, live) {
                (Ok(Reply::Door(door)), Some(live)) => self.door(live, &door),
                (Ok(Reply::Status(status)), Some(live)) => {
                    let info = json!({
                        "version": status.version,
                        "models": { "embedder": status.embedder },
                        "revision": status.revision,
                        "people": status.people,
                        "templates": status.templates,
                        "clock": status.clock,
                        "events": status.events,
                        "queued": status.queued,
                        "lost": status.lost,
                        "protocol": live.speaks.name(),
                        "public_key": self.public_key,
                        "dropped_answers": self.dropped,
                    });
                    self.send(Message::new(self.config.topics.own("info"), info.to_string()).retained());
                    if let Some(door) = &status.door {
                        self.door(live, door);
                    }
                }
                (Ok(Reply::Sight(sight)), Some(_)) => {
                    let topic = self.config.topics.own("image/last");
                    self.send(Message { acknowledged: false, ..Message::new(topic, sight.picture.bytes) });
                }
                (Ok(_) | Err(_), _) => {}
            },
        }
    }

    fn door(&mut self, live: &mut Live, door: &DoorStatus) {
        for (below, text) in live.door.changes(door) {
            self.send(Message::new(self.config.topics.own(below), text).retained());
        }
    }
}
