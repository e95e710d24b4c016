//! Following faces over frames.
//!
//! Owns: which box of this frame is which face of the last ones, each face's liveness vote, and whom the door
//! attends to. Does not own: detection, verdicts.
//! Invariants: a `TrackId` is never used again; a track's vote never passes to another track; all time is the
//! frames' own.

use super::config::TrackConfig;
use super::liveness::Ballot;
use ostiary_domain::limits::MAX_FACES;
use ostiary_domain::{Detection, Embedding, Mono, TrackId};

/// One face followed.
#[derive(Clone, Debug)]
pub struct Track {
    /// Its number.
    pub id: TrackId,
    /// Where it was last.
    pub last: Detection,
    /// When it was last seen.
    pub seen: Mono,
    /// Whether the present frame shows it.
    pub present: bool,
    /// What its frames said of its life.
    pub ballot: Ballot,
    /// Its last template, to notice when another person takes its place.
    pub template: Option<Embedding>,
}

/// All faces followed.
#[derive(Debug, Default)]
pub struct Tracker {
    tracks: heapless::Vec<Track, MAX_FACES>,
    next: u32,
    subject: Option<TrackId>,
}

impl Tracker {
    /// Takes the faces of one frame, best first.
    pub fn update(&mut self, faces: &[Detection], now: Mono, config: &TrackConfig) {
        self.tracks.retain(|t| now.since(t.seen) <= config.timeout && now >= t.seen);
        self.tracks.iter_mut().for_each(|t| t.present = false);
        let faces = &faces[..faces.len().min(MAX_FACES)];
        let mut free: heapless::Vec<bool, MAX_FACES> = faces.iter().map(|_| true).collect();
        // The nearest pair first, so that two people who pass each other keep their numbers.
        while let Some((track, face)) = self.nearest_pair(faces, &free, config) {
            let t = &mut self.tracks[track];
            (t.last, t.seen, t.present) = (faces[face], now, true);
            free[face] = false;
        }
        for (face, _) in faces.iter().zip(&free).filter(|(_, free)| **free) {
            self.begin(*face, now);
        }
    }

    fn nearest_pair(
        &self,
        faces: &[Detection],
        free: &[bool],
        config: &TrackConfig,
    ) -> Option<(usize, usize)> {
        let mut best = None;
        for (t, track) in self.tracks.iter().enumerate().filter(|(_, t)| !t.present) {
            for (f, face) in faces.iter().enumerate().filter(|(f, _)| free[*f]) {
                let score = affinity(&track.last, face, config);
                if score > 0.0 && best.is_none_or(|(s, _, _)| score > s) {
                    best = Some((score, t, f));
                }
            }
        }
        best.map(|(_, t, f)| (t, f))
    }

    fn begin(&mut self, face: Detection, now: Mono) {
        let id = TrackId(self.next);
        let track =
            Track { id, last: face, seen: now, present: true, ballot: Ballot::default(), template: None };
        // With every place taken the face longest unseen makes room; one that is present never does.
        if self.tracks.is_full() {
            let oldest = (0..self.tracks.len())
                .filter(|i| !self.tracks[*i].present)
                .min_by_key(|i| self.tracks[*i].seen);
            let Some(oldest) = oldest else { return };
            self.tracks.swap_remove(oldest);
        }
        self.next = self.next.wrapping_add(1);
        // There is room now.
        let _ = self.tracks.push(track);
    }

    /// Whom the door attends to among the present faces that `counts`: the one attended to before, unless
    /// another is clearly larger; else the largest.
    pub fn subject(
        &mut self,
        config: &TrackConfig,
        counts: impl Fn(&Detection) -> bool,
    ) -> Option<&mut Track> {
        let counted = |t: &&Track| t.present && counts(&t.last);
        let size = |t: &Track| t.last.bbox.area().sqrt();
        let largest = self.tracks.iter().filter(counted).max_by(|a, b| size(a).total_cmp(&size(b)));
        let before = self.tracks.iter().filter(counted).find(|t| Some(t.id) == self.subject);
        let chosen = match (before, largest) {
            (Some(before), Some(largest)) if size(largest) < size(before) * config.takeover => before.id,
            (_, Some(largest)) => largest.id,
            (_, None) => return None,
        };
        self.subject = Some(chosen);
        self.tracks.iter_mut().find(|t| t.id == chosen)
    }

    /// Another person stands where this track's was: from here on it is a new face, and nothing is known of it.
    pub fn replaced(&mut self, id: TrackId) {
        let next = TrackId(self.next);
        if let Some(track) = self.tracks.iter_mut().find(|t| t.id == id) {
            self.next = self.next.wrapping_add(1);
            track.id = next;
            track.ballot = Ballot::default();
            track.template = None;
            self.subject = Some(next);
        }
    }

    /// Whether any face is being followed at that time.
    #[must_use]
    pub fn any_alive(&self, now: Mono, config: &TrackConfig) -> bool {
        self.tracks.iter().any(|t| now.since(t.seen) <= config.timeout)
    }

    /// Forgets every face; numbers go on counting.
    pub fn clear(&mut self) {
        self.tracks.clear();
        self.subject = None;
    }
}

/// How well a face continues a track: above 1 by overlap, up to 1 by nearness, 0 not at all.
fn affinity(last: &Detection, face: &Detection, config: &TrackConfig) -> f32 {
    let iou = last.bbox.iou(&face.bbox);
    if iou >= config.min_iou && iou > 0.0 {
        return 1.0 + iou;
    }
    let (a, b) = (last.bbox.area().sqrt(), face.bbox.area().sqrt());
    let reach = config.max_shift * a.min(b);
    let distance = last.bbox.centre().distance(face.bbox.centre());
    // Half or twice the size from one frame to the next is another face.
    if a > 2.0 * b || b > 2.0 * a || distance >= reach || distance.is_nan() {
        0.0
    } else {
        1.0 - distance / reach
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostiary_domain::Rect;

    fn face(x: f32, side: f32) -> Detection {
        Detection { bbox: Rect { x, y: 100.0, w: side, h: side }, score: 0.9, ..Detection::default() }
    }

    fn subject(tracker: &mut Tracker) -> u32 {
        tracker.subject(&TrackConfig::default(), |_| true).unwrap().id.0
    }

    #[test]
    fn a_moving_face_keeps_its_number_and_a_gone_one_never_comes_back() {
        let config = TrackConfig::default();
        let mut tracker = Tracker::default();
        for step in 0..20_u8 {
            let x = 100.0 + 10.0 * f32::from(step);
            tracker.update(&[face(x, 80.0)], Mono(u64::from(step) * 33), &config);
            assert_eq!(subject(&mut tracker), 0);
        }
        tracker.update(&[], Mono(1_400), &config);
        assert!(!tracker.any_alive(Mono(1_400), &config));
        tracker.update(&[face(290.0, 80.0)], Mono(1_433), &config);
        assert_eq!(subject(&mut tracker), 1);
    }

    #[test]
    fn attention_stays_until_another_is_clearly_larger() {
        let config = TrackConfig::default();
        let mut tracker = Tracker::default();
        tracker.update(&[face(100.0, 80.0), face(400.0, 70.0)], Mono(0), &config);
        assert_eq!(subject(&mut tracker), 0);
        tracker.update(&[face(100.0, 80.0), face(400.0, 90.0)], Mono(33), &config);
        assert_eq!(subject(&mut tracker), 0);
        tracker.update(&[face(100.0, 80.0), face(395.0, 120.0)], Mono(66), &config);
        assert_eq!(subject(&mut tracker), 1);
    }

    #[test]
    fn a_replaced_face_is_new_and_unknown() {
        let mut tracker = Tracker::default();
        tracker.update(&[face(100.0, 80.0)], Mono(0), &TrackConfig::default());
        let id = tracker.subject(&TrackConfig::default(), |_| true).unwrap().id;
        tracker.replaced(id);
        assert_ne!(subject(&mut tracker), id.0);
    }

    proptest::proptest! {
        #[test]
        fn numbers_are_unique_and_bounded(frames in proptest::collection::vec(
            proptest::collection::vec((0.0_f32..1900.0, 10.0_f32..400.0), 0..20), 1..40,
        )) {
            let config = TrackConfig::default();
            let mut tracker = Tracker::default();
            let mut highest = None;
            for (i, faces) in frames.iter().enumerate() {
                let faces: Vec<_> = faces.iter().map(|(x, side)| face(*x, *side)).collect();
                tracker.update(&faces, Mono(i as u64 * 40), &config);
                let mut ids: Vec<_> = tracker.tracks.iter().map(|t| t.id.0).collect();
                ids.sort_unstable();
                proptest::prop_assert!(ids.windows(2).all(|w| w[0] != w[1]));
                let fresh = ids.last().copied();
                proptest::prop_assert!(fresh <= highest.max(fresh));
                highest = highest.max(fresh);
            }
        }
    }
}
