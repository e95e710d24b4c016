//! The door at its work while somebody floods its HTTP server.
//!
//! Measured: frames looked at, answers of `/healthz`, memory. What is asserted leaves room for a machine that does other
//! things; what was measured is printed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ostiary::device::clock_os::{OsClock, pause};
use ostiary::domain::Millis;
use ostiary::ports::Clock as _;

use super::*;

/// Milliseconds of each measurement.
const SPAN: u64 = 8_000;
const FLOODERS: usize = 6;

/// Resident memory of a process, kilobytes.
pub(super) fn memory(pid: u32) -> u64 {
    of_status(pid, "VmRSS:")
}

/// The most there ever was.
pub(super) fn peak(pid: u32) -> u64 {
    of_status(pid, "VmHWM:")
}

fn of_status(pid: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn ask(port: u16, request: &[u8]) -> Option<Vec<u8>> {
    ask_within(5, port, request)
}

/// One request on a connection of its own; seconds between two bytes of the answer at most.
pub(super) fn ask_within(seconds: u64, port: u16, request: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(seconds))).ok()?;
    stream.write_all(request).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(answer)
}

fn looks(house: &House) -> (u64, u64) {
    let stands = house.ostiary.run(&["--json", "door", "state"]).ends(0).json();
    (stands[0]["frames"].as_u64().unwrap(), stands[0]["looks"].as_u64().unwrap())
}

/// Frames captured and looked at in a second.
fn rate(house: &House, clock: &OsClock) -> (f64, f64) {
    let (before, from) = (looks(house), clock.now().mono);
    pause(Millis(SPAN));
    let (after, took) = (looks(house), clock.now().mono.since(from).0 as f64 / 1e3);
    ((after.0 - before.0) as f64 / took, (after.1 - before.1) as f64 / took)
}

#[test]
fn the_door_keeps_looking_while_its_server_is_flooded() {
    let (models, faces) = (need_shared!("models"), need_shared!("eval/lfw"));
    let house = House::with(models, &people(&faces, 5)[0][..2], "clear = true\n");
    let port: u16 = house.address.rsplit(':').next().unwrap().parse().unwrap();
    let clock = OsClock::new();
    pause(Millis(2_000));
    let calm = rate(&house, &clock);
    let before = memory(house.child.id());

    let stop = Arc::new(AtomicBool::new(false));
    let (answered, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let picture = fs::read(&people(&faces, 5)[0][0]).unwrap();
    let mut form =
        b"--x\r\ncontent-disposition: form-data; name=\"face_image\"; filename=\"a.jpg\"\r\n\r\n".to_vec();
    form.extend_from_slice(&picture);
    form.extend_from_slice(b"\r\n--x--\r\n");
    let mut search = format!(
        "POST /api/v1/face_recognition/recognize_face HTTP/1.1\r\nhost: d\r\nconnection: close\r\nx-key-secret: {}\r\n\
         content-type: multipart/form-data; boundary=x\r\ncontent-length: {}\r\n\r\n",
        house.key,
        form.len()
    )
    .into_bytes();
    search.extend_from_slice(&form);
    let status = format!(
        "GET /v1/status HTTP/1.1\r\nhost: d\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
        house.key
    )
    .into_bytes();
    let large = format!(
        "POST /v2/face-recognition/search HTTP/1.1\r\nhost: d\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 6000000\r\n\r\n{{\"image\":\"{}",
        house.key,
        "A".repeat(200_000)
    )
    .into_bytes();
    let floods: Vec<_> = (0..FLOODERS)
        .map(|i| {
            let request = [&search, &status, &large][i % 3].clone();
            let (stop, answered, refused) = (Arc::clone(&stop), Arc::clone(&answered), Arc::clone(&refused));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // What is large is never sent to its end: the connection is dropped in the middle.
                    let whole = i % 3 != 2;
                    let answer = if whole {
                        ask(port, &request)
                    } else {
                        TcpStream::connect(("127.0.0.1", port))
                            .ok()
                            .and_then(|mut s| s.write_all(&request).ok());
                        None
                    };
                    let good = answer.is_some_and(|a| a.starts_with(b"HTTP/1.1 200"));
                    if good { &answered } else { &refused }.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // And many who say nothing, and stay.
    let idle: Vec<TcpStream> =
        (0..1_000).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();
    // Meanwhile somebody who watches the door asks how it is, and never twice.
    let watch = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            let (clock, mut waits, mut failed) = (OsClock::new(), Vec::new(), 0);
            while !stop.load(Ordering::Relaxed) {
                let from = clock.now().mono;
                let answer = ask(port, b"GET /healthz HTTP/1.1\r\nhost: d\r\nconnection: close\r\n\r\n");
                if answer.is_some_and(|a| a.starts_with(b"HTTP/1.1 200")) {
                    waits.push(clock.now().mono.since(from).0);
                } else {
                    failed += 1;
                }
                pause(Millis(50));
            }
            waits.sort_unstable();
            (waits, failed)
        })
    };
    let flooded = rate(&house, &clock);
    let most = peak(house.child.id());
    stop.store(true, Ordering::Relaxed);
    let (waits, failed) = watch.join().unwrap();
    for flood in floods {
        flood.join().unwrap();
    }
    drop(idle);
    let (healthy, slowest) = (waits.len(), waits.last().copied().unwrap_or_default());
    let median = waits.get(healthy / 2).copied().unwrap_or_default();
    let line = format!(
        "flood: {:.1} of {:.1} frames/s looked at in calm, {:.1} of {:.1} flooded by {} answered and {} refused \
         requests in {} s; memory {} -> at most {} MB; healthz {healthy} of {} \
         at the first asking, median {median} ms, slowest {slowest} ms\n",
        calm.1,
        calm.0,
        flooded.1,
        flooded.0,
        answered.load(Ordering::Relaxed),
        refused.load(Ordering::Relaxed),
        SPAN / 1_000,
        before / 1_024,
        most / 1_024,
        healthy + failed
    );
    let _ = std::io::stderr().write_all(line.as_bytes());
    assert!(flooded.1 >= calm.1 * 0.5, "{line}");
    assert!(most < before + 200 * 1_024, "{line}");
    assert!(healthy >= 20 && failed * 10 <= healthy, "{line}");
}
