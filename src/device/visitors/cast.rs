//! The people whom everybody meets: seeds chosen so that no two of them look alike.
//!
//! Owns: which seed stands behind the first numbers. Does not own: what a seed looks like (`person`).
//! Invariant: further numbers are seeds themselves, as they come.
//!
//! Chosen from the first 900 seeds, farthest from each other first, by their traits (complexion, eyes, brows, jaw, nose,
//! hair, beard, glasses); who is extreme in one trait was left out. What a trait weighs came from a regression on cosines of
//! face-reidentification-retail-0095, and the order from cosines of it and MobileFace V2: the first 16 stay below 0.44
//! with each other. So these networks did not train on anybody here, but they had a say in who is; seeds as they come
//! are more alike (mean cosine 0.34 to 0.36 where these have 0.32).

/// Of each number the seed.
const SEEDS: [u64; 48] = [
    196, 687, 134, 153, 33, 759, 136, 624, 835, 5, 478, 650, 588, 43, 804, 374, 490, 70, 166, 451, 38, 241,
    764, 599, 805, 320, 148, 383, 718, 459, 406, 186, 657, 298, 474, 9, 190, 366, 840, 59, 377, 376, 500,
    663, 506, 110, 730, 359,
];

/// How many were chosen.
pub(super) const CHOSEN: u64 = SEEDS.len() as u64;

/// The seed behind a person's number.
pub(super) fn seed(person: u64) -> u64 {
    usize::try_from(person).ok().and_then(|number| SEEDS.get(number).copied()).unwrap_or(person)
}
