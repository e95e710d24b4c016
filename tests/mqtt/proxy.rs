//! A network that can be cut in the middle of a packet, and a broker that knows only 3.1.1.
//!
//! Owns: carrying whole MQTT packets between a door and its broker, the cut inside of one. Does not own: what is said.
//! Invariants: the receiver of a packet that is cut has its first byte and never its last; until it is mended the
//! network carries nothing.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Carries packets to the broker and back.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    control: Arc<Mutex<Control>>,
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToBroker,
    ToDoor,
}

/// Where the network is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) way: Way,
    /// In the so manieth publish or receipt from now on, counted from 1.
    pub(crate) nth: u32,
    /// Behind so many bytes of it, and before its end.
    pub(crate) at: usize,
}

#[derive(Default)]
struct Control {
    next: Option<Cut>,
    /// Which way it was cut.
    cut: Option<Way>,
    /// Refuse version 5 as a broker of 2014 does.
    old: bool,
}

impl Proxy {
    pub(crate) fn start(broker: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let control = Arc::new(Mutex::new(Control::default()));
        let shared = Arc::clone(&control);
        std::thread::spawn(move || {
            for door in listener.incoming().map_while(Result::ok) {
                let control = Arc::clone(&shared);
                std::thread::spawn(move || carry(&door, broker, &control));
            }
        });
        Self { port, control }
    }

    pub(crate) fn cut_inside(&self, cut: Cut) {
        self.control.lock().unwrap().next = Some(cut);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.control.lock().unwrap().cut.is_some()
    }

    /// Carries again; which way it had been cut.
    pub(crate) fn mend(&self) -> Option<Way> {
        let mut control = self.control.lock().unwrap();
        control.next = None;
        std::mem::take(&mut control.cut)
    }

    pub(crate) fn speak_only_311(&self) {
        self.control.lock().unwrap().old = true;
    }
}

impl Control {
    /// How many bytes of the packet pass.
    fn passes(&mut self, way: Way, packet: &[u8]) -> usize {
        if self.cut.is_some() {
            return 0;
        }
        let Some(cut) = self.next.as_mut().filter(|cut| cut.way == way) else { return packet.len() };
        // PUBLISH and PUBACK: what events, commands and their receipts are.
        if !matches!(packet[0] >> 4, 3 | 4) {
            return packet.len();
        }
        cut.nth -= 1;
        if cut.nth > 0 {
            return packet.len();
        }
        let inside = 1 + cut.at % (packet.len() - 1);
        self.next = None;
        self.cut = Some(way);
        inside
    }
}

fn carry(door: &TcpStream, broker: u16, control: &Arc<Mutex<Control>>) {
    if control.lock().unwrap().cut.is_some() {
        return;
    }
    let Ok(to) = TcpStream::connect(("127.0.0.1", broker)) else { return };
    let (back_from, back_to) = (to.try_clone().unwrap(), door.try_clone().unwrap());
    let shared = Arc::clone(control);
    let back = std::thread::spawn(move || pump(&back_from, &back_to, Way::ToDoor, &shared));
    pump(door, &to, Way::ToBroker, control);
    let _ = back.join();
}

fn pump(mut from: &TcpStream, mut to: &TcpStream, way: Way, control: &Mutex<Control>) {
    let (mut held, mut buffer) = (Vec::new(), [0; 4_096]);
    'open: loop {
        while let Some(length) = whole(&held) {
            let packet: Vec<u8> = held.drain(..length).collect();
            // The level stands behind the fixed header and "MQTT".
            let level = packet.windows(4).position(|w| w == b"MQTT").and_then(|i| packet.get(i + 4).copied());
            if packet[0] == 0x10 && level == Some(5) && control.lock().unwrap().old {
                let _ = from.write_all(&[0x20, 2, 0, 1]);
                break 'open;
            }
            let passes = control.lock().unwrap().passes(way, &packet);
            if to.write_all(&packet[..passes]).is_err() || passes < length {
                break 'open;
            }
        }
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(n) => held.extend_from_slice(&buffer[..n]),
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// The length of the first packet, when all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let mut rest = 0;
    for (i, byte) in bytes.iter().skip(1).take(4).enumerate() {
        rest |= usize::from(byte & 127) << (7 * i);
        if byte & 128 == 0 {
            let length = 2 + i + rest;
            return (bytes.len() >= length).then_some(length);
        }
    }
    None
}

#[test]
fn a_packet_is_cut_inside_whatever_its_length() {
    let publish = |n: usize| [&[0x32, n as u8][..], &vec![7; n]].concat();
    assert_eq!((whole(&publish(5)), whole(&publish(5)[..6]), whole(&[0x32])), (Some(7), None, None));
    let long = [&[0x32, 0x80, 1][..], &[0; 128]].concat();
    assert_eq!(whole(&long), Some(131));
    for at in [0, 1, 5, 6, 7, 1_000] {
        let mut control =
            Control { next: Some(Cut { way: Way::ToBroker, nth: 2, at }), ..Control::default() };
        assert_eq!(control.passes(Way::ToDoor, &publish(5)), 7, "the other way");
        assert_eq!(control.passes(Way::ToBroker, &[0xc0, 0]), 2, "a ping");
        assert_eq!(control.passes(Way::ToBroker, &publish(5)), 7, "the first");
        let passed = control.passes(Way::ToBroker, &publish(5));
        assert!((1..7).contains(&passed), "{passed}");
        assert_eq!(control.passes(Way::ToDoor, &publish(5)), 0);
    }
}
