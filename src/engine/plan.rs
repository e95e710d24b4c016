//! Where the tensors of a run lie: one arena, places shared by tensors that never live at the same time.
//!
//! Owns: the lifetimes and the layout. Does not own: what is in a tensor.
//! Invariant: two buffers that are alive in the same step do not overlap; every place begins at a cache line.

use std::ops::Range;

/// A tensor's place, before and after the layout is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BufferId(usize);

/// Buffers of one arena while the program is being built.
#[derive(Default)]
pub(super) struct Plan {
    buffers: Vec<Buffer>,
}

struct Buffer {
    len: usize,
    /// First and last step that touches it.
    life: Option<(usize, usize)>,
}

/// Buffers begin at multiples of this, in elements.
const ALIGN: usize = 64;

impl Plan {
    /// A new buffer of `len` elements.
    pub(super) fn add(&mut self, len: usize) -> BufferId {
        self.buffers.push(Buffer { len, life: None });
        BufferId(self.buffers.len() - 1)
    }

    /// Notes that a step reads or writes it.
    pub(super) fn touch(&mut self, id: BufferId, step: usize) {
        let life = &mut self.buffers[id.0].life;
        *life = Some(life.map_or((step, step), |(first, last)| (first.min(step), last.max(step))));
    }

    /// The elements of all buffers together, were no place shared.
    pub(super) fn total(&self) -> usize {
        self.buffers.iter().fold(0, |sum, b| sum.saturating_add(b.len))
    }

    /// Lays the buffers out, large ones first, each at the lowest place that is free all its life.
    pub(super) fn lay_out(&self) -> Layout {
        let mut order: Vec<usize> = (0..self.buffers.len()).collect();
        order.sort_by_key(|i| (std::cmp::Reverse(self.buffers[*i].len), *i));
        let mut places: Vec<Range<usize>> = vec![0..0; self.buffers.len()];
        let mut placed: Vec<usize> = Vec::new();
        let mut size = 0;
        for index in order {
            let buffer = &self.buffers[index];
            let Some(life) = buffer.life else { continue };
            let meets =
                |other: &usize| self.buffers[*other].life.is_some_and(|l| l.0 <= life.1 && life.0 <= l.1);
            let mut taken: Vec<Range<usize>> =
                placed.iter().filter(|o| meets(o)).map(|o| places[*o].clone()).collect();
            taken.sort_by_key(|r| r.start);
            let mut start = 0;
            for range in taken {
                if start + buffer.len <= range.start {
                    break;
                }
                start = start.max(range.end.next_multiple_of(ALIGN));
            }
            places[index] = start..start + buffer.len;
            size = size.max(start + buffer.len);
            placed.push(index);
        }
        Layout { places, size }
    }
}

/// The places of all buffers.
#[derive(Debug)]
pub(super) struct Layout {
    places: Vec<Range<usize>>,
    /// Elements of the arena.
    pub size: usize,
}

impl Layout {
    /// Where a buffer lies.
    pub(super) fn of(&self, id: BufferId) -> Range<usize> {
        self.places[id.0].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_lives_together_lies_apart(
            buffers in proptest::collection::vec((0_usize..500, 0_usize..20, 0_usize..20), 0..40),
        ) {
            let mut plan = Plan::default();
            let ids: Vec<_> = buffers.iter().map(|(len, a, b)| {
                let id = plan.add(*len);
                plan.touch(id, *a);
                plan.touch(id, *b);
                id
            }).collect();
            let layout = plan.lay_out();
            for (i, (len, a, b)) in buffers.iter().enumerate() {
                let here = layout.of(ids[i]);
                proptest::prop_assert_eq!(here.len(), *len);
                proptest::prop_assert!(here.end <= layout.size && here.start % ALIGN == 0);
                for (j, (_, c, d)) in buffers.iter().enumerate().skip(i + 1) {
                    let there = layout.of(ids[j]);
                    let together = a.min(b) <= c.max(d) && c.min(d) <= a.max(b);
                    let overlap = here.start < there.end && there.start < here.end;
                    proptest::prop_assert!(!(together && overlap));
                }
            }
        }
    }

    #[test]
    fn places_are_used_again() {
        let mut plan = Plan::default();
        for step in 0..10 {
            let id = plan.add(1_000);
            plan.touch(id, step);
            plan.touch(id, step + 1);
        }
        assert!(plan.lay_out().size <= 2_100, "{}", plan.lay_out().size);
    }
}
