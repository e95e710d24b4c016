//! The gallery finds the same people whichever instructions of the processor it searches with.
//!
//! Owns: that promise over every set of kernels of this machine. Does not own: what is found (`matching`), the
//! kernels' own proofs (`engine::kernels`).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use ostiary::domain::{
    Embedding, ModelId, Person, Template, TemplateId, TemplateSource, Utc, clipped, limits::MAX_EMBEDDING,
};
use ostiary::engine::kernels;
use ostiary::matching::{Gallery, Mode};

const MODEL: ModelId = ModelId([3; 32]);

/// Values of the whole range, the least one too.
fn embeddings(length: usize) -> impl FnMut() -> Embedding {
    let mut state = 11_u64;
    move || {
        let values: Vec<i8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as i8
            })
            .collect();
        Embedding::from_stored(&values, 0.01).unwrap()
    }
}

#[test]
fn every_set_of_kernels_finds_the_same_people() {
    for length in [16, 100, 128, 256, MAX_EMBEDDING] {
        let mut next = embeddings(length);
        let probes: Vec<Embedding> = (0..5).map(|_| next()).collect();
        // More than one block, and a last block that is not full.
        let enrolled: Vec<(Person, [Template; 1])> = (0..701)
            .map(|number| {
                let template = Template {
                    id: TemplateId(number),
                    embedding: next(),
                    model: MODEL,
                    epoch: 0,
                    quality: 90,
                    source: TemplateSource::Image,
                    created_at: Utc(0),
                };
                (Person::new(format!("p{number}").parse().unwrap(), clipped("-"), Utc(0)), [template])
            })
            .collect();
        let plain = Gallery::build(MODEL, enrolled.iter().map(|(p, t)| (p, t))).unwrap();
        for set in kernels::available() {
            let gallery = Gallery::build(MODEL, enrolled.iter().map(|(p, t)| (p, t))).unwrap();
            let gallery = gallery.scanning_with(set.scan);
            for probe in &probes {
                let (want, got) =
                    (plain.candidates(probe, 50, Mode::Fast), gallery.candidates(probe, 50, Mode::Fast));
                assert_eq!(want, got, "{} at {length}", set.name);
                let exact =
                    enrolled.iter().map(|(_, [t])| t.embedding.cosine(probe).get()).fold(-1.0, f32::max);
                assert!((want[0].score.get() - exact).abs() <= 0.0);
            }
        }
    }
}
