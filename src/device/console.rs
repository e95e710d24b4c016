//! Committed events as lines for a person at the terminal.
//!
//! Owns: the form of a line. Does not own: what is committed, the stream it is written to.
//! Invariants: one line an event; control characters never reach the terminal; a stream that cannot be written
//! counts as a link that is down, so nothing is lost in the outbox and nothing is disturbed.

use std::io::Write;

use serde::Deserialize;

use ostiary_ports::{LinkDown, Uplink};

/// The terminal as a place where events leave to.
pub struct ConsoleUplink {
    out: Box<dyn Write + Send>,
    line: String,
    confirmed: u64,
}

/// The parts of an event that a person wants to see.
#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow, default)]
    r#type: Option<&'a str>,
    #[serde(borrow, default)]
    time: Option<&'a str>,
    #[serde(borrow, default)]
    trust: Option<&'a str>,
    #[serde(default)]
    door: Option<u8>,
    #[serde(borrow, default)]
    person: Option<&'a str>,
    #[serde(borrow, default)]
    reason: Option<&'a str>,
    #[serde(borrow, default)]
    cause: Option<&'a str>,
    // The one free text, so the one that may hold escapes.
    #[serde(default)]
    detail: Option<String>,
}

impl ConsoleUplink {
    /// Writes to `out`.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, line: String::new(), confirmed: 0 }
    }

    fn compose(&mut self, seq: u64, json: &str) {
        use std::fmt::Write as _;

        let line = &mut self.line;
        line.clear();
        // Writing into memory cannot fail.
        let _ = write!(line, "{seq:>6}  ");
        let Ok(parts) = serde_json::from_str::<Parts<'_>>(json) else {
            line.push_str(json);
            return;
        };
        // The day is in the journal; at the terminal the hour is what one looks for.
        let time = parts.time.unwrap_or_default();
        let hour = time.split_once('T').map_or(time, |(_, hour)| hour);
        let doubt = if parts.trust == Some("untrusted") { "?" } else { "" };
        let _ = write!(line, "{hour}{doubt}  {:<16}", parts.r#type.unwrap_or("event"));
        if let Some(door) = parts.door.filter(|door| *door > 1) {
            let _ = write!(line, "  door {door}");
        }
        for (name, value) in [("person", parts.person), ("reason", parts.reason), ("cause", parts.cause)] {
            if let Some(value) = value {
                let _ = write!(line, "  {name}={value}");
            }
        }
        if let Some(text) = parts.detail.as_deref().filter(|text| !text.is_empty()) {
            let _ = write!(line, "  {text}");
        }
    }
}

impl Uplink for ConsoleUplink {
    fn offer(&mut self, seq: u64, json: &str) -> Result<(), LinkDown> {
        self.compose(seq, json);
        let clean: String = self.line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut clean = clean.trim_end().to_owned();
        clean.push('\n');
        let written = self.out.write_all(clean.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|_| LinkDown)?;
        self.confirmed = self.confirmed.max(seq);
        Ok(())
    }

    fn confirmed(&mut self) -> u64 {
        self.confirmed
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<(Vec<u8>, bool)>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut screen = self.0.lock().unwrap();
            if screen.1 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            screen.0.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_clean_line_an_event_and_a_closed_terminal_is_a_link_down() {
        let screen = Screen::default();
        let mut console = ConsoleUplink::new(Box::new(screen.clone()));
        let json = r#"{"seq":12,"boot":"00","type":"access_granted","time":"2026-11-21T10:03:22.120Z",
            "trust":"trusted","mono_ms":1,"door":1,"person":"anna","reason":null,"cause":"face",
            "detail":"a\u001b[31m\nb","prev_hash":"","hash":""}"#;
        console.offer(12, json).unwrap();
        console.offer(13, "no json\u{7}").unwrap();
        let text = String::from_utf8(screen.0.lock().unwrap().0.clone()).unwrap();
        assert_eq!(
            text,
            "    12  10:03:22.120Z  access_granted    person=anna  cause=face  a [31m b\n    13  no json\n"
        );
        assert_eq!(console.confirmed(), 13);
        screen.0.lock().unwrap().1 = true;
        assert_eq!(console.offer(14, json), Err(LinkDown));
        assert_eq!(console.confirmed(), 13);
    }
}
