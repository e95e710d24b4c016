//! A create that is sent twice is done once (`Idempotency-Key`).
//!
//! Owns: the answers of recent creates, bounded in number, size and age. Does not own: which routes create.
//! Invariants: one key stands for one request of one caller; while the first is under way a second is refused, not
//! queued; only answers of success are kept. In memory alone: after a restart a create that is sent again meets the
//! door's own check for duplicates.

use std::collections::VecDeque;

use crate::wire::{Code, Refusal};

use super::answer::Answer;

const MAX_ENTRIES: usize = 256;
const MAX_ANSWER_BYTES: usize = 64 << 10;
const AGE_MS: u64 = 24 * 3_600_000;
const MAX_KEY: usize = 128;

/// Recent creates, oldest first.
#[derive(Debug, Default)]
pub(super) struct Creates(VecDeque<Entry>);

#[derive(Debug)]
struct Entry {
    name: String,
    digest: [u8; 32],
    at: u64,
    answer: Option<Answer>,
}

/// What to do with a create.
#[derive(Debug)]
pub(super) enum Begin {
    /// Do it, then say `finish`.
    Fresh,
    /// It was done; this was the answer.
    Replay(Answer),
}

/// The name under which a create is kept.
///
/// # Errors
/// When the key is longer than 128 or holds other than visible ASCII.
pub(super) fn name(caller: &str, method_and_path: &str, key: &str) -> Result<String, Refusal> {
    if key.len() > MAX_KEY || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refusal::invalid(
            "Idempotency-Key",
            "an Idempotency-Key has 1 to 128 visible characters",
        ));
    }
    Ok(format!("{caller} {method_and_path} {key}"))
}

impl Creates {
    /// A create begins.
    pub(super) fn begin(&mut self, name: &str, digest: [u8; 32], now: u64) -> Result<Begin, Refusal> {
        self.0.retain(|entry| now.saturating_sub(entry.at) < AGE_MS);
        if let Some(entry) = self.0.iter().find(|entry| entry.name == name) {
            if entry.digest != digest {
                return Err(Refusal::new(
                    Code::Conflict,
                    "this Idempotency-Key was used for another request",
                ));
            }
            return match &entry.answer {
                Some(answer) => Ok(Begin::Replay(answer.clone())),
                None => Err(Refusal::new(
                    Code::Conflict,
                    "the first request of this Idempotency-Key is under way",
                )),
            };
        }
        if self.0.len() == MAX_ENTRIES {
            self.0.pop_front();
        }
        self.0.push_back(Entry { name: name.to_owned(), digest, at: now, answer: None });
        Ok(Begin::Fresh)
    }

    /// It ended so; a failure may be tried again.
    pub(super) fn finish(&mut self, name: &str, answer: Option<&Answer>) {
        let kept = answer.filter(|a| a.status < 300 && a.body.len() <= MAX_ANSWER_BYTES);
        match (self.0.iter_mut().find(|entry| entry.name == name), kept) {
            (Some(entry), Some(answer)) => entry.answer = Some(answer.clone()),
            (Some(_), None) => self.0.retain(|entry| entry.name != name),
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_is_once_and_another_body_is_refused() {
        let mut creates = Creates::default();
        let answer = Answer::text("text/plain", "made");
        assert!(matches!(creates.begin("a", [1; 32], 0), Ok(Begin::Fresh)));
        assert_eq!(creates.begin("a", [1; 32], 1).unwrap_err().code, Code::Conflict, "under way");
        creates.finish("a", Some(&answer));
        assert!(matches!(creates.begin("a", [1; 32], 2), Ok(Begin::Replay(a)) if a.body == b"made"));
        assert_eq!(creates.begin("a", [2; 32], 3).unwrap_err().code, Code::Conflict, "another body");
        assert!(matches!(creates.begin("a", [2; 32], AGE_MS), Ok(Begin::Fresh)), "a day later");
        creates.finish("a", None);
        assert!(
            matches!(creates.begin("a", [3; 32], AGE_MS), Ok(Begin::Fresh)),
            "a failure may be tried again"
        );
        for i in 0..1_000 {
            let _ = creates.begin(&i.to_string(), [0; 32], AGE_MS);
        }
        assert!(creates.0.len() <= MAX_ENTRIES);
        assert!(name("c", "POST /x", &"k".repeat(129)).is_err() && name("c", "POST /x", "a b").is_err());
    }
}
