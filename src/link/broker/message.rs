//! A message as the broker keeps it.
//!
//! Owns: what is kept of it and what it weighs. Does not own: queues, versions of the protocol.
//! Invariants: nothing of it points into the buffer it was read from; its weight is counted from its making until the
//! last queue has let go of it.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use rumqttc::PublishProperties;

/// What a message and its places in queues weigh beside its bytes.
const OVERHEAD: usize = 256;

/// What was said.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    /// `QoS` 1, else 0.
    pub(super) acknowledged: bool,
    pub(super) retain: bool,
    /// When it is worth nothing any more.
    expires: Option<u64>,
    /// What MQTT 5 passes on as it is.
    extra: Option<PublishProperties>,
    _weight: Weight,
}

/// A message on its way to one receiver.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) message: Rc<Message>,
    /// Where a receipt is wanted.
    pub(super) id: Option<u16>,
    pub(super) retain: bool,
    /// It was sent before.
    pub(super) again: bool,
}

/// What is said when somebody goes without a farewell.
#[derive(Clone, Debug)]
pub(super) struct Will {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) acknowledged: bool,
    pub(super) retain: bool,
    pub(super) extra: Option<PublishProperties>,
    pub(super) delay_ms: u64,
}

impl Will {
    pub(super) fn message(&self, scale: &Rc<Cell<usize>>, now: u64) -> Message {
        let said = Said {
            topic: self.topic.clone(),
            payload: &self.payload,
            acknowledged: self.acknowledged,
            retain: self.retain,
            extra: self.extra.clone(),
        };
        Message::new(said, scale, now)
    }
}

/// What came in, before it is kept.
pub(super) struct Said<'a> {
    pub(super) topic: String,
    pub(super) payload: &'a [u8],
    pub(super) acknowledged: bool,
    pub(super) retain: bool,
    pub(super) extra: Option<PublishProperties>,
}

impl Message {
    pub(super) fn new(said: Said<'_>, scale: &Rc<Cell<usize>>, now: u64) -> Self {
        let mut extra = said.extra;
        let expires = extra
            .as_mut()
            .and_then(|e| e.message_expiry_interval.take())
            .map(|seconds| now.saturating_add(u64::from(seconds) * 1_000));
        if let Some(extra) = &mut extra {
            extra.topic_alias = None;
            extra.subscription_identifiers.clear();
            // A copy: the original lies in the buffer of a whole connection.
            extra.correlation_data = extra.correlation_data.take().map(|d| Bytes::copy_from_slice(&d));
        }
        let more = extra.as_ref().map_or(0, weight);
        let bytes = OVERHEAD + said.topic.len() + said.payload.len() + more;
        scale.set(scale.get() + bytes);
        Self {
            topic: said.topic,
            payload: Bytes::copy_from_slice(said.payload),
            acknowledged: said.acknowledged,
            retain: said.retain,
            expires,
            extra,
            _weight: Weight { scale: Rc::clone(scale), bytes },
        }
    }

    pub(super) fn expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// What MQTT 5 is told of it: the time it has left, and what the sender added.
    pub(super) fn properties(&self, now: u64) -> Option<PublishProperties> {
        let left =
            self.expires.map(|at| u32::try_from(at.saturating_sub(now).div_ceil(1_000)).unwrap_or(u32::MAX));
        match (&self.extra, left) {
            (None, None) => None,
            (extra, left) => {
                Some(PublishProperties { message_expiry_interval: left, ..extra.clone().unwrap_or_default() })
            }
        }
    }
}

fn weight(extra: &PublishProperties) -> usize {
    let pairs: usize = extra.user_properties.iter().map(|(a, b)| a.len() + b.len() + 48).sum();
    pairs
        + extra.response_topic.as_ref().map_or(0, String::len)
        + extra.content_type.as_ref().map_or(0, String::len)
        + extra.correlation_data.as_ref().map_or(0, Bytes::len)
}

#[derive(Debug)]
struct Weight {
    scale: Rc<Cell<usize>>,
    bytes: usize,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.scale.set(self.scale.get() - self.bytes);
    }
}
