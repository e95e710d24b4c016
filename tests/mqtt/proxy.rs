//! A network that can be cut in the middle of a packet, and a broker that knows only 3.1.1.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Carries bytes to the broker.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    control: Arc<Control>,
}

struct Control {
    /// Bytes from the door that still pass; below 0 without bound.
    budget: AtomicI64,
    /// Refuse version 5 as a broker of 2014 does.
    old: AtomicBool,
}

impl Proxy {
    pub(crate) fn start(broker: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let control = Arc::new(Control { budget: AtomicI64::new(-1), old: AtomicBool::new(false) });
        let shared = Arc::clone(&control);
        std::thread::spawn(move || {
            for door in listener.incoming().map_while(Result::ok) {
                let control = Arc::clone(&shared);
                std::thread::spawn(move || carry(door, broker, &control));
            }
        });
        Self { port, control }
    }

    /// Cuts the connection after so many further bytes from the door.
    pub(crate) fn cut_after(&self, bytes: i64) {
        self.control.budget.store(bytes, Ordering::SeqCst);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.control.budget.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn mend(&self) {
        self.control.budget.store(-1, Ordering::SeqCst);
    }

    pub(crate) fn speak_only_311(&self) {
        self.control.old.store(true, Ordering::SeqCst);
    }
}

fn carry(mut door: TcpStream, broker: u16, control: &Arc<Control>) {
    let mut buffer = [0; 4_096];
    if control.budget.load(Ordering::SeqCst) == 0 {
        return;
    }
    let Ok(mut n) = door.read(&mut buffer) else { return };
    // The level stands behind the fixed header and "MQTT".
    let level = buffer[..n].windows(4).position(|w| w == b"MQTT").and_then(|i| buffer.get(i + 4).copied());
    if control.old.load(Ordering::SeqCst) && level == Some(5) {
        let _ = door.write_all(&[0x20, 2, 0, 1]);
        return;
    }
    let Ok(mut to) = TcpStream::connect(("127.0.0.1", broker)) else { return };
    let (mut back_from, mut back_to) = (to.try_clone().unwrap(), door.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back_from, &mut back_to);
        let _ = back_to.shutdown(Shutdown::Both);
    });
    while n > 0 {
        let budget = control.budget.load(Ordering::SeqCst);
        let pass = if budget < 0 { n } else { n.min(budget as usize) };
        if to.write_all(&buffer[..pass]).is_err() {
            break;
        }
        if budget >= 0 {
            control.budget.store(budget - pass as i64, Ordering::SeqCst);
            if budget as usize <= n {
                break;
            }
        }
        match door.read(&mut buffer) {
            Ok(more) => n = more,
            Err(_) => break,
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = door.shutdown(Shutdown::Both);
}
