//! `ostiary models use`: asks the running door to change its models, or does it here where none runs.
//!
//! Owns: the way to the door, waiting with a progress bar. Does not own: the change itself (`commands/models`).
//! Invariant: whoever waits and is interrupted has changed nothing: the door goes on, and so does the next `use`.

use indicatif::{ProgressBar, ProgressStyle};

use crate::app::cli::Common;
use crate::app::commands::Pace;
use crate::app::out::Out;
use crate::app::{Answer, AppError, ask, control};
use crate::device::clock_os::pause;
use crate::domain::Millis;
use crate::link::wire::{Caller, Code, Command, ModelChange, Operations as _, Refusal, Reply, Status};

/// How often the door is asked how far it is.
const ASK: Millis = Millis(500);

/// Lets `set` serve.
pub(super) fn run(common: &Common, set: &str, no_wait: bool, out: &mut Out) -> Result<Answer, AppError> {
    let request = Command::UseModels(set.to_owned());
    let status = match control::ask(&common.data, &request) {
        Some(answer) => follow(common, status(answer?)?, no_wait)?,
        None => alone(common, request)?,
    };
    out.result(&*status)?;
    Ok(Answer::Yes)
}

fn alone(common: &Common, request: Command) -> Result<Box<Status>, AppError> {
    let desk = ask::desk(common)?;
    let board = Caller::board();
    let begun = status(desk.handle(&board, request))?;
    let bar = bar();
    if let Some(change) = &begun.change {
        bar.set_length(change.total);
    }
    desk.remake(Pace::Foreground, &|made| bar.set_position(made))?;
    bar.finish_and_clear();
    status(desk.handle(&board, Command::Status))
}

/// Waits until the door's change has ended.
fn follow(common: &Common, begun: Box<Status>, no_wait: bool) -> Result<Box<Status>, AppError> {
    let (mut now, bar) = (begun, bar());
    while let Some(ModelChange { done, total, fault, .. }) = now.change.as_ref().filter(|_| !no_wait) {
        if let Some(fault) = fault {
            return Err(Refusal::new(Code::Models, format!("the old models serve: {fault}")).into());
        }
        bar.set_length(*total);
        bar.set_position(*done);
        pause(ASK);
        let answer = control::ask(&common.data, &Command::Status).ok_or_else(|| {
            let text = "the door has stopped; the change goes on when it starts again";
            Refusal::new(Code::Unavailable, text)
        })?;
        now = status(answer?)?;
    }
    bar.finish_and_clear();
    Ok(now)
}

fn status(answer: Result<Reply, Refusal>) -> Result<Box<Status>, AppError> {
    match answer.map_err(ask::taught)? {
        Reply::Status(status) => Ok(status),
        other => Err(Refusal::new(Code::Internal, format!("the door answered {other:?}")).into()),
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("making templates {bar:32} {pos}/{len}  {elapsed}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
