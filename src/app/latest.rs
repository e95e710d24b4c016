//! The newest frame wins: one producer, one consumer, three buffers that change hands and are never copied.
//!
//! Owns: the exchange between the capture and the vision thread. Does not own: what is in a frame.
//! Overflow policy: a frame that was not fetched in time is overwritten by the next one and counted.
//! Invariants: no allocation after construction; the consumer never sees a frame older than the newest one
//! published; neither side waits for the other longer than it says.
//!
//! Two queues (as sketched in DESIGN) would hand out the oldest of the waiting frames; a mailbox of one slot
//! under a lock that is held for three moves hands out the newest, which is what a door needs.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::FrameMeta;
use crate::domain::limits::MAX_FRAME_BYTES;

/// A buffer for one frame of any permitted size.
pub struct FrameBuffer {
    /// `MAX_FRAME_BYTES` long.
    pub rgb: Box<[u8]>,
    /// Set by the camera.
    pub meta: FrameMeta,
}

impl FrameBuffer {
    /// A black buffer. The memory is zero pages until the camera writes to it.
    #[must_use]
    pub fn new() -> Box<Self> {
        let meta = FrameMeta { width: 1, height: 1, captured: crate::domain::Mono(0), seq: 0 };
        Box::new(Self { rgb: vec![0; MAX_FRAME_BYTES].into_boxed_slice(), meta })
    }
}

#[derive(Default)]
struct Slot {
    newest: Option<Box<FrameBuffer>>,
    spare: Option<Box<FrameBuffer>>,
    overwritten: u64,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    slot: Mutex<Slot>,
    arrived: Condvar,
}

impl Shared {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        // A panic between two moves leaves the slot valid, so a poisoned lock may be used.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The camera's end.
pub struct Producer {
    shared: Arc<Shared>,
    own: Box<FrameBuffer>,
}

/// The vision's end.
pub struct Consumer {
    shared: Arc<Shared>,
    own: Box<FrameBuffer>,
}

/// A fresh exchange.
#[must_use]
pub fn channel() -> (Producer, Consumer) {
    let shared = Arc::new(Shared::default());
    shared.slot().spare = Some(FrameBuffer::new());
    (
        Producer { shared: Arc::clone(&shared), own: FrameBuffer::new() },
        Consumer { shared, own: FrameBuffer::new() },
    )
}

impl Producer {
    /// The buffer to be filled.
    pub fn buffer(&mut self) -> &mut FrameBuffer {
        &mut self.own
    }

    /// Publishes the filled buffer; an unfetched older one is overwritten.
    pub fn publish(&mut self) {
        let mut slot = self.shared.slot();
        let back = match slot.newest.take() {
            Some(unfetched) => {
                slot.overwritten += 1;
                unfetched
            }
            // Three buffers: one here, one at the consumer, one in the slot.
            None => slot.spare.take().unwrap_or_else(FrameBuffer::new),
        };
        slot.newest = Some(std::mem::replace(&mut self.own, back));
        drop(slot);
        self.shared.arrived.notify_one();
    }

    /// Frames that were overwritten before anybody looked at them.
    #[must_use]
    pub fn overwritten(&self) -> u64 {
        self.shared.slot().overwritten
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.shared.slot().closed = true;
        self.shared.arrived.notify_all();
    }
}

/// What waiting for a frame brought.
pub enum Wait<'a> {
    /// The newest frame.
    Frame(&'a FrameBuffer),
    /// None in time.
    Nothing,
    /// The producer is gone, and every frame was fetched.
    Closed,
}

impl Consumer {
    /// Waits up to `patience` for a frame newer than the last one fetched.
    pub fn wait(&mut self, patience: Duration) -> Wait<'_> {
        let slot = self.shared.slot();
        let waited =
            self.shared.arrived.wait_timeout_while(slot, patience, |s| s.newest.is_none() && !s.closed);
        let mut slot = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(slot, _)| slot);
        match slot.newest.take() {
            Some(newest) => {
                slot.spare = Some(std::mem::replace(&mut self.own, newest));
                drop(slot);
                Wait::Frame(&self.own)
            }
            None if slot.closed => Wait::Closed,
            None => Wait::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(p: &mut Producer, seq: u64) {
        p.buffer().meta.seq = seq;
        p.buffer().rgb[0] = seq as u8;
        p.publish();
    }

    #[test]
    fn the_newest_frame_wins_and_the_rest_is_counted() {
        let (mut p, mut c) = channel();
        assert!(matches!(c.wait(Duration::ZERO), Wait::Nothing));
        for seq in 1..=5 {
            put(&mut p, seq);
        }
        assert_eq!(p.overwritten(), 4);
        let Wait::Frame(f) = c.wait(Duration::ZERO) else { panic!("no frame") };
        assert_eq!((f.meta.seq, f.rgb[0]), (5, 5));
        assert!(matches!(c.wait(Duration::ZERO), Wait::Nothing));
        put(&mut p, 6);
        drop(p);
        assert!(matches!(c.wait(Duration::ZERO), Wait::Frame(f) if f.meta.seq == 6));
        assert!(matches!(c.wait(Duration::ZERO), Wait::Closed));
    }

    #[test]
    fn frames_arrive_in_order_across_threads() {
        let (mut p, mut c) = channel();
        let feeder = std::thread::spawn(move || (1..=2_000).for_each(|seq| put(&mut p, seq)));
        let mut last = 0;
        loop {
            match c.wait(Duration::from_secs(5)) {
                Wait::Frame(f) => {
                    assert!(f.meta.seq > last);
                    assert_eq!(f.rgb[0], f.meta.seq as u8);
                    last = f.meta.seq;
                }
                Wait::Nothing => panic!("the producer stopped"),
                Wait::Closed => break,
            }
        }
        assert_eq!(last, 2_000);
        feeder.join().unwrap();
    }
}
