//! A disk in memory that loses, reorders and tears what was not synced, fills up, and loses power at any step.
//!
//! The model: a write goes to the live bytes at once and to a list of what is pending. A sync makes the pending
//! ones of that file durable, in full. When the power goes, every pending write is kept, lost or torn at the border
//! of a sector of 512 bytes, each for itself and in any order; a pending length is kept or lost. A change of names
//! is kept or lost as a whole (what a journalling file system gives), in order, until a sync of the directory.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostiary::store::{Medium, Part};
use redb::StorageBackend;

const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Op {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone, Debug, Default)]
struct File {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Op>,
}

impl File {
    fn apply(bytes: &mut Vec<u8>, op: &Op) {
        match op {
            Op::Write(at, data) => {
                bytes.resize(bytes.len().max(at + data.len()), 0);
                bytes[*at..at + data.len()].copy_from_slice(data);
            }
            Op::Length(n) => bytes.resize(*n, 0),
        }
    }

    fn push(&mut self, op: Op) {
        Self::apply(&mut self.live, &op);
        self.pending.push(op);
    }

    fn sync(&mut self) {
        for op in self.pending.drain(..) {
            Self::apply(&mut self.durable, &op);
        }
    }
}

type Names = BTreeMap<&'static str, usize>;

#[derive(Debug, Default)]
struct State {
    files: Vec<File>,
    names: Names,
    durable_names: Names,
    /// Names after each change since the last sync of the directory.
    pending_names: Vec<Names>,
    /// Operations until the power goes.
    fuse: Option<u64>,
    /// Bytes that all files may have together.
    room: Option<usize>,
    /// Raised by every power cut: handles from before it are dead.
    life: u64,
}

impl State {
    /// One operation that changes something; fails for ever once the fuse has burnt.
    fn step(&mut self) -> io::Result<()> {
        match &mut self.fuse {
            Some(0) => Err(io::Error::other("no power")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.fuse == Some(0) { Err(io::Error::other("no power")) } else { Ok(()) }
    }

    fn set_names(&mut self, names: Names) {
        self.pending_names.push(names.clone());
        self.names = names;
    }

    fn sync_names(&mut self) {
        self.pending_names.clear();
        self.durable_names = self.names.clone();
    }

    fn used(&self) -> usize {
        let mut files: Vec<usize> = self.names.values().copied().collect();
        files.sort_unstable();
        files.dedup();
        files.iter().map(|f| self.files[*f].live.len()).sum()
    }
}

/// The disk; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

/// A small generator for what a power cut does.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n.max(1)
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A disk that holds a gallery of those bytes.
    pub(crate) fn holding(bytes: &[u8]) -> Self {
        let file = File { live: bytes.to_vec(), durable: bytes.to_vec(), pending: Vec::new() };
        let names = Names::from([("main", 0), ("made", 1)]);
        Self(Arc::new(Mutex::new(State {
            files: vec![file, File::default()],
            names: names.clone(),
            durable_names: names,
            ..State::default()
        })))
    }

    /// The power goes after that many further operations.
    pub(crate) fn cut_after(&self, operations: u64) {
        self.state().fuse = Some(operations);
    }

    pub(crate) fn powered(&self) -> bool {
        self.state().fuse != Some(0)
    }

    /// Leaves that many bytes free; `None` for no limit.
    pub(crate) fn limit(&self, free: Option<usize>) {
        let mut state = self.state();
        state.room = free.map(|free| state.used() + free);
    }

    /// The bytes of a part as they are read now.
    pub(crate) fn bytes(&self, part: Part) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name(part)).map(|f| state.files[*f].live.clone())
    }

    /// Power is lost and comes back: what the disk holds then.
    pub(crate) fn power_cycle(&self, dice: &mut Dice) {
        let mut state = self.state();
        let kept = dice.below(state.pending_names.len() as u64 + 1) as usize;
        let names =
            if kept == 0 { state.durable_names.clone() } else { state.pending_names[kept - 1].clone() };
        for file in &mut state.files {
            let mut pending = std::mem::take(&mut file.pending);
            // Writes reach the medium in any order; of two on the same place the later may be overtaken.
            for i in (1..pending.len()).rev() {
                if dice.below(4) == 0 {
                    pending.swap(i, dice.below(i as u64 + 1) as usize);
                }
            }
            let mood = dice.below(4);
            for op in &pending {
                let fate = match mood {
                    0 => 0,
                    1 => 1,
                    _ => dice.below(3),
                };
                match (fate, op) {
                    (0, _) | (2, Op::Length(_)) => {}
                    (1, op) => File::apply(&mut file.durable, op),
                    (_, Op::Length(n)) => unreachable!("a fate of a length {n}"),
                    (_, Op::Write(at, data)) => {
                        for (i, sector) in data.chunks(SECTOR).enumerate() {
                            if dice.below(2) == 0 {
                                let op = Op::Write(at + i * SECTOR, sector.to_vec());
                                File::apply(&mut file.durable, &op);
                            }
                        }
                    }
                }
            }
            file.live = file.durable.clone();
        }
        state.names = names.clone();
        state.durable_names = names;
        state.pending_names.clear();
        state.fuse = None;
        state.life += 1;
    }
}

const fn name(part: Part) -> &'static str {
    match part {
        Part::Main => "main",
        Part::Fresh => "fresh",
        Part::Old => "old",
        Part::Made => "made",
    }
}

impl Medium for Disk {
    fn name(&self) -> String {
        "the simulated disk".to_owned()
    }

    fn claim(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn len(&self, part: Part) -> io::Result<Option<u64>> {
        let state = self.state();
        state.alive()?;
        Ok(state.names.get(name(part)).map(|f| state.files[*f].live.len() as u64))
    }

    fn open(&self, part: Part) -> io::Result<Box<dyn StorageBackend>> {
        let mut state = self.state();
        state.alive()?;
        let file = if let Some(file) = state.names.get(name(part)) {
            *file
        } else {
            state.step()?;
            state.files.push(File::default());
            let (file, mut names) = (state.files.len() - 1, state.names.clone());
            names.insert(name(part), file);
            state.set_names(names);
            file
        };
        let life = state.life;
        drop(state);
        Ok(Box::new(Handle { disk: self.clone(), file, life }))
    }

    fn read(&self, part: Part, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        state.alive()?;
        let file = state.names.get(name(part)).ok_or(io::ErrorKind::NotFound)?;
        let from = &state.files[*file].live[offset as usize..];
        out.copy_from_slice(&from[..out.len()]);
        Ok(())
    }

    fn promote(&self) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let mut names = state.names.clone();
        if let Some(main) = names.get("main").copied() {
            names.insert("old", main);
            state.set_names(names.clone());
        }
        state.step()?;
        let fresh = names.remove("fresh").ok_or(io::ErrorKind::NotFound)?;
        names.insert("main", fresh);
        state.set_names(names.clone());
        state.step()?;
        state.files.push(File::default());
        names.insert("made", state.files.len() - 1);
        state.set_names(names);
        state.step()?;
        state.sync_names();
        Ok(())
    }

    fn wipe(&self, part: Part) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        let Some(file) = state.names.get(name(part)).copied() else { return Ok(()) };
        if state.names.values().filter(|f| **f == file).count() == 1 {
            state.step()?;
            let n = state.files[file].live.len();
            state.files[file].push(Op::Write(0, vec![0; n]));
            state.step()?;
            state.files[file].sync();
        }
        state.step()?;
        let mut names = state.names.clone();
        names.remove(name(part));
        state.set_names(names);
        state.step()?;
        state.sync_names();
        Ok(())
    }
}

#[derive(Debug)]
struct Handle {
    disk: Disk,
    file: usize,
    life: u64,
}

impl Handle {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.life != self.life {
            return Err(io::Error::other("opened before the power cut"));
        }
        work(&mut state)
    }

    fn room(&self, state: &State, end: usize) -> io::Result<()> {
        let more = end.saturating_sub(state.files[self.file].live.len());
        match state.room {
            Some(room) if more > 0 && state.used() + more > room => {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            _ => Ok(()),
        }
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        self.with(|state| {
            state.alive()?;
            Ok(state.files[self.file].live.len() as u64)
        })
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|state| {
            state.alive()?;
            let live = &state.files[self.file].live;
            let (from, to) = (offset as usize, offset as usize + out.len());
            out.copy_from_slice(live.get(from..to).ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|state| {
            state.step()?;
            self.room(state, len as usize)?;
            state.files[self.file].push(Op::Length(len as usize));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|state| {
            state.step()?;
            state.files[self.file].sync();
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|state| {
            state.step()?;
            self.room(state, offset as usize + data.len())?;
            state.files[self.file].push(Op::Write(offset as usize, data.to_vec()));
            Ok(())
        })
    }
}
