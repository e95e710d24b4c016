//! The house put together: command line, configuration, wiring, the walk-up's threads.
//!
//! Owns: everything that knows more than one station. Does not own: what any station does.
//! Invariants: only `wiring` builds adapters; every way to end has a documented exit code; the final error is
//! one line that says what to do.

pub mod accounts;
pub mod attendance;
pub mod audit;
pub mod booth;
pub mod cli;
pub mod commands;
pub mod config;
pub mod control;
pub mod epochs;
pub mod evaluate;
pub mod fleet;
pub mod identity;
pub mod latest;
pub mod models;
pub mod out;
pub mod pipeline;
pub mod recognition;
pub mod retention;
pub mod rules;
pub mod standings;
pub mod supervisor;
pub mod tokens;
pub mod uplink;
pub mod window;
pub mod wiring;

mod ask;
mod ask_rules;
mod bench;
mod demo;
mod doctor;
mod quantize;
mod run;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::device::camera_v4l::Controls;
use crate::domain::Millis;
use crate::link::wire::{Code, Refusal};

use cli::{CameraChildArgs, Cli, Command, ConfigCommand, DoorCommand};
use config::{Board, Config, ConfigError};
use out::Out;
use wiring::WiringError;

/// How a command ended when nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, or yes.
    Yes,
    /// The answer is no: exit code 1.
    No,
}

/// Why a command failed; each kind has an exit code.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A handler said no.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// Configuration or board file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The house could not be built.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// The walk-up ended.
    #[error(transparent)]
    Pipeline(#[from] pipeline::PipelineError),
    /// The gallery in memory.
    #[error(transparent)]
    Recognition(#[from] recognition::RecognitionError),
    /// The running door did not answer.
    #[error(transparent)]
    Control(#[from] control::ControlError),
    /// The measurement.
    #[error(transparent)]
    Evaluate(#[from] evaluate::EvaluateError),
    /// A file that is no model of the catalogue.
    #[error(transparent)]
    Add(#[from] models::AddError),
    /// A network that cannot be quantised.
    #[error(transparent)]
    Quantize(#[from] crate::engine::quantize::QuantizeError),
    /// A file that a command was given or should write.
    #[error("{0}: {1}")]
    File(String, #[source] io::Error),
    /// Standard output.
    #[error("the result cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl AppError {
    const fn code(&self) -> u8 {
        match self {
            Self::Refusal(refusal) => match refusal.code {
                Code::Unauthenticated
                | Code::Forbidden
                | Code::TooLarge
                | Code::UnsupportedMedia
                | Code::Malformed
                | Code::MissingParameter
                | Code::InvalidParameter
                | Code::NotFound
                | Code::Duplicate
                | Code::Conflict
                | Code::FaceQuality
                | Code::LivenessFailed => 4,
                Code::Storage => 5,
                Code::Models => 6,
                Code::Limited | Code::Busy | Code::Unavailable => 7,
                Code::Internal => 70,
            },
            Self::Config(_) => 3,
            Self::File(..) | Self::Evaluate(_) => 4,
            Self::Recognition(_) => 5,
            Self::Quantize(_) => 6,
            Self::Add(error) => error.code(),
            Self::Wiring(w) => match w {
                WiringError::Data(..) | WiringError::Key(_) | WiringError::Store(_) => 5,
                WiringError::NoManifest(_)
                | WiringError::NoModel(_)
                | WiringError::Manifest(_)
                | WiringError::Model(_)
                | WiringError::Vision(_)
                | WiringError::OpenSet(_) => 6,
                WiringError::Device(_) => 7,
                WiringError::Link(_) => 3,
            },
            Self::Control(_) => 7,
            Self::Pipeline(_) | Self::Output(_) => 70,
        }
    }
}

/// The program: parses the arguments, does what is asked, gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log(&cli);
    let mut out = Out::stdout(cli.common.json);
    match dispatch(cli, &mut out) {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(error) => {
            // The one line that stays when all else is silent; a closed standard error is no reason to fail anew.
            let _ = writeln!(io::stderr(), "ostiary: {error}");
            ExitCode::from(error.code())
        }
    }
}

fn dispatch(cli: Cli, out: &mut Out) -> Result<Answer, AppError> {
    let common = &cli.common;
    match cli.command {
        Command::Run(args) => run::run(common, &args, out),
        Command::Demo(args) => demo::run(common, &args, out),
        Command::CameraChild(args) => {
            let CameraChildArgs { device, width, height, fps, exposure_us, gain, power_line_hz } = args;
            let wish = Controls { exposure_us, gain, power_line_hz };
            let code = crate::device::camera_v4l::child::run(&device, width, height, fps, &wish);
            std::process::exit(i32::from(code));
        }
        Command::Evaluate(args) => {
            let config = Config::read_over(common.config.as_deref(), &common.data)?;
            let models = wiring::Models::find(&config)?.beside(&common.data);
            if args.compare.is_empty() {
                evaluate::run(&args, &models, &config, out)?;
            } else {
                evaluate::run_comparison(&args, &models, &config, out)?;
            }
            Ok(Answer::Yes)
        }
        Command::Models(command) => models::run(common, &command, out),
        Command::Doctor(args) => doctor::run(common, &args, out),
        Command::Config(ConfigCommand::Check { board, here }) => {
            Config::read_over(common.config.as_deref(), &common.data)?;
            let board = board.as_deref().map(Board::read).transpose()?;
            let wrong = board.filter(|_| here).map(|board| wiring::here(&board)).unwrap_or_default();
            if !wrong.is_empty() {
                for line in &wrong {
                    out.line(line)?;
                }
                if out.json() {
                    out.document(&serde_json::json!({ "sound": false, "here": wrong }))?;
                }
                return Ok(Answer::No);
            }
            out.line("the configuration is sound")?;
            if out.json() {
                out.document(&serde_json::json!({ "sound": true }))?;
            }
            Ok(Answer::Yes)
        }
        Command::Config(ConfigCommand::Show) => {
            let raw = Config::show(common.config.as_deref(), &common.data)?;
            if out.json() {
                out.document(&raw)?;
            } else {
                let text = toml::to_string(&raw).map_err(io::Error::other)?;
                out.raw(text.as_bytes())?;
            }
            Ok(Answer::Yes)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ostiary", &mut script);
            out.raw(&script)?;
            Ok(Answer::Yes)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            out.raw(&page)?;
            Ok(Answer::Yes)
        }
        Command::Version => {
            out.line(format_args!("ostiary {}", env!("CARGO_PKG_VERSION")))?;
            if out.json() {
                out.document(&serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }))?;
            }
            Ok(Answer::Yes)
        }
        Command::Door(DoorCommand::Safe { board, wait_s }) => {
            let board = Board::read(&board)?;
            let driven = wiring::release_relay(&board, Millis::secs(wait_s))?;
            out.line(if driven { "the relay is released" } else { "this board has no relay" })?;
            if out.json() {
                out.document(&serde_json::json!({ "released": driven }))?;
            }
            Ok(Answer::Yes)
        }
        Command::Enroll(_)
        | Command::Identify { .. }
        | Command::Verify { .. }
        | Command::Persons(_)
        | Command::Events(_)
        | Command::Access(_)
        | Command::Attendance(_)
        | Command::Door(_)
        | Command::Accounts(_)
        | Command::Audit { .. }
        | Command::Expire
        | Command::Tokens(_)
        | Command::Status => ask::run(common, cli.command, out),
    }
}

/// Log lines on standard error: warnings, with `-v` what happens, with `-vv` everything.
fn log(cli: &Cli) {
    let level = match cli.common.verbose {
        0 if matches!(cli.command, Command::Run(_)) => "info",
        0 => "warn",
        1 => "ostiary=debug,info",
        _ => "trace",
    };
    // tract tells its whole optimisation at info.
    let quiet = ",tract_core=warn,tract_onnx=warn,tract_hir=warn,tract_linalg=warn,tract_data=warn";
    let filter = std::env::var("OSTIARY_LOG").unwrap_or_else(|_| format!("{level}{quiet}"));
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
}
