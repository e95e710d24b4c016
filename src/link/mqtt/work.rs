//! Commands being carried out, off the connection.
//!
//! Owns: two lanes (threads): a short one for the door and for questions, a long one for pictures and people; their
//! bounds; the memory of what was done already; progress of an enrolment at the camera; the form of an answer.
//! Does not own: what a command does (`wire::Operations`), topics, freshness.
//! Overflow: a command that does not fit is refused at once with `busy`.
//! Invariants: every command gets exactly one final answer; a change that is asked for twice under one id with the
//! same content is done once and answered twice.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::super::wire::{
    Caller, CameraProgress, CameraStage, Code, Command, Operations, PersonPut, Photo, Refusal, Reply, Scope,
    command_of_verb,
};
use super::config::MqttConfig;
use super::envelope::{self, Opened};
use super::upload::Uploads;

/// Payload bytes of all commands that wait.
const WAITING_BYTES: usize = 24 << 20;
const WAITING: usize = 64;
/// Rows of one bulk.
const BULK: usize = 100;
/// How often the progress at the camera is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Answers remembered, and for how long.
const REMEMBERED: usize = 64;
const REMEMBER_MS: u64 = 600_000;

/// Who wants the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReplyTo {
    pub(super) topic: String,
    pub(super) id: String,
    pub(super) correlation: Option<Vec<u8>>,
}

/// A command to be carried out.
pub(super) struct Job {
    pub(super) verb: String,
    pub(super) topic: String,
    pub(super) content: Content,
    pub(super) reply: ReplyTo,
    /// Given up after this, monotonic milliseconds: a door is not opened late.
    pub(super) not_after: Option<u64>,
}

/// What a command is made of.
pub(super) enum Content {
    /// As it came.
    Raw(Vec<u8>),
    /// Opened already.
    Opened(Box<Opened>),
    /// The door's own question or order.
    Own(Caller, Box<Command>),
}

impl Content {
    fn bytes(&self) -> usize {
        match self {
            Self::Raw(bytes) => bytes.len(),
            Self::Opened(_) | Self::Own(..) => 0,
        }
    }
}

/// What comes back.
pub(super) enum Answer {
    /// To be published.
    Message { to: ReplyTo, body: Vec<u8> },
    /// The answer to the door's own question.
    Own(Box<Result<Reply, Refusal>>),
}

/// Both lanes.
pub(super) struct Lanes {
    short: SyncSender<Job>,
    long: SyncSender<Job>,
    bytes: Arc<AtomicUsize>,
}

impl Lanes {
    /// Starts the threads; they end when this is dropped and the last command is done.
    pub(super) fn start(
        config: &Arc<MqttConfig>,
        operations: &Arc<dyn Operations>,
        uploads: &Arc<Mutex<Uploads>>,
        answers: &mpsc::Sender<Answer>,
    ) -> std::io::Result<Self> {
        let bytes = Arc::new(AtomicUsize::new(0));
        let lane = |name: &str| {
            let (send, jobs) = sync_channel(WAITING);
            let worker = Worker {
                config: Arc::clone(config),
                operations: Arc::clone(operations),
                uploads: Arc::clone(uploads),
                answers: answers.clone(),
                bytes: Arc::clone(&bytes),
                done: VecDeque::new(),
                watched: None,
            };
            std::thread::Builder::new().name(name.into()).spawn(move || worker.run(&jobs))?;
            std::io::Result::Ok(send)
        };
        Ok(Self { short: lane("mqtt-short")?, long: lane("mqtt-long")?, bytes })
    }

    /// Hands over a command, or gives it back when there is no room.
    pub(super) fn take(&self, job: Job) -> Result<(), Box<Job>> {
        let size = job.content.bytes();
        if self.bytes.load(Ordering::Relaxed) + size > WAITING_BYTES {
            return Err(Box::new(job));
        }
        self.bytes.fetch_add(size, Ordering::Relaxed);
        let lane = if is_short(&job.verb) { &self.short } else { &self.long };
        lane.try_send(job).map_err(|e| {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            match e {
                std::sync::mpsc::TrySendError::Full(job)
                | std::sync::mpsc::TrySendError::Disconnected(job) => Box::new(job),
            }
        })
    }
}

fn is_short(verb: &str) -> bool {
    verb.starts_with("door.")
        || verb.starts_with("enroll.c")
        || matches!(verb, "enroll.progress" | "status" | "own")
}

/// Verbs that change something, and must not do it twice for one asking.
fn changes(verb: &str) -> bool {
    verb.starts_with("enroll.")
        || matches!(
            verb,
            "person.upsert" | "session.start" | "face.one_to_n" | "access.put" | "apb.reset" | "punch.add"
        )
        || verb.starts_with("door.") && verb != "door.state"
        || matches!(verb.rsplit('.').next(), Some("put" | "delete"))
}

struct Worker {
    config: Arc<MqttConfig>,
    operations: Arc<dyn Operations>,
    uploads: Arc<Mutex<Uploads>>,
    answers: mpsc::Sender<Answer>,
    bytes: Arc<AtomicUsize>,
    done: VecDeque<Done>,
    watched: Option<Watched>,
}

struct Done {
    key: [u8; 32],
    at: u64,
    body: Vec<u8>,
}

/// What came of a command.
enum Outcome {
    Done(Value),
    /// It goes on at the camera; the answer comes when it has ended.
    AtCamera(Caller),
}

/// An enrolment at the camera whose progress is told.
struct Watched {
    to: ReplyTo,
    caller: Caller,
    told: String,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let next = if self.watched.is_some() {
                jobs.recv_timeout(LOOK)
            } else {
                jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match next {
                Ok(job) => {
                    let size = job.content.bytes();
                    self.carry_out(job);
                    self.bytes.fetch_sub(size, Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look();
        }
    }

    fn carry_out(&mut self, job: Job) {
        let Job { verb, topic, content, reply: to, not_after } = job;
        if let Content::Own(caller, command) = content {
            if not_after.is_some_and(|t| self.operations.mono_ms() > t) {
                return tracing::warn!(
                    "a bare order was dropped: the door had too much to do to obey in time"
                );
            }
            let reply = self.operations.handle(&caller, *command);
            return self.tell(Answer::Own(Box::new(reply)));
        }
        let key = content.key(&topic, &to);
        let opened = match content {
            Content::Raw(bytes) => envelope::open(&self.config, &topic, &bytes),
            Content::Opened(opened) => Ok(*opened),
            Content::Own(..) => return,
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(refusal) => {
                let body = answer(&to.id, &verb, Err(refusal));
                return self.tell(Answer::Message { to, body });
            }
        };
        let to = match (&to.correlation, &opened.req_id) {
            (None, Some(id)) => {
                let topic = self.config.topics.response(None, id);
                ReplyTo { topic, id: id.clone(), correlation: None }
            }
            (Some(_), _) | (None, None) => to,
        };
        // Without an id nothing says that it is the same asking.
        let named = to.correlation.is_some() || opened.req_id.is_some();
        let key = key.filter(|_| named && changes(&verb));
        let now = self.operations.mono_ms();
        self.done.retain(|d| now.saturating_sub(d.at) < REMEMBER_MS);
        if let Some(body) = self.done.iter().find(|d| key == Some(d.key)).map(|d| d.body.clone()) {
            return self.tell(Answer::Message { to, body });
        }
        let outcome = self.perform(&verb, opened, not_after);
        let body = match outcome {
            Ok(Outcome::AtCamera(caller)) => {
                self.watched = Some(Watched { to, caller, told: String::new() });
                return;
            }
            Ok(Outcome::Done(value)) => answer(&to.id, &verb, Ok(value)),
            Err(refusal) => answer(&to.id, &verb, Err(refusal)),
        };
        if let Some(key) = key {
            if self.done.len() >= REMEMBERED {
                self.done.pop_front();
            }
            self.done.push_back(Done { key, at: now, body: body.clone() });
        }
        self.tell(Answer::Message { to, body });
    }

    fn perform(&mut self, verb: &str, opened: Opened, not_after: Option<u64>) -> Result<Outcome, Refusal> {
        let Opened { caller, uploads, parameters, .. } = opened;
        if verb == "enroll.bulk" {
            return self.bulk(&caller, parameters).map(Outcome::Done);
        }
        let json = serde_json::to_vec(&parameters)
            .map_err(|e| Refusal::new(Code::Malformed, format!("the JSON cannot be used: {e}")))?;
        let mut command = command_of_verb(verb, &json)?;
        if let Some(scope) = command.scope().filter(|s| !caller.may(*s)) {
            return Err(forbidden(scope));
        }
        let mut photos = Vec::with_capacity(uploads.len());
        for name in &uploads {
            photos.push(self.uploads.lock().unwrap_or_else(PoisonError::into_inner).take(name)?);
        }
        attach(&mut command, photos)?;
        if not_after.is_some_and(|t| self.operations.mono_ms() > t) {
            return Err(Refusal::busy("the door had too much to do to obey in time; send a new command"));
        }
        if matches!(command, Command::Watch) && !self.config.pictures {
            return Err(Refusal::new(
                Code::Unavailable,
                "no picture of this door's camera goes to a broker; mqtt.pictures = true lets it",
            ));
        }
        let at_camera = matches!(command, Command::EnrolCamera(_));
        let reply = self.operations.handle(&caller, command)?;
        Ok(if at_camera { Outcome::AtCamera(caller) } else { Outcome::Done(value(&reply)) })
    }

    /// Several people, one result a row; a row that fails leaves the others.
    fn bulk(&self, caller: &Caller, mut parameters: Map<String, Value>) -> Result<Value, Refusal> {
        if !caller.may(Scope::Enroll) {
            return Err(forbidden(Scope::Enroll));
        }
        let rows = match parameters.remove("rows") {
            Some(Value::Array(rows)) if (1..=BULK).contains(&rows.len()) && parameters.is_empty() => rows,
            Some(_) => {
                return Err(Refusal::invalid("rows", format!("\"rows\" is a list of 1 to {BULK} objects")));
            }
            None => return Err(Refusal::missing("rows")),
        };
        let results: Vec<Value> = rows
            .into_iter()
            .enumerate()
            .map(|(row, fields)| {
                let person = fields.get("id").cloned().unwrap_or(Value::Null);
                let outcome = self.row(caller, fields);
                let mut out = Map::new();
                out.insert("row".into(), row.into());
                out.insert("id".into(), person);
                put_outcome(&mut out, outcome);
                Value::Object(out)
            })
            .collect();
        let accepted = results.iter().filter(|r| r["ok"] == true).count();
        Ok(json!({ "rows": results, "accepted": accepted }))
    }

    fn row(&self, caller: &Caller, mut fields: Value) -> Result<Value, Refusal> {
        let uploads = fields.as_object_mut().and_then(|f| f.remove("uploads"));
        let mut put: PersonPut = serde_json::from_value(fields)
            .map_err(|e| Refusal::new(Code::Malformed, format!("the row cannot be used: {e}")))?;
        for name in uploads.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str) {
            put.images.push(self.uploads.lock().unwrap_or_else(PoisonError::into_inner).take(name)?);
        }
        self.operations.handle(caller, Command::Enrol(put)).map(|reply| value(&reply))
    }

    /// Tells the progress at the camera when it has changed.
    fn look(&mut self) {
        let Some(watched) = &mut self.watched else { return };
        let outcome = self.operations.handle(&watched.caller, Command::CameraProgress);
        let (ended, body) = match outcome {
            Ok(Reply::Camera(progress)) => progress_of(&watched.to.id, progress),
            Ok(_) => (true, Vec::new()),
            Err(refusal) => (true, answer(&watched.to.id, "enroll.camera", Err(refusal))),
        };
        let text = String::from_utf8_lossy(&body).into_owned();
        if text != watched.told && !body.is_empty() {
            watched.told = text;
            let to = watched.to.clone();
            self.tell(Answer::Message { to, body });
        }
        if ended {
            self.watched = None;
        }
    }

    fn tell(&self, answer: Answer) {
        // The link has ended; nobody waits any more.
        let _ = self.answers.blocking_send(answer);
    }
}

impl Content {
    /// What names a command for ever: the id under which it is asked and all that is asked.
    fn key(&self, topic: &str, to: &ReplyTo) -> Option<[u8; 32]> {
        let mut hash = blake3::Hasher::new();
        hash.update(topic.as_bytes()).update(&[0]).update(to.id.as_bytes()).update(&[0]);
        match self {
            Self::Raw(bytes) => {
                hash.update(bytes);
            }
            Self::Opened(opened) => {
                hash.update(opened.nonce.as_deref()?.as_bytes());
            }
            Self::Own(..) => return None,
        }
        Some(*hash.finalize().as_bytes())
    }
}

fn forbidden(scope: Scope) -> Refusal {
    let name = scope.name();
    Refusal::new(
        Code::Forbidden,
        format!(
            "the scope {name:?} is needed: add it to mqtt.scopes, or sign the command as an operator who has it"
        ),
    )
}

/// Puts uploaded pictures where the command takes pictures.
fn attach(command: &mut Command, photos: Vec<Photo>) -> Result<(), Refusal> {
    if photos.is_empty() {
        return Ok(());
    }
    match command {
        Command::Enrol(put) | Command::PutPerson(put) => put.images.extend(photos),
        Command::Search(query) => query.images.extend(photos),
        _ => return Err(Refusal::invalid("uploads", "this command takes no uploads")),
    }
    Ok(())
}

/// The content of a reply as JSON, without the name of its kind; documents as what they hold.
fn value(reply: &Reply) -> Value {
    if let Reply::Document(document) = reply {
        // A table (CSV) is no JSON: it goes as one text.
        return serde_json::from_str(&document.0).unwrap_or_else(|_| Value::String(document.0.clone()));
    }
    if let Reply::Sight(sight) = reply {
        let seen: Value = serde_json::from_str(&sight.seen.0).unwrap_or(Value::Null);
        return json!({ "jpeg": sight.picture, "seen": seen });
    }
    match serde_json::to_value(reply) {
        Ok(Value::Object(kinds)) => kinds.into_iter().next().map_or(Value::Null, |(_, v)| v),
        Ok(Value::String(_)) | Err(_) => Value::Null,
        Ok(other) => other,
    }
}

fn put_outcome(out: &mut Map<String, Value>, outcome: Result<Value, Refusal>) {
    match outcome {
        Ok(result) => {
            out.insert("ok".into(), true.into());
            out.insert("result".into(), result);
        }
        Err(refusal) => {
            out.insert("ok".into(), false.into());
            out.insert("error".into(), serde_json::to_value(&refusal).unwrap_or(Value::Null));
        }
    }
}

/// `{"id","verb","ok","result"|"error"}`.
pub(super) fn answer(id: &str, verb: &str, outcome: Result<Value, Refusal>) -> Vec<u8> {
    let mut out = Map::new();
    out.insert("id".into(), id.into());
    out.insert("verb".into(), verb.into());
    put_outcome(&mut out, outcome);
    Value::Object(out).to_string().into_bytes()
}

/// An interim or the final message of an enrolment at the camera, and whether it is final.
fn progress_of(id: &str, progress: CameraProgress) -> (bool, Vec<u8>) {
    let ended = match progress.stage {
        CameraStage::Looking | CameraStage::Writing => false,
        CameraStage::Done | CameraStage::Failed => true,
    };
    if !ended {
        let body = json!({ "id": id, "verb": "enroll.camera", "progress": progress });
        return (false, body.to_string().into_bytes());
    }
    let outcome = match (progress.enrolled, progress.refusal) {
        (Some(enrolled), None) => Ok(serde_json::to_value(enrolled).unwrap_or(Value::Null)),
        (_, Some(refusal)) => Err(refusal),
        (None, None) => Err(Refusal::new(Code::Conflict, "the enrolment ended without a result")),
    };
    (true, answer(id, "enroll.camera", outcome))
}
