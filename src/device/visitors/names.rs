//! Names for people who do not exist, so that a display and a journal read as they do on a real door.
//!
//! Owns: the lists. Does not own: who has a name (the same seed as the face). Invariant: letters and one space.

use super::maths::Dice;
use super::person::Person;

const WOMEN: [&str; 24] = [
    "Anna", "Beatriz", "Chiara", "Dilara", "Elif", "Farah", "Grace", "Hanna", "Ines", "Joana", "Keiko",
    "Lena", "Maya", "Nadia", "Olga", "Priya", "Rosa", "Sara", "Tamar", "Ute", "Vera", "Wanjiru", "Yara",
    "Zofia",
];
const MEN: [&str; 24] = [
    "Amir", "Bruno", "Carlos", "David", "Emre", "Felix", "Goran", "Hugo", "Ivan", "Jonas", "Kofi", "Luca",
    "Mateo", "Nils", "Omar", "Pavel", "Rafael", "Samuel", "Tariq", "Ugo", "Viktor", "Wei", "Yusuf", "Zoran",
];
const FAMILIES: [&str; 32] = [
    "Adler", "Bauer", "Costa", "Demir", "Egger", "Favre", "Graf", "Haddad", "Ito", "Jansen", "Keller",
    "Lopez", "Moser", "Nowak", "Okafor", "Petrov", "Quinn", "Rossi", "Sutter", "Tanaka", "Ueda", "Vogel",
    "Weber", "Xu", "Yilmaz", "Zimmer", "Brandt", "Diallo", "Horvat", "Kovac", "Mensah", "Silva",
];

/// The name of a person.
pub(super) fn name(seed: u64) -> String {
    let mut d = Dice::new(seed ^ 0x6e61_6d65);
    let first = if Person::new(seed).female > 0.5 { WOMEN } else { MEN };
    format!("{} {}", first[d.pick(first.len())], FAMILIES[d.pick(FAMILIES.len())])
}
