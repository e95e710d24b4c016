//! The same work on many items, on a few threads, with a progress bar.
//!
//! Owns: the threads and the bar. Does not own: the work.
//! Invariants: results come in the order of the items, whatever thread did them; the bar is drawn on standard error
//! and only where that is a terminal; the first failure stops every thread.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use super::EvaluateError;

/// Runs `work` on every item; each thread first makes its own tool (a set of networks) with `tool`.
pub(super) fn map<T: Sync, W, R: Send>(
    what: &'static str,
    items: &[T],
    threads: usize,
    tool: impl Fn() -> Result<W, EvaluateError> + Sync,
    work: impl Fn(&mut W, &T) -> Result<R, EvaluateError> + Sync,
) -> Result<Vec<R>, EvaluateError> {
    let bar = ProgressBar::new(items.len() as u64).with_message(what).with_style(style());
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let one_thread = || -> Result<Vec<(usize, R)>, EvaluateError> {
        let mut tool = tool()?;
        let mut done = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            done.push((index, work(&mut tool, item)?));
            bar.inc(1);
        }
        Ok(done)
    };
    let guarded = || one_thread().inspect_err(|_| stop.store(true, Ordering::Relaxed));
    let parts = std::thread::scope(|scope| {
        let handles: Vec<_> =
            (0..threads.clamp(1, items.len().max(1))).map(|_| scope.spawn(guarded)).collect();
        handles
            .into_iter()
            .map(|h| h.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<Vec<_>, _>>()
    });
    bar.finish_and_clear();
    let mut all: Vec<_> = parts?.into_iter().flatten().collect();
    all.sort_unstable_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg:<24} {bar:32} {pos}/{len}  {per_sec}  left {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_and_the_first_failure_stops_all() {
        let items: Vec<u64> = (0..500).collect();
        let squares = map("test", &items, 3, || Ok(2), |two, x| Ok(x.pow(*two))).unwrap();
        assert_eq!(squares, items.iter().map(|x| x * x).collect::<Vec<_>>());
        let failed = map(
            "test",
            &items,
            3,
            || Ok(()),
            |(), x| {
                if *x == 7 { Err(EvaluateError::Nothing("pictures")) } else { Ok(()) }
            },
        );
        assert!(matches!(failed, Err(EvaluateError::Nothing("pictures"))));
        assert!(map::<u8, (), ()>("test", &[], 2, || Ok(()), |(), _| Ok(())).unwrap().is_empty());
    }
}
