//! While the file is written anew, which takes a minute where there is much, readers go on and events wait.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ostiary::domain::{EventKind, EventSeq};
use ostiary::store::{FileMedium, Medium, Options, Part, Record, Store};

use crate::common::{event, id, key, person, place, template};

/// A disk on which the last step of an erasure takes as long as the test likes.
#[derive(Debug)]
struct Slow {
    file: FileMedium,
    reached: Mutex<Sender<()>>,
    go: Mutex<Receiver<()>>,
}

impl Medium for Slow {
    fn name(&self) -> String {
        self.file.name()
    }

    fn claim(&self) -> io::Result<bool> {
        self.file.claim()
    }

    fn len(&self, part: Part) -> io::Result<Option<u64>> {
        self.file.len(part)
    }

    fn open(&self, part: Part) -> io::Result<Box<dyn redb::StorageBackend>> {
        self.file.open(part)
    }

    fn read(&self, part: Part, offset: u64, out: &mut [u8]) -> io::Result<()> {
        // The search of the fresh file: the copy stands, and nothing has taken the gallery's place yet.
        if part == Part::Fresh && offset == 0 {
            let _ = self.reached.lock().unwrap().send(());
            let _ = self.go.lock().unwrap().recv_timeout(Duration::from_mins(2));
        }
        self.file.read(part, offset, out)
    }

    fn promote(&self) -> io::Result<()> {
        self.file.promote()
    }

    fn wipe(&self, part: Part) -> io::Result<()> {
        self.file.wipe(part)
    }
}

#[test]
fn while_somebody_is_erased_readers_go_on_and_events_wait_without_being_held_up() {
    let place = place();
    let ((reached, at), (go, wait)) = (channel(), channel());
    let slow =
        Slow { file: FileMedium::new(&place.path), reached: Mutex::new(reached), go: Mutex::new(wait) };
    let store = Arc::new(Store::open_on(Arc::new(slow), key(), Options::default()).unwrap());
    for i in 0..3 {
        store
            .enrol(&person(i), &[template(i as u64, 0)], &[], &[event(EventKind::EnrollOk, i as u64)])
            .unwrap();
    }
    let erasing = {
        let store = Arc::clone(&store);
        thread::spawn(move || store.delete_person(&id(1), &[event(EventKind::PersonDeleted, 9)]).unwrap())
    };
    at.recv_timeout(Duration::from_mins(2)).unwrap();
    // All of this would wait for ever if it waited.
    assert!(store.is_rewriting());
    assert_eq!(store.depth(), 4);
    assert_eq!(store.person(&id(2)).unwrap().unwrap().id, id(2));
    assert!(store.person(&id(1)).unwrap().is_none());
    assert_eq!(store.read_events(EventSeq(1), 10).unwrap().len(), 4);
    let waiting = [Record::Event(event(EventKind::DoorOpened, 10))];
    assert!(store.try_append_records(&waiting).is_none());
    let writing = {
        let store = Arc::clone(&store);
        thread::spawn(move || store.append(&[event(EventKind::DoorClosed, 11)]).unwrap())
    };
    go.send(()).unwrap();
    assert_eq!(erasing.join().unwrap().occurrences, 0);
    writing.join().unwrap();
    assert!(!store.is_rewriting());
    store.try_append_records(&waiting).unwrap().unwrap();
    assert_eq!(store.verify_chain().unwrap(), 6, "whoever wrote meanwhile is in the new file");
    drop(store);
    assert_eq!(place.open().verify_chain().unwrap(), 6);
}
