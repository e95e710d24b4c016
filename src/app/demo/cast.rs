//! Who is enrolled and who walks up.
//!
//! Owns: the choice of people, by seed: rendered ones, or photographs from a folder. Does not own: enrolment (`commands`).
//! Invariant: nobody walks up with a picture that was enrolled; a stranger has no template in the gallery.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::app::AppError;
use crate::app::cli::DemoArgs;
use crate::app::commands::Desk;
use crate::app::out::Out;
use crate::device::visitors::{self, Medium};
use crate::device::walkup::{Show, Visitor};
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
    visitor: Visitor,
}

/// All of them, in the order of their coming.
pub(super) struct Cast {
    pub(super) players: Vec<Player>,
    /// Whether they are photographs, which liveness may rightly take for attacks.
    pub(super) photographs: bool,
}

impl Cast {
    /// Enrols people, and has them, strangers and attacks come.
    pub(super) fn gather(args: &DemoArgs, desk: &Desk, out: &mut Out) -> Result<Self, AppError> {
        let (mut players, attacks) = match &args.faces {
            Some(faces) => (photographed(args, faces, desk, out)?, recorded_attacks(args)?),
            None => rendered(args, desk, out)?,
        };
        shuffle(&mut players, args.seed ^ 0x9e37_79b9_7f4a_7c15);
        // Attacks come last: five of them lock the reader for everybody, which is right and another story.
        players.extend(attacks);
        Ok(Self { players, photographs: args.faces.is_some() })
    }

    pub(super) fn visitors(&self) -> Vec<Visitor> {
        self.players.iter().map(|p| p.visitor.clone()).collect()
    }
}

/// People who do not exist: enrolled with two portraits each, attacked with pictures of themselves.
fn rendered(args: &DemoArgs, desk: &Desk, out: &mut Out) -> Result<(Vec<Player>, Vec<Player>), AppError> {
    let (mut players, mut attacks) = (Vec::new(), Vec::new());
    let mut called = BTreeSet::new();
    // One more than asked for, whose validity has ended.
    let (mut wanted, mut strangers) = (args.enrolled + 1, args.strangers);
    // Somebody whose portraits are refused is passed over, as at any desk; most are not.
    for number in 0..4 * (wanted + strangers + 4) as u64 {
        if wanted == 0 && strangers == 0 {
            break;
        }
        let person = Show::person(args.seed, number);
        let label = visitors::name(person);
        if !called.insert(label.clone()) {
            continue;
        }
        // The visits are none of those that the portraits were taken at.
        let visit = 100 + number;
        let comes = |holds| Visitor::Rendered { person, visit, holds };
        if wanted > 0 {
            let role = if wanted == 1 { Role::Expired } else { Role::Enrolled };
            let portraits =
                [0, 1].map(|variant| portrait(person, variant)).into_iter().collect::<Result<_, _>>()?;
            if enrol(desk, &label, portraits, role, "rendered person", out)? {
                // The first who is enrolled is the one whom pictures are held up of.
                if role == Role::Enrolled && attacks.is_empty() {
                    for (what, medium) in [("printed", Medium::Print), ("on a phone", Medium::Phone)] {
                        let label = format!("{label}, {what}");
                        attacks.push(Player { label, role: Role::Attack, visitor: comes(Some(medium)) });
                    }
                }
                players.push(Player { label, role, visitor: comes(None) });
                wanted -= 1;
            }
        } else {
            players.push(Player { label, role: Role::Stranger, visitor: comes(None) });
            strangers -= 1;
        }
    }
    if wanted > 0 || strangers > 0 {
        let why = "too few of the people of this seed could be enrolled; try another";
        return Err(Refusal::invalid("--seed", why.to_owned()).into());
    }
    Ok((players, attacks))
}

/// A picture of a rendered person, as they would bring one to be enrolled.
fn portrait(person: u64, variant: u64) -> Result<Photo, AppError> {
    let name = format!("portrait-{variant}.png");
    let rgb = visitors::still(person, variant);
    let mut bytes = Vec::new();
    picture::write_png(&mut bytes, visitors::WIDTH as u32, visitors::HEIGHT as u32, &rgb)
        .map_err(|e| AppError::File(name.clone(), std::io::Error::other(e)))?;
    Ok(Photo { name, bytes })
}

/// People from a folder: enrolled with two of their pictures each, who come with a third.
fn photographed(args: &DemoArgs, faces: &Path, desk: &Desk, out: &mut Out) -> Result<Vec<Player>, AppError> {
    let mut people = subfolders(faces)?;
    shuffle(&mut people, args.seed);
    let mut players = Vec::new();
    let mut wanted = args.enrolled + 1;
    let mut strangers = args.strangers;
    let comes = |picture| Visitor::Photograph { picture, nearest: 0.8 };
    for folder in &people {
        let pictures = pictures(folder)?;
        let label = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if wanted > 0 && pictures.len() >= 3 {
            let role = if wanted == 1 { Role::Expired } else { Role::Enrolled };
            let picture = read(&pictures[2])?;
            if presentable(desk, &label, &picture, out)? {
                let photos = pictures[..2].iter().map(photo).collect::<Result<_, _>>()?;
                if enrol(desk, &label, photos, role, "public evaluation set", out)? {
                    players.push(Player { label, role, visitor: comes(picture) });
                    wanted -= 1;
                }
            }
        } else if strangers > 0 && pictures.len() == 1 {
            let picture = read(&pictures[0])?;
            if presentable(desk, &label, &picture, out)? {
                players.push(Player { label, role: Role::Stranger, visitor: comes(picture) });
                strangers -= 1;
            }
        }
        if wanted == 0 && strangers == 0 {
            return Ok(players);
        }
    }
    Err(Refusal::invalid(
        "--faces",
        format!(
            "{} holds too few people: people with three pictures and people with one are needed",
            faces.display()
        ),
    )
    .into())
}

fn photo(path: &PathBuf) -> Result<Photo, AppError> {
    let bytes = fs::read(path).map_err(|e| AppError::File(path.display().to_string(), e))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Photo { name, bytes })
}

/// Pictures of prints and screens, where a folder of them was named.
fn recorded_attacks(args: &DemoArgs) -> Result<Vec<Player>, AppError> {
    let Some(folder) = &args.attacks else { return Ok(Vec::new()) };
    let mut players = Vec::new();
    for file in pictures(folder)?.into_iter().take(2) {
        let label = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let visitor = Visitor::Photograph { picture: read(&file)?, nearest: 1.0 };
        players.push(Player { label, role: Role::Attack, visitor });
    }
    Ok(players)
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
fn enrol(
    desk: &Desk,
    label: &str,
    images: Vec<Photo>,
    role: Role,
    consent: &str,
    out: &mut Out,
) -> Result<bool, AppError> {
    let id: String = label.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    let yesterday = desk.now_ms() - 86_400_000;
    let command = Command::Enrol(PersonPut {
        id: Some(id),
        profile: Profile {
            name: Some(label.replace('_', " ")),
            consent: Some(consent.into()),
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
