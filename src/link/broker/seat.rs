//! One connection to the broker, from its first byte to its end.
//!
//! Owns: reading and writing one socket, signs of life, letting somebody in. Does not own: what is kept (`hub`), who
//! may do what (`rights`), bytes (`speak`).
//! Overflow: a receiver that takes nothing for [`STALLED`] is disconnected; what waits for it lies in its bounded queue.
//! Invariants: whoever was not let in within [`ENTRY`] is disconnected; the hub is never borrowed across a wait; at most
//! one packet is buffered to be read, and [`BATCH`] bytes to be written.

use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::{ConnectReturnCode, DisconnectReasonCode as Why};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Shared;
use super::hub::{Entry, Seat};
use super::message::{Message, Said};
use super::rights::{Entrance, Who};
use super::speak::{self, Asked, Bad, Hello, Mouth, Taken, Unfit, Version};

/// Longest time to come in.
pub(super) const ENTRY: Duration = Duration::from_secs(10);
/// Longest time a receiver may take nothing.
const STALLED: Duration = Duration::from_secs(30);
/// What a wrong password costs.
const WRONG: Duration = Duration::from_secs(1);
/// How often a key is asked for again: one that was ended or is over ends its connections, too.
const AGAIN: Duration = Duration::from_secs(10);
/// Bytes made ready at a time.
const BATCH: usize = 64 << 10;
/// Longest id of a client, bytes.
const ID: usize = 128;

/// How a connection ended.
enum End {
    /// It said so: whether without its will, and how long the session is to last now.
    Bye { farewell: bool, lasting_ms: Option<u64> },
    /// Somebody else holds its session.
    TakenOver,
    /// It broke the rules.
    Bad(Bad),
    /// It is gone, or silent.
    Gone,
}

/// Serves a connection. `permit` bounds how many come in at once and is given back when somebody is in.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    shared: Rc<Shared>,
    mut stream: S,
    entrance: Entrance,
    entering: super::Place,
) {
    let mut buffer = BytesMut::with_capacity(4_096);
    let Ok(Some(hello)) = timeout(ENTRY, greet(&mut stream, &mut buffer)).await else { return };
    let mut mouth = Mouth { version: hello.version, largest: hello.largest, bytes: BytesMut::new() };
    let refusal = match shared.rights.admit(&*shared.operations, entrance, hello.password.as_deref()) {
        _ if hello.other_proof => ConnectReturnCode::BadAuthenticationMethod,
        _ if hello.id.len() > ID || hello.id.contains('\0') => ConnectReturnCode::ClientIdentifierNotValid,
        _ if hello.id.is_empty() && hello.version == Version::Three && !hello.clean => {
            ConnectReturnCode::ClientIdentifierNotValid
        }
        None => {
            sleep(WRONG).await;
            ConnectReturnCode::BadUserNamePassword
        }
        Some(who) => match super::Place::take(&shared.inside, super::clients(entrance)) {
            Some(inside) => {
                drop(entering);
                visit(&shared, stream, buffer, mouth, hello, (entrance, &who)).await;
                return drop(inside);
            }
            None => ConnectReturnCode::ServerBusy,
        },
    };
    mouth.turn_away(refusal);
    let _ = timeout(ENTRY, stream.write_all(&mouth.bytes)).await;
}

async fn greet<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Option<Hello> {
    loop {
        match speak::hello(buffer) {
            Ok(Some(hello)) => return Some(hello),
            Ok(None) => {}
            // Whoever speaks no MQTT is not answered in it.
            Err(_) => return None,
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

async fn visit<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Rc<Shared>,
    mut stream: S,
    mut buffer: BytesMut,
    mut mouth: Mouth,
    hello: Hello,
    (entrance, who): (Entrance, &Who),
) {
    let password = hello.password;
    let given = hello.id.is_empty().then(|| format!("auto-{:016x}", getrandom::u64().unwrap_or(0)));
    let id = given.clone().unwrap_or(hello.id);
    let will = hello.will.filter(|will| shared.rights.may_publish(who, &will.topic));
    let entry = Entry {
        // A session belongs to who came with it: a name of a session alone opens nobody else's.
        name: format!("{}/{id}", who.name()),
        clean: hello.clean,
        lasting_ms: hello.lasting_ms,
        window: hello.window,
        will,
    };
    let lasting = hello.lasting_ms.min(super::hub::Limits::BOARD.away_ms);
    let entered = shared.hub.borrow_mut().enter(entry, shared.now());
    let Some((seat, present)) = entered else {
        mouth.turn_away(ConnectReturnCode::QuotaExceeded);
        let _ = timeout(ENTRY, stream.write_all(&mouth.bytes)).await;
        return;
    };
    mouth.welcome(present, given, lasting, hello.keep_alive);
    let silence = match (hello.keep_alive, hello.version) {
        (0, Version::Three) => None,
        (0, Version::Five) => Some(Duration::from_mins(30)),
        (seconds, _) => Some(Duration::from_millis(u64::from(seconds) * 1_500)),
    };
    let carried = carry(shared, &mut stream, &mut buffer, &mut mouth, &seat, who, silence);
    let revoked = async {
        match entrance {
            Entrance::Door | Entrance::Board => std::future::pending().await,
            Entrance::World => loop {
                sleep(AGAIN).await;
                let now = shared.rights.admit(&*shared.operations, entrance, password.as_deref());
                if now.as_ref() != Some(who) {
                    return End::Bad(Bad(Why::NotAuthorized, "its key was ended"));
                }
            },
        }
    };
    let end = tokio::select! {
        end = carried => end,
        end = revoked => end,
    };
    let (farewell, lasting_ms) = match &end {
        End::Bye { farewell, lasting_ms } => (*farewell, *lasting_ms),
        End::TakenOver | End::Bad(_) | End::Gone => (false, None),
    };
    shared.hub.borrow_mut().leave(&seat, farewell, lasting_ms, shared.now());
    mouth.bytes.clear();
    match end {
        End::Bad(Bad(why, words)) => {
            tracing::warn!(session = id, words, "the broker ended a connection");
            mouth.goodbye(why);
        }
        End::TakenOver => mouth.goodbye(Why::SessionTakenOver),
        End::Bye { .. } | End::Gone => return,
    }
    let _ = timeout(ENTRY, stream.write_all(&mouth.bytes)).await;
    let _ = timeout(ENTRY, stream.shutdown()).await;
}

async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Rc<Shared>,
    stream: &mut S,
    buffer: &mut BytesMut,
    mouth: &mut Mouth,
    seat: &Seat,
    who: &Who,
    silence: Option<Duration>,
) -> End {
    let wires = Rc::clone(&seat.wires);
    let mut heard = Instant::now();
    loop {
        // What was read is answered before more is read.
        loop {
            match speak::read(mouth.version, buffer) {
                Ok(Some(asked)) => {
                    heard = Instant::now();
                    if let Some(end) = answer(shared, mouth, seat, who, asked) {
                        return end;
                    }
                }
                Ok(None) => break,
                Err(bad) => return End::Bad(bad),
            }
            if mouth.bytes.len() >= BATCH {
                break;
            }
        }
        let full = mouth.bytes.len() >= BATCH;
        fill(shared, mouth, seat);
        if !mouth.bytes.is_empty() {
            match timeout(STALLED, stream.write_all(&mouth.bytes)).await {
                Ok(Ok(())) => mouth.bytes.clear(),
                Ok(Err(_)) | Err(_) => return End::Gone,
            }
            if full {
                continue;
            }
            // A large message leaves no large buffer behind.
            mouth.bytes = BytesMut::new();
            if !timeout(STALLED, stream.flush()).await.is_ok_and(|flushed| flushed.is_ok()) {
                return End::Gone;
            }
        }
        let deadline = heard + silence.unwrap_or(Duration::from_hours(24 * 365));
        tokio::select! {
            read = stream.read_buf(buffer) => match read {
                Ok(1..) => {}
                Ok(0) | Err(_) => return End::Gone,
            },
            () = wires.wake.notified() => {}
            () = wires.kick.notified() => return End::TakenOver,
            () = sleep_until(deadline) => return End::Gone,
        }
    }
}

/// Makes messages ready.
fn fill(shared: &Shared, mouth: &mut Mouth, seat: &Seat) {
    let now = shared.now();
    while mouth.bytes.len() < BATCH {
        let next = shared.hub.borrow_mut().next(seat, now);
        let Some(out) = next else { return };
        if !mouth.publish(&out, now) {
            // It would never take it: as the standard says, as if it had.
            if let Some(id) = out.id {
                shared.hub.borrow_mut().acknowledged(seat, id);
            }
        }
    }
    // There may be more.
    seat.wires.wake.notify_one();
}

fn answer(shared: &Shared, mouth: &mut Mouth, seat: &Seat, who: &Who, asked: Asked) -> Option<End> {
    let now = shared.now();
    match asked {
        Asked::Publish { id, topic, payload, retain, extra } => {
            let taken = if shared.rights.may_publish(who, &topic) {
                let mut hub = shared.hub.borrow_mut();
                let said = Said { topic, payload: &payload, acknowledged: id.is_some(), retain, extra };
                let message = Message::new(said, &hub.scale(), now);
                if hub.publish(seat, message, now) { Taken::Yes } else { Taken::Full }
            } else {
                Taken::Forbidden
            };
            if let Some(id) = id {
                mouth.receipt(id, taken);
            }
        }
        Asked::Receipt(id) => shared.hub.borrow_mut().acknowledged(seat, id),
        Asked::Subscribe { id, subs } => {
            let mut hub = shared.hub.borrow_mut();
            let grant = |sub: Result<super::hub::Sub, Unfit>| {
                let sub = sub?;
                let acknowledged = sub.acknowledged;
                if hub.subscribe(seat, &sub, now) { Ok(acknowledged) } else { Err(Unfit::Full) }
            };
            let wishes: Vec<_> = subs.into_iter().map(grant).collect();
            mouth.granted(id, &wishes);
        }
        Asked::Unsubscribe { id, filters } => {
            let mut hub = shared.hub.borrow_mut();
            let were: Vec<_> = filters.iter().map(|filter| hub.unsubscribe(seat, filter)).collect();
            mouth.ended(id, &were);
        }
        Asked::Ping => mouth.pong(),
        Asked::Bye { farewell, lasting_ms } => return Some(End::Bye { farewell, lasting_ms }),
    }
    None
}
