//! Commands of people at the board: arguments to a request, the reply to text and an exit code.
//!
//! Owns: reading the named files, the choice between the running door and an own look at the gallery.
//! Does not own: the operations (`commands`).
//! Invariant: while a door runs on the data folder, it does the work; the gallery has one owner at a time.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::device::clock_os::pause;
use crate::domain::{DoorId, Millis};
use crate::link::wire::{
    self, AccountNew, Caller, Code, Compare, Document, DoorOrder, EventQuery, Moment, Operations as _,
    PersonPut, PersonQuery, Photo, Profile, Refusal, Reply, TokenNew,
};
use crate::picture::Limits;
use crate::ports::Clock as _;
use crate::store;

use super::cli::{
    AccountsCommand, Command, Common, DoorCommand, EnrollArgs, EventsCommand, PersonsCommand, TokensCommand,
};
use super::commands::{Desk, House, LazyEyes};
use super::config::{Config, Settings};
use super::epochs::{self, Sets};
use super::out::Out;
use super::recognition::Recognition;
use super::{Answer, AppError, ask_rules, control, wiring};

/// Does what is asked and prints the answer.
pub(super) fn run(common: &Common, command: Command, out: &mut Out) -> Result<Answer, AppError> {
    let export_to = match &command {
        Command::Persons(PersonsCommand::Export { output, .. }) => output.clone(),
        _ => None,
    };
    if let Command::Events(EventsCommand::Verify { file: Some(file), key: Some(key) }) = &command {
        return verify_log(file, key, out);
    }
    let command = match ask_rules::requests(command)? {
        Ok((requests, show)) => return ask_rules::run(common, requests, &show, out),
        Err(other) => other,
    };
    let request = request(command)?;
    let answer = answer(common, &request)?;
    print(answer.map_err(taught)?, export_to.as_deref(), out)
}

/// Proves a copied log whole, away from the door.
fn verify_log(file: &Path, key: &str, out: &mut Out) -> Result<Answer, AppError> {
    let wrong = || Refusal::invalid("key", "--key takes the 64 hex digits that ostiary events verify prints");
    let digits: Vec<u8> = (0..key.len())
        .step_by(2)
        .map_while(|i| key.get(i..i + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    let bytes: [u8; 32] = digits.try_into().map_err(|_| wrong())?;
    if wire::hex(&bytes) != key {
        return Err(wrong().into());
    }
    let text = std::fs::read_to_string(file).map_err(|e| AppError::File(file.display().to_string(), e))?;
    let found = store::verify_log(text.lines(), &bytes)
        .map_err(|e| Refusal::new(Code::InvalidParameter, format!("{}: {e}", file.display())))?;
    let store::Verified { first, proven, events, tail, signatures } = found;
    out.line(format_args!(
        "proven: {events} events, {first} to {proven}, by {signatures} signatures; {tail} behind the last signature"
    ))?;
    if out.json() {
        out.document(&serde_json::json!({
            "chain": "whole", "events": events, "first": first, "proven": proven, "tail": tail,
            "signatures": signatures,
        }))?;
    }
    Ok(Answer::Yes)
}

/// How often, and how long apart, a gallery that another process has open is tried again.
const TRIES: u32 = 12;
const BETWEEN: Millis = Millis(250);

/// Asks the running door, or the gallery itself where none runs. A door that is just starting has the gallery already
/// and does not listen yet, so that case is waited out.
pub(super) fn answer(common: &Common, request: &wire::Command) -> Result<Result<Reply, Refusal>, AppError> {
    let mut left = TRIES;
    loop {
        if let Some(answer) = control::ask(&common.data, request) {
            return Ok(answer?);
        }
        match alone(common, request.clone()) {
            Err(AppError::Wiring(wiring::WiringError::Store(store::StoreError::InUse(_)))) if left > 0 => {
                left -= 1;
                pause(BETWEEN);
            }
            other => return other,
        }
    }
}

/// Opens the gallery for this one request.
fn alone(common: &Common, request: wire::Command) -> Result<Result<Reply, Refusal>, AppError> {
    Ok(desk(common)?.handle(&Caller::board(), request))
}

/// The operations on a gallery that no door has open.
pub(super) fn desk(common: &Common) -> Result<Desk, AppError> {
    let config = Config::read_over(common.config.as_deref(), &common.data)?;
    let sets = Arc::new(Sets::new(wiring::Models::find(&config)?.beside(&common.data), &config));
    // A set that the manifest does not know is told before a gallery is made.
    sets.embedder(sets.configured())?;
    let store = Arc::new(wiring::store(&common.data, &config)?);
    let clock = wiring::clock();
    let door = DoorId(1);
    let set = epochs::settle(&store, &sets, door, clock.now())?;
    let (model, open_set) = sets.open_set(&set)?;
    let house = House {
        recognition: Arc::new(Recognition::load(&store, open_set, model)?.of_set(&set)),
        store,
        clock,
        data: common.data.clone(),
        door_id: door,
        settings: Arc::new(Settings::of(common.config.as_deref(), &common.data, &config)?),
        booth: None,
        window: None,
        sets: Some(Arc::clone(&sets)),
    };
    let eyes = LazyEyes::new(move || sets.open(&set));
    Ok(Desk::new(house, Box::new(eyes), None).map_err(wiring::WiringError::from)?)
}

/// A refusal with what to do about it on this command line.
pub(super) fn taught(mut refusal: Refusal) -> Refusal {
    let hint = match (refusal.code, refusal.parameter.as_deref()) {
        (Code::NotFound, _) if refusal.message.contains("person") => "; see: ostiary persons list",
        (Code::NotFound, _) if refusal.message.contains("key") => "; see: ostiary tokens list",
        (Code::MissingParameter, Some("name")) => ": add --name 'First Last'",
        (Code::Duplicate, _) => {
            "; add the pictures there, or pass --allow-duplicate if these really are two people"
        }
        _ => "",
    };
    refusal.message.push_str(hint);
    refusal
}

fn request(command: Command) -> Result<wire::Command, AppError> {
    Ok(match command {
        Command::Enroll(args) => wire::Command::Enrol(enrol(args)?),
        Command::Identify { file } => wire::Command::Identify(image(&file)?),
        Command::Verify { a, b } => {
            wire::Command::Compare(Compare { a: image(&a)?, b: image(&b)?, ..Compare::default() })
        }
        Command::Persons(PersonsCommand::List { page, limit }) => {
            wire::Command::ListPersons(PersonQuery { page, limit, ..PersonQuery::default() })
        }
        Command::Persons(PersonsCommand::Show { id }) => wire::Command::GetPerson(id),
        Command::Persons(PersonsCommand::Delete { id, consent_withdrawn: true }) => {
            wire::Command::WithdrawConsent(id)
        }
        Command::Persons(PersonsCommand::Delete { id, consent_withdrawn: false }) => {
            wire::Command::DeletePerson(id)
        }
        Command::Persons(PersonsCommand::Export { id, .. }) => wire::Command::ExportPerson(id),
        Command::Events(EventsCommand::List { from, limit }) => {
            wire::Command::ListEvents(EventQuery { from, limit, ..EventQuery::default() })
        }
        Command::Events(EventsCommand::Verify { .. }) => wire::Command::VerifyEvents,
        Command::Expire => wire::Command::Expire,
        Command::Audit { person, who, before, limit } => {
            wire::Command::ListAudit(wire::AuditQuery { before, limit, person, who })
        }
        Command::Door(order) => wire::Command::Door(match order {
            DoorCommand::State => DoorOrder::State,
            DoorCommand::Open => DoorOrder::Open,
            DoorCommand::Lock => DoorOrder::Lock,
            DoorCommand::Lockdown => DoorOrder::Lockdown { seconds: 0 },
            DoorCommand::Release => DoorOrder::Release,
            DoorCommand::Safe { .. }
            | DoorCommand::Key { .. }
            | DoorCommand::Others { .. }
            | DoorCommand::TrustClock => {
                unreachable!("asked for beside the others")
            }
        }),
        Command::Tokens(TokensCommand::Create { name, scopes, expires }) => {
            let expires = expires.map(|t| moment(&t, true)).transpose()?.map(Moment);
            wire::Command::CreateToken(TokenNew { name, scopes, expires })
        }
        Command::Tokens(TokensCommand::List) => wire::Command::ListTokens,
        Command::Tokens(TokensCommand::Revoke { id }) => wire::Command::RevokeToken(id),
        Command::Accounts(command) => wire::Command::Accounts(match command {
            AccountsCommand::Add { name, role } => {
                wire::AccountsCommand::Add(AccountNew { name, role: role.into() })
            }
            AccountsCommand::List => wire::AccountsCommand::List,
            AccountsCommand::Reset { name } => wire::AccountsCommand::Reset(name),
            AccountsCommand::Remove { name } => wire::AccountsCommand::Remove(name),
        }),
        Command::Status => wire::Command::Status,
        Command::Access(_)
        | Command::Attendance(_)
        | Command::Run(_)
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

fn enrol(args: EnrollArgs) -> Result<PersonPut, AppError> {
    Ok(PersonPut {
        id: Some(args.person),
        profile: Profile {
            name: args.name,
            consent: args.consent,
            valid_from: args.valid_from.map(|t| moment(&t, false)).transpose()?.map(Moment),
            valid_until: args.valid_until.map(|t| moment(&t, true)).transpose()?.map(Moment),
            ..Profile::default()
        },
        allow_duplicate: args.allow_duplicate,
        images: args.files.iter().map(|f| image(f)).collect::<Result<_, _>>()?,
        ..PersonPut::default()
    })
}

/// Reads a picture, no more of it than a picture may have.
fn image(path: &Path) -> Result<Photo, AppError> {
    let failed = |e| AppError::File(path.display().to_string(), e);
    let limit = Limits::default().bytes as u64;
    let mut bytes = Vec::new();
    // One byte over the limit is read so that the decoder can refuse the file by its own rule.
    File::open(path).and_then(|f| f.take(limit + 1).read_to_end(&mut bytes)).map_err(failed)?;
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    Ok(Photo { name, bytes })
}

/// A day (its first or last moment, UTC) or an instant, as milliseconds since 1970.
fn moment(text: &str, end_of_day: bool) -> Result<i64, Refusal> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let wrong =
        || Refusal::invalid("time", format!("{text:?} is no time; write 2026-11-21 or 2026-11-21T08:00:00Z"));
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
        Reply::Done => {
            out.line("done")?;
            if out.json() {
                out.document(&serde_json::json!({ "done": true }))?;
            }
        }
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
        Reply::Compared(r) => {
            if !r.same {
                answer = Answer::No;
            }
            out.result(&r)?;
        }
        Reply::Persons(r) => out.result(&r)?,
        Reply::Person(r) => out.result(&*r)?,
        Reply::Erased(r) => out.result(&r)?,
        Reply::Document(Document(text)) => match export_to {
            Some(path) => {
                let failed = |e| AppError::File(path.display().to_string(), e);
                wiring::write_private(path, text.as_bytes()).map_err(failed)?;
            }
            None => out.raw(format!("{text}\n").as_bytes())?,
        },
        Reply::Events(page) => {
            for event in page.events {
                out.raw(format!("{event}\n").as_bytes())?;
            }
        }
        Reply::Chain { events, key } => {
            out.line(format_args!("the chain holds over {events} events, and every signature is by {key}"))?;
            if out.json() {
                out.document(&serde_json::json!({ "chain": "whole", "events": events, "key": key }))?;
            }
        }
        Reply::Audit(page) => {
            for look in page.looks {
                out.result(&look)?;
            }
        }
        Reply::Status(r) => out.result(&*r)?,
        Reply::Door(r) => out.result(&r)?,
        Reply::TokenIssued(r) => out.result(&r)?,
        Reply::Tokens(keys) => {
            for key in keys {
                out.result(&key)?;
            }
        }
        Reply::Invited(r) => out.result(&r)?,
        Reply::Accounts(accounts) => {
            for account in accounts {
                out.result(&account)?;
            }
        }
        Reply::Collection(r) => out.result(&r)?,
        Reply::Collections(all) => {
            for collection in all {
                out.result(&collection)?;
            }
        }
        Reply::Picture(_)
        | Reply::Sight(_)
        | Reply::Found(_)
        | Reply::Live(_)
        | Reply::OneToN(_)
        | Reply::Session(_)
        | Reply::Camera(_) => {
            unreachable!("no command of this command line is answered so")
        }
    }
    Ok(answer)
}
