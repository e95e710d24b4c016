//! The command line's words for rules and attendance.
//!
//! Owns: arguments to commands, documents to text. Does not own: the operations (`commands`), who is asked (`ask`).
//! Invariant: a PIN is read from standard input, never from the arguments, which every process of the machine can see.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::link::wire::{
    AccessPut, Command as Wire, CorrectionPut, Document, ExplainQuery, Refusal, Reply, RulesCommand,
    SheetQuery,
};

use super::attendance::Sheet;
use super::cli::{
    AccessCommand, AccessPersonArgs, AttendanceCommand, BookForm, Command, Common, DoorCommand, OthersState,
};
use super::out::Out;
use super::rules::RulesFile;
use super::rules::explain::Explanation;
use super::{Answer, AppError, ask, wiring};

/// Largest rules file read.
const MAX_FILE: u64 = 1 << 20;

/// How the answer is shown.
pub(super) enum Show {
    /// As it comes.
    Plain(Option<PathBuf>),
    /// A rules file, as TOML.
    Rules(Option<PathBuf>),
    /// Why and what if.
    Explanation,
    /// Days and totals.
    Sheet,
}

/// What is to be asked; `Err` gives a command back that is none of these.
pub(super) fn requests(command: Command) -> Result<Result<(Vec<RulesCommand>, Show), Command>, AppError> {
    let plain = |one| Ok(Ok((vec![one], Show::Plain(None))));
    match command {
        Command::Access(command) => access(command).map(Ok),
        Command::Attendance(command) => Ok(Ok(attendance(command))),
        Command::Door(DoorCommand::Key { keys }) => {
            Ok(Ok((keys.into_iter().map(RulesCommand::Key).collect(), Show::Plain(None))))
        }
        Command::Door(DoorCommand::Others { state }) => plain(RulesCommand::Others(match state {
            OthersState::Open => Some(true),
            OthersState::Shut => Some(false),
            OthersState::Unknown => None,
        })),
        Command::Door(DoorCommand::TrustClock) => plain(RulesCommand::TrustClock),
        other => Ok(Err(other)),
    }
}

fn access(command: AccessCommand) -> Result<(Vec<RulesCommand>, Show), AppError> {
    let plain = |one| (vec![one], Show::Plain(None));
    Ok(match command {
        AccessCommand::Import { file } => plain(RulesCommand::Put(text(&file)?)),
        AccessCommand::Check { file } => plain(RulesCommand::Check(text(&file)?)),
        AccessCommand::Export { output } => (vec![RulesCommand::Get], Show::Rules(output)),
        AccessCommand::Explain { person, door, at, groups } => {
            let groups = (!groups.is_empty()).then_some(groups);
            let query = ExplainQuery { person, door, at, groups };
            (vec![RulesCommand::Explain(query)], Show::Explanation)
        }
        AccessCommand::Person(args) => plain(person(args)),
        AccessCommand::Pin { id } => plain(pin(id)?),
        AccessCommand::Forget { id } => plain(RulesCommand::ForgetPassages(id)),
    })
}

fn person(args: AccessPersonArgs) -> RulesCommand {
    let AccessPersonArgs { id, groups, blocked, any_time, no_anti_passback, alone, accessible, mode } = args;
    let put = AccessPut {
        person: id,
        blocked,
        any_time,
        no_anti_passback,
        alone,
        accessible,
        mode,
        groups: groups.map(|all| all.into_iter().filter(|g| !g.is_empty()).collect()),
        pin: None,
        duress_pin: None,
    };
    let asks = put == AccessPut { person: put.person.clone(), ..AccessPut::default() };
    if asks { RulesCommand::GetAccess(put.person) } else { RulesCommand::PutAccess(put) }
}

fn pin(person: String) -> Result<RulesCommand, AppError> {
    let mut lines = io::stdin().lines();
    let mut next = || lines.next().transpose().map(|line| line.map(|l| l.trim().to_owned()));
    let pin = next()?.unwrap_or_default();
    let duress_pin = next()?.filter(|line| !line.is_empty());
    Ok(RulesCommand::PutAccess(AccessPut { person, pin: Some(pin), duress_pin, ..AccessPut::default() }))
}

fn attendance(command: AttendanceCommand) -> (Vec<RulesCommand>, Show) {
    let sheet = |from, until, person| {
        let query = SheetQuery { from, until, person, form: "sheet".to_owned() };
        (vec![RulesCommand::Attendance(query)], Show::Sheet)
    };
    match command {
        AttendanceCommand::Today { person } => sheet(None, None, person),
        AttendanceCommand::Month { month, until, person } => sheet(Some(month), until, person),
        AttendanceCommand::Correct { person, at, kind, job, take_back, why } => {
            let put = CorrectionPut { person, at, kind, job, takes_back: take_back, why };
            (vec![RulesCommand::Correct(put)], Show::Plain(None))
        }
        AttendanceCommand::Export { from, until, person, form, output } => {
            let form = match form {
                BookForm::Csv => "csv",
                BookForm::Json => "json",
                BookForm::Erpnext => "erpnext",
            };
            let query = SheetQuery { from, until, person, form: form.to_owned() };
            (vec![RulesCommand::Attendance(query)], Show::Plain(output))
        }
    }
}

/// Asks one after the other and prints the last answer.
pub(super) fn run(
    common: &Common,
    requests: Vec<RulesCommand>,
    show: &Show,
    out: &mut Out,
) -> Result<Answer, AppError> {
    let mut last = Reply::Done;
    for request in requests {
        let request = Wire::Rules(request);
        let answer = ask::answer(common, &request)?;
        last = answer.map_err(ask::taught)?;
    }
    let Reply::Document(Document(text)) = last else {
        out.line("done")?;
        if out.json() {
            out.document(&serde_json::json!({ "done": true }))?;
        }
        return Ok(Answer::Yes);
    };
    let mut answer = Answer::Yes;
    match show {
        Show::Plain(to) => write(&text, to.as_deref(), out)?,
        Show::Rules(to) if out.json() => write(&text, to.as_deref(), out)?,
        Show::Rules(to) => {
            let toml = toml::to_string(&read::<RulesFile>(&text)?).map_err(io::Error::other)?;
            write(&toml, to.as_deref(), out)?;
        }
        Show::Explanation => {
            let explanation: Explanation = read(&text)?;
            if !explanation.admitted {
                answer = Answer::No;
            }
            out.result(&explanation)?;
        }
        Show::Sheet => out.result(&read::<Sheet>(&text)?)?,
    }
    Ok(answer)
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, AppError> {
    serde_json::from_str(text).map_err(|e| AppError::Output(io::Error::other(e)))
}

fn write(text: &str, to: Option<&Path>, out: &mut Out) -> Result<(), AppError> {
    let Some(path) = to else {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        return Ok(out.raw(format!("{text}{end}").as_bytes())?);
    };
    let failed = |e| AppError::File(path.display().to_string(), e);
    wiring::write_private(path, text.as_bytes()).map_err(failed)
}

/// The text of a file, or of standard input.
fn text(path: &Path) -> Result<String, AppError> {
    let failed = |e| AppError::File(path.display().to_string(), e);
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().take(MAX_FILE).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|f| f.take(MAX_FILE + 1).read_to_string(&mut text))
    };
    read.map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        let large = Refusal::invalid("file", "a rules file has at most 1 MiB");
        return Err(large.into());
    }
    Ok(text)
}
