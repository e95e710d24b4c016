//! The broker's memory against every order of what can happen, and its reader against noise.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::hub::{Entry, Hub, Limits, Seat, Sub, TellRetained, matches};
use super::message::{Message, Said, Will};
use super::speak::{self, Asked, Version};

const TIGHT: Limits =
    Limits { sessions: 6, filters: 3, waiting: 12, retained: 4, bytes: 20_000, away_ms: 10_000 };

#[derive(Clone, Debug)]
enum Step {
    Enter {
        who: u8,
        clean: bool,
        lasting: u16,
        will: bool,
    },
    Leave {
        who: u8,
        farewell: bool,
    },
    Subscribe {
        who: u8,
        filter: u8,
        acknowledged: bool,
    },
    Unsubscribe {
        who: u8,
        filter: u8,
    },
    Publish {
        who: u8,
        topic: u8,
        acknowledged: bool,
        retain: bool,
        size: u16,
    },
    /// Takes so many messages and acknowledges all but the last few.
    Take {
        who: u8,
        messages: u8,
        owed: u8,
    },
    Wait(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0_u8..8;
    let step = prop_oneof![
        (who.clone(), any::<bool>(), 0_u16..20_000, any::<bool>())
            .prop_map(|(who, clean, lasting, will)| Step::Enter { who, clean, lasting, will }),
        (who.clone(), any::<bool>()).prop_map(|(who, farewell)| Step::Leave { who, farewell }),
        (who.clone(), 0_u8..5, any::<bool>()).prop_map(|(who, filter, acknowledged)| Step::Subscribe {
            who,
            filter,
            acknowledged
        }),
        (who.clone(), 0_u8..5).prop_map(|(who, filter)| Step::Unsubscribe { who, filter }),
        (who.clone(), 0_u8..6, any::<bool>(), any::<bool>(), 0_u16..4_000).prop_map(
            |(who, topic, acknowledged, retain, size)| Step::Publish {
                who,
                topic,
                acknowledged,
                retain,
                size
            }
        ),
        (who, 0_u8..16, 0_u8..4).prop_map(|(who, messages, owed)| Step::Take { who, messages, owed }),
        (0_u16..6_000).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..120)
}

const FILTERS: [&str; 5] = ["#", "a/#", "a/+", "a/0", "b/0"];

fn topic(n: u8) -> String {
    format!("{}/{}", if n < 3 { "a" } else { "b" }, n % 3)
}

fn entry(name: &str, clean: bool, lasting_ms: u64, will: Option<Will>) -> Entry {
    Entry { name: name.into(), clean, lasting_ms, window: 4, will }
}

fn sub(filter: &str, acknowledged: bool) -> Sub {
    Sub {
        filter: filter.into(),
        acknowledged,
        no_local: false,
        as_published: false,
        retained: TellRetained::Always,
    }
}

fn say(
    hub: &mut Hub,
    seat: &Seat,
    topic: &str,
    payload: &[u8],
    acknowledged: bool,
    retain: bool,
    now: u64,
) -> bool {
    let said = Said { topic: topic.into(), payload, acknowledged, retain, extra: None };
    let message = Message::new(said, &hub.scale(), now);
    hub.publish(seat, message, now)
}

proptest! {
    #[test]
    fn nothing_grows_beyond_its_bound_and_nothing_comes_out_of_order(steps in steps()) {
        let mut hub = Hub::new(TIGHT);
        let mut seats: BTreeMap<u8, Seat> = BTreeMap::new();
        let mut now = 1_000;
        let mut said = 0_u64;
        // The newest number that each receiver was told first on each topic by each sender.
        let mut newest: BTreeMap<(u8, String, u8), u64> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Enter { who, clean, lasting, will } => {
                    let will = will.then(|| Will {
                        topic: topic(who % 6),
                        payload: Bytes::from_static(b""),
                        acknowledged: true,
                        retain: false,
                        extra: None,
                        delay_ms: 500,
                    });
                    if let Some((seat, _)) = hub.enter(entry(&who.to_string(), clean, u64::from(lasting), will), now) {
                        seats.insert(who, seat);
                    }
                }
                Step::Leave { who, farewell } => {
                    if let Some(seat) = seats.remove(&who) {
                        hub.leave(&seat, farewell, None, now);
                    }
                }
                Step::Subscribe { who, filter, acknowledged } => {
                    if let Some(seat) = seats.get(&who) {
                        hub.subscribe(seat, &sub(FILTERS[usize::from(filter)], acknowledged), now);
                    }
                }
                Step::Unsubscribe { who, filter } => {
                    if let Some(seat) = seats.get(&who) {
                        hub.unsubscribe(seat, FILTERS[usize::from(filter)]);
                    }
                }
                Step::Publish { who, topic: to, acknowledged, retain, size } => {
                    if let Some(seat) = seats.get(&who) {
                        said += 1;
                        let mut payload = said.to_be_bytes().to_vec();
                        payload.push(who);
                        payload.resize(9 + usize::from(size), 0);
                        say(&mut hub, seat, &topic(to), &payload, acknowledged, retain, now);
                    }
                }
                Step::Take { who, messages, owed } => {
                    let Some(seat) = seats.get(&who) else { continue };
                    let mut taken = Vec::new();
                    for _ in 0..messages {
                        let Some(out) = hub.next(seat, now) else { break };
                        if let (Some(number), false, false) = (out.message.payload.first_chunk(), out.again, out.retain) {
                            let number = u64::from_be_bytes(*number);
                            let key = (who, out.message.topic.clone(), out.message.payload[8]);
                            let before = newest.insert(key, number);
                            prop_assert!(before.is_none_or(|b| b < number), "{before:?} {number}");
                        }
                        taken.extend(out.id);
                        // A window of four, and it never gives more.
                        if taken.len() >= 4 {
                            hub.acknowledged(seat, taken.remove(0));
                        }
                    }
                    let keep = taken.len().saturating_sub(usize::from(owed));
                    taken.drain(..keep).for_each(|id| hub.acknowledged(seat, id));
                }
                Step::Wait(ms) => {
                    now += u64::from(ms);
                    hub.sweep(now);
                }
            }
            // One message more than the bound may lie there: the one that found it full.
            prop_assert!(hub.bytes() <= TIGHT.bytes + 4_500, "{}", hub.bytes());
            prop_assert!(hub.sizes().iter().all(|(n, most)| n <= most), "{:?}", hub.sizes());
        }
        for (_, seat) in seats {
            hub.leave(&seat, true, Some(0), now);
        }
        hub.sweep(now + TIGHT.away_ms);
        hub.forget_retained();
        prop_assert_eq!(hub.bytes(), 0, "every message that nobody wants is gone");
    }

    #[test]
    fn whatever_noise_comes_is_read_or_refused(
        version in prop_oneof![Just(Version::Five), Just(Version::Three)],
        first in prop_oneof![Just(0x10_u8), Just(0x30), Just(0x32), Just(0x82), Just(0xa2), any::<u8>()],
        noise in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut bytes = vec![first];
        bytes.extend(&noise);
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = speak::read(version, &mut buffer) {}
        let mut level = vec![0x10, 0x7f, 0, 4, b'M', b'Q', b'T', b'T', if version == Version::Five { 5 } else { 4 }];
        level.extend(&noise);
        for bytes in [bytes, level] {
            let _ = speak::hello(&mut BytesMut::from(&bytes[..]));
        }
    }
}

#[test]
fn a_receiver_that_was_away_gets_what_it_missed_once_it_acknowledges() {
    let mut hub = Hub::new(TIGHT);
    let (writer, _) = hub.enter(entry("w", true, 0, None), 0).unwrap();
    let (reader, present) = hub.enter(entry("r", false, 5_000, None), 0).unwrap();
    assert!(!present);
    assert!(hub.subscribe(&reader, &sub("a/+", true), 0));
    hub.leave(&reader, true, None, 0);
    for n in 0..3_u8 {
        assert!(say(&mut hub, &writer, "a/1", &[n], true, false, 10));
    }
    let (reader, present) = hub.enter(entry("r", false, 5_000, None), 20).unwrap();
    assert!(present);
    let first = hub.next(&reader, 20).unwrap();
    assert_eq!((&first.message.payload[..], first.again), (&[0][..], false));
    // Gone before the receipt: the same again, under the same number.
    hub.leave(&reader, false, None, 30);
    let (reader, _) = hub.enter(entry("r", false, 5_000, None), 40).unwrap();
    let again = hub.next(&reader, 40).unwrap();
    assert_eq!((again.id, again.again), (first.id, true));
    hub.acknowledged(&reader, first.id.unwrap());
    let rest: Vec<_> = std::iter::from_fn(|| hub.next(&reader, 50)).map(|o| o.message.payload[0]).collect();
    assert_eq!(rest, [1, 2]);
    // Another connection of the same session takes it over, and the old one says nothing more.
    let (newer, _) = hub.enter(entry("r", false, 5_000, None), 60).unwrap();
    assert!(hub.next(&reader, 60).is_none());
    assert!(hub.next(&newer, 60).unwrap().again);
    // Its time is over: nothing is left of it.
    hub.leave(&newer, true, None, 60);
    hub.sweep(6_000);
    assert!(!hub.enter(entry("r", false, 5_000, None), 6_000).unwrap().1);
}

#[test]
fn wills_and_retained_messages_keep_their_rules() {
    let mut hub = Hub::new(TIGHT);
    let will = Will {
        topic: "a/1".into(),
        payload: Bytes::from_static(b"gone"),
        acknowledged: true,
        retain: true,
        extra: None,
        delay_ms: 0,
    };
    let (ear, _) = hub.enter(entry("ear", true, 0, None), 0).unwrap();
    hub.subscribe(&ear, &sub("#", true), 0);
    let (polite, _) = hub.enter(entry("p", true, 0, Some(will.clone())), 0).unwrap();
    hub.leave(&polite, true, None, 1);
    assert!(hub.next(&ear, 1).is_none(), "who says farewell has no will");
    let (lost, _) = hub.enter(entry("p", true, 0, Some(will.clone())), 2).unwrap();
    hub.leave(&lost, false, None, 3);
    let said = hub.next(&ear, 3).unwrap();
    assert_eq!((&said.message.payload[..], said.retain), (&b"gone"[..], false));
    let (late, _) = hub.enter(entry("late", true, 0, None), 4).unwrap();
    hub.subscribe(&late, &sub("a/#", false), 4);
    assert!(hub.next(&late, 4).unwrap().retain, "what is retained is told as such");
    // A will that waits is taken back by whoever returns in time.
    let slow = Will { delay_ms: 1_000, ..will };
    let (seat, _) = hub.enter(entry("s", false, 5_000, Some(slow)), 5).unwrap();
    hub.acknowledged(&ear, said.id.unwrap());
    hub.leave(&seat, false, None, 10);
    hub.sweep(500);
    hub.enter(entry("s", false, 5_000, None), 600).unwrap();
    hub.sweep(5_000);
    assert!(hub.next(&ear, 5_000).is_none());
    // Emptied: nobody is told any more.
    assert!(say(&mut hub, &ear, "a/1", b"", true, true, 5_001));
    let (fresh, _) = hub.enter(entry("fresh", true, 0, None), 5_002).unwrap();
    hub.subscribe(&fresh, &sub("#", true), 5_002);
    assert!(hub.next(&fresh, 5_002).is_none());
}

#[test]
fn what_the_broker_does_not_do_is_refused_by_the_standards_code() {
    // QoS 2.
    let mut publish = BytesMut::from(&[0x34, 8, 0, 1, b'a', 0, 1, 0, b'x', b'y'][..]);
    assert!(speak::read(Version::Five, &mut publish).is_err());
    // An announced megabyte and a byte, of which only the length has come.
    let mut large = BytesMut::from(&[0x30, 0x81, 0x80, 0x40][..]);
    assert!(speak::read(Version::Five, &mut large).is_err());
    assert!(speak::read(Version::Three, &mut BytesMut::from(&[0x30, 0x81, 0x80, 0x40][..])).is_err());
    // A shared and a wrong filter beside a right one.
    let mut subscribe = vec![0x82, 0, 0, 1, 0];
    for filter in ["$share/g/a", "a/#/b", "a/b"] {
        subscribe.extend([0, filter.len() as u8]);
        subscribe.extend(filter.as_bytes());
        subscribe.push(1);
    }
    subscribe[1] = (subscribe.len() - 2) as u8;
    let asked = speak::read(Version::Five, &mut BytesMut::from(&subscribe[..])).unwrap();
    let Some(Asked::Subscribe { subs, .. }) = asked else { panic!("{asked:?}") };
    let fits: Vec<_> = subs.iter().map(Result::is_ok).collect();
    assert_eq!(fits, [false, false, true]);
    assert!(matches("a/b", "a/#") && matches("a", "a/#") && !matches("$SYS/a", "#"));
}

#[test]
fn a_message_weighs_until_the_last_queue_let_go() {
    let hub = Hub::new(TIGHT);
    let said = Said { topic: "a".into(), payload: &[0; 100], acknowledged: true, retain: false, extra: None };
    let message = Rc::new(Message::new(said, &hub.scale(), 0));
    let other = Rc::clone(&message);
    drop(message);
    assert!(hub.bytes() > 100);
    drop(other);
    assert_eq!(hub.bytes(), 0);
}
