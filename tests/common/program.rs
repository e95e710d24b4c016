//! The real binary, run as a person at the board would run it.
//!
//! Owns: a data folder of its own for each test, the environment, the answer. Does not own: what is asked.
//! Invariants: nothing of the machine's own configuration or gallery is touched; a run that hangs ends after ten
//! minutes as a failure.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// Checks the exit code; what was said is in the message when it is another.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Checks that the last line on standard error is one line for people, with these words in it.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in:\n{}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// Standard output as JSON documents, one a line.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line:?}")))
            .collect()
    }
}

/// The program with a data folder.
pub(crate) struct Ostiary {
    folder: tempfile::TempDir,
    models: Option<PathBuf>,
    /// Instead of one in the scratch folder.
    data: Option<PathBuf>,
}

impl Ostiary {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a scratch folder"), models: None, data: None }
    }

    /// With networks.
    pub(crate) fn with_models(models: PathBuf) -> Self {
        Self { models: Some(models), ..Self::new() }
    }

    /// A scratch folder that outlives the runs; the data folder is `data` below it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| self.folder.path().join("data"))
    }

    /// Keeps the data folder there, so that the next run finds it.
    pub(crate) fn keep_in(&mut self, folder: PathBuf) {
        self.data = Some(folder);
    }

    /// Writes a file into the scratch folder and gives its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("the scratch folder takes a file");
        path.to_str().expect("scratch paths are UTF-8").to_owned()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        // Another build of it, such as the one of a package, or one that stays while this is built again.
        let program = std::env::var_os("OSTIARY_PROGRAM").unwrap_or(env!("CARGO_BIN_EXE_ostiary").into());
        let mut command = Command::new(program);
        command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OSTIARY_") {
                command.env_remove(name);
            }
        }
        command.env_remove("CREDENTIALS_DIRECTORY").env("OSTIARY_DATA", self.data());
        // A folder that is there and empty: the one beside the checkout must not decide what a test sees.
        command.env("OSTIARY_MODELS", self.models.as_deref().unwrap_or(self.folder.path()));
        // What tests promise of real faces is promised of the third-party networks.
        command.env("OSTIARY_SET", "strong");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        let mut child = self
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (mut out, mut err) =
            (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
        let read_err = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = err.read_to_end(&mut bytes);
            bytes
        });
        let id = child.id();
        let (finished, watched) = std::sync::mpsc::channel::<()>();
        let guard = thread::spawn(move || {
            if watched.recv_timeout(Duration::from_mins(10))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
            }
        });
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).expect("its output is readable");
        let status = child.wait().expect("it ends");
        drop(finished);
        guard.join().expect("the guard ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Done {
            code: status.code().unwrap_or(-1),
            out: text(bytes),
            err: text(read_err.join().expect("the reader ends")),
        }
    }
}
