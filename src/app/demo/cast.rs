//! Who is enrolled and who walks up.
//!
//! Owns: the choice of people from a folder, by seed. Does not own: enrolment (`commands`).
//! Invariant: nobody walks up with a picture that was enrolled; a stranger has no template in the gallery.

use std::fs;
use std::path::{Path, PathBuf};

use crate::app::AppError;
use crate::app::cli::DemoArgs;
use crate::app::commands::Desk;
use crate::app::out::Out;
use crate::device::walkup::Visitor;
use crate::link::wire::{
    Caller, Code, Command, Moment, Operations as _, PersonPut, Photo, Profile, Refusal, Reply,
};
use crate::picture::{self, Limits, Picture};
use crate::vision::{LiveRule, Purpose};

/// What a visitor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Enrolled and allowed.
    Enrolled,
    /// Enrolled, but the validity has ended.
    Expired,
    /// Nobody knows them.
    Stranger,
    /// A printed or displayed picture.
    Attack,
}

impl Role {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Enrolled => "enrolled",
            Self::Expired => "expired",
            Self::Stranger => "stranger",
            Self::Attack => "photo attack",
        }
    }
}

/// One visitor to come.
pub(super) struct Player {
    pub(super) label: String,
    pub(super) role: Role,
    picture: Picture,
}

/// All of them, in the order of their coming.
pub(super) struct Cast {
    pub(super) players: Vec<Player>,
}

impl Cast {
    /// Enrols people with two of their pictures each and keeps a third for the walk-up.
    pub(super) fn gather(
        args: &DemoArgs,
        faces: &Path,
        attacks: &Path,
        desk: &Desk,
        out: &mut Out,
    ) -> Result<Self, AppError> {
        let mut people = subfolders(faces)?;
        shuffle(&mut people, args.seed);
        let mut players = Vec::new();
        // One more than asked for, whose validity has ended.
        let mut wanted = args.enrolled + 1;
        let mut strangers = args.strangers;
        for folder in &people {
            let pictures = pictures(folder)?;
            let label = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if wanted > 0 && pictures.len() >= 3 {
                let role = if wanted == 1 { Role::Expired } else { Role::Enrolled };
                let picture = read(&pictures[2])?;
                if presentable(desk, &label, &picture, out)?
                    && enrol(desk, &label, &pictures[..2], role, out)?
                {
                    players.push(Player { label, role, picture });
                    wanted -= 1;
                }
            } else if strangers > 0 && pictures.len() == 1 {
                let picture = read(&pictures[0])?;
                if presentable(desk, &label, &picture, out)? {
                    players.push(Player { label, role: Role::Stranger, picture });
                    strangers -= 1;
                }
            }
            if wanted == 0 && strangers == 0 {
                break;
            }
        }
        if wanted > 0 || strangers > 0 {
            return Err(Refusal::invalid(
                "--faces",
                format!(
                    "{} holds too few people: people with three pictures and people with one are needed",
                    faces.display()
                ),
            )
            .into());
        }
        shuffle(&mut players, args.seed ^ 0x9e37_79b9_7f4a_7c15);
        // Attacks come last: five of them lock the reader for everybody, which is right and another story.
        for file in pictures(attacks)?.into_iter().take(2) {
            let label = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            players.push(Player { label, role: Role::Attack, picture: read(&file)? });
        }
        Ok(Self { players })
    }

    pub(super) fn visitors(&self) -> Vec<Visitor> {
        let nearest = |role| if role == Role::Attack { 1.0 } else { 0.8 };
        self.players
            .iter()
            .map(|p| Visitor { picture: p.picture.clone(), nearest: nearest(p.role) })
            .collect()
    }
}

/// Whether somebody who looks like this can be looked at: a head turned away would tell no story. Said when not.
fn presentable(desk: &Desk, label: &str, picture: &Picture, out: &mut Out) -> Result<bool, AppError> {
    let examined = desk.eyes().examine(picture, Purpose::Probe, LiveRule::Trusted).map_err(Refusal::from)?;
    if !examined.reasons.is_empty() {
        out.line(format_args!("  {label} does not walk up: {}", examined.reasons))?;
    }
    Ok(examined.reasons.is_empty())
}

/// Enrols one person; `false` when no picture was good enough, which is said.
fn enrol(desk: &Desk, label: &str, files: &[PathBuf], role: Role, out: &mut Out) -> Result<bool, AppError> {
    let images = files
        .iter()
        .map(|path| {
            let bytes = fs::read(path).map_err(|e| AppError::File(path.display().to_string(), e))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(Photo { name, bytes })
        })
        .collect::<Result<_, AppError>>()?;
    let id: String = label.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    let yesterday = desk.now_ms() - 86_400_000;
    let command = Command::Enrol(PersonPut {
        id: Some(id),
        profile: Profile {
            name: Some(label.replace('_', " ")),
            consent: Some("public evaluation set".into()),
            valid_until: (role == Role::Expired).then_some(Moment(yesterday)),
            ..Profile::default()
        },
        images,
        ..PersonPut::default()
    });
    match desk.handle(&Caller::board(), command) {
        Ok(Reply::Enrolled(enrolled)) => {
            out.line(format_args!("  {enrolled}"))?;
            Ok(true)
        }
        Err(refusal) if matches!(refusal.code, Code::FaceQuality | Code::Duplicate) => {
            out.line(format_args!("  {label} is passed over: {refusal}"))?;
            Ok(false)
        }
        Err(refusal) => Err(refusal.into()),
        Ok(other) => Err(Refusal::new(Code::Internal, format!("enrolment answered {other:?}")).into()),
    }
}

fn read(path: &Path) -> Result<Picture, AppError> {
    let failed = |e| AppError::File(path.display().to_string(), e);
    let bytes = fs::read(path).map_err(failed)?;
    picture::decode(&bytes, Limits::default())
        .and_then(|p| p.fit(960))
        .map_err(|e| Refusal::invalid("image", format!("{}: {e}", path.display())).into())
}

fn subfolders(path: &Path) -> Result<Vec<PathBuf>, AppError> {
    list(path, Path::is_dir)
}

fn pictures(path: &Path) -> Result<Vec<PathBuf>, AppError> {
    let picture = |p: &Path| {
        let extension = p.extension().unwrap_or_default().to_ascii_lowercase();
        extension == "jpg" || extension == "jpeg" || extension == "png"
    };
    list(path, picture)
}

/// Sorted, so that the same folder gives the same demo.
fn list(path: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, AppError> {
    let failed = |e| AppError::File(path.display().to_string(), e);
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if wanted(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Fisher-Yates with a small generator (splitmix64, Steele et al. 2014): the seed decides the cast.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for i in (1..items.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        items.swap(i, (z % (i as u64 + 1)) as usize);
    }
}
