//! Who is this (1:N), are these the same (1:1), does it live: on still pictures.
//!
//! Owns: the questions and how their answers are put. Does not own: thresholds (`matching`).
//! Invariants: without the scope `scores` no score leaves, and nobody below the door's own threshold is named, so
//! that nobody climbs towards a face by trying; a picture that fails its liveness is not searched.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::OrRefuse as _;
use crate::domain::{Cosine, Embedding, Match, PersonId};
use crate::link::wire::{
    Caller, Candidate, Code, Compare, Compared, FaceBox, FaceQuery, FaceReport, Found, Identified, Live,
    LiveQuery, OneToN, OneToNAnswer, PersonPut, Photo, Presence, Profile, Refusal, Reply, Scope, SearchMode,
    Thumbnail,
};
use crate::matching::{MatchLevel, Mode, shown_score};
use crate::picture::{self, Limits};
use crate::vision::{Examined, LiveRule, Purpose};

use super::Desk;
use super::enroll::quality_refusal;

/// Longest side of a small picture, in pixels.
const THUMBNAIL_SIDE: u32 = 128;
const THUMBNAIL_JPEG_QUALITY: u8 = 75;
/// Pictures of one search.
const MAX_PROBES: usize = 5;
/// One picture's liveness that counts as living where the caller names no score.
const LIVE_SCORE: f32 = 0.5;

impl Desk {
    pub(super) fn identify(&self, caller: &Caller, image: &Photo) -> Result<Reply, Refusal> {
        let (examined, embedding) = self.probe(image, LiveRule::Trusted)?;
        let gallery = self.house.recognition.gallery();
        let policy = self.house.recognition.policy();
        let found = gallery.search(&embedding, &policy);
        let nearest = gallery.candidates(&embedding, 1, Mode::Accurate);
        let cosine = nearest.first().map_or(-1.0, |c| c.score.get());
        let (person, name, ambiguous) = match found {
            Match::Person { id, name, .. } => {
                (Some(id.as_str().to_owned()), Some(name.as_str().to_owned()), false)
            }
            Match::LowMargin { .. } => (None, None, true),
            Match::Unknown { .. } => (None, None, false),
        };
        let score = |value: f32| caller.may(Scope::Scores).then_some(value);
        Ok(Reply::Identified(Identified {
            person,
            name,
            ambiguous,
            score: score(shown_score(policy.calibration(), Cosine::new(cosine))),
            cosine: score(cosine),
            threshold: score(policy.threshold(gallery.templates()).get()),
            quality: examined.quality.overall(),
        }))
    }

    pub(super) fn search(&self, caller: &Caller, query: &FaceQuery) -> Result<Reply, Refusal> {
        if query.images.is_empty() {
            return Err(Refusal::missing("image"));
        }
        if query.images.len() > MAX_PROBES {
            return Err(Refusal::invalid("images", format!("at most {MAX_PROBES} images a search")));
        }
        for (parameter, score) in [("min_score", query.min_score), ("min_live", query.min_live)] {
            fraction(parameter, score)?;
        }
        if query.limit == 0 || query.limit > 50 {
            return Err(Refusal::invalid("limit", "\"limit\" must be 1 to 50"));
        }
        if let Some(collection) = &query.collection {
            self.check_collection("collection_id", collection)?;
        }
        let rule = query.min_live.map_or(LiveRule::Trusted, LiveRule::AtLeast);
        let mut probes = Vec::with_capacity(query.images.len());
        let mut live = None::<f32>;
        for image in &query.images {
            let (examined, embedding) = self.probe(image, rule)?;
            live = examined.live.map(|score| live.map_or(score, |least: f32| least.min(score))).or(live);
            probes.push(embedding);
        }

        let mode = match query.mode {
            SearchMode::Fast => Mode::Fast,
            SearchMode::Accurate => Mode::Accurate,
        };
        let mut best: BTreeMap<PersonId, f32> = BTreeMap::new();
        let (threshold, policy) = {
            let gallery = self.house.recognition.gallery();
            let wanted = |entry: &crate::matching::Entry| {
                query.collection.as_deref().is_none_or(|collection| entry.is_in(collection))
            };
            for probe in &probes {
                for candidate in gallery.candidates_where(probe, usize::from(query.limit), mode, wanted) {
                    let held = best.entry(candidate.id).or_insert(-1.0);
                    *held = held.max(candidate.score.get());
                }
            }
            let policy = self.house.recognition.policy();
            (policy.threshold(gallery.templates()).get(), policy)
        };
        let calibration = policy.calibration();
        let shown = |cosine: f32| shown_score(calibration, Cosine::new(cosine));
        let own_rule = query.min_score.is_none() || !caller.may(Scope::Scores);
        let mut hits: Vec<(PersonId, f32)> = best
            .into_iter()
            .filter(|(_, cosine)| !own_rule || *cosine >= threshold)
            .filter(|(_, cosine)| query.min_score.is_none_or(|least| shown(*cosine) >= least))
            .collect();
        // Best first; of equal ones the lower id, in which order they stand already.
        hits.sort_by(|a, b| b.1.total_cmp(&a.1));
        hits.truncate(usize::from(query.limit));

        let mut candidates = Vec::with_capacity(hits.len());
        for (id, cosine) in hits {
            // Erased in this very moment: then they are nobody any more.
            let Some((person, held)) = self.house.store.profile(&id).or_refuse()? else { continue };
            candidates.push(Candidate {
                person: self.view(&person, held),
                score: caller.may(Scope::Scores).then(|| shown(cosine)),
                thumbnails: if query.thumbnails { self.thumbnails(&id)? } else { Vec::new() },
            });
        }
        let live_score = live.filter(|_| caller.may(Scope::Scores));
        Ok(Reply::Found(Found { candidates, live_score }))
    }

    pub(super) fn compare(&self, caller: &Caller, compare: &Compare) -> Result<Reply, Refusal> {
        for (parameter, score) in [("min_score", compare.min_score), ("min_live", compare.min_live)] {
            fraction(parameter, score)?;
        }
        if compare.also.len() > 4 {
            return Err(Refusal::invalid("also", "at most 4 further images a comparison"));
        }
        let level = compare.level.unwrap_or(MatchLevel::DEFAULT.number());
        if MatchLevel::from_number(level).is_none() {
            return Err(Refusal::invalid("minimumMatchLevel", "the match level must be 1 to 5"));
        }
        let measured = if compare.measure_live { LiveRule::Measured } else { LiveRule::Trusted };
        let rule = if compare.min_live.is_some() { LiveRule::Measured } else { measured };
        let (seen_a, a) = self.probe(&compare.a, rule)?;
        let (seen_b, b) = self.probe(&compare.b, measured)?;
        let mut cosine = a.cosine(&b);
        for image in &compare.also {
            let (_, other) = self.probe(image, LiveRule::Trusted)?;
            cosine = if other.cosine(&a) > cosine { other.cosine(&a) } else { cosine };
        }
        let policy = self.house.recognition.policy();
        let calibration = policy.calibration();
        let match_level = MatchLevel::reached(calibration, cosine).map_or(0, MatchLevel::number);
        let score = shown_score(calibration, cosine);
        let allowed = caller.may(Scope::Scores);
        let same = compare.min_score.map_or(match_level >= level, |least| score >= least);
        let least_live = compare.min_live.unwrap_or(LIVE_SCORE);
        let lives = compare.min_live.is_none() || seen_a.live.is_some_and(|score| score >= least_live);
        Ok(Reply::Compared(Compared {
            same: same && lives,
            match_level,
            score: allowed.then_some(score),
            cosine: allowed.then(|| cosine.get()),
            faces: [report(&seen_a, least_live, allowed), report(&seen_b, LIVE_SCORE, allowed)],
        }))
    }

    pub(super) fn live(&self, caller: &Caller, query: &LiveQuery) -> Result<Reply, Refusal> {
        fraction("min_score", query.min_score)?;
        let examined = self.examine(&query.image, LiveRule::Measured)?;
        let score = examined.live.unwrap_or(0.0);
        let min_score = query.min_score.unwrap_or(LIVE_SCORE);
        Ok(Reply::Live(Live {
            passed: score >= min_score,
            min_score,
            score: caller.may(Scope::Scores).then_some(score),
        }))
    }

    pub(super) fn one_to_n(&self, caller: &Caller, question: OneToN) -> Result<Reply, Refusal> {
        if question.search {
            let (_, embedding) = self.probe(&question.photo, LiveRule::Trusted)?;
            let gallery = self.house.recognition.gallery();
            let threshold = self.house.recognition.policy().threshold(gallery.templates());
            let nearest = gallery.candidates(&embedding, 1, Mode::Accurate);
            // Unlike at the door no margin is asked: a face that resembles two people is known all the same.
            if let Some(known) = nearest.first().filter(|c| c.score >= threshold) {
                return Ok(Reply::OneToN(OneToNAnswer { id: Some(known.id.to_string()), matched: true }));
            }
        }
        if !question.insert {
            return Ok(Reply::OneToN(OneToNAnswer { id: None, matched: false }));
        }
        let id = super::collections::drawn_id()?;
        let put = PersonPut {
            profile: Profile { name: Some(id.clone()), ..Profile::default() },
            id: Some(id.clone()),
            presence: Presence::New,
            images: vec![question.photo],
            // Who only inserts says that it is to be taken in, whoever it resembles.
            allow_duplicate: !question.search,
            ..PersonPut::default()
        };
        self.enrol(caller, &put, true)?;
        Ok(Reply::OneToN(OneToNAnswer { id: Some(id), matched: false }))
    }

    /// The largest face, good enough to be compared, or why there is none.
    pub(super) fn examine(&self, image: &Photo, rule: LiveRule) -> Result<Box<Examined>, Refusal> {
        let examined = self.eyes.examine(&image.picture()?, Purpose::Probe, rule)?;
        if examined.reasons.is_empty() { Ok(examined) } else { Err(quality_refusal(&image.name, &examined)) }
    }

    /// A template of the largest face, or why there is none.
    pub(super) fn probe(&self, image: &Photo, rule: LiveRule) -> Result<(Box<Examined>, Embedding), Refusal> {
        let examined = self.examine(image, rule)?;
        match examined.embedding.clone() {
            Some(embedding) => Ok((examined, embedding)),
            None if examined.live.is_some() => {
                Err(Refusal::new(Code::LivenessFailed, "the picture does not show a living person"))
            }
            None => Err(quality_refusal(&image.name, &examined)),
        }
    }

    fn thumbnails(&self, id: &PersonId) -> Result<Vec<Thumbnail>, Refusal> {
        let small = |bytes: &[u8]| {
            let small = picture::decode(bytes, Limits::default()).and_then(|p| p.fit(THUMBNAIL_SIDE))?;
            picture::encode_jpeg(small.width(), small.height(), small.rgb(), THUMBNAIL_JPEG_QUALITY)
        };
        let images = self.house.store.images(id).or_refuse()?;
        let coded = images.iter().enumerate().filter_map(|(i, image)| {
            // A kept picture that cannot be read any more is passed over: the answer is about who, not about it.
            let jpeg = small(&image.0).ok()?;
            Some(Thumbnail { id: format!("{id}-{i}"), thumbnail: STANDARD.encode(jpeg) })
        });
        Ok(coded.collect())
    }
}

fn fraction(parameter: &str, score: Option<f32>) -> Result<(), Refusal> {
    match score {
        // Written so that NaN is refused.
        Some(score) if !(0.0..=1.0).contains(&score) => {
            Err(Refusal::invalid(parameter, format!("\"{parameter}\" must be 0 to 1")))
        }
        Some(_) | None => Ok(()),
    }
}

fn report(examined: &Examined, least_live: f32, scores: bool) -> FaceReport {
    let bbox = examined.subject.map(|face| face.bbox).unwrap_or_default();
    FaceReport {
        bbox: FaceBox { x: bbox.x, y: bbox.y, width: bbox.w, height: bbox.h },
        live: examined.live.map(|score| score >= least_live),
        live_score: examined.live.filter(|_| scores),
        quality: examined.quality.overall(),
    }
}
