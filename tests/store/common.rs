//! What the tests of the store build their galleries of.

use std::path::PathBuf;

use ostiary::domain::{
    ClockTrust, DoorId, Embedding, Event, EventKind, ModelId, Mono, Now, Person, PersonId, TemplateSource,
    Utc, clipped,
};
use ostiary::store::{Crop, NewTemplate, Options, SealKey, Store};

pub(crate) const KEY: [u8; 32] = [7; 32];
pub(crate) const MODEL: ModelId = ModelId([1; 32]);

pub(crate) struct Place {
    _dir: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

pub(crate) fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ostiary.redb");
    Place { _dir: dir, path }
}

impl Place {
    pub(crate) fn open(&self) -> Store {
        Store::open(&self.path, key(), Options::default()).unwrap()
    }
}

pub(crate) fn key() -> SealKey {
    SealKey::from_bytes(KEY)
}

pub(crate) fn id(i: usize) -> PersonId {
    format!("employee-{i:05}").parse().unwrap()
}

pub(crate) fn person(i: usize) -> Person {
    Person::new(id(i), clipped(&format!("Ευτυχία Müller-{i:05}")), Utc(1_780_000_000_000 + i as i64))
}

/// Bytes that depend on `seed` alone.
pub(crate) fn noise(seed: u64, n: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 32) as u8
        })
        .collect()
}

pub(crate) fn embedding(seed: u64) -> Embedding {
    let raw: Vec<f32> = noise(seed, 256).iter().map(|b| f32::from(*b) - 127.5).collect();
    Embedding::from_float(&raw).unwrap()
}

pub(crate) fn template(seed: u64, crop_side: u16) -> NewTemplate {
    let bytes = usize::from(crop_side) * usize::from(crop_side) * 3;
    NewTemplate {
        embedding: embedding(seed),
        model: MODEL,
        epoch: 1,
        quality: 80,
        source: TemplateSource::Camera,
        created_at: Utc(1_780_000_000_000),
        crop: (crop_side > 0).then(|| Crop { side: crop_side, rgb: noise(seed + 1, bytes) }),
    }
}

pub(crate) fn event(kind: EventKind, n: u64) -> Event {
    let at = Now { mono: Mono(n), utc: Utc(1_780_000_000_000 + n as i64), trust: ClockTrust::Trusted };
    Event::new(kind, DoorId(1), at)
}
