//! What is finished at the door's own camera: enrolments and face sessions.
//!
//! Owns: the commands and what is written at their end. Does not own: the camera's work (`app/booth`).

use crate::app::booth::{Booth, Taken};
use crate::domain::{Millis, TemplateSource};
use crate::link::wire::{Caller, CameraEnrolment, Code, Enrolled, PersonPut, Refusal, Reply, SessionStart};
use crate::matching::MatchLevel;
use crate::vision::LiveRule;

use super::Desk;
use super::collections::drawn_id;
use super::enroll::Looks;

const LOOKS: u8 = 3;
const WITHIN_S: u16 = 60;
const MAX_NONCE: usize = 128;

impl Desk {
    pub(super) fn enrol_camera(&self, caller: &Caller, wish: CameraEnrolment) -> Result<Reply, Refusal> {
        let looks = if wish.looks == 0 { LOOKS } else { wish.looks };
        let within_s = if wish.within_s == 0 { WITHIN_S } else { wish.within_s };
        if looks > 5 {
            return Err(Refusal::invalid("looks", "\"looks\" must be 1 to 5"));
        }
        if !(5..=120).contains(&within_s) {
            return Err(Refusal::invalid("within_s", "\"within_s\" must be 5 to 120"));
        }
        let put = PersonPut {
            id: wish.id,
            profile: wish.profile,
            allow_duplicate: wish.allow_duplicate,
            ..PersonPut::default()
        };
        let (id, _) = self.prepared(caller, put.id.as_deref(), put.presence, &put.profile)?;
        let put = PersonPut { id: Some(id.to_string()), ..put };
        let within = Millis::secs(u64::from(within_s));
        let now = self.house.clock.now().mono;
        self.booth()?.enrol(caller.clone(), put, looks, within, now).map(Reply::Camera)
    }

    /// Writes what the camera took.
    pub(in crate::app) fn enrol_taken(&self, taken: Taken) -> Result<Enrolled, Refusal> {
        let Taken { caller, put, shots } = taken;
        let mut looks = Looks { outcomes: Vec::new(), accepted: Vec::new() };
        for (i, (examined, picture)) in shots.into_iter().enumerate() {
            let name = format!("look {}", i + 1);
            let source = TemplateSource::Camera;
            let row = self.judge(&name, &examined, picture, source, i, &mut looks.accepted)?;
            looks.outcomes.push(row);
        }
        let id = super::people::parse(put.id.as_deref().unwrap_or_default())?;
        match self.write_looks(&caller, &id, &put, looks)? {
            Reply::Enrolled(enrolled) => Ok(enrolled),
            other => Err(Refusal::new(Code::Internal, format!("enrolment answered {other:?}"))),
        }
    }

    pub(super) fn start_session(&self, start: SessionStart) -> Result<Reply, Refusal> {
        let booth = self.booth()?;
        let level = MatchLevel::from_number(start.level)
            .ok_or_else(|| Refusal::invalid("level", "the match level must be 1 to 5"))?;
        if !(1..=3).contains(&start.attempts) {
            return Err(Refusal::invalid("attempts", "\"attempts\" must be 1 to 3"));
        }
        let nonce = match start.nonce {
            Some(nonce) if nonce.len() > MAX_NONCE || nonce.chars().any(char::is_control) => {
                return Err(Refusal::invalid("nonce", "\"nonce\" has at most 128 characters"));
            }
            Some(nonce) => nonce,
            None => drawn_id()?,
        };
        let (_, template) = self.probe(&start.photo, LiveRule::Trusted)?;
        let names = (drawn_id()?, nonce);
        booth.open_session(names, template, level, start.attempts, self.house.clock.now()).map(Reply::Session)
    }

    pub(super) fn booth(&self) -> Result<&Booth, Refusal> {
        self.house.booth.as_deref().ok_or_else(|| {
            Refusal::new(
                Code::Unavailable,
                "no camera runs here; start the door with: ostiary run --board FILE",
            )
        })
    }
}
