//! What somebody at the console sees of the door: the camera, the display, pictures of people, names.
//!
//! Owns: these commands, and what of a screen may leave the board. Does not own: the window (`app/window`).
//! Invariants: a setup code never leaves through here; that somebody watches is an event, once a quarter of an hour for
//! each; a picture of an enrolment is given only while one runs.

use serde_json::{Value, json};

use super::people::{nobody, parse};
use super::{Desk, OrRefuse as _};
use crate::app::window::View;
use crate::domain::screen::AlarmKind;
use crate::domain::{EventKind, Guidance, Millis, Mono, PunchKind, Screen, VisitorReason};
use crate::link::wire::{Caller, CameraStage, Code, Document, Photo, Refusal, Reply, Sight};
use crate::picture;

const QUALITY: u8 = 70;
/// After this the same person's watching is told again.
const TOLD: Millis = Millis::secs(900);
/// Whose watching is remembered.
const MAX_TOLD: usize = 64;
const MAX_NAMES: usize = 200;

impl Desk {
    pub(super) fn watch(&self, caller: &Caller) -> Result<Reply, Refusal> {
        let reply = self.sight()?;
        if caller.name == Caller::board().name {
            // The door itself, for what its configuration lets go to the broker; nobody watches.
            return Ok(reply);
        }
        let now = self.house.clock.now().mono;
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        told.retain(|(_, at)| now.since(*at) < TOLD);
        if !told.iter().any(|(name, _)| *name == caller.name) {
            let event = self.event(EventKind::AdminLogin);
            let event = event.with(format_args!("{} watches the camera", caller.name));
            self.house.store.append(&[event]).or_refuse()?;
            if told.len() == MAX_TOLD {
                told.remove(0);
            }
            told.push((caller.name.clone(), now));
        }
        Ok(reply)
    }

    pub(super) fn watch_enrolment(&self) -> Result<Reply, Refusal> {
        let progress = self.booth()?.progress(self.house.clock.now().mono)?;
        match progress.stage {
            CameraStage::Looking | CameraStage::Writing => self.sight(),
            CameraStage::Done | CameraStage::Failed => {
                Err(Refusal::new(Code::NotFound, "nobody is being enrolled at the camera"))
            }
        }
    }

    fn sight(&self) -> Result<Reply, Refusal> {
        let window = self.house.window.as_deref().ok_or_else(|| {
            Refusal::new(
                Code::Unavailable,
                "no camera runs here; start the door with: ostiary run --board FILE",
            )
        })?;
        let now = self.house.clock.now().mono;
        let view = window.look(now).ok_or_else(|| Refusal {
            retry_after_s: Some(2),
            ..Refusal::new(Code::Unavailable, "the camera delivers no picture; is it plugged in?")
        })?;
        let seen = seen(&view, window.screen(now).as_ref(), now);
        let bytes = picture::encode_jpeg(view.width, view.height, &view.rgb, QUALITY)
            .map_err(|e| Refusal::new(Code::Internal, format!("the picture cannot be encoded: {e}")))?;
        Ok(Reply::Sight(Sight { picture: Photo::new("camera", bytes), seen: Document(seen.to_string()) }))
    }

    pub(super) fn image(&self, id: &str, index: u8) -> Result<Reply, Refusal> {
        let id = parse(id)?;
        if !self.house.store.has_person(&id) {
            return Err(nobody(&id));
        }
        let kept = self.house.store.images(&id).or_refuse()?.into_iter().nth(usize::from(index));
        let image = kept.ok_or_else(|| Refusal::new(Code::NotFound, "no such picture is kept"))?;
        Ok(Reply::Picture(Photo::new("", image.0)))
    }

    pub(super) fn names(&self, ids: &[String]) -> Result<Reply, Refusal> {
        if ids.len() > MAX_NAMES {
            return Err(Refusal::invalid("ids", format!("ask for at most {MAX_NAMES} names at once")));
        }
        let mut names = serde_json::Map::new();
        for id in ids {
            if let Some(person) = self.house.store.person(&parse(id)?).or_refuse()? {
                names.insert(id.clone(), json!(person.name.as_str()));
            }
        }
        Ok(Reply::Document(Document(Value::Object(names).to_string())))
    }
}

fn seen(view: &View, screen: Option<&Screen>, now: Mono) -> Value {
    json!({
        "width": view.width,
        "height": view.height,
        "age_ms": now.since(view.captured).0,
        "faces": view.faces,
        "found": view.found,
        "face": view.face.map(|f| json!({ "x": f.x, "y": f.y, "w": f.w, "h": f.h })),
        "screen": screen.map(told),
    })
}

/// A screen in the words of programs.
fn told(screen: &Screen) -> Value {
    match screen {
        Screen::Idle { .. } => json!({ "kind": "idle" }),
        Screen::Look { guidance, .. } => json!({ "kind": "look", "guidance": guided(*guidance) }),
        Screen::Welcome { name } => json!({ "kind": "welcome", "name": name.as_str() }),
        Screen::Kiosk { kind, .. } => json!({ "kind": "kiosk", "punch": kind.map(PunchKind::name) }),
        Screen::Punched { name, kind, again } => {
            json!({ "kind": "punched", "name": name.as_str(), "punch": kind.name(), "again": again })
        }
        Screen::Keypad { pin, entered, left_s } => {
            json!({ "kind": "keypad", "pin": pin, "entered": entered, "left_s": left_s })
        }
        Screen::SecondPerson { left_s } => json!({ "kind": "second_person", "left_s": left_s }),
        Screen::Denied { reason } => {
            let reason = match reason {
                VisitorReason::NotRecognised => "not_recognised",
                VisitorReason::NotAllowed => "not_allowed",
                VisitorReason::Wait => "wait",
                VisitorReason::SecondPerson => "second_person",
                VisitorReason::Pin => "pin",
                VisitorReason::Closed => "closed",
            };
            json!({ "kind": "denied", "reason": reason })
        }
        Screen::Enrol { taken, wanted, guidance } => {
            json!({ "kind": "enrol", "taken": taken, "wanted": wanted, "guidance": guided(*guidance) })
        }
        Screen::Alarm(kind) => {
            let alarm = match kind {
                AlarmKind::Forced => "forced",
                AlarmKind::Held => "held",
                AlarmKind::Tamper => "tamper",
                AlarmKind::Fire => "fire",
            };
            json!({ "kind": "alarm", "alarm": alarm })
        }
        Screen::Setup { .. } => json!({ "kind": "setup" }),
        Screen::TestCard => json!({ "kind": "test_card" }),
        Screen::Fault { what } => json!({ "kind": "fault", "what": what.as_str() }),
    }
}

const fn guided(guidance: Guidance) -> &'static str {
    match guidance {
        Guidance::LookHere => "look_here",
        Guidance::Closer => "closer",
        Guidance::Centre => "centre",
        Guidance::FaceCamera => "face_camera",
        Guidance::HoldStill => "hold_still",
        Guidance::MoreLight => "more_light",
        Guidance::LessLight => "less_light",
        Guidance::Uncover => "uncover",
        Guidance::OneAtATime => "one_at_a_time",
    }
}
