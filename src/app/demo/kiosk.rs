//! `ostiary demo --kiosk`: a morning at an attendance kiosk, on a clock that goes as fast as the machine.
//!
//! Owns: who comes when, and the telling. Does not own: any of the work: gate, journal, book, display and sheet are those
//! of `run` and of `ostiary attendance`.
//! Invariants: who is recognised is given, not seen (no camera, no model, no face), and the demo says so; the power is
//! cut for real: everything in memory is dropped, and what follows is read from the disk.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::access::{Gate, Input};
use crate::device::clock_sim::SimClock;
use crate::domain::{
    Cosine, Detection, DoorId, EventSeq, Key, Look, LookVerdict, Match, Millis, Person, Screen, TrackId, Utc,
    clipped,
};
use crate::link::wire::{
    Caller, Command, CorrectionPut, Document, Operations as _, Refusal, Reply, RulesCommand, SheetQuery,
};
use crate::ports::{Clock, Display};
use crate::store::Store;

use super::super::attendance::Sheet;
use super::super::commands::{Desk, House, LazyEyes};
use super::super::config::{Config, Settings};
use super::super::out::Out;
use super::super::pipeline::{Hands, Journal, Keeper, ScreenSink};
use super::super::recognition::Recognition;
use super::super::rules::{Rules, span, when};
use super::super::{Answer, AppError, wiring};

const DOOR: DoorId = DoorId(1);
const RULES: &str = r#"
time_zone = "Europe/Zurich"
everyone = true
[attendance]
mode = "toggle"
"#;
const PEOPLE: [(&str, &str); 4] =
    [("1001", "Anna Keller"), ("1002", "Bruno Rossi"), ("1003", "Chantal Favre"), ("1004", "Dmitri Orlov")];

/// What happens, in local time.
enum Act {
    /// Somebody comes, perhaps after pressing a key.
    Comes(&'static str, Option<u8>, &'static str),
    /// The power is cut, and comes back.
    PowerCut,
}

/// From the evening before to the noon of a Friday.
const STORY: [(&str, Act); 12] = [
    ("2026-11-19T22:00", Act::Comes("1004", None, "comes for the night")),
    ("2026-11-20T06:04", Act::Comes("1004", None, "goes home")),
    ("2026-11-20T07:52", Act::Comes("1001", None, "comes")),
    ("2026-11-20T07:53", Act::Comes("1002", None, "comes")),
    ("2026-11-20T07:53", Act::Comes("1002", None, "looks again, to be sure")),
    ("2026-11-20T08:10", Act::Comes("1003", None, "comes")),
    ("2026-11-20T08:10", Act::PowerCut),
    ("2026-11-20T08:10", Act::Comes("1003", None, "looks again after the power cut")),
    ("2026-11-20T09:30", Act::Comes("1001", Some(3), "presses key 3 and takes a break")),
    ("2026-11-20T09:45", Act::Comes("1001", None, "is back")),
    ("2026-11-20T11:58", Act::Comes("1001", None, "goes to lunch")),
    ("2026-11-20T12:01", Act::Comes("1003", None, "goes to lunch")),
];

/// Plays the morning.
pub(super) fn run(config: &Arc<Config>, to: &Path, out: &mut Out) -> Result<Answer, AppError> {
    let data = super::fresh(to)?;
    let rules = Rules::read(RULES).map_err(|e| Refusal::invalid("rules", e.to_string()))?;
    let moment = |text: &str| when(text, rules.zone()).map_err(|e| Refusal::invalid("time", e.to_string()));
    let clock = wiring::sim_clock(moment("2026-11-19T21:55")?);
    out.line("a morning at a kiosk, on a fast clock; who is recognised is given, nothing is seen")?;
    {
        let store = wiring::store(&data, config)?;
        for (id, name) in PEOPLE {
            let id = id.parse().map_err(|_| Refusal::invalid("id", id.to_owned()))?;
            store.put_person(&Person::new(id, clipped(name), clock.now().utc), &[]).map_err(store_error)?;
        }
        let text = serde_json::to_vec(rules.file()).map_err(std::io::Error::other)?;
        store.put_document(super::super::rules::DOCUMENT, &text, &[]).map_err(store_error)?;
    }
    let shown = Shown::default();
    let open = || Kiosk::open(&data, config, &clock, to, &shown);
    let mut kiosk = open()?;
    for (at, act) in &STORY {
        kiosk.until(moment(at)?);
        match act {
            Act::PowerCut => {
                out.line(format_args!("{}  the power is cut, and comes back", &at[11..]))?;
                drop(kiosk);
                kiosk = open()?;
            }
            Act::Comes(id, key, what) => {
                let (name, screen) = kiosk.comes(id, *key)?;
                out.line(format_args!("{}  {name} {what}: {}", &at[11..], said(screen.as_ref())))?;
            }
        }
    }
    kiosk.until(moment("2026-11-20T12:30")?);
    kiosk.tell(config, out)?;
    out.line(format_args!("the display's pictures are in {}", to.join("display").display()))?;
    Ok(Answer::Yes)
}

fn said(screen: Option<&Screen>) -> String {
    match screen {
        Some(Screen::Punched { kind, again: true, .. }) => format!("already recorded ({})", kind.name()),
        Some(Screen::Punched { kind, .. }) => kind.name().to_owned(),
        other => format!("{other:?}"),
    }
}

/// The newest result that the display showed, beside the display itself.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Option<Screen>>>);

struct Narrator {
    panel: Box<dyn Display>,
    shown: Shown,
}

impl ScreenSink for Narrator {
    fn show(&mut self, screen: Screen) {
        // A panel that fails is no matter of the kiosk's.
        let _ = self.panel.show(&screen);
        if matches!(screen, Screen::Punched { .. } | Screen::Welcome { .. } | Screen::Denied { .. }) {
            *self.shown.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(screen);
        }
    }
}

/// A running kiosk.
struct Kiosk {
    hands: Hands,
    journal: Journal,
    keeper: Keeper,
    store: Arc<Store>,
    recognition: Arc<Recognition>,
    clock: Arc<SimClock>,
    data: std::path::PathBuf,
    shown: Shown,
    frame: u64,
}

impl Kiosk {
    fn open(
        data: &Path,
        config: &Config,
        clock: &Arc<SimClock>,
        to: &Path,
        shown: &Shown,
    ) -> Result<Self, AppError> {
        let board = super::simulated(to);
        let store = Arc::new(wiring::store(data, config)?);
        let (model, open_set) = wiring::Models::find(config)?.open_set(config)?;
        let recognition = Arc::new(Recognition::load(&store, open_set, model)?);
        let shared = Arc::clone(clock) as Arc<dyn Clock>;
        let (sender, journal) =
            Journal::new(Arc::clone(&store), None, Arc::clone(&shared), DOOR, EventSeq(0));
        let (asking, keeper) = Keeper::new(Arc::clone(&store), Arc::clone(&recognition));
        let mut gate = Gate::new(config.gate.clone());
        let rules = recognition.standings().rules();
        gate.set_rules(rules.book());
        let screens = Narrator { panel: wiring::display(&board)?, shown: shown.clone() };
        let door = wiring::door(&board, &shared)?;
        let mut hands = Hands::new(gate, door, sender, Box::new(screens), None, clock.now()).asking(asking);
        hands.feed(Input::Zone(span(rules.zone(), clock.now().utc)), clock.now());
        let (clock, data, shown) = (Arc::clone(clock), data.to_owned(), shown.clone());
        Ok(Self { hands, journal, keeper, store, recognition, clock, data, shown, frame: 0 })
    }

    /// Time passes: the kiosk does what falls due.
    fn until(&mut self, at: Utc) {
        loop {
            let now = self.clock.now();
            let left = at.0.saturating_sub(now.utc.0);
            if left <= 0 {
                return;
            }
            let end = now.mono.after(Millis(left.unsigned_abs()));
            let due = self.hands.due().unwrap_or(end).max(now.mono.after(Millis(1)));
            self.clock.advance_to(due.min(end));
            self.turn();
        }
    }

    fn turn(&mut self) {
        let now = self.clock.now();
        self.hands.turn(now);
        while let Some(input) = self.keeper.turn() {
            self.hands.feed(input, now);
        }
        self.journal.turn();
    }

    /// Somebody stands before the kiosk for a moment; gives the name and what was shown.
    fn comes(&mut self, id: &str, key: Option<u8>) -> Result<(String, Option<Screen>), AppError> {
        let id = id.parse().map_err(|_| Refusal::invalid("id", id.to_owned()))?;
        let person =
            self.store.person(&id).map_err(store_error)?.ok_or_else(|| Refusal::invalid("id", "gone"))?;
        *self.shown.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(key) = key {
            self.hands.feed(Input::Key(Key::Function(key)), self.clock.now());
        }
        let track = TrackId(self.frame as u32);
        for _ in 0..3 {
            self.clock.advance(Millis(120));
            self.frame += 1;
            let now = self.clock.now();
            let found = Match::Person {
                id: id.clone(),
                name: person.name.clone(),
                standing: self.recognition.standings().of(&person),
                score: Cosine::new(0.7),
            };
            self.hands.feed(
                Input::Look(Look {
                    captured: now.mono,
                    frame_seq: self.frame,
                    subject: Some((track, Detection::default())),
                    faces: 1,
                    verdict: LookVerdict::Matched(found),
                }),
                now,
            );
            self.turn();
        }
        // They walk on.
        let later = Utc(self.clock.now().utc.0 + 20_000);
        self.until(later);
        let screen = self.shown.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok((person.name.to_string(), screen))
    }

    /// The office: corrects what was forgotten and reads the sheet.
    fn tell(self, config: &Arc<Config>, out: &mut Out) -> Result<(), AppError> {
        let house = House {
            store: Arc::clone(&self.store),
            recognition: Arc::clone(&self.recognition),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            data: self.data.clone(),
            door_id: DOOR,
            settings: Arc::new(Settings::fixed(config)),
            booth: None,
            window: None,
            sets: None,
        };
        let models = wiring::Models::find(config)?;
        let with = Arc::clone(config);
        let eyes = LazyEyes::new(move || models.open(&with));
        let desk = Desk::new(house, Box::new(eyes), None).map_err(wiring::WiringError::from)?;
        let ask = |command| desk.handle(&Caller::board(), Command::Rules(command));
        out.line("12:30  the office adds that Bruno Rossi left at 11:30 and forgot to look")?;
        ask(RulesCommand::Correct(CorrectionPut {
            person: "1002".into(),
            at: Some("2026-11-20T11:30".into()),
            kind: Some("check_out".into()),
            why: "forgot".into(),
            ..CorrectionPut::default()
        }))?;
        let query = |form: &str| SheetQuery {
            from: Some("2026-11-19".into()),
            until: Some("2026-11-20".into()),
            form: form.into(),
            person: None,
        };
        for form in ["sheet", "csv"] {
            let Reply::Document(Document(text)) = ask(RulesCommand::Attendance(query(form)))? else {
                continue;
            };
            if form == "sheet" {
                let sheet: Sheet = serde_json::from_str(&text).map_err(std::io::Error::other)?;
                out.line("")?;
                out.result(&sheet)?;
            } else {
                out.line(format_args!("\n{}", text.replace('\r', "").trim_end()))?;
            }
        }
        let events = self.store.verify_chain().map_err(store_error)?;
        out.line(format_args!(
            "{} lines in the book, {events} events in a whole chain",
            self.store.punch_count()
        ))?;
        Ok(())
    }
}

fn store_error(error: crate::store::StoreError) -> AppError {
    wiring::WiringError::from(error).into()
}
