//! The running door's own socket: how the command line reaches a gallery that a running process holds open.
//!
//! Owns: the socket file (`control.sock` in the data folder, mode 0600) and the framing of requests and replies.
//! Does not own: what a request means (`commands`). Wire: length as u32 little-endian, then postcard.
//! Invariants: one client at a time; a request is at most 64 MiB; a silent client is dropped after 10 s; a
//! broken request costs the client its connection and the door nothing.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::link::wire::{Command, Refusal, Reply};

const MAX_MESSAGE: usize = 64 << 20;
const SILENCE: Duration = Duration::from_secs(10);
/// Erasing rewrites the gallery's file; on a slow card that takes a while.
const ANSWER: Duration = Duration::from_mins(10);

/// Why a message did not get through.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket itself.
    #[error("the running door's socket {0} cannot be used: {1}")]
    Socket(PathBuf, #[source] io::Error),
    /// The connection broke.
    #[error("the running door did not answer: {0}")]
    Broken(#[from] io::Error),
    /// Not a message of ours.
    #[error("the running door sent something that is no answer; is it of another version? ({0})")]
    Form(#[from] postcard::Error),
    /// Over 64 MiB.
    #[error("a request may hold at most 64 MiB; send fewer or smaller pictures at a time")]
    TooLarge,
}

/// The door's end.
pub struct Control {
    listener: UnixListener,
}

impl Control {
    /// Opens the socket. Call it only while holding the gallery open: a left-over file is then nobody's.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(data: &Path) -> Result<Self, ControlError> {
        let path = socket_path(data);
        let failed = |e| ControlError::Socket(path.clone(), e);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener })
    }

    /// Serves one client after the other, for as long as the process lives.
    pub fn serve(&self, mut handle: impl FnMut(Command) -> Result<Reply, Refusal>) {
        for stream in self.listener.incoming() {
            let outcome = stream.map_err(ControlError::from).and_then(|mut stream| {
                stream.set_read_timeout(Some(SILENCE))?;
                stream.set_write_timeout(Some(SILENCE))?;
                let request = receive(&mut stream)?;
                send(&mut stream, &handle(request))
            });
            if let Err(error) = outcome {
                tracing::warn!(%error, "a request to the running door failed");
            }
        }
    }
}

/// Removes the socket's file at the end of a run: the thread that serves it ends with the process.
pub fn close(data: &Path) {
    // Nothing is lost when the file stays: the next start removes it.
    let _ = fs::remove_file(socket_path(data));
}

/// Asks the door that runs on this data folder; `None` when none runs.
///
/// # Errors
/// When one runs and does not answer.
#[must_use]
pub fn ask(data: &Path, request: &Command) -> Option<Result<Result<Reply, Refusal>, ControlError>> {
    let mut stream = UnixStream::connect(socket_path(data)).ok()?;
    Some((|| {
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(SILENCE))?;
        send(&mut stream, request)?;
        receive(&mut stream)
    })())
}

fn socket_path(data: &Path) -> PathBuf {
    data.join("control.sock")
}

fn send(stream: &mut impl Write, message: &impl Serialize) -> Result<(), ControlError> {
    let bytes = postcard::to_allocvec(message)?;
    if bytes.len() > MAX_MESSAGE {
        return Err(ControlError::TooLarge);
    }
    stream.write_all(&(bytes.len() as u32).to_le_bytes())?;
    stream.write_all(&bytes)?;
    Ok(stream.flush()?)
}

fn receive<T: DeserializeOwned>(stream: &mut impl Read) -> Result<T, ControlError> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_MESSAGE {
        return Err(ControlError::TooLarge);
    }
    // Grows with what really arrives: a length alone takes no memory.
    let mut bytes = Vec::new();
    stream.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(postcard::from_bytes(&bytes)?)
}
