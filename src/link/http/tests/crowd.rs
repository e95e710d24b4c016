//! Many who connect, and some who take their time: bounds, deadlines, and that the server can be asked all the while.

use std::io::ErrorKind;
use tokio::time::Instant;

use super::*;

/// Patience that a test has, too.
const SHORT: Patience = Patience {
    head: Duration::from_millis(400),
    body: Duration::from_millis(400),
    silence: Duration::from_millis(1_500),
};

fn rest(ms: u64) {
    std::thread::park_timeout(Duration::from_millis(ms));
}

/// How many of them are open still.
fn open(streams: &mut [TcpStream]) -> usize {
    let is_open = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).unwrap();
        // Closed ones read an end or a reset.
        matches!(stream.read(&mut [0]), Err(e) if e.kind() == ErrorKind::WouldBlock)
    };
    streams.iter_mut().filter_map(|stream| is_open(stream).then_some(())).count()
}

/// Sends one byte after the other until the server has enough; what it said and when it closed.
fn dribble(house: &House, head: &str, every_ms: u64) -> (String, Duration) {
    let mut stream = house.connect();
    let begun = Instant::now();
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(every_ms))).unwrap();
    let (mut said, mut buffer) = (String::new(), [0; 1_024]);
    while begun.elapsed() < Duration::from_secs(20) {
        let _ = stream.write_all(b"a");
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => said.push_str(&String::from_utf8_lossy(&buffer[..n])),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    (said, begun.elapsed())
}

#[test]
fn connections_are_bounded_and_the_server_ends_in_order() {
    let house = House::new();
    let mut idle: Vec<TcpStream> = (0..200).map(|_| house.connect()).collect();
    rest(300);
    assert_eq!(open(&mut idle), 8 + 128, "as many as there may be, and those for /healthz");
    rest(2_500);
    assert_eq!(open(&mut idle), 8, "the others have two seconds");
    drop(idle);
    rest(300);
    assert_eq!(house.ask("GET", "/healthz", &[], b"").0, 200);
    let address = house.server.address();
    house.server.stop();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_thousand_who_say_nothing_keep_nobody_out() {
    let house = House::new();
    let idle: Vec<TcpStream> = (0..1_000).map(|_| house.connect()).collect();
    for _ in 0..50 {
        let (status, head, body) = house.ask("GET", "/healthz", &[], b"");
        assert_eq!((status, body.as_slice()), (200, &br#"{"status":"ok"}"#[..]), "{head}");
    }
    // A second after they came they give way to whoever wants more; some of them were let in late.
    for _ in 0..20 {
        let served = (0..4).any(|_| match house.ask("GET", "/openapi.json", &[], b"") {
            (200, _, _) => true,
            (status, head, _) => {
                assert!(status == 503 && head.contains("retry-after: 1"), "{head}");
                rest(1_100);
                false
            }
        });
        assert!(served, "nobody is kept out who asks again when he was told to");
    }
    drop(idle);
}

#[test]
fn while_all_places_are_held_by_slow_heads_the_server_says_that_it_lives_and_is_busy() {
    let house = House::new();
    let slow: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = house.connect();
            stream.write_all(b"GET /v1/status HTTP/1.1\r\n").unwrap();
            stream
        })
        .collect();
    rest(1_200);
    for _ in 0..20 {
        assert_eq!(house.ask("GET", "/healthz", &[], b"").0, 200);
    }
    let (status, head, _) = house.ask("GET", "/v1/status", &[BEARER], b"");
    assert!(status == 503 && head.contains("retry-after: 1") && head.contains("connection: close"), "{head}");
    let (status, _, _) = house.ask("GET", "/openapi.json", &[], b"");
    assert_eq!(status, 503);
    drop(slow);
    rest(100);
    assert_eq!(house.ask("GET", "/openapi.json", &[], b"").0, 200);
}

#[test]
fn who_sends_nothing_or_a_head_byte_by_byte_is_let_go() {
    let house = House::with(8, SHORT);
    let mut quiet = house.connect();
    let begun = Instant::now();
    assert_eq!(quiet.read(&mut [0]).unwrap_or(0), 0, "who says nothing is let go");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let (said, took) = dribble(&house, "GET /healthz HTTP/1.1\r\nhost: d\r\nx: ", 50);
    assert!(!said.contains(" 200 "), "{said}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_body_byte_by_byte_is_refused_and_holds_no_place_for_long() {
    let house = House::with(8, SHORT);
    let head = format!(
        "POST /v2/face-recognition/search HTTP/1.1\r\nhost: d\r\n{}: {}\r\ncontent-type: application/json\r\n\
         content-length: 1000000\r\n\r\n{{\"image\":\"",
        BEARER.0, BEARER.1
    );
    let (said, took) = dribble(&house, &head, 50);
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    // More of them at once than bodies may be in memory: they are told to wait or refused, and it is over soon.
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| dribble(&house, &head, 50))).collect();
        for one in all {
            let (said, took) = one.join().unwrap();
            assert!(said.starts_with("HTTP/1.1 400 ") || said.is_empty(), "{said}");
            assert!(took < Duration::from_secs(10), "{took:?}");
        }
    });
    assert_eq!(house.asked(), 0);
    let small = ("content-type", "application/json");
    assert_eq!(house.ask("POST", "/v2/face-recognition/search", &[BEARER, small], b"{}").0, 400);
}
