//! `ostiary demo`: the whole door on rendered or photographed people, against a simulated board, with the story told
//! at the end.
//!
//! Owns: who is enrolled and who walks up, and the summary. Does not own: any of the work, which is that of
//! `run` and of `enroll`, through the same code.
//! Invariants: people who walk up do so with another picture than they were enrolled with; nothing is claimed
//! that was not observed; a stranger or an attack let in makes the demo fail.

mod cast;
mod frames;
mod kiosk;
mod story;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use crate::access::Gate;
use crate::device::notify::Notify;
use crate::device::walkup::Arrivals;
use crate::domain::{Decision, DoorId};
use crate::ports::Clock;

use super::cli::{Common, DemoArgs};
use super::commands::{Desk, House, LazyEyes};
use super::config::{Board, Config, RawBoard, RawCamera, RawDisplay, RawDoor, Settings};
use super::out::Out;
use super::pipeline::{self, Observation, Parts};
use super::recognition::Recognition;
use super::{Answer, AppError, wiring};

use cast::{Cast, Role};
use story::{Outcome, Story};

const DOOR: DoorId = DoorId(1);

/// Plays the demo.
pub(super) fn run(common: &Common, args: &DemoArgs, out: &mut Out) -> Result<Answer, AppError> {
    if let Some(count) = args.frames {
        return frames::run(args, count, out);
    }
    let mut config = Config::read(common.config.as_deref())?;
    config.set = args.set.clone().or(config.set);
    let config = Arc::new(config);
    if args.kiosk {
        return kiosk::run(&config, &args.out.join("kiosk"), out);
    }
    let models = Arc::new(wiring::Models::find(&config)?);
    let (model, open_set) = models.open_set(&config)?;
    let data = fresh(&args.out)?;
    let store = Arc::new(wiring::store(&data, &config)?);
    let recognition = Arc::new(Recognition::load(&store, open_set, model)?);
    let clock = wiring::clock();

    let house = || House {
        store: Arc::clone(&store),
        recognition: Arc::clone(&recognition),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        data: data.clone(),
        door_id: DOOR,
        settings: Arc::new(Settings::fixed(&config)),
        booth: None,
        window: None,
        sets: None,
    };
    out.line("enrolling")?;
    let cast = {
        let (models, config) = (Arc::clone(&models), Arc::clone(&config));
        let eyes = LazyEyes::new(move || models.open(&config));
        let desk = Desk::new(house(), Box::new(eyes), None).map_err(wiring::WiringError::from)?;
        Cast::gather(args, &desk, out)?
    };

    let arrivals = Arrivals::default();
    let visitors = cast.visitors();
    let length = crate::device::walkup::WalkupCamera::length(visitors.len());
    out.line(format_args!(
        "{} visitors walk up, one after the other, in real time: {} s",
        visitors.len(),
        length.0 / 1_000
    ))?;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let watched = arrivals.clone();
    let observer: pipeline::Observer = Box::new(move |observation, now| {
        let Some(visitor) = watched.visitor_at(now.mono) else { return };
        let outcome = match observation {
            Observation::Decision(Decision::Deny { reason, .. }) => Outcome::Denied(*reason),
            Observation::Relay { energised: true, since: Some(since), .. } => {
                Outcome::Admitted { took: now.mono.since(*since) }
            }
            Observation::Decision(Decision::Grant { person, .. }) => Outcome::Granted(person.clone()),
            Observation::Relay { .. } => return,
        };
        notes.lock().unwrap_or_else(PoisonError::into_inner).push((visitor, outcome));
    });

    let board = simulated(&args.out);
    let door_clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let parts = Parts {
        camera: wiring::walkup(visitors, &clock, arrivals),
        door: wiring::door(&board, &door_clock)?,
        display: wiring::display(&board)?,
        vision: models.open(&config)?,
        gate: Gate::new(config.gate.clone()),
        house: house(),
        links: Box::new(|_| Vec::new()),
        link: None,
        setup: false,
        uplink: (!out.json()).then(wiring::console),
        observer: Some(observer),
        notify: Notify::new(),
        clock_steps: Some(wiring::clock_steps(&clock)),
    };
    let summary = pipeline::run(parts, &Arc::new(AtomicBool::new(false)), None)?;
    let observed = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    let story = Story::tell(&cast, &observed, &summary, &store);
    out.result(&story)?;
    out.line(format_args!("the display's pictures are in {}", args.out.join("display").display()))?;
    Ok(if story.safe() { Answer::Yes } else { Answer::No })
}

/// An empty data folder below `out`: only files of an earlier demo are removed from it.
fn fresh(out: &Path) -> Result<PathBuf, AppError> {
    let data = out.join("data");
    let Ok(entries) = fs::read_dir(&data) else { return Ok(data) };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("gallery.redb") || name == "ostiary.key" || name == "control.sock" {
            fs::remove_file(&path).map_err(|e| AppError::File(path.display().to_string(), e))?;
        }
    }
    Ok(data)
}

fn simulated(out: &Path) -> Board {
    Board(RawBoard {
        name: "demo".into(),
        camera: RawCamera::Visitors { seed: 1, people: 1 },
        door: RawDoor::Sim { contact: true },
        display: RawDisplay::Png { folder: out.join("display"), width: 240, height: 320 },
        signals: None,
    })
}

impl Role {
    /// Whether this visitor should be let in.
    const fn welcome(self) -> bool {
        matches!(self, Self::Enrolled)
    }
}
