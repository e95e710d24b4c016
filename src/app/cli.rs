//! The command line: what can be asked, and the text that teaches it.
//!
//! Owns: arguments, help, shell completions and man page, all from one definition. Does not own: what the
//! commands do (`commands`, `pipeline`, `evaluate`, `demo`).

mod accounts;
mod rules;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use accounts::{AccountsCommand, RoleName};
pub use rules::{AccessCommand, AccessPersonArgs, AttendanceCommand, BookForm};

/// Open firmware for a face-recognition door.
#[derive(Debug, Parser)]
#[command(
    name = "ostiary",
    version,
    max_term_width = 100,
    after_help = "First steps:\n  \
        ostiary enroll --person anna --name 'Anna K.' anna1.jpg anna2.jpg\n  \
        ostiary identify somebody.jpg\n  \
        ostiary run --board board/pc-usb-camera.toml\n\n\
        Exit codes: 0 done; 1 the answer is no (nobody identified, not the same person, something found \
        wrong); 2 wrong usage; 3 configuration; 4 unusable input; 5 gallery or journal; 6 models; 7 camera, \
        door or display; 70 a fault of the program."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options that every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Folder of the gallery, the journal and the key.
    #[arg(long, global = true, value_name = "DIR", env = "OSTIARY_DATA", default_value = "/var/lib/ostiary")]
    pub data: PathBuf,
    /// Configuration file; without it every setting has its documented default.
    #[arg(long, global = true, value_name = "FILE", env = "OSTIARY_CONFIG")]
    pub config: Option<PathBuf>,
    /// Answer with one JSON document a line instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on standard error; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch the camera and drive the door.
    Run(RunArgs),
    /// Show the whole door at work on recorded people, against a simulated board.
    Demo(DemoArgs),
    /// Enrol a person from pictures.
    ///
    /// Each picture must show one face, large, sharp and from the front; those that do not are refused with the
    /// reason. Enrolling an existing person adds looks, up to 10. While the door runs, the command is handed to it.
    Enroll(EnrollArgs),
    /// Say who is in a picture (1:N).
    Identify {
        /// JPEG or PNG.
        file: PathBuf,
    },
    /// Say whether two pictures show the same person (1:1).
    Verify {
        /// JPEG or PNG.
        a: PathBuf,
        /// JPEG or PNG.
        b: PathBuf,
    },
    /// List, show, delete or export people.
    #[command(subcommand)]
    Persons(PersonsCommand),
    /// Read the journal of events.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Ask the running door for its state, or open it.
    #[command(subcommand)]
    Door(DoorCommand),
    /// Make, list and revoke the keys with which programs use this door over the network.
    #[command(subcommand)]
    Tokens(TokensCommand),
    /// Make, list, reset and remove the accounts with which people sign in at the console.
    #[command(subcommand)]
    Accounts(AccountsCommand),
    /// Show who looked at what of the people kept here, newest first.
    Audit {
        /// Only looks that may have shown that person.
        #[arg(long, value_name = "ID")]
        person: Option<String>,
        /// Only looks of that caller, as the log names them: board, account marta, key 0123456789ab.
        #[arg(long, value_name = "CALLER")]
        who: Option<String>,
        /// Only lines with lower numbers.
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
        /// At most so many (1 to 1000).
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Remove now what has grown too old by the configuration, [retention], and prove it.
    Expire,
    /// Say who may pass which door when, and why.
    #[command(subcommand)]
    Access(AccessCommand),
    /// Punches of the kiosk: today, a month, corrections, exports.
    #[command(subcommand)]
    Attendance(AttendanceCommand),
    /// Show what this door is made of: gallery, expected false identifications, models, queue, key, disk.
    Status,
    /// Measure recognition, detection and liveness on folders of pictures.
    Evaluate(super::evaluate::EvaluateArgs),
    /// List, add, verify, choose and measure the models of the manifest.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Check camera, wires, display, clock, models, key and disk, one line each.
    Doctor(super::doctor::DoctorArgs),
    /// Check or show configuration and board files.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
    /// Print version and build.
    Version,
    /// The process that talks to the camera. Started by `run`; not for people.
    #[command(hide = true)]
    CameraChild(CameraChildArgs),
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The board file: camera, wires and display.
    #[arg(long, value_name = "FILE")]
    pub board: PathBuf,
    /// End after that many seconds (for tests and trials).
    #[arg(long, value_name = "SECONDS")]
    pub for_s: Option<u64>,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Photographs instead of rendered people: a folder with one sub-folder a person, as in Labeled Faces in the Wild.
    #[arg(long, value_name = "DIR", env = "OSTIARY_DEMO_FACES")]
    pub faces: Option<PathBuf>,
    /// With --faces: a folder of pictures of printed or displayed faces.
    #[arg(long, value_name = "DIR", requires = "faces")]
    pub attacks: Option<PathBuf>,
    /// The set of models, instead of the configuration's.
    #[arg(long, value_name = "NAME")]
    pub set: Option<String>,
    /// Where the display's pictures and the journal go.
    #[arg(long, value_name = "DIR", default_value = "out/demo")]
    pub out: PathBuf,
    /// Enrolled people who walk up.
    #[arg(long, default_value_t = 5)]
    pub enrolled: usize,
    /// Strangers who walk up.
    #[arg(long, default_value_t = 3)]
    pub strangers: usize,
    /// A morning at an attendance kiosk instead, on a fast clock; needs neither faces nor models.
    #[arg(long)]
    pub kiosk: bool,
    /// That many frames of rendered visitors as JPEG files instead, with where each face is, in OUT/frames.
    #[arg(long, value_name = "N", conflicts_with = "kiosk")]
    pub frames: Option<usize>,
    /// With --frames: whole visits, 30 frames a second, each after a second of the empty hall.
    #[arg(long, requires = "frames")]
    pub film: bool,
    /// Decides who the people are: which are drawn, or which are taken from the folder.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Options of `enroll`.
#[derive(Args)]
pub struct EnrollArgs {
    /// The person's id: letters, digits and . _ @ -, up to 64.
    #[arg(long, value_name = "ID")]
    pub person: String,
    /// The name shown on the display; needed for a new person.
    #[arg(long)]
    pub name: Option<String>,
    /// On what ground the face is kept (a form, a contract); recorded with the time.
    #[arg(long, value_name = "BASIS")]
    pub consent: Option<String>,
    /// First day of access, as in 2026-11-21 or 2026-11-21T08:00:00Z.
    #[arg(long, value_name = "WHEN")]
    pub valid_from: Option<String>,
    /// Last moment of access, as in 2027-11-21 (end of that day, UTC) or 2027-11-21T18:00:00Z.
    #[arg(long, value_name = "WHEN")]
    pub valid_until: Option<String>,
    /// Enrol although the same face is known under another id (twins, test galleries).
    #[arg(long)]
    pub allow_duplicate: bool,
    /// JPEG or PNG, one face each.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

impl std::fmt::Debug for EnrollArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EnrollArgs({}, {} files, <redacted>)", self.person, self.files.len())
    }
}

/// What to do with people.
#[derive(Debug, Subcommand)]
pub enum PersonsCommand {
    /// List people, in the order of their ids.
    List {
        /// Which page, from 0.
        #[arg(long, default_value_t = 0)]
        page: u32,
        /// People on a page (1 to 1000).
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Show one person.
    Show {
        /// The person.
        id: String,
    },
    /// Erase a person with templates, crops and images from the disk, and prove it.
    Delete {
        /// The person.
        id: String,
        /// Because the person withdrew consent: the journal says so.
        #[arg(long)]
        consent_withdrawn: bool,
    },
    /// Write all that is held on one person as JSON.
    Export {
        /// The person.
        id: String,
        /// The file, readable by its owner alone; standard output without it.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// What to do with events.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// List events, oldest first.
    List {
        /// From this number on.
        #[arg(long, default_value_t = 1, value_name = "SEQ")]
        from: u64,
        /// At most so many (1 to 10000).
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
    },
    /// Check the chain and the signatures of the whole journal, or of a copied log.
    Verify {
        /// A log as `events list` prints it, one event a line, instead of this door's journal.
        #[arg(long, value_name = "LOG", requires = "key")]
        file: Option<PathBuf>,
        /// The device's public key, 64 hex digits, as `events verify` prints it at the door.
        #[arg(long, value_name = "HEX", requires = "file")]
        key: Option<String>,
    },
}

/// What to do with the door.
#[derive(Debug, Subcommand)]
pub enum DoorCommand {
    /// Show the door's state.
    State,
    /// Let somebody in.
    Open,
    /// End every hold and lock.
    Lock,
    /// Lock against everyone until released.
    Lockdown,
    /// End a lockdown or a hold.
    Release,
    /// Drive the relay to its released level and end. For boot and for after the door's program; the running door
    /// is not asked.
    Safe {
        /// The board file.
        #[arg(long, value_name = "FILE")]
        board: PathBuf,
        /// How long to wait for a GPIO chip that is not there yet.
        #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=60))]
        wait_s: u64,
    },
    /// Press a key of the reader: 0 to 9, enter, clear, f1 to f16.
    Key {
        /// The keys, in their order.
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Say whether another door of the interlock stands open.
    Others {
        /// open, shut or unknown.
        state: OthersState,
    },
    /// Believe the clock as it stands now, although it showed a later time before.
    TrustClock,
}

/// How the other doors of an interlock stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OthersState {
    /// One is open.
    Open,
    /// All are shut.
    Shut,
    /// Nobody knows.
    Unknown,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum TokensCommand {
    /// Make a key and print its secret, once.
    Create {
        /// What it is for, as in "time clock at the back door".
        #[arg(long)]
        name: String,
        /// What it allows: search, enroll, onetoN, persons, admin, door, events, scores, attendance, audit; separated by commas.
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<String>,
        /// The last moment it is good, as in 2027-11-21 (end of that day, UTC) or 2027-11-21T18:00:00Z.
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
    },
    /// List the keys, without their secrets.
    List,
    /// End a key at once.
    Revoke {
        /// As in the list.
        id: String,
    },
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the manifest's models and sets, and which files are here.
    List,
    /// Put files of the catalogue into the board's models folder.
    ///
    /// Only files with a hash of the catalogue are taken; each is run here first. Of a folder every file of the
    /// catalogue is taken. A door fetches nothing by itself: `models list` shows addresses for curl.
    Add {
        /// A file, or a folder with files.
        #[arg(value_name = "FILE")]
        source: String,
        /// The models folder; without it `models` in the data folder.
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Make its form on bytes as well, calibrated on the pictures of this folder, and print the entry for a manifest.
        /// For one file; may be given several times.
        #[arg(long, value_name = "PICTURES")]
        quantize: Vec<PathBuf>,
    },
    /// Check hash and shape of every model of a set.
    Verify {
        /// The set; without it the configured one.
        set: Option<String>,
        /// Hash every file of the catalogue that is in any models folder instead.
        #[arg(long, conflicts_with = "set")]
        all: bool,
    },
    /// Let another set serve this gallery.
    ///
    /// Templates are made again from the aligned faces that are kept of enrolments, in the background where a door
    /// runs, which serves with the old models meanwhile; then all switch at once. Killed or switched off, it goes on at
    /// the next start, or when this is given again. Who has no kept face must be enrolled again: persons list says who.
    /// Naming the set that serves gives a change up.
    Use {
        /// A set of the manifest; see `models list`.
        set: String,
        /// Do not wait until the new set serves.
        #[arg(long)]
        no_wait: bool,
    },
    /// Time a network on this machine, step by step.
    Bench(BenchArgs),
    /// Turn a float network into one on bytes, calibrated on pictures.
    Quantize(super::quantize::QuantizeArgs),
}

/// Options of `models bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A model of the manifest, an ONNX file, or a set: then each of its networks in short.
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// List every step with its time, and what runs in floats and why.
    #[arg(long)]
    pub explain: bool,
    /// How often it is run.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub runs: u32,
    /// Instructions to use: scalar, avx2, avxvnni, avx512vnni, neon, dotprod, i8mm; without it the best of this machine.
    #[arg(long, value_name = "SET")]
    pub kernels: Option<String>,
    /// Width of the input of an ONNX file.
    #[arg(long, default_value_t = 112)]
    pub width: usize,
    /// Height of the input of an ONNX file.
    #[arg(long, default_value_t = 112)]
    pub height: usize,
}

/// What to do with configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration and a board file.
    Check {
        /// The board file.
        #[arg(long, value_name = "FILE")]
        board: Option<PathBuf>,
        /// Ask this machine too: are the board's chips, lines and buses there, free and allowed?
        #[arg(long, requires = "board")]
        here: bool,
    },
    /// Print every setting in force, in the form of the file.
    Show,
}

/// Options of the camera process.
#[derive(Clone, Debug, Args)]
pub struct CameraChildArgs {
    /// The device.
    #[arg(long)]
    pub device: PathBuf,
    /// Wanted width.
    #[arg(long)]
    pub width: u32,
    /// Wanted height.
    #[arg(long)]
    pub height: u32,
    /// Wanted rate.
    #[arg(long)]
    pub fps: u32,
    /// Exposure by hand.
    #[arg(long)]
    pub exposure_us: Option<u32>,
    /// Gain by hand.
    #[arg(long)]
    pub gain: Option<u32>,
    /// Frequency of the mains.
    #[arg(long)]
    pub power_line_hz: Option<u32>,
}
