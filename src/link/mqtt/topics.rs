//! Every topic of SPEC 4: how it is written and how an incoming one is read.
//!
//! Owns: names, filters, the reading of what comes in. Does not own: payloads, who may send.
//! Invariants: a device name, an id and an upload's name hold no separator and no wildcard, so one door's topics
//! cannot be mistaken for another's; a response goes only below this door's own `rsp/`.

use std::fmt;

/// Longest device name and longest id, bytes.
const MAX_NAME: usize = 64;

/// The topics of one door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    root: String,
}

/// What a message is by its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heading {
    /// `cmd/<verb>`.
    Command(String),
    /// `cmd/upload/<name>/<part>/<parts>`.
    Upload {
        /// What the parts belong to.
        name: String,
        /// From 0.
        part: u16,
        /// In all.
        parts: u16,
    },
    /// `door/<n>/set`.
    Set(u8),
    /// `events/ack`.
    Ack,
    /// Nothing of ours.
    Other,
}

/// A name that cannot stand in a topic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot stand in a topic: use 1 to 64 letters, digits, - and _")]
pub struct BadName(pub String);

/// Checks a name: 1 to 64 letters, digits, `-` and `_`.
///
/// # Errors
/// When it is no such name.
pub(super) fn name(text: &str) -> Result<&str, BadName> {
    let fits = (1..=MAX_NAME).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if fits { Ok(text) } else { Err(BadName(text.chars().take(MAX_NAME).collect())) }
}

impl Topics {
    /// The topics of that device.
    ///
    /// # Errors
    /// When the name cannot stand in a topic; `fleet` is taken.
    pub fn new(device: &str) -> Result<Self, BadName> {
        let device = name(device)?;
        if device == "fleet" {
            return Err(BadName(device.to_owned()));
        }
        Ok(Self { root: format!("ostiary/{device}") })
    }

    /// What the topics of that group's people begin with: `ostiary/fleet/<group>/person/`.
    ///
    /// # Errors
    /// When the name cannot stand in a topic.
    pub fn group(group: &str) -> Result<String, BadName> {
        name(group).map(|group| format!("ostiary/fleet/{group}/person/"))
    }

    /// A topic of this door: `ostiary/<device>/<below>`.
    #[must_use]
    pub fn own(&self, below: impl fmt::Display) -> String {
        format!("{}/{below}", self.root)
    }

    /// Where a response goes: the topic the asker wants if it lies below this door's `rsp/`, else `rsp/<id>`.
    ///
    /// A door must not be led to write where its asker may not: another door's commands, Home Assistant's
    /// configuration. Brokers let a client read `ostiary/<device>/rsp/#`.
    #[must_use]
    pub fn response(&self, wanted: Option<&str>, id: &str) -> String {
        let own = self.own("rsp/");
        match wanted {
            Some(topic)
                if topic.len() > own.len()
                    && topic.len() <= 256
                    && topic.starts_with(&own)
                    && !topic.contains(['+', '#'])
                    && !topic.chars().any(char::is_control) =>
            {
                topic.to_owned()
            }
            Some(_) | None => format!("{own}{}", name(id).unwrap_or("-")),
        }
    }

    /// What a message is.
    #[must_use]
    pub fn read(&self, topic: &str) -> Heading {
        self.heading(topic).unwrap_or(Heading::Other)
    }

    fn heading(&self, topic: &str) -> Option<Heading> {
        let below = topic.strip_prefix(&self.root)?.strip_prefix('/')?;
        if below == "events/ack" {
            return Some(Heading::Ack);
        }
        if let Some(upload) = below.strip_prefix("cmd/upload/") {
            let mut words = upload.split('/');
            let (name_, part, parts) = (words.next()?, words.next()?, words.next()?);
            if words.next().is_some() {
                return None;
            }
            let (part, parts) = (part.parse().ok()?, parts.parse().ok()?);
            return Some(Heading::Upload { name: name(name_).ok()?.to_owned(), part, parts });
        }
        if let Some(verb) = below.strip_prefix("cmd/") {
            let fits = verb.len() <= MAX_NAME
                && verb.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'.' | b'_'));
            return fits.then(|| Heading::Command(verb.to_owned()));
        }
        let door = below.strip_prefix("door/")?.strip_suffix("/set")?;
        door.parse().ok().map(Heading::Set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_as_they_are_written() {
        let t = Topics::new("front").unwrap();
        assert_eq!(t.read("ostiary/front/cmd/person.get"), Heading::Command("person.get".into()));
        assert_eq!(t.read("ostiary/front/door/1/set"), Heading::Set(1));
        assert_eq!(t.read("ostiary/front/events/ack"), Heading::Ack);
        let upload = Heading::Upload { name: "a-1".into(), part: 0, parts: 3 };
        assert_eq!(t.read("ostiary/front/cmd/upload/a-1/0/3"), upload);
        for other in [
            "ostiary/frontier/cmd/status",
            "ostiary/front",
            "ostiary/front/cmd/UP",
            "ostiary/front/cmd/a/b",
            "ostiary/front/door/1/set/x",
            "ostiary/front/door/300/set",
            "ostiary/front/cmd/upload/a/0",
            "ostiary/front/cmd/upload/a/0/3/4",
            "ostiary/front/cmd/upload/a+b/0/3",
            "ostiary/fleet/hq/person/ab12",
            "",
        ] {
            assert_eq!(t.read(other), Heading::Other, "{other}");
        }
    }

    #[test]
    fn a_response_stays_below_the_doors_own() {
        let t = Topics::new("front").unwrap();
        assert_eq!(t.response(Some("ostiary/front/rsp/me/1"), "x"), "ostiary/front/rsp/me/1");
        for elsewhere in
            ["ostiary/back/door/1/set", "homeassistant/x", "ostiary/front/rsp/", "ostiary/front/rsp/#", "a"]
        {
            assert_eq!(t.response(Some(elsewhere), "x"), "ostiary/front/rsp/x", "{elsewhere}");
        }
        assert_eq!(t.response(None, "a/b"), "ostiary/front/rsp/-");
        assert!(Topics::new("a/b").is_err());
        assert!(Topics::new("fleet").is_err());
    }
}
