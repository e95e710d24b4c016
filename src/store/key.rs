//! The key that seals every record.
//!
//! Owns: reading, checking and making the key. Does not own: where it is kept (the caller passes paths), sealing.
//! Invariants: a key that exists is 32 bytes and not all zero, is wiped from memory when dropped, and never
//! prints; a new key is never made for a gallery that is already there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::KeyError;

/// Length of a key in bytes.
pub const KEY_BYTES: usize = 32;

/// 32 secret bytes.
pub struct SealKey(pub(super) Zeroizing<[u8; KEY_BYTES]>);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(<redacted>)")
    }
}

impl SealKey {
    /// Takes a key that the caller already has, as from a TPM.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads a systemd credential (`$CREDENTIALS_DIRECTORY/ostiary-key`): 32 raw bytes.
    ///
    /// The service manager guards that directory by ownership and access lists, so the mode alone says nothing
    /// there; only a credential that everybody may read is refused.
    ///
    /// # Errors
    /// When the file is absent, readable by everybody, or no key.
    pub fn from_credential(path: &Path) -> Result<Self, KeyError> {
        read(path, 0o007, 0o400)
    }

    /// Reads the key file, or makes one when neither the key nor the gallery is there yet.
    ///
    /// The file is 32 random bytes of mode 0600; a missing directory is made with mode 0700.
    ///
    /// # Errors
    /// When others may read the file or write its directory, the length is wrong, the file holds only zeros
    /// (what some file systems leave after a power cut), or the gallery is there but its key is not.
    pub fn load_or_create(path: &Path, database: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io { path: path.to_path_buf(), source };
        if !path.try_exists().map_err(io)? {
            if database.try_exists().map_err(io)? {
                return Err(KeyError::Missing { key: path.to_path_buf(), database: database.to_path_buf() });
            }
            create(path)?;
        }
        guarded_directory(path)?;
        read(path, 0o077, 0o600)
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Who may write the directory may put another key there.
fn guarded_directory(path: &Path) -> Result<(), KeyError> {
    let dir = directory(path);
    let mode = fs::metadata(dir)
        .map_err(|source| KeyError::Io { path: dir.to_path_buf(), source })?
        .permissions()
        .mode()
        & 0o7777;
    // A sticky directory (/tmp) keeps others from replacing the file.
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return Err(KeyError::Exposed { path: dir.to_path_buf(), mode: mode & 0o777, right: 0o700 });
    }
    Ok(())
}

fn read(path: &Path, forbidden: u32, right: u32) -> Result<SealKey, KeyError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyError::Absent(path.to_path_buf()),
        _ => KeyError::Io { path: path.to_path_buf(), source },
    };
    let mut file = File::open(path).map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    let no_key = |what| KeyError::NoKey { path: path.to_path_buf(), what };
    if !meta.is_file() {
        return Err(no_key("it is not a file"));
    }
    if meta.mode() & forbidden != 0 {
        return Err(KeyError::Exposed { path: path.to_path_buf(), mode: meta.mode() & 0o777, right });
    }
    if meta.len() != KEY_BYTES as u64 {
        return Err(no_key("a key has 32 bytes"));
    }
    let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
    file.read_exact(bytes.as_mut()).map_err(io)?;
    if bytes.iter().all(|b| *b == 0) {
        return Err(no_key("it holds only zeros"));
    }
    Ok(SealKey(bytes))
}

/// Written beside its place, synced, then linked to it: a key is there whole or not at all, and an existing one
/// is never replaced.
fn create(path: &Path) -> Result<(), KeyError> {
    let io = |source| KeyError::Io { path: path.to_path_buf(), source };
    let dir = directory(path);
    if !dir.try_exists().map_err(io)? {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    }
    guarded_directory(path)?;
    let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
    getrandom::fill(bytes.as_mut()).map_err(|e| io(io::Error::other(e.to_string())))?;

    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match fs::remove_file(&beside) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(io(e)),
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(io)?;
    file.write_all(bytes.as_ref()).and_then(|()| file.sync_all()).map_err(io)?;
    fs::hard_link(&beside, path).map_err(io)?;
    fs::remove_file(&beside).map_err(io)?;
    File::open(dir).and_then(|d| d.sync_all()).map_err(io)
}
