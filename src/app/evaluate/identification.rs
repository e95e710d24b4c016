//! 1:N search as the door does it: galleries of people, probes of people in them and of strangers.
//!
//! Owns: the splits and the counting of FPIR and FNIR. Does not own: the search and its threshold (`matching`, exactly
//! as at the door: nothing is tuned here).
//! Invariants: a stranger's pictures are never in the gallery; a probe's picture is never a template; the same seeds
//! give the same splits; pictures without a template are counted, not dropped.

use serde::Serialize;

use crate::domain::{Embedding, Match, ModelId, Person, Template, TemplateId, TemplateSource, Utc, clipped};
use crate::engine::kernels;
use crate::matching::{Gallery, Mode, OpenSet};

use super::EvaluateError;
use super::parallel;
use super::stats::{Random, Rate};

/// People in the galleries.
pub(super) const SIZES: [usize; 3] = [100, 1_000, 3_000];
/// Random splits of each.
const SPLITS: u64 = 10;
/// Templates of a person in the galleries with several.
const SEVERAL: usize = 3;

/// A person's pictures: a template each, or none where none could be made.
pub(super) struct Subject {
    pub(super) pictures: Vec<Option<Embedding>>,
}

/// One size of gallery, all splits together.
#[derive(Clone, Debug, Serialize)]
pub struct IdentificationRow {
    /// People in the gallery.
    pub people: usize,
    /// At most so many templates a person; one picture is always kept back as a probe.
    pub templates_each: usize,
    /// Templates in the gallery, mean over the splits.
    pub templates: f64,
    /// Threshold of the open-set rule, mean over the splits.
    pub threshold: f64,
    /// The rate of strangers that the rule expects at that threshold.
    pub expected_fpir: f64,
    /// The threshold lies beyond what was counted when the model was calibrated.
    pub extrapolated: bool,
    /// Random splits.
    pub splits: u64,
    /// Whether the people of these splits helped to calibrate the threshold.
    pub calibration_people_included: bool,
    /// Strangers taken for somebody.
    pub fpir: Rate,
    /// Different strangers tried; the interval counts each as one trial.
    pub strangers: u64,
    /// Strangers above the threshold that the margin kept out.
    pub strangers_low_margin: u64,
    /// Enrolled people not recognised as themselves.
    pub fnir: Rate,
    /// Different enrolled people tried; the interval counts each as one trial.
    pub enrolled: u64,
    /// Of the misses: below the threshold.
    pub below_threshold: u64,
    /// Of the misses: another person was as near.
    pub low_margin: u64,
    /// Of the misses: taken for another person.
    pub wrong_person: u64,
    /// Of the misses: no template could be made of the probe.
    pub failed: u64,
    /// Enrolled people whose nearest person is themselves, whatever the threshold.
    pub rank_one: Rate,
}

/// What one split counts.
#[derive(Default)]
struct Counts {
    templates: usize,
    threshold: f64,
    mated: u64,
    missed: u64,
    below_threshold: u64,
    low_margin: u64,
    wrong_person: u64,
    failed: u64,
    rank_one: u64,
    strange: u64,
    taken: u64,
    strangers_low_margin: u64,
    enrolled_tried: Vec<usize>,
    strangers_tried: Vec<usize>,
}

/// Tries galleries of `people` people out of `subjects`; `None` when there are too few people to have strangers left.
pub(super) fn evaluate(
    subjects: &[Subject],
    people: usize,
    templates_each: usize,
    rule: &OpenSet,
    calibration_people_included: bool,
    threads: usize,
) -> Result<Option<IdentificationRow>, EvaluateError> {
    let usable: Vec<usize> =
        (0..subjects.len()).filter(|s| subjects[*s].pictures.iter().any(Option::is_some)).collect();
    if usable.len() <= people {
        return Ok(None);
    }
    let seeds: Vec<u64> = (0..SPLITS).collect();
    let parts = parallel::map(
        "searching galleries",
        &seeds,
        threads,
        || Ok(()),
        |(), seed| split(subjects, &usable, people, templates_each, rule, *seed),
    )?;

    let sum = |pick: fn(&Counts) -> u64| parts.iter().map(pick).sum::<u64>();
    let distinct = |pick: fn(&Counts) -> &Vec<usize>| {
        let mut all: Vec<_> = parts.iter().flat_map(pick).collect();
        all.sort_unstable();
        all.dedup();
        all.len() as u64
    };
    let mean = |pick: fn(&Counts) -> f64| parts.iter().map(pick).sum::<f64>() / parts.len() as f64;
    let (enrolled, strangers) = (distinct(|c| &c.enrolled_tried), distinct(|c| &c.strangers_tried));
    let templates = mean(|c| c.templates as f64);
    Ok(Some(IdentificationRow {
        people,
        templates_each,
        templates,
        threshold: mean(|c| c.threshold),
        expected_fpir: rule.expected_fpir(templates.round() as usize),
        extrapolated: rule.is_extrapolated(templates.round() as usize),
        splits: SPLITS,
        calibration_people_included,
        fpir: Rate::clustered(sum(|c| c.taken), sum(|c| c.strange), strangers),
        strangers,
        strangers_low_margin: sum(|c| c.strangers_low_margin),
        fnir: Rate::clustered(sum(|c| c.missed), sum(|c| c.mated), enrolled),
        enrolled,
        below_threshold: sum(|c| c.below_threshold),
        low_margin: sum(|c| c.low_margin),
        wrong_person: sum(|c| c.wrong_person),
        failed: sum(|c| c.failed),
        rank_one: Rate::clustered(sum(|c| c.rank_one), sum(|c| c.mated), enrolled),
    }))
}

/// The two kinds of gallery of the report.
pub(super) const TEMPLATES_EACH: [usize; 2] = [1, SEVERAL];

fn split(
    subjects: &[Subject],
    usable: &[usize],
    people: usize,
    templates_each: usize,
    rule: &OpenSet,
    seed: u64,
) -> Result<Counts, EvaluateError> {
    let mut random = Random::new(0x0511_a21e ^ (seed << 8));
    let mut order = usable.to_vec();
    random.shuffle(&mut order);
    let (inside, outside) = order.split_at(people);

    let mut gallery = Gallery::new(MODEL).scanning_with(kernels::chosen().scan);
    let mut probes: Vec<(usize, Option<&Embedding>)> = Vec::new();
    for subject in inside {
        let mut pictures: Vec<_> = subjects[*subject].pictures.iter().map(Option::as_ref).collect();
        random.shuffle(&mut pictures);
        // Usable pictures first: only those can be enrolled, the door would ask for another.
        pictures.sort_by_key(Option::is_none);
        let templates = templates_each.min(pictures.len() - 1).max(1);
        let enrolled: Vec<_> = pictures[..templates].iter().copied().flatten().map(template).collect();
        gallery.upsert(&person(*subject)?, &enrolled)?;
        probes.extend(pictures[templates..].iter().map(|probe| (*subject, *probe)));
    }

    let threshold = f64::from(rule.threshold(gallery.templates()).get());
    let mut counts = Counts { templates: gallery.templates(), threshold, ..Counts::default() };
    for (subject, probe) in probes {
        counts.mated += 1;
        counts.enrolled_tried.push(subject);
        let Some(probe) = probe else {
            counts.failed += 1;
            counts.missed += 1;
            continue;
        };
        let own = person(subject)?.id;
        let nearest = gallery.candidates(probe, 1, Mode::Accurate);
        counts.rank_one += u64::from(nearest.first().is_some_and(|c| c.id == own));
        let (missed, why) = match gallery.search(probe, rule) {
            Match::Person { id, .. } if id == own => continue,
            Match::Person { .. } => (1, &mut counts.wrong_person),
            Match::LowMargin { .. } => (1, &mut counts.low_margin),
            Match::Unknown { .. } => (1, &mut counts.below_threshold),
        };
        *why += 1;
        counts.missed += missed;
    }
    for subject in outside {
        for probe in subjects[*subject].pictures.iter().flatten() {
            counts.strange += 1;
            counts.strangers_tried.push(*subject);
            match gallery.search(probe, rule) {
                Match::Person { .. } => counts.taken += 1,
                Match::LowMargin { .. } => counts.strangers_low_margin += 1,
                Match::Unknown { .. } => {}
            }
        }
    }
    Ok(counts)
}

/// Stands for the one model that all templates of a run are of.
const MODEL: ModelId = ModelId([0; 32]);

fn person(subject: usize) -> Result<Person, EvaluateError> {
    // Numbers, not names: a folder's name need not be a valid id.
    let id = format!("s{subject}").parse().map_err(|_| EvaluateError::Nothing("people"))?;
    Ok(Person::new(id, clipped("-"), Utc(0)))
}

fn template(embedding: &Embedding) -> Template {
    Template {
        id: TemplateId(0),
        embedding: embedding.clone(),
        model: MODEL,
        epoch: 0,
        quality: 100,
        source: TemplateSource::Image,
        created_at: Utc(0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cross::tests::synthetic;
    use super::*;
    use crate::domain::{Anchor, Calibration};

    fn subjects(people: u32, pictures: u32, noise: f32) -> Vec<Subject> {
        let all = synthetic(people, pictures, noise);
        let of = |p: u32| all.iter().filter(move |(q, _)| *q == p).map(|(_, e)| Some(e.clone()));
        (0..people).map(|p| Subject { pictures: of(p).collect() }).collect()
    }

    /// The table that fits random directions in 64 dimensions.
    fn rule() -> OpenSet {
        let at = |log10_fmr, z: f32| Anchor { log10_fmr, cosine: z / 8.0 };
        let anchors = [at(-2.0, 2.326), at(-3.0, 3.09), at(-4.0, 3.719), at(-5.0, 4.265), at(-6.0, 4.753)];
        OpenSet::with_defaults(Calibration::new(&anchors).unwrap())
    }

    #[test]
    fn alike_pictures_are_found_and_strangers_are_not_taken() {
        let all = subjects(150, 3, 0.3);
        let row = evaluate(&all, 100, 1, &rule(), false, 2).unwrap().unwrap();
        assert_eq!((row.people, row.splits), (100, 10));
        assert_eq!((row.fnir.of, row.fpir.of), (100 * 2 * 10, 50 * 3 * 10));
        assert_eq!(row.fnir.hits, 0);
        assert_eq!(row.rank_one.hits, row.rank_one.of);
        assert!(row.fpir.rate < 0.01 && row.fpir.high > 0.0, "{}", row.fpir);
        let several = evaluate(&all, 100, 3, &rule(), false, 2).unwrap().unwrap();
        assert_eq!(several.fnir.of, 100 * 10, "one picture is kept back");
        assert!((several.templates - 200.0).abs() < 1e-9);
        assert!(several.threshold > row.threshold, "more templates, higher threshold");
    }

    #[test]
    fn every_miss_has_one_reason_and_failures_count() {
        let mut all = subjects(120, 2, 1.6);
        (0..30).for_each(|s| all[s].pictures[0] = None);
        let row = evaluate(&all, 60, 1, &rule(), false, 1).unwrap().unwrap();
        assert!(row.fnir.hits > 0 && row.failed > 0);
        let reasons = row.below_threshold + row.low_margin + row.wrong_person + row.failed;
        assert_eq!(reasons, row.fnir.hits);
        assert!(evaluate(&all, 120, 1, &rule(), false, 1).unwrap().is_none(), "no strangers left");
    }
}
