//! Where the gallery's bytes lie.
//!
//! Owns: the files of one gallery, their names, and putting one in another's place so that a power cut leaves
//! the old or the new, never neither. Does not own: what is in them.
//! Invariants: the main file only ever appears complete; bytes are overwritten only in a file that has no other name.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use redb::{StorageBackend, backends::FileBackend};

/// The files of a gallery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The gallery.
    Main,
    /// A gallery being written that will take the place of `Main`.
    Fresh,
    /// What `Main` was before, to be overwritten.
    Old,
    /// An empty file that says that a gallery was made here: without it an absent gallery is a first start, with it
    /// a loss.
    Made,
}

/// What the store needs from a disk; tests put a failing one in its place.
pub trait Medium: fmt::Debug + Send + Sync {
    /// The gallery in the installer's words.
    fn name(&self) -> String;

    /// Takes the gallery for this process until the medium is dropped, making its directory where there is none;
    /// `false` when another process has it.
    ///
    /// # Errors
    /// When the disk refuses.
    fn claim(&self) -> io::Result<bool>;

    /// Bytes of a part, `None` when it is not there.
    ///
    /// # Errors
    /// When the disk cannot be asked.
    fn len(&self, part: Part) -> io::Result<Option<u64>>;

    /// Opens a part for redb, making it when it is not there.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(&self, part: Part) -> io::Result<Box<dyn StorageBackend>>;

    /// Reads raw bytes of a part, filling `out`.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&self, part: Part, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Puts `Fresh` in the place of `Main`, durably; what `Main` was becomes `Old`, and `Made` is there.
    ///
    /// # Errors
    /// When the disk refuses; then `Main` is still what it was, or already `Fresh`, whole in both cases.
    fn promote(&self) -> io::Result<()>;

    /// Overwrites a part and removes it; nothing happens when it is not there.
    ///
    /// # Errors
    /// When the disk refuses.
    fn wipe(&self, part: Part) -> io::Result<()>;
}

/// Files beside each other in one directory.
#[derive(Debug)]
pub struct FileMedium {
    main: PathBuf,
    /// Locked for as long as this lives. A file of its own, because the gallery's file is replaced.
    lock: OnceLock<File>,
}

impl FileMedium {
    /// The gallery at that path.
    #[must_use]
    pub fn new(main: &Path) -> Self {
        Self { main: main.to_path_buf(), lock: OnceLock::new() }
    }

    fn path(&self, part: Part) -> PathBuf {
        let suffix = match part {
            Part::Main => return self.main.clone(),
            Part::Fresh => ".new",
            Part::Old => ".old",
            Part::Made => ".made",
        };
        self.beside(suffix)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.main.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    }

    fn directory(&self) -> &Path {
        self.main.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(self.directory())?.sync_all()
    }
}

impl Medium for FileMedium {
    fn name(&self) -> String {
        self.main.display().to_string()
    }

    fn claim(&self) -> io::Result<bool> {
        if self.lock.get().is_some() {
            return Ok(true);
        }
        let dir = self.directory();
        if !dir.try_exists()? {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.beside(".lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(self.lock.set(file).is_ok()),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    fn len(&self, part: Part) -> io::Result<Option<u64>> {
        match fs::metadata(self.path(part)) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn open(&self, part: Part) -> io::Result<Box<dyn StorageBackend>> {
        let path = self.path(part);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let backend = FileBackend::new(file).map_err(|e| io::Error::other(e.to_string()))?;
        Ok(Box::new(backend))
    }

    fn read(&self, part: Part, offset: u64, out: &mut [u8]) -> io::Result<()> {
        File::open(self.path(part))?.read_exact_at(out, offset)
    }

    fn promote(&self) -> io::Result<()> {
        let (fresh, old) = (self.path(Part::Fresh), self.path(Part::Old));
        if self.main.try_exists()? {
            // The second name keeps the old bytes within reach, so that they can be overwritten.
            match fs::hard_link(&self.main, &old) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    self.wipe(Part::Old)?;
                    fs::hard_link(&self.main, &old)?;
                }
                Err(e) => return Err(e),
            }
        }
        File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, &self.main)?;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path(Part::Made))?;
        self.sync_directory()
    }

    fn wipe(&self, part: Part) -> io::Result<()> {
        let path = self.path(part);
        let mut file = match OpenOptions::new().write(true).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        let meta = file.metadata()?;
        // Another name means that these are the bytes of the gallery itself: killed between link and rename.
        if meta.nlink() == 1 {
            let zeros = vec![0_u8; 1 << 18];
            let mut left = meta.len();
            while left > 0 {
                let n = left.min(zeros.len() as u64);
                file.write_all(&zeros[..n as usize])?;
                left -= n;
            }
            file.sync_data()?;
        }
        drop(file);
        fs::remove_file(&path)?;
        self.sync_directory()
    }
}
