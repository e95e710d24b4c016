//! Commands of people at the board: arguments to a request, the reply to text and an exit code.
//!
//! Owns: reading the named files, the choice between the running door and an own look at the gallery.
//! Does not own: the operations (`commands`).
//! Invariant: while a door runs on the data folder, it does the work; the gallery has one owner at a time.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::domain::DoorId;
use crate::picture::Limits;

use super::cli::{Command, Common, DoorCommand, EnrollArgs, EventsCommand, PersonsCommand};
use super::commands::{Desk, DoorOrder, Enrol, ExportText, Failure, LazyEyes, NamedImage, Reply, Request};
use super::config::Config;
use super::out::Out;
use super::recognition::Recognition;
use super::{Answer, AppError, control, wiring};

/// Does what is asked and prints the answer.
pub(super) fn run(common: &Common, command: Command, out: &mut Out) -> Result<Answer, AppError> {
    let export_to = match &command {
        Command::Persons(PersonsCommand::Export { output, .. }) => output.clone(),
        _ => None,
    };
    let request = request(command)?;
    let reply = match control::ask(&common.data, &request) {
        Some(reply) => reply?,
        None => alone(common, request)?,
    };
    print(reply, export_to.as_deref(), out)
}

/// Opens the gallery for this one request.
fn alone(common: &Common, request: Request) -> Result<Reply, AppError> {
    let config = Config::read(common.config.as_deref())?;
    let models = wiring::Models::find(&config)?;
    let (model, open_set) = models.open_set(&config)?;
    let store = wiring::store(&common.data, &config)?;
    let recognition = Recognition::load(&store, open_set, model)?;
    let clock = wiring::clock();
    let mut eyes = LazyEyes::new(|| models.open(&config));
    let mut desk = Desk {
        store: &store,
        recognition: &recognition,
        eyes: &mut eyes,
        door: None,
        clock: &*clock,
        keep: config.keep,
        data: common.data.clone(),
        door_id: DoorId(1),
    };
    Ok(desk.handle(request))
}

fn request(command: Command) -> Result<Request, AppError> {
    Ok(match command {
        Command::Enroll(args) => Request::Enroll(enrol(args)?),
        Command::Identify { file } => Request::Identify(image(&file)?),
        Command::Verify { a, b } => Request::Verify(image(&a)?, image(&b)?),
        Command::Persons(PersonsCommand::List { page, limit }) => Request::ListPersons { page, limit },
        Command::Persons(PersonsCommand::Show { id }) => Request::ShowPerson(id),
        Command::Persons(PersonsCommand::Delete { id }) => Request::DeletePerson(id),
        Command::Persons(PersonsCommand::Export { id, .. }) => Request::ExportPerson(id),
        Command::Events(EventsCommand::List { from, limit }) => Request::ListEvents { from, limit },
        Command::Events(EventsCommand::Verify) => Request::VerifyEvents,
        Command::Door(order) => Request::Door(match order {
            DoorCommand::State => DoorOrder::State,
            DoorCommand::Open => DoorOrder::Open,
            DoorCommand::Lock => DoorOrder::Lock,
            DoorCommand::Lockdown => DoorOrder::Lockdown,
            DoorCommand::Release => DoorOrder::Release,
        }),
        Command::Status => Request::Status,
        Command::Run(_)
        | Command::Demo(_)
        | Command::Evaluate(_)
        | Command::Models(_)
        | Command::Doctor { .. }
        | Command::Config(_)
        | Command::Completions { .. }
        | Command::Man
        | Command::Version
        | Command::CameraChild(_) => unreachable!("the dispatcher sends only requests here"),
    })
}

fn enrol(args: EnrollArgs) -> Result<Enrol, AppError> {
    Ok(Enrol {
        person: args.person,
        name: args.name,
        consent: args.consent,
        valid_from: args.valid_from.map(|t| moment(&t, false)).transpose()?,
        valid_until: args.valid_until.map(|t| moment(&t, true)).transpose()?,
        allow_duplicate: args.allow_duplicate,
        images: args.files.iter().map(|f| image(f)).collect::<Result<_, _>>()?,
    })
}

/// Reads a picture, no more of it than a picture may have.
fn image(path: &Path) -> Result<NamedImage, AppError> {
    let failed = |e| AppError::File(path.display().to_string(), e);
    let limit = Limits::default().bytes as u64;
    let mut bytes = Vec::new();
    // One byte over the limit is read so that the decoder can refuse the file by its own rule.
    File::open(path).and_then(|f| f.take(limit + 1).read_to_end(&mut bytes)).map_err(failed)?;
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    Ok(NamedImage { name, bytes })
}

/// A day (its first or last moment, UTC) or an instant, as milliseconds since 1970.
fn moment(text: &str, end_of_day: bool) -> Result<i64, Failure> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let wrong = || Failure::input(format!("{text:?} is no time; write 2026-11-21 or 2026-11-21T08:00:00Z"));
    let day: Date = text.parse().map_err(|_| wrong())?;
    let start = day.to_zoned(TimeZone::UTC).map_err(|_| wrong())?.timestamp();
    let moment = if end_of_day {
        start.checked_add(SignedDuration::from_millis(86_399_999)).map_err(|_| wrong())?
    } else {
        start
    };
    Ok(moment.as_millisecond())
}

fn print(reply: Reply, export_to: Option<&Path>, out: &mut Out) -> Result<Answer, AppError> {
    let mut answer = Answer::Yes;
    match reply {
        Reply::Failed(failure) => return Err(failure.into()),
        Reply::Enrolled(r) => {
            // Some pictures refused: the person is enrolled, and the exit code says to look.
            if r.images.iter().any(|i| i.template.is_none()) {
                answer = Answer::No;
            }
            out.result(&r)?;
        }
        Reply::Identified(r) => {
            if r.person.is_none() {
                answer = Answer::No;
            }
            out.result(&r)?;
        }
        Reply::Verified(r) => {
            if !r.same {
                answer = Answer::No;
            }
            out.result(&r)?;
        }
        Reply::Persons(r) => out.result(&r)?,
        Reply::Person(r) => out.result(&*r)?,
        Reply::Erased(r) => out.result(&r)?,
        Reply::Export(ExportText(text)) => match export_to {
            Some(path) => {
                let failed = |e| AppError::File(path.display().to_string(), e);
                wiring::write_private(path, text.as_bytes()).map_err(failed)?;
            }
            None => out.raw(format!("{text}\n").as_bytes())?,
        },
        Reply::Events(events) => {
            for event in events {
                out.raw(format!("{event}\n").as_bytes())?;
            }
        }
        Reply::Chain { events } => {
            out.line(format_args!("the chain holds over {events} events"))?;
            if out.json() {
                out.document(&serde_json::json!({ "chain": "whole", "events": events }))?;
            }
        }
        Reply::Status(r) => out.result(&*r)?,
        Reply::Door(r) => out.result(&r)?,
    }
    Ok(answer)
}
