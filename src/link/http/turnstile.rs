//! Connections: how many there may be, and how long one may go without our answering it.
//!
//! Owns: the bound on connections, the deadline of a silent one. Does not own: TLS, HTTP.
//! Invariants: a connection beyond the bound is closed at once; one on which nothing was written for [`SILENCE`] is
//! closed, whether it sends nothing or a byte now and then.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};

/// Longest time without a byte from us; a body may take half of it to arrive.
const SILENCE: Duration = Duration::from_mins(1);
/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Lets at most so many connections through to the acceptor behind it.
#[derive(Clone, Debug)]
pub(super) struct Turnstile<A> {
    inner: A,
    free: Arc<Semaphore>,
}

impl<A> Turnstile<A> {
    pub(super) fn new(inner: A, connections: usize) -> Self {
        Self { inner, free: Arc::new(Semaphore::new(connections)) }
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
        let permit = Arc::clone(&self.free).try_acquire_owned();
        let inner = self.inner.clone();
        Box::pin(async move {
            let permit = permit.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            stream.set_nodelay(true)?;
            let accepted = timeout(HANDSHAKE, inner.accept(stream, service)).await;
            let (stream, service) = accepted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            Ok((Watched { stream, deadline: Box::pin(sleep(SILENCE)), _permit: permit }, service))
        })
    }
}

/// A connection under watch.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    deadline: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.deadline.as_mut().poll(context).is_ready() {
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
            Poll::Ready(Ok(1..)) => self.deadline.as_mut().reset(Instant::now() + SILENCE),
            // A reader that takes nothing is as silent as one that sends nothing.
            Poll::Pending if self.deadline.as_mut().poll(context).is_ready() => {
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
