//! The broker inside the program: `[mqtt] broker = "own"`, driven by Mosquitto's clients and by bytes written by hand.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ostiary::device::clock_os::pause;
use ostiary::domain::Millis;
use ostiary::link::broker::{Broker as Own, BrokerConfig, BrokerError};
use ostiary::link::mqtt::Topics;
use ostiary::link::wire::Operations;
use serde_json::{Value, json};

use crate::broker::{Broker, Ear, free_port, within};
use crate::common::{need_shared, skip};
use crate::house::{FakeDoor, House};
use crate::kill::board;
use crate::program::Ostiary;

/// The broker of a door that is nobody's here, and the clients for it.
pub(crate) fn broker() -> Option<(Own, Broker)> {
    let listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let config = BrokerConfig { listen, tls: None, topics: Topics::new("nobody").unwrap() };
    let own = Own::start(config, Arc::new(FakeDoor::default()) as Arc<dyn Operations>).unwrap();
    let port = own.address().port();
    Some((own, Broker::at(port)?))
}

macro_rules! need_clients {
    ($found:expr) => {
        match $found {
            Some(found) => found,
            None => skip!("no mosquitto here: apt-get install mosquitto mosquitto-clients"),
        }
    };
}

/// A door with a broker of its own.
struct Box_ {
    ostiary: Ostiary,
    config: String,
    board: String,
    child: Option<Child>,
}

impl Box_ {
    fn new(models: std::path::PathBuf, broker: &str) -> Self {
        let ostiary = Ostiary::with_models(models);
        let board = board(&ostiary);
        let config = format!(
            "[mqtt]\nbroker = \"{broker}\"\ndevice = \"front\"\nkeep_alive_s = 5\n\
             scopes = [\"persons\", \"events\", \"admin\"]\n"
        );
        let config = ostiary.file("mqtt.toml", config);
        Self { ostiary, config, board, child: None }
    }

    fn start(&mut self) {
        let child = self
            .ostiary
            .command(&["run", "--config", &self.config, "--board", &self.board])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.ostiary.folder().join("door.log")).unwrap())
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.ostiary.folder().join("door.log")).unwrap_or_default()
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Kibibytes that it holds.
    fn resident(&self) -> u64 {
        let id = self.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Box_ {
    fn drop(&mut self) {
        self.kill();
    }
}

fn client(program: &str, port: u16, more: &[&str]) -> Output {
    Command::new(program).args(["-h", "localhost", "-p", &port.to_string()]).args(more).output().unwrap()
}

fn listening(port: u16) {
    within(90_000, "the door's own broker listens", || {
        TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
    });
}

fn ask(port: u16, more: &[&str]) -> Value {
    let mut arguments = vec!["-V", "5", "-W", "15", "-e", "ostiary/front/rsp/desk"];
    arguments.extend(more);
    let out = client("mosquitto_rr", port, &arguments);
    serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{out:?}"))
}

/// Packets of MQTT 3.1.1, by hand.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut left = body.len();
    loop {
        let digit = (left % 128) as u8;
        left /= 128;
        bytes.push(if left > 0 { digit | 0x80 } else { digit });
        if left == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// Somebody who is let in. Those who crowd the entrance are sent away, and come again.
pub(crate) fn connect(port: u16, id: &str) -> TcpStream {
    within(20_000, "a place at the entrance", || try_connect(port, id).ok())
}

fn try_connect(port: u16, id: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, id.len() as u8];
    body.extend(id.as_bytes());
    stream.write_all(&packet(0x10, &body))?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    assert_eq!(answer, [0x20, 2, 0, 0], "let in");
    Ok(stream)
}

fn publish(topic: &str, size: usize) -> Vec<u8> {
    let mut body = vec![0, topic.len() as u8];
    body.extend(topic.as_bytes());
    body.resize(body.len() + size, b'x');
    packet(0x30, &body)
}

#[test]
fn one_line_gives_a_box_its_broker() {
    let models = need_shared!("models");
    let port = free_port();
    let broker = need_clients!(Broker::at(port));
    let mut door = Box_::new(models, &format!("own://127.0.0.1:{port}"));
    door.start();
    listening(port);
    // Both versions of the protocol, each with what is retained.
    for version in ["5", "mqttv311"] {
        let status = ["-V", version, "-t", "ostiary/front/status", "-C", "1", "-W", "60"];
        let out = client("mosquitto_sub", port, &status);
        assert_eq!(out.stdout, b"online\n", "{version}: {out:?}");
    }
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    ear.hear("the state", |h| h.topic.ends_with("/door/1/state") && h.payload == "LOCKED");
    let put = r#"{"id":"ada","profile":{"name":"Ada"}}"#;
    assert_eq!(ask(port, &["-t", "ostiary/front/cmd/person.upsert", "-m", put])["ok"], true);
    // Nobody else says what the door says.
    for (topic, more) in [("status", "-r"), ("events/boot", "-q"), ("rsp/desk", "-q"), ("door/1/state", "-r")]
    {
        let topic = format!("ostiary/front/{topic}");
        let more: &[&str] = if more == "-r" { &["-r", "-q", "1"] } else { &["-q", "1"] };
        let mut arguments = vec!["-V", "5", "-t", &topic, "-m", "forged"];
        arguments.extend(more);
        client("mosquitto_pub", port, &arguments);
    }
    let said = ask(port, &["-t", "ostiary/front/cmd/status", "-m", "{}"]);
    assert_eq!(said["result"]["people"], 1, "{said}");
    assert!(ear.drain().iter().all(|h| h.payload != "forged"));
    let status = ["-V", "5", "-t", "ostiary/front/status", "-C", "1", "-W", "10"];
    assert_eq!(client("mosquitto_sub", port, &status).stdout, b"online\n");
}

#[test]
fn a_box_that_is_killed_forgets_no_event_although_its_broker_forgets_all() {
    let models = need_shared!("models");
    let port = free_port();
    let broker = need_clients!(Broker::at(port));
    let mut door = Box_::new(models, &format!("own://127.0.0.1:{port}"));
    door.start();
    listening(port);
    let ear = broker.listen(&["-t", "ostiary/front/events/+"]);
    let put = |n: u32| {
        let put = json!({ "id": format!("p{n}"), "profile": { "name": "Somebody" } }).to_string();
        assert_eq!(ask(port, &["-t", "ostiary/front/cmd/person.upsert", "-m", &put])["ok"], true);
    };
    put(1);
    door.kill();
    drop(ear);
    door.start();
    listening(port);
    put(2);
    // A receiver that comes late, to a broker that kept nothing for it: what it has not acknowledged comes again.
    let ear = broker.listen(&["-t", "ostiary/front/events/+"]);
    let mut seen = std::collections::BTreeSet::new();
    let changed = |ear: &Ear, seen: &mut std::collections::BTreeSet<u64>| {
        ear.hear_within(60_000, &mut |h| {
            seen.extend(h.json()["seq"].as_u64());
            (1..=6).all(|seq| seen.contains(&seq))
        })
    };
    assert!(changed(&ear, &mut seen).is_some(), "{seen:?}");
    let newest = seen.last().unwrap();
    broker.publish("ostiary/front/events/ack", format!("{{\"upto\":{newest}}}").as_bytes(), &[]);
    within(10_000, "the outbox is empty", || {
        (ask(port, &["-t", "ostiary/front/cmd/status", "-m", "{}"])["result"]["queued"] == 0).then_some(())
    });
}

#[test]
fn beyond_the_board_there_is_tls_and_a_key() {
    let models = need_shared!("models");
    let port = free_port();
    need_clients!(Broker::at(port));
    let mut door = Box_::new(models, &format!("own://0.0.0.0:{port}"));
    let key = |scopes: &str| {
        let made =
            door.ostiary.run(&["--json", "tokens", "create", "--name", scopes, "--scopes", scopes]).ends(0);
        let made = made.json().remove(0);
        (made["view"]["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
    };
    let (id, reader) = key("events");
    let (_, other) = key("search");
    let (_, opener) = key("events,door");
    door.start();
    listening(port);
    let authority = door.ostiary.data().join("http-certificate.pem");
    let authority = authority.to_str().unwrap();
    let status = |more: &[&str]| {
        let mut arguments = vec!["-V", "5", "-t", "ostiary/front/status", "-C", "1", "-W", "20"];
        arguments.extend(more);
        client("mosquitto_sub", port, &arguments)
    };
    let with = |secret: &str| status(&["--cafile", authority, "-u", "desk", "-P", secret]);
    assert_eq!(with(&reader).stdout, b"online\n");
    assert!(!status(&["--cafile", authority]).status.success(), "without a key");
    assert!(!with("guessed").status.success(), "with a wrong key");
    assert!(!with(&other).status.success(), "with a key that may not hear events");
    let clear = status(&["-u", "desk", "-P", &reader, "-W", "3"]);
    assert!(clear.stdout.is_empty(), "in clear");
    // Bare orders are for a key of the door's.
    let set = |secret: &str| {
        let more = ["-V", "5", "-q", "1", "-d", "-t", "ostiary/front/door/1/set", "-m", "OPEN"];
        let mut arguments = more.to_vec();
        arguments.extend(["--cafile", authority, "-u", "desk", "-P", secret]);
        let out = client("mosquitto_pub", port, &arguments);
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
    };
    assert!(set(&reader).contains("RC:135"), "{}", set(&reader));
    assert!(set(&opener).contains("RC:0"), "{}", set(&opener));
    let mut inside = Command::new("mosquitto_sub")
        .args(["-h", "localhost", "-p", &port.to_string(), "-t", "#", "-u", "desk", "-P", &reader])
        .args(["--cafile", authority])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    pause(Millis(1_000));
    door.ostiary.run(&["tokens", "revoke", &id]).ends(0);
    assert!(!with(&reader).status.success(), "with a key that was ended");
    within(20_000, "who is inside with it has to go", || {
        door.log().contains("its key was ended").then_some(())
    });
    inside.kill().unwrap();
    inside.wait().unwrap();
}

#[test]
fn a_second_door_comes_to_the_first_ones_broker() {
    let models = need_shared!("models");
    let port = free_port();
    need_clients!(Broker::at(port));
    let secret = "0123456789abcdef".repeat(4);
    let group = |ostiary: &Ostiary| {
        let key = ostiary.file("group.key", &secret);
        Command::new("chmod").args(["600", &key]).status().unwrap();
        format!("group = \"hq\"\ngroup_key_file = \"{key}\"\n")
    };
    let mut first = Box_::new(models.clone(), &format!("own://0.0.0.0:{port}"));
    let made =
        first.ostiary.run(&["--json", "tokens", "create", "--name", "back", "--scopes", "events"]).ends(0);
    let key = made.json().remove(0)["secret"].as_str().unwrap().to_owned();
    let config = std::fs::read_to_string(&first.config).unwrap() + &group(&first.ostiary);
    std::fs::write(&first.config, config).unwrap();
    first.start();
    listening(port);
    let mut second = Box_::new(models, &format!("mqtts://localhost:{port}"));
    let password = second.ostiary.file("password", &key);
    Command::new("chmod").args(["600", &password]).status().unwrap();
    let config = std::fs::read_to_string(&second.config).unwrap().replace("\"front\"", "\"back\"")
        + &format!(
            "authority = \"{}\"\nuser = \"back\"\npassword_file = \"{password}\"\n{}",
            first.ostiary.data().join("http-certificate.pem").display(),
            group(&second.ostiary)
        );
    std::fs::write(&second.config, config).unwrap();
    second.start();
    // Somebody who is taken in at one of them is at the other, too.
    let person = ["persons", "show", "ada"];
    within(90_000, "the first door takes somebody in", || {
        let put = r#"{"id":"ada","profile":{"name":"Ada"}}"#;
        let authority = first.ostiary.data().join("http-certificate.pem");
        let more = ["-q", "1", "-t", "ostiary/front/cmd/person.upsert", "-m", put, "-u", "desk", "-P", &key];
        let mut arguments = more.to_vec();
        arguments.extend(["--cafile", authority.to_str().unwrap()]);
        client("mosquitto_pub", port, &arguments);
        (first.ostiary.run(&person).code == 0).then_some(())
    });
    within(60_000, "so does the second", || (second.ostiary.run(&person).code == 0).then_some(()));
}

#[test]
fn the_broker_stays_small_whatever_its_clients_do() {
    let models = need_shared!("models");
    let port = free_port();
    need_clients!(Broker::at(port));
    let mut door = Box_::new(models, &format!("own://127.0.0.1:{port}"));
    door.start();
    listening(port);
    ask(port, &["-t", "ostiary/front/cmd/status", "-m", "{}"]);
    let before = door.resident();
    // Those who never say who they are.
    let idle: Vec<_> = (0..200).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();
    drop(idle);
    for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x10, 0xff, 0xff, 0xff, 0x7f], &[0xff; 64], &[0; 64]] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let _ = stream.write_all(noise);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "nobody who speaks no MQTT is answered");
    }
    // Somebody who wants all and takes nothing, and 192 MB said beside it; some of it to be kept for ever.
    let mut deaf: Vec<_> = (0..4)
        .map(|n| {
            let mut stream = connect(port, &format!("deaf{n}"));
            stream.write_all(&packet(0x82, &[0, 1, 0, 1, b'#', 0])).unwrap();
            stream
        })
        .collect();
    let mut loud = connect(port, "loud");
    let message = publish("noise/x", 60_000);
    for n in 0..3_200_u32 {
        let message = if n % 16 == 0 {
            packet(0x31, &publish(&format!("kept/{n}"), 60_000)[4..])
        } else {
            message.clone()
        };
        if loud.write_all(&message).is_err() {
            break;
        }
    }
    let grown = door.resident().saturating_sub(before);
    // A frame, a look and the allocator take theirs; the broker's messages are at most 48 MiB.
    assert!(grown < 130_000, "grown by {grown} KiB");
    // Others are served meanwhile, the door first of all.
    let said = ask(port, &["-t", "ostiary/front/cmd/status", "-m", "{}"]);
    assert_eq!(said["ok"], true, "{said}");
    for stream in &mut deaf {
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

#[test]
fn a_link_and_a_journal_work_with_it_as_with_any_other() {
    let (own, broker) = need_clients!(broker());
    let house = House::new();
    house.happen(200);
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    let link = house.link(House::config(broker.port));
    within(20_000, "every event is taken", || (house.store.depth() == 0).then_some(()));
    let mut next = 1;
    ear.hear("all in their order", |h| {
        if let Some(seq) = h.json()["seq"].as_u64() {
            assert!(seq <= next, "{seq} before {next}");
            next = next.max(seq + 1);
        }
        next > 200
    });
    drop(link);
    ear.hear("a farewell", |h| h.payload == "offline");
    let taken = BrokerConfig { listen: own.address(), tls: None, topics: Topics::new("x").unwrap() };
    let second = Own::start(taken, Arc::new(FakeDoor::default()) as Arc<dyn Operations>);
    assert!(matches!(second, Err(BrokerError::Listen(..))), "one address, one broker");
    let clear = BrokerConfig {
        listen: SocketAddr::from(([0, 0, 0, 0], free_port())),
        tls: None,
        topics: Topics::new("x").unwrap(),
    };
    let second = Own::start(clear, Arc::new(FakeDoor::default()) as Arc<dyn Operations>);
    assert!(matches!(second, Err(BrokerError::Clear(_))), "in clear beyond the board");
    pause(Millis(10));
}
