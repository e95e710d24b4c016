//! `ostiary run`: the board at its work.
//!
//! Owns: the order of start (gallery, models, wires, threads) and the signals. Does not own: the work.
//! Invariant: what is broken at the start is said in one line each; a camera that is not there yet is waited for.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::access::{Gate, Input};
use crate::device::notify::Notify;
use crate::domain::{ClockTrust, DoorId, Event, EventKind, Millis};
use crate::link::mqtt::Nudge;
use crate::ports::Clock;

use super::cli::{Common, RunArgs};
use super::commands::House;
use super::config::{Board, Config, Settings};
use super::epochs::{self, Sets};
use super::out::Out;
use super::pipeline::{self, Hands, Journal, Keeper, Parts, Summary};
use super::recognition::Recognition;
use super::{Answer, AppError, wiring};

const DOOR: DoorId = DoorId(1);

/// Runs the board until it is told to stop.
pub(super) fn run(common: &Common, args: &RunArgs, out: &mut Out) -> Result<Answer, AppError> {
    let config = Config::read_over(common.config.as_deref(), &common.data)?;
    let board = Board::read(&args.board)?;
    let board_clock = wiring::clock();
    let eyes = wiring::camera(&board, &board_clock)?;
    let clock: Arc<dyn Clock> = match &eyes.virtual_clock {
        Some(sim) => Arc::clone(sim) as Arc<dyn Clock>,
        None => Arc::clone(&board_clock) as Arc<dyn Clock>,
    };
    // Wires first: from here on the relay is held released. Wires that cannot be had yet are a fault, not the end.
    let door = wiring::waiting_door(&board, &clock);
    let display = wiring::display(&board)?;
    let store = Arc::new(wiring::store(&common.data, &config)?);
    // A wall clock that shows less than the journal's last event has not been set yet.
    let last = store.newest().map_err(wiring::WiringError::from)?;
    if let Some(last) = last.filter(|e| e.event.at.trust == ClockTrust::Trusted) {
        board_clock.remember(last.event.at.utc);
    }
    let sets = Arc::new(Sets::new(wiring::Models::find(&config)?.beside(&common.data), &config));
    let set = epochs::settle(&store, &sets, DOOR, clock.now())?;
    let vision = sets.open(&set)?;
    let (model, open_set) = sets.open_set(&set)?;
    let recognition = Arc::new(Recognition::load(&store, open_set, model)?.of_set(&set));
    let boot = Event::new(EventKind::Boot, DOOR, clock.now()).with(format_args!(
        "ostiary {} on {}",
        env!("CARGO_PKG_VERSION"),
        board.0.name
    ));
    store.append(&[boot]).map_err(|e| AppError::Wiring(e.into()))?;
    let templates = recognition.gallery().templates();
    tracing::info!(
        board = board.0.name,
        set,
        people = recognition.gallery().people(),
        templates,
        expected_fpir = recognition.policy().expected_fpir(templates),
        "the door is at work"
    );

    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let house = House {
        store: Arc::clone(&store),
        recognition: Arc::clone(&recognition),
        clock: Arc::clone(&clock),
        data: common.data.clone(),
        door_id: DOOR,
        settings: Arc::new(Settings::of(common.config.as_deref(), &common.data, &config)?),
        booth: None,
        window: None,
        sets: Some(sets),
    };
    let mut gate = Gate::new(config.gate.clone());
    gate.set_rules(recognition.standings().rules().book());
    let console = (!out.json()).then(wiring::console);
    let nudge = Nudge::default();
    let mqtt = config.mqtt.as_ref().map(|setup| wiring::link_parts(setup, &nudge)).transpose()?;
    let uplink = match &mqtt {
        Some(_) => Some(wiring::uplink(&nudge, console, store.newest_seq().0.saturating_sub(1))),
        None => console,
    };
    let summary = if eyes.virtual_clock.is_some() {
        let offered = store.acked();
        let (sender, journal) = Journal::new(Arc::clone(&store), uplink, Arc::clone(&clock), DOOR, offered);
        let screens = pipeline::DirectScreens::new(display);
        let (asking, keeper) = Keeper::new(Arc::clone(&store), Arc::clone(&recognition));
        let hands = Hands::new(gate, door, sender, Box::new(screens), None, clock.now());
        let mut hands = hands.asking(asking);
        let rules = recognition.standings().rules();
        hands.feed(Input::Zone(super::rules::span(rules.zone(), clock.now().utc)), clock.now());
        pipeline::run_lockstep(eyes.camera, vision, &recognition, hands, journal, &keeper, &*clock)?
    } else {
        let parts = Parts {
            camera: eyes.camera,
            door,
            display,
            vision,
            gate,
            house,
            uplink,
            setup: config.http.is_some(),
            link: mqtt.as_ref().map(|_| nudge.clone()),
            links: wiring::links(config.http, mqtt, &store, &clock, common.data.clone()),
            observer: None,
            notify: Notify::new(),
            clock_steps: Some(wiring::clock_steps(&board_clock)),
        };
        let until = args.for_s.map(|s| clock.now().mono.after(Millis::secs(s)));
        pipeline::run(parts, &stop, until)?
    };
    out.line(Closing(&summary))?;
    Ok(Answer::Yes)
}

struct Closing<'a>(&'a Summary);

impl std::fmt::Display for Closing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = self.0;
        write!(
            f,
            "the door has stopped: {:.1} s, {} frames, {} looked at, {} overtaken by a newer one",
            s.lasted.0 as f64 / 1e3,
            s.frames,
            s.looks,
            s.overwritten
        )
    }
}
