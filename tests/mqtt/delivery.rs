//! Events: every one arrives, in order, however the broker and the network fare.

use std::collections::BTreeSet;

use ostiary::device::clock_os::pause;
use ostiary::domain::Millis;
use ostiary::link::mqtt::{Confirm, MqttConfig};
use ostiary::store::{MIN_JOURNAL, Options};

use crate::broker::{Ear, need_broker, within};
use crate::house::House;
use crate::proxy::{Cut, Proxy, Way};

/// A receiver that drops duplicates by id: what it has, and that the first arrivals were in order.
#[derive(Default)]
struct Receiver {
    seen: BTreeSet<u64>,
    heard: usize,
}

impl Receiver {
    fn take(&mut self, ear: &Ear) {
        for heard in ear.drain() {
            let Some(seq) = heard.json()["seq"].as_u64() else { continue };
            self.heard += 1;
            if self.seen.insert(seq) {
                assert_eq!(self.seen.last(), Some(&seq), "event {seq} came behind a later one");
            }
        }
    }

    fn has(&self, n: u64) -> bool {
        self.seen.len() as u64 == n && self.seen.last() == Some(&n)
    }
}

#[test]
fn events_arrive_in_order_and_leave_the_outbox() {
    let broker = need_broker!();
    let house = House::new();
    house.happen(20);
    let ear = broker.listen(&["-t", "ostiary/front/events/+"]);
    let live = broker.listen(&["-t", "ostiary/front/event"]);
    let _link = house.link(House::config(broker.port));
    let mut receiver = Receiver::default();
    within(10_000, "20 events", || {
        receiver.take(&ear);
        receiver.has(20).then_some(())
    });
    house.happen(100);
    house.nudge.committed();
    within(10_000, "120 events", || {
        receiver.take(&ear);
        receiver.has(120).then_some(())
    });
    assert_eq!(receiver.heard, 120, "nothing came twice without need");
    within(5_000, "receipts are noted", || (house.store.depth() == 0).then_some(()));
    let first = live.hear("the live feed", |h| h.topic.ends_with("/event"));
    assert_eq!(first.json()["event_type"], "door_opened");
    assert_eq!(first.json()["seq"], 21, "what happened before the door connected is no news");
}

#[test]
fn with_receipts_wanted_nothing_leaves_before_the_receiver_says_so() {
    let broker = need_broker!();
    let house = House::new();
    house.happen(10);
    let ear = broker.listen(&["-t", "ostiary/front/events/+"]);
    let config = MqttConfig { confirm: Confirm::Receiver, ..House::config(broker.port) };
    let link = house.link(config.clone());
    let mut receiver = Receiver::default();
    within(10_000, "10 events", || {
        receiver.take(&ear);
        receiver.has(10).then_some(())
    });
    pause(Millis(500));
    assert_eq!(house.store.depth(), 10);
    for forged in ["{\"upto\":11}", "{\"upto\":-1}", "{\"upto\":\"9\"}", "nonsense", ""] {
        broker.publish("ostiary/front/events/ack", forged.as_bytes(), &[]);
    }
    broker.publish("ostiary/front/events/ack", b"{\"upto\":9}", &["-r"]);
    broker.publish("ostiary/front/events/ack", b"{\"upto\":4}", &[]);
    within(5_000, "4 are ticked off", || (house.store.depth() == 6).then_some(()));
    drop(link);
    // Begins again behind the last receipt.
    let _link = house.link(config);
    let again = ear.hear("an event again", |h| h.json()["seq"].is_u64());
    assert_eq!(again.json()["seq"], 5);
    broker.publish("ostiary/front/cmd/events.replay", b"{\"from\":2,\"limit\":2,\"req_id\":\"r\"}", &[]);
    ear.hear("a replayed event", |h| h.json()["seq"] == 2);
    ear.hear("and the next", |h| h.json()["seq"] == 3);
    pause(Millis(300));
    assert_eq!(house.store.depth(), 6, "a replay confirms nothing");
}

#[test]
fn a_broker_that_is_killed_and_comes_back_loses_nothing() {
    let mut broker = need_broker!();
    let house = House::new();
    let _link = house.link(House::config(broker.port));
    let mut receiver = Receiver::default();
    for round in 1..=4_u64 {
        // The receiver's own session starts anew each time: it hears what comes from now on.
        let ear = broker.listen(&["-t", "ostiary/front/events/+"]);
        if round > 1 {
            within(20_000, "connected again", || house.nudge.up().then_some(()));
        }
        let had = receiver.seen.len() as u64;
        house.happen(15);
        house.nudge.committed();
        within(20_000, "some events", || {
            receiver.take(&ear);
            (receiver.seen.len() as u64 > had).then_some(())
        });
        broker.kill();
        receiver.take(&ear);
        house.happen(15);
        pause(Millis(300));
        receiver.take(&ear);
        broker.revive();
    }
    let ear = broker.listen(&["-t", "ostiary/front/events/+"]);
    // Whatever the broker took and lost with itself is on the disk still: a receiver asks for it.
    within(20_000, "connected again", || house.nudge.up().then_some(()));
    broker.publish("ostiary/front/cmd/events.replay", b"{\"from\":1,\"limit\":1000}", &[]);
    let mut all = BTreeSet::new();
    within(20_000, "all 120 events", || {
        all.extend(ear.drain().iter().filter_map(|h| h.json()["seq"].as_u64()));
        (all.len() == 120).then_some(())
    });
}

#[test]
fn a_network_cut_in_the_middle_of_a_packet_loses_nothing() {
    let broker = need_broker!();
    let proxy = Proxy::start(broker.port);
    let house = House::new();
    let ear = broker.listen(&["-t", "ostiary/front/events/+"]);
    let _link = house.link(House::config(proxy.port));
    within(10_000, "connected", || house.nudge.up().then_some(()));
    let mut receiver = Receiver::default();
    let mut n = 0;
    let cuts = [
        (Way::ToBroker, 1, 0),
        (Way::ToBroker, 5, 77),
        (Way::ToBroker, 12, usize::MAX),
        (Way::ToDoor, 1, 1),
        (Way::ToDoor, 9, 2),
    ];
    for (way, nth, at) in cuts {
        proxy.cut_inside(Cut { way, nth, at });
        house.happen(12);
        n += 12;
        house.nudge.committed();
        within(20_000, "the network is cut", || proxy.is_cut().then_some(()));
        house.happen(3);
        n += 3;
        proxy.mend();
        within(20_000, "everything arrives", || {
            receiver.take(&ear);
            receiver.has(n).then_some(())
        });
    }
    within(5_000, "receipts are noted", || (house.store.depth() == 0).then_some(()));
}

#[test]
fn a_broker_that_knows_only_311_is_spoken_to_in_311() {
    let broker = need_broker!();
    let proxy = Proxy::start(broker.port);
    proxy.speak_only_311();
    let house = House::new();
    house.happen(5);
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    let _link = house.link(House::config(proxy.port));
    let info = ear.hear("info", |h| h.topic.ends_with("/info"));
    assert_eq!(info.json()["protocol"], "3.1.1");
    broker.publish("ostiary/front/cmd/person.get", b"{\"id\":\"ada\",\"req_id\":\"q1\"}", &["-V", "311"]);
    let said = ear.hear("the answer", |h| h.topic == "ostiary/front/rsp/q1");
    assert_eq!(said.json()["result"]["name"], "Zoë 🙂");
    within(5_000, "events arrive under 3.1.1", || (house.store.depth() == 0).then_some(()));
}

#[test]
fn when_the_bound_is_reached_the_loss_is_an_event() {
    let broker = need_broker!();
    let house = House::with(Options { journal_capacity: MIN_JOURNAL, ..Options::default() });
    house.happen(200);
    let ear = broker.listen(&["-t", "ostiary/front/events/log_gap"]);
    let _link = house.link(House::config(broker.port));
    let gap = ear.hear("log_gap", |h| h.topic.ends_with("/log_gap"));
    assert!(gap.json()["data"]["detail"].as_str().unwrap().contains("lost before they were confirmed"));
    within(10_000, "what is left arrives", || (house.store.depth() == 0).then_some(()));
    assert!(house.nudge.up());
}
