//! A list of pairs of pictures, and folds in which no person appears twice.
//!
//! Owns: reading the list and splitting it. Does not own: the pictures, the scores.
//! Invariants: paths stay inside the folder of images; a person is the folder that a picture lies in; people who are
//! linked by any pair fall into the same fold.

use std::collections::HashMap;
use std::path::{Component, Path};

use super::EvaluateError;

/// Two pictures and whether they show one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) a: String,
    pub(super) b: String,
    pub(super) same: bool,
}

/// Reads `a,b,same` with a header line; paths are relative to the folder of images, `same` is 1 or 0.
pub(super) fn read(path: &Path) -> Result<Vec<Pair>, EvaluateError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| EvaluateError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|(line, what)| EvaluateError::Pairs { path: path.to_owned(), line, what })
}

fn parse(text: &str) -> Result<Vec<Pair>, (usize, &'static str)> {
    let mut lines = text.lines().enumerate();
    if lines.next().map(|(_, header)| header.trim()) != Some("a,b,same") {
        return Err((1, "the first line must be a,b,same"));
    }
    let mut pairs = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<_> = line.trim().split(',').collect();
        let [a, b, same] = fields[..] else {
            return Err((number + 1, "a line has three fields: a picture, a picture, 1 or 0"));
        };
        let inside = |p: &str| Path::new(p).components().all(|c| matches!(c, Component::Normal(_)));
        if a.is_empty() || b.is_empty() || !inside(a) || !inside(b) {
            return Err((number + 1, "a picture is a path below the folder of images, without .."));
        }
        let same = match same {
            "1" => true,
            "0" => false,
            _ => return Err((number + 1, "the third field is 1 for the same person, 0 for two")),
        };
        pairs.push(Pair { a: a.to_owned(), b: b.to_owned(), same });
    }
    if pairs.is_empty() {
        return Err((1, "the list has no pairs"));
    }
    Ok(pairs)
}

/// The person a picture shows: the folder it lies in.
pub(super) fn person_of(picture: &str) -> &str {
    picture.rsplit_once('/').map_or(picture, |(folder, _)| folder)
}

/// For each pair the group of people it belongs to, numbered from 0: people linked by any pair are one group.
pub(super) fn groups(pairs: &[Pair]) -> Vec<usize> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut parent: Vec<usize> = Vec::new();
    for pair in pairs {
        let [a, b] = [&pair.a, &pair.b].map(|picture| {
            let number = *numbers.entry(person_of(picture)).or_insert(parent.len());
            if number == parent.len() {
                parent.push(number);
            }
            root(&mut parent, number)
        });
        parent[a.max(b)] = a.min(b);
    }
    let mut compact: HashMap<usize, usize> = HashMap::new();
    pairs
        .iter()
        .map(|pair| {
            let root = root(&mut parent, numbers[person_of(&pair.a)]);
            let next = compact.len();
            *compact.entry(root).or_insert(next)
        })
        .collect()
}

fn root(parent: &mut [usize], mut at: usize) -> usize {
    while parent[at] != at {
        parent[at] = parent[parent[at]];
        at = parent[at];
    }
    at
}

/// For each pair its fold, 0 to `folds` - 1: whole groups, the largest first, each into the fold that has the fewest
/// pairs of its kind so far.
pub(super) fn folds(pairs: &[Pair], groups: &[usize], folds: usize) -> Vec<usize> {
    let mut sizes = vec![[0_usize; 2]; groups.iter().max().map_or(0, |m| m + 1)];
    for (pair, group) in pairs.iter().zip(groups) {
        sizes[*group][usize::from(pair.same)] += 1;
    }
    let mut order: Vec<_> = (0..sizes.len()).collect();
    order.sort_by_key(|g| (std::cmp::Reverse(sizes[*g][0] + sizes[*g][1]), *g));
    let mut filled = vec![[0_usize; 2]; folds];
    let mut fold_of = vec![0; sizes.len()];
    for group in order {
        let kind = usize::from(sizes[group][1] > sizes[group][0]);
        let fold = (0..folds).min_by_key(|f| (filled[*f][kind], filled[*f][1 - kind], *f)).unwrap_or(0);
        fold_of[group] = fold;
        (0..2).for_each(|k| filled[fold][k] += sizes[group][k]);
    }
    groups.iter().map(|g| fold_of[*g]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_is_read_and_what_is_wrong_is_named_with_its_line() {
        let good = parse("a,b,same\nX/1.jpg,X/2.jpg,1\n\nX/1.jpg,Y/1.jpg,0\r\n").unwrap();
        assert_eq!(good.len(), 2);
        assert!(good[0].same && !good[1].same);
        assert_eq!(person_of(&good[1].b), "Y");
        for (text, line) in [
            ("", 1),
            ("a,b\n", 1),
            ("a,b,same\n", 1),
            ("a,b,same\nX/1,X/2\n", 2),
            ("a,b,same\nX/1,X/2,yes\n", 2),
            ("a,b,same\nX/1,X/2,1\n../../etc/passwd,X/2,1\n", 3),
            ("a,b,same\n/etc/passwd,X/2,1\n", 2),
            ("a,b,same\n,X/2,1\n", 2),
        ] {
            assert_eq!(parse(text).unwrap_err().0, line, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_person_is_in_two_folds(links in prop::collection::vec((0_u8..60, 0_u8..60), 1..80)) {
            let pairs: Vec<_> = links.iter().map(|(a, b)| Pair {
                a: format!("p{a}/1.jpg"), b: format!("p{b}/2.jpg"), same: a == b,
            }).collect();
            let groups = groups(&pairs);
            let folds = folds(&pairs, &groups, 10);
            let mut of_person: HashMap<&str, HashSet<usize>> = HashMap::new();
            for (pair, fold) in pairs.iter().zip(&folds) {
                prop_assert!(*fold < 10);
                of_person.entry(person_of(&pair.a)).or_default().insert(*fold);
                of_person.entry(person_of(&pair.b)).or_default().insert(*fold);
            }
            prop_assert!(of_person.values().all(|folds| folds.len() == 1));
        }
    }
}
