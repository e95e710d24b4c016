//! Connections: how many there may be, and how long one may go without our answering it.
//!
//! Owns: the bound on connections, the few beyond it that `/healthz` is kept free by, the deadline of a silent one.
//! Does not own: TLS, HTTP, what a connection beyond the bound is told (`serve`).
//! Invariants: there are never more than the bound and [`SPARE`]; beyond the bound a connection that never said
//! anything gives its place to the next one; a connection on which nothing was written for as long as patience has is
//! closed, whether it sends nothing or a byte now and then.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::Patience;

/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections beyond the bound: each may ask once how the server is.
const SPARE: usize = 128;
/// Longest life of such a one.
const SPARE_TIME: Duration = Duration::from_secs(2);
/// A connection that said nothing for so long gives way to one that comes when there are too many.
const RESTING: Duration = Duration::from_secs(1);
/// One beyond the bound that does speak has so long before it gives way.
const HEARD: Duration = Duration::from_millis(250);

/// Who is connected.
#[derive(Debug)]
pub(super) struct Ledger {
    bound: usize,
    pub(super) patience: Patience,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    /// In the order in which they came.
    guests: BTreeMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    address: SocketAddr,
    since: Instant,
    spare: bool,
    /// Whether its first byte was seen.
    spoke: Arc<AtomicBool>,
    /// Its socket once more, of one beyond the bound: many may come at once, and the first byte of a connection may be
    /// there before its task has had a turn.
    ear: Option<std::net::TcpStream>,
    /// Dropped when the guest must leave.
    _stay: oneshot::Sender<Infallible>,
}

impl Guest {
    fn silent(&self) -> bool {
        let nothing = |ear: &std::net::TcpStream| matches!(ear.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        !self.spoke.load(Ordering::Relaxed) && self.ear.as_ref().is_none_or(nothing)
    }
}

/// Gives a connection's socket once more; it does not block.
type Ear<'a> = &'a dyn Fn() -> Option<std::net::TcpStream>;

/// One connection's place.
#[derive(Debug)]
struct Ticket {
    ledger: Arc<Ledger>,
    number: u64,
    spare: bool,
    spoke: Arc<AtomicBool>,
    /// Ready when the place was given to another.
    leave: oneshot::Receiver<Infallible>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.ledger.inside().guests.remove(&self.number);
    }
}

impl Ledger {
    pub(super) fn new(bound: usize, patience: Patience) -> Self {
        Self { bound, patience, inside: Mutex::default() }
    }

    /// Whether that connection is one beyond the bound.
    pub(super) fn is_spare(&self, address: SocketAddr) -> bool {
        self.inside().guests.values().any(|guest| guest.spare && guest.address == address)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // A list of who is there: whole between any two of its changes.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, or none.
    fn enter(self: &Arc<Self>, address: SocketAddr, now: Instant, ear: Ear<'_>) -> Option<Ticket> {
        let mut inside = self.inside();
        let age = |guest: &Guest| now.duration_since(guest.since);
        let spare = inside.count(false) >= self.bound
            && !inside.dismiss(false, |guest| guest.silent() && age(guest) > RESTING);
        let full = spare && inside.count(true) >= SPARE;
        if full && !inside.dismiss(true, |guest| guest.silent() || age(guest) > HEARD) {
            return None;
        }
        let (stay, leave) = oneshot::channel();
        let (spoke, number) = (Arc::<AtomicBool>::default(), inside.next);
        inside.next += 1;
        let ear = spare.then(ear).flatten();
        let guest = Guest { address, since: now, spare, spoke: Arc::clone(&spoke), ear, _stay: stay };
        inside.guests.insert(number, guest);
        drop(inside);
        Some(Ticket { ledger: Arc::clone(self), number, spare, spoke, leave })
    }
}

impl Inside {
    fn count(&self, spare: bool) -> usize {
        self.guests.values().filter(|guest| guest.spare == spare).count()
    }

    /// Takes the place of whoever came first among those that fit; whether there was one.
    fn dismiss(&mut self, spare: bool, fits: impl Fn(&Guest) -> bool) -> bool {
        let found = self.guests.iter().find(|(_, guest)| guest.spare == spare && fits(guest));
        let number = found.map(|(number, _)| *number);
        number.and_then(|number| self.guests.remove(&number)).is_some()
    }
}

/// Lets connections through to the acceptor behind it.
#[derive(Clone, Debug)]
pub(super) struct Turnstile<A> {
    inner: A,
    ledger: Arc<Ledger>,
}

impl<A> Turnstile<A> {
    pub(super) const fn new(inner: A, ledger: Arc<Ledger>) -> Self {
        Self { inner, ledger }
    }
}

impl<A, S> Accept<TcpStream, S> for Turnstile<A>
where
    A: Accept<TcpStream, S> + Clone + Send + 'static,
    A::Stream: AsyncRead + AsyncWrite + Unpin + Send,
    A::Future: Send,
    S: Send + 'static,
{
    type Stream = Watched<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let ear = || stream.as_fd().try_clone_to_owned().ok().map(std::net::TcpStream::from);
        let peer = stream.peer_addr().ok();
        let ticket = peer.and_then(|peer| self.ledger.enter(peer, Instant::now(), &ear));
        let inner = self.inner.clone();
        Box::pin(async move {
            let mut ticket = ticket.ok_or(io::ErrorKind::ConnectionRefused)?;
            stream.set_nodelay(true)?;
            let patience = ticket.ledger.patience;
            let (head, silence) =
                if ticket.spare { (SPARE_TIME, SPARE_TIME) } else { (patience.head, patience.silence) };
            let deadline = Box::pin(sleep(silence));
            // Who says nothing costs a socket and a place in a list. Peeked at, for readiness may be told without cause.
            let mut first = [0; 1];
            tokio::select! {
                heard = timeout(head, stream.peek(&mut first)) => {
                    heard.map_err(|_| io::ErrorKind::TimedOut)??;
                }
                _ = &mut ticket.leave => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
            ticket.spoke.store(true, Ordering::Relaxed);
            let accepted = timeout(HANDSHAKE.min(silence), inner.accept(stream, service)).await;
            let (stream, service) = accepted.map_err(|_| io::ErrorKind::TimedOut)??;
            Ok((Watched { stream, deadline, silence, left: false, ticket }, service))
        })
    }
}

/// A connection under watch.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    deadline: Pin<Box<Sleep>>,
    silence: Duration,
    left: bool,
    ticket: Ticket,
}

impl<S> Watched<S> {
    /// Whether it must end.
    fn over(&mut self, context: &mut Context<'_>) -> bool {
        self.left = self.left || Pin::new(&mut self.ticket.leave).poll(context).is_ready();
        self.left || self.deadline.as_mut().poll(context).is_ready()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        match &written {
            // One beyond the bound gets its answer and no more time.
            Poll::Ready(Ok(1..)) if !self.ticket.spare => {
                let next = Instant::now() + self.silence;
                self.deadline.as_mut().reset(next);
            }
            // A reader that takes nothing is as silent as one that sends nothing.
            Poll::Pending if self.over(context) => {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            Poll::Ready(_) | Poll::Pending => {}
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[test]
    fn who_says_nothing_gives_way_and_who_speaks_stays() {
        let ledger = Arc::new(Ledger::new(2, Patience::default()));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (mut silent, talker) = (
            ledger.enter(peer(1), at(0), &|| None).unwrap(),
            ledger.enter(peer(2), at(0), &|| None).unwrap(),
        );
        talker.spoke.store(true, Ordering::Relaxed);
        assert!(!silent.spare && !talker.spare);
        let early = ledger.enter(peer(3), at(500), &|| None).unwrap();
        assert!(early.spare && ledger.is_spare(peer(3)) && !ledger.is_spare(peer(1)));
        let later = ledger.enter(peer(4), at(1_500), &|| None).unwrap();
        assert!(!later.spare, "it has the place of the one that said nothing for a second");
        assert!(silent.leave.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Closed));
        assert!(ledger.enter(peer(5), at(1_600), &|| None).unwrap().spare, "who speaks stays");
        drop((silent, talker, early, later));
        assert!(ledger.inside().guests.is_empty());
    }

    #[test]
    fn beyond_the_bound_the_newest_has_a_place_unless_all_speak() {
        let ledger = Arc::new(Ledger::new(0, Patience::default()));
        let start = Instant::now();
        let many: Vec<_> =
            (0..1_000).map(|port| ledger.enter(peer(port), start, &|| None).unwrap()).collect();
        assert_eq!(ledger.inside().guests.len(), SPARE);
        assert!(many.iter().rev().take(SPARE).all(|ticket| ledger.is_spare(peer(ticket.number as u16))));
        for ticket in &many {
            ticket.spoke.store(true, Ordering::Relaxed);
        }
        assert!(ledger.enter(peer(2_000), start, &|| None).is_none(), "all of them speak");
        assert!(ledger.enter(peer(2_000), start + HEARD * 2, &|| None).is_some(), "long enough");
        drop(many);
        assert!(ledger.enter(peer(2_001), start, &|| None).is_some());
    }
}
