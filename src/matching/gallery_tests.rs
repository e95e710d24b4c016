//! The search against a scan that calls `Embedding::cosine` on every template, on random galleries.

use proptest::prelude::*;

use super::*;
use ostiary_domain::{Anchor, Calibration, TemplateId, TemplateSource, Utc};

const MODEL: ModelId = ModelId([7; 32]);

fn person(id: &str) -> Person {
    Person::new(id.parse().unwrap(), clipped(&format!("Name of {id}")), Utc(0))
}

fn template(number: u64, quality: u8, values: &[i8]) -> Template {
    Template {
        id: TemplateId(number),
        embedding: Embedding::from_stored(values, 0.01).unwrap(),
        model: MODEL,
        epoch: 1,
        quality,
        source: TemplateSource::Image,
        created_at: Utc(0),
    }
}

fn rule(at_1e3: f32, margin: f32) -> OpenSet {
    let anchors = [
        Anchor { log10_fmr: -3.0, cosine: at_1e3 },
        Anchor { log10_fmr: -6.0, cosine: (at_1e3 + 0.3).min(1.0) },
    ];
    OpenSet::new(Calibration::new(&anchors).unwrap(), 1e-3, margin).unwrap()
}

type Enrolled = Vec<(Person, Vec<Template>)>;

/// Few distinct values, so that ties between people and within a person are common.
fn galleries(len: usize) -> impl Strategy<Value = (Enrolled, Embedding)> {
    let values = prop::collection::vec(prop_oneof![3 => -1_i8..=1, 1 => any::<i8>()], len)
        .prop_filter("a direction", |v| v.iter().any(|x| *x != v[0]));
    let templates = prop::collection::vec((0_u8..4, values.clone()), 1..5);
    let people = prop::collection::btree_map(0_u16..500, templates, 0..40);
    (people, values).prop_map(|(people, probe)| {
        let enrolled = people
            .into_iter()
            .map(|(number, looks)| {
                let looks = looks.iter().enumerate().map(|(i, (q, v))| template(i as u64, *q, v)).collect();
                (person(&format!("p{number}")), looks)
            })
            .collect();
        (enrolled, Embedding::from_stored(&probe, 1.0).unwrap())
    })
}

fn primary_of(templates: &[Template]) -> &Template {
    templates.iter().reduce(|best, t| if t.quality > best.quality { t } else { best }).unwrap()
}

/// Everybody with the best cosine, nearest first.
fn naive(enrolled: &Enrolled, probe: &Embedding, mode: Mode) -> Vec<(PersonId, Cosine)> {
    let best = |templates: &[Template]| match mode {
        Mode::Fast => probe.cosine(&primary_of(templates).embedding),
        Mode::Accurate => templates
            .iter()
            .map(|t| probe.cosine(&t.embedding))
            .reduce(|a, b| if b > a { b } else { a })
            .unwrap(),
    };
    let mut all: Vec<_> = enrolled.iter().map(|(p, templates)| (p.id.clone(), best(templates))).collect();
    all.sort_by(|a, b| b.1.get().total_cmp(&a.1.get()).then_with(|| a.0.cmp(&b.0)));
    all
}

fn check_against_naive(
    gallery: &Gallery,
    enrolled: &Enrolled,
    probe: &Embedding,
) -> Result<(), TestCaseError> {
    for mode in [Mode::Fast, Mode::Accurate] {
        let all = naive(enrolled, probe, mode);
        for n in [0, 1, 2, 7, 50, 1_000] {
            let found: Vec<_> =
                gallery.candidates(probe, n, mode).into_iter().map(|c| (c.id, c.score)).collect();
            prop_assert_eq!(&found[..], &all[..all.len().min(n).min(MAX_CANDIDATES)]);
        }
    }
    let all = naive(enrolled, probe, Mode::Accurate);
    for rule in [rule(0.3, 0.05), rule(-0.9, 0.0), rule(0.0, 0.2)] {
        let expected = match &all[..] {
            [] => Match::Unknown { score: Cosine::new(-1.0) },
            [best, ..] if best.1 < rule.threshold(gallery.templates()) => Match::Unknown { score: best.1 },
            [best, second, ..] if best.1.get() - second.1.get() < rule.margin() => {
                Match::LowMargin { score: best.1 }
            }
            [best, ..] => Match::Person {
                id: best.0.clone(),
                name: clipped(&format!("Name of {}", best.0)),
                standing: Standing::default(),
                score: best.1,
            },
        };
        prop_assert!(gallery.search(probe, &rule) == expected);
    }
    Ok(())
}

proptest! {
    #[test]
    fn equals_the_naive_scan_bit_for_bit((enrolled, probe) in galleries(65)) {
        let gallery = Gallery::build(MODEL, enrolled.iter().map(|(p, t)| (p, t))).unwrap();
        prop_assert_eq!(gallery.people(), enrolled.len());
        prop_assert_eq!(gallery.templates(), enrolled.iter().map(|(_, t)| t.len()).sum::<usize>());
        check_against_naive(&gallery, &enrolled, &probe)?;
    }

    #[test]
    fn the_order_of_enrolment_and_the_people_who_left_do_not_matter(
        (mut enrolled, probe) in galleries(32),
        order in any::<prop::sample::Index>(),
        leaving in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        if enrolled.is_empty() {
            return Ok(());
        }
        let start = order.index(enrolled.len());
        let mut gallery = Gallery::new(MODEL);
        for (person, templates) in enrolled[start..].iter().chain(&enrolled[..start]) {
            // Once with other templates, so that a replacement leaves nothing behind.
            gallery.upsert(person, &[template(9, 9, probe.values())]).unwrap();
            gallery.upsert(person, templates).unwrap();
        }
        for index in leaving {
            if !enrolled.is_empty() {
                let (gone, _) = enrolled.swap_remove(index.index(enrolled.len()));
                prop_assert!(gallery.remove(&gone.id));
                prop_assert!(!gallery.remove(&gone.id));
                prop_assert!(gallery.person(&gone.id).is_none());
            }
        }
        for (person, _) in &enrolled {
            prop_assert_eq!(gallery.person(&person.id).map(Entry::id), Some(&person.id));
        }
        check_against_naive(&gallery, &enrolled, &probe)?;
    }
}

#[test]
fn templates_of_another_model_never_match() {
    let values: [i8; 32] = core::array::from_fn(|i| i as i8 - 7);
    let foreign = Template { model: ModelId([8; 32]), ..template(1, 90, &values) };
    let mut gallery = Gallery::new(MODEL);
    assert_eq!(gallery.upsert(&person("anna"), std::slice::from_ref(&foreign)), Ok(0));
    assert_eq!((gallery.people(), gallery.templates()), (0, 0));
    // Somebody whose only usable template went away is out.
    assert_eq!(gallery.upsert(&person("anna"), &[foreign.clone(), template(2, 10, &values)]), Ok(1));
    assert_eq!(gallery.templates(), 1);
    assert_eq!(gallery.upsert(&person("anna"), &[foreign]), Ok(0));
    assert_eq!(gallery.people(), 0);
    let probe = template(3, 0, &values).embedding;
    assert_eq!(gallery.search(&probe, &rule(-0.9, 0.0)), Match::Unknown { score: Cosine::new(-1.0) });
}

#[test]
fn a_damaged_record_is_an_error_and_changes_nothing() {
    let (short, long): ([i8; 32], [i8; 40]) =
        (core::array::from_fn(|i| i as i8), core::array::from_fn(|i| i as i8));
    let mut gallery = Gallery::new(MODEL);
    gallery.upsert(&person("anna"), &[template(1, 50, &short)]).unwrap();
    let error =
        gallery.upsert(&person("anna"), &[template(2, 50, &short), template(3, 50, &long)]).unwrap_err();
    assert!(matches!(error, GalleryError::Length { expected: 32, found: 40, .. }), "{error}");
    assert!(error.to_string().contains("enrol anna again"));
    let many: Vec<_> = (0..11).map(|i| template(i, 50, &short)).collect();
    assert!(matches!(
        gallery.upsert(&person("anna"), &many),
        Err(GalleryError::TooManyTemplates { found: 11, .. })
    ));
    assert_eq!(gallery.templates(), 1);
    // A probe of another length matches nobody, whatever is asked for.
    let probe = template(4, 0, &long).embedding;
    assert_eq!(gallery.search(&probe, &rule(-0.9, 0.0)), Match::Unknown { score: Cosine::new(-1.0) });
    assert!(gallery.candidates(&probe, 5, Mode::Accurate).is_empty());
}

#[test]
fn what_has_no_direction_cannot_be_searched() {
    for raw in [[0.0_f32; 64], [0.3; 64], [f32::NAN; 64], [f32::INFINITY; 64]] {
        assert!(Embedding::from_float(&raw).is_err());
    }
    assert!(Embedding::from_stored(&[0; 64], 1.0).is_err());
    assert!(Embedding::from_stored(&[-128; 64], 1.0).is_err());
    // The extremes that can exist: every product at its largest, in the longest vector.
    let mut values = [-128_i8; 512];
    values[0] = 127;
    let mut gallery = Gallery::new(MODEL);
    gallery.upsert(&person("edge"), &[template(1, 50, &values)]).unwrap();
    let probe = template(2, 50, &values).embedding;
    assert!(matches!(gallery.search(&probe, &rule(0.6, 0.05)), Match::Person { .. }));
    assert_eq!(gallery.candidates(&probe, 1, Mode::Fast)[0].score, probe.cosine(&probe));
}

#[test]
fn two_people_as_near_as_each_other_are_nobody_and_two_templates_of_one_are_no_second_person() {
    let values: [i8; 32] = core::array::from_fn(|i| i as i8 - 7);
    let probe = template(0, 0, &values).embedding;
    let mut gallery = Gallery::new(MODEL);
    gallery.upsert(&person("anna"), &[template(1, 50, &values), template(2, 50, &values)]).unwrap();
    assert!(matches!(gallery.search(&probe, &rule(0.3, 0.05)), Match::Person { .. }));
    gallery.upsert(&person("twin"), &[template(3, 50, &values)]).unwrap();
    assert!(matches!(gallery.search(&probe, &rule(0.3, 0.05)), Match::LowMargin { .. }));
}

#[test]
fn a_collection_narrows_the_list() {
    let values = |k: i8| -> [i8; 32] { core::array::from_fn(|i| i as i8 - k) };
    let mut staff = person("staff");
    staff.collections.push(clipped("staff")).unwrap();
    let mut gallery = Gallery::new(MODEL);
    gallery.upsert(&staff, &[template(1, 50, &values(3))]).unwrap();
    gallery.upsert(&person("visitor"), &[template(2, 50, &values(9))]).unwrap();
    let probe = template(0, 0, &values(9)).embedding;
    assert_eq!(gallery.candidates(&probe, 5, Mode::Fast)[0].id.as_str(), "visitor");
    let found = gallery.candidates_where(&probe, 5, Mode::Fast, |e| e.is_in("staff"));
    assert_eq!(found.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["staff"]);
}

#[test]
fn debug_output_names_nobody() {
    let mut gallery = Gallery::new(MODEL);
    let values: [i8; 32] = core::array::from_fn(|i| i as i8 - 7);
    gallery.upsert(&person("anna"), &[template(1, 50, &values)]).unwrap();
    let entry = gallery.person(&"anna".parse().unwrap()).unwrap();
    let text = format!("{gallery:?} {entry:?}");
    assert!(!text.contains("Name of") && !text.contains("-7"), "{text}");
}
