//! A door without a camera: it notes what it is told, and its events lie in a real journal.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use ostiary::app::uplink::StoreOutbox;
use ostiary::device::clock_os::OsClock;
use ostiary::domain::{DoorId, Event, EventKind};
use ostiary::link::mqtt::{
    BrokerAddress, Confirm, Mqtt, MqttConfig, Nudge, Operator, Topics, Version, World,
};
use ostiary::link::wire::{
    Caller, CameraProgress, CameraStage, Code, Command, Document, DoorOrder, DoorStatus, Enrolled,
    ImageOutcome, Operations, PersonView, Photo, Refusal, Reply, Scopes, Sight, Status,
};
use ostiary::ports::Clock;
use ostiary::store::{Options, SealKey, Store};

/// The door.
pub(crate) struct House {
    pub(crate) store: Arc<Store>,
    pub(crate) door: Arc<FakeDoor>,
    pub(crate) clock: Arc<OsClock>,
    pub(crate) nudge: Nudge,
    _folder: tempfile::TempDir,
}

#[derive(Default)]
pub(crate) struct FakeDoor {
    pub(crate) orders: Mutex<Vec<(String, DoorOrder)>>,
    /// Pictures by person, as enrolled.
    pub(crate) people: Mutex<BTreeMap<String, Vec<usize>>>,
    pub(crate) enrolments: Mutex<u32>,
    camera: AtomicU8,
    clock: OsClock,
}

/// `CameraProgress` steps until done; 255 is cancelled.
const STEPS: u8 = 4;

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SealKey::from_bytes([7; 32]);
        let store = Store::open(&folder.path().join("gallery.redb"), key, options).unwrap();
        Self {
            store: Arc::new(store),
            door: Arc::new(FakeDoor::default()),
            clock: Arc::new(OsClock::new()),
            nudge: Nudge::default(),
            _folder: folder,
        }
    }

    pub(crate) fn config(port: u16) -> MqttConfig {
        MqttConfig {
            device: "front".into(),
            topics: Topics::new("front").unwrap(),
            broker: BrokerAddress { host: "127.0.0.1".into(), port, tls: None, login: None },
            version: Version::Auto,
            keep_alive_s: 5,
            scopes: Scopes::ALL,
            operators: vec![Operator {
                name: "office".into(),
                key: crate::orders::office(),
                scopes: Scopes::ALL,
            }],
            door_set: false,
            confirm: Confirm::Broker,
            home_assistant: false,
            pictures: false,
        }
    }

    pub(crate) fn link(&self, config: MqttConfig) -> Mqtt {
        let world = World {
            operations: Arc::clone(&self.door) as Arc<dyn Operations>,
            outbox: Arc::new(StoreOutbox(Arc::clone(&self.store))),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            fleet: None,
        };
        Mqtt::start(config, world, &self.nudge).unwrap()
    }

    /// Commits an event of that kind.
    pub(crate) fn happens(&self, kind: EventKind) {
        self.store.append(&[Event::new(kind, DoorId(1), self.clock.now())]).unwrap();
        self.nudge.committed();
    }

    /// Commits `n` events.
    pub(crate) fn happen(&self, n: usize) {
        for _ in 0..n {
            let event = Event::new(EventKind::DoorOpened, DoorId(1), self.clock.now());
            self.store.append(&[event]).unwrap();
        }
    }
}

impl Operations for FakeDoor {
    fn handle(&self, caller: &Caller, command: Command) -> Result<Reply, Refusal> {
        if let Some(scope) = command.scope().filter(|s| !caller.may(*s)) {
            return Err(Refusal::new(Code::Forbidden, scope.name()));
        }
        match command {
            Command::Door(order) => {
                if order != DoorOrder::State {
                    self.orders.lock().unwrap().push((caller.name.clone(), order));
                }
                Ok(Reply::Door(door()))
            }
            Command::Status => Ok(Reply::Status(Box::new(status()))),
            Command::GetPerson(id) => {
                Ok(Reply::Person(Box::new(PersonView {
                    id, name: "Zoë 🙂".into(), ..PersonView::default()
                })))
            }
            Command::Enrol(put) => {
                let id = put.id.clone().unwrap_or_else(|| "drawn".into());
                *self.enrolments.lock().unwrap() += 1;
                if put.images.is_empty() {
                    return Err(Refusal::missing("images"));
                }
                if id == "twin" {
                    return Err(Refusal {
                        person: Some("other".into()),
                        ..Refusal::new(Code::Duplicate, "known")
                    });
                }
                let sizes: Vec<_> = put.images.iter().map(|i| i.bytes.len()).collect();
                let images = put
                    .images
                    .iter()
                    .map(|i| ImageOutcome {
                        file: i.name.clone(),
                        template: Some(1),
                        quality: Some(80),
                        reasons: Vec::new(),
                    })
                    .collect();
                self.people.lock().unwrap().insert(id.clone(), sizes);
                Ok(Reply::Enrolled(Enrolled { person: id, templates: 1, images, nearest_other: None }))
            }
            Command::Watch => Ok(Reply::Sight(Sight {
                picture: Photo::new("camera", b"a JPEG".to_vec()),
                seen: Document("{\"faces\":1}".into()),
            })),
            Command::EnrolCamera(_) => {
                self.camera.store(0, Ordering::SeqCst);
                Ok(Reply::Camera(self.progress()))
            }
            Command::EnrolCancel => {
                self.camera.store(255, Ordering::SeqCst);
                Ok(Reply::Camera(self.progress()))
            }
            Command::CameraProgress => {
                let progress = self.progress();
                if progress.stage == CameraStage::Looking {
                    self.camera.fetch_add(1, Ordering::SeqCst);
                }
                Ok(Reply::Camera(progress))
            }
            other => Err(Refusal::new(Code::Unavailable, format!("not here: {other:?}"))),
        }
    }

    fn caller(&self, _: &str) -> Option<Caller> {
        None
    }

    fn sign(&self, _: &[u8]) -> Result<[u8; 64], Refusal> {
        Ok([0; 64])
    }

    fn public_key(&self) -> Result<[u8; 32], Refusal> {
        Ok([0; 32])
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().utc.0
    }

    fn mono_ms(&self) -> u64 {
        self.clock.now().mono.0
    }
}

impl FakeDoor {
    fn progress(&self) -> CameraProgress {
        let step = self.camera.load(Ordering::SeqCst);
        let done = Enrolled { person: "ada".into(), templates: 3, images: Vec::new(), nearest_other: None };
        let (stage, enrolled, refusal) = match step {
            255 => (CameraStage::Failed, None, Some(Refusal::new(Code::Conflict, "cancelled"))),
            s if s >= STEPS => (CameraStage::Done, Some(done), None),
            _ => (CameraStage::Looking, None, None),
        };
        CameraProgress {
            person: "ada".into(),
            stage,
            taken: step.min(STEPS),
            wanted: STEPS,
            reasons: vec!["blur".into()],
            enrolled,
            refusal,
        }
    }
}

fn door() -> DoorStatus {
    DoorStatus {
        state: "locked".into(),
        relay: false,
        frames: 0,
        looks: 0,
        overwritten: 0,
        camera_fault: None,
        journal_ok: true,
        open: Some(false),
        tampered: false,
    }
}

fn status() -> Status {
    Status {
        version: "0".into(),
        data: String::new(),
        people: 2,
        templates: 3,
        revision: 4,
        embedder: "ab".into(),
        models: "strong".into(),
        epoch: 0,
        needs_reenrolment: 0,
        change: None,
        threshold: 0.5,
        fpir_target: 1e-3,
        expected_fpir: 1e-3,
        extrapolated: false,
        margin: 0.1,
        events: 0,
        queued: 0,
        lost: 0,
        file_bytes: 0,
        clock: "trusted".into(),
        door: Some(door()),
    }
}
