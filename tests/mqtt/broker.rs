//! Mosquitto on a free port, and its command-line clients.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ostiary::device::clock_os::{OsClock, pause};
use ostiary::domain::Millis;
use ostiary::ports::Clock as _;
use serde_json::Value;

/// A broker of this test's own.
pub(crate) struct Broker {
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Broker {
    /// Starts one; `None` when the programs are not there.
    pub(crate) fn start(extra: &str) -> Option<Self> {
        if which("mosquitto").is_none() || which("mosquitto_sub").is_none() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let conf = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\n\
             autosave_interval 1\nmax_inflight_messages 100\nmax_queued_messages 100000\nset_tcp_nodelay true\n{extra}\n",
            folder.path().display()
        );
        std::fs::write(folder.path().join("mosquitto.conf"), conf).unwrap();
        let mut broker = Self { port, folder, child: None };
        broker.revive();
        Some(broker)
    }

    /// A broker that is there already, whoever started it, for its clients.
    pub(crate) fn at(port: u16) -> Option<Self> {
        which("mosquitto_sub")?;
        Some(Self { port, folder: tempfile::tempdir().unwrap(), child: None })
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Ends it in order: it writes what it keeps.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            Command::new("kill").arg(child.id().to_string()).status().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.child.is_some()
    }

    pub(crate) fn revive(&mut self) {
        let child = Command::new(which("mosquitto").unwrap())
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        within(5_000, "the broker listens", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).ok().map(drop)
        });
    }

    /// Publishes with `mosquitto_pub`; `more` are its arguments.
    pub(crate) fn publish(&self, topic: &str, payload: &[u8], more: &[&str]) {
        assert!(self.try_publish(topic, payload, more), "{topic} could not be published");
    }

    /// The same; whether the broker took it.
    pub(crate) fn try_publish(&self, topic: &str, payload: &[u8], more: &[&str]) -> bool {
        let whole = if payload.is_empty() { "-n" } else { "-s" };
        let mut child = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-t", topic, "-q", "1", whole])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // With nothing to send it does not read.
        let _ = child.stdin.take().unwrap().write_all(payload);
        child.wait().unwrap().success()
    }

    /// Listens with `mosquitto_sub`.
    pub(crate) fn listen(&self, more: &[&str]) -> Ear {
        Ear::new(self.port, more)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One message as `mosquitto_sub` tells it.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) topic: String,
    pub(crate) retain: bool,
    pub(crate) payload: String,
    pub(crate) properties: Value,
}

impl Heard {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.payload).unwrap_or(Value::Null)
    }
}

/// A running `mosquitto_sub`.
pub(crate) struct Ear {
    child: Child,
    lines: Receiver<Heard>,
}

impl Ear {
    fn new(port: u16, more: &[&str]) -> Self {
        let mut child = Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-V", "5", "-q", "1", "-F", "%j"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
                // A picture among the payloads is no UTF-8.
                let line = String::from_utf8_lossy(&line);
                let Ok(value) = serde_json::from_str::<Value>(&line) else { continue };
                let text = |key: &str| match &value[key] {
                    Value::String(s) => s.clone(),
                    Value::Null => String::new(),
                    other => other.to_string(),
                };
                let heard = Heard {
                    topic: text("topic"),
                    retain: value["retain"] == 1,
                    payload: text("payload"),
                    properties: value["properties"].clone(),
                };
                if send.send(heard).is_err() {
                    return;
                }
            }
        });
        let ear = Self { child, lines };
        pause(Millis(300));
        ear
    }

    /// The next message that fits; earlier ones are passed over.
    pub(crate) fn hear(&self, what: &str, mut fits: impl FnMut(&Heard) -> bool) -> Heard {
        self.hear_within(10_000, &mut fits).unwrap_or_else(|| panic!("never heard: {what}"))
    }

    pub(crate) fn hear_within(&self, ms: u64, fits: &mut dyn FnMut(&Heard) -> bool) -> Option<Heard> {
        let clock = OsClock::new();
        let end = clock.now().mono.after(Millis(ms));
        loop {
            let left = end.since(clock.now().mono);
            let heard = self.lines.recv_timeout(Duration::from_millis(left.0)).ok()?;
            if fits(&heard) {
                return Some(heard);
            }
        }
    }

    /// Everything that came so far.
    pub(crate) fn drain(&self) -> Vec<Heard> {
        self.lines.try_iter().collect()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `what` gives something.
pub(crate) fn within<T>(ms: u64, name: &str, mut what: impl FnMut() -> Option<T>) -> T {
    let clock = OsClock::new();
    let end = clock.now().mono.after(Millis(ms));
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(clock.now().mono < end, "not within {ms} ms: {name}");
        pause(Millis(20));
    }
}

fn which(program: &str) -> Option<String> {
    ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"]
        .iter()
        .map(|folder| format!("{folder}/{program}"))
        .find(|path| Path::new(path).exists())
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A broker, or the calling test ends as skipped.
macro_rules! need_broker {
    ($extra:expr) => {
        match crate::broker::Broker::start($extra) {
            Some(broker) => broker,
            None => crate::common::skip!("no mosquitto here: apt-get install mosquitto mosquitto-clients"),
        }
    };
    () => {
        need_broker!("")
    };
}
pub(crate) use need_broker;
