//! One door's part in its group: what it has taken over, what it has still to say.
//!
//! Owns: noticing changes made at this door, taking over those of others, the ledger on disk, the order of both. Does
//! not own: the gallery and the disk (behind [`Roll`]), the connection, threads. No clock, no IO of its own.
//!
//! A change made here is noticed by what the gallery holds, not by who made it: a person whose shared parts are not
//! those noted at the last change is a new state. So nothing is lost when the program ends between the change and the
//! note. The other way round a note is made before a state is taken over (`taking`), so that what a crash left half
//! done is not mistaken for an edit but taken over again when the broker repeats it.
//! Invariants: what is said is noted first; a state is said until a broker has taken it; of a person who is gone
//! everywhere nothing is kept but a pseudonym, a revision and a mark.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::merge::{Ledger, Stamp, Verdict};
use super::seal::{GroupKey, Member, SealError};

/// Why the gallery or the ledger could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RollError(pub String);

/// This door's people and what is noted about sharing them.
pub trait Roll: Send {
    /// Everybody's id.
    ///
    /// # Errors
    /// When they cannot be read.
    fn ids(&self) -> Result<Vec<String>, RollError>;

    /// A person's shared parts with revision 0; `None`: there is nobody.
    ///
    /// # Errors
    /// When they cannot be read.
    fn member(&self, id: &str) -> Result<Option<Member>, RollError>;

    /// Makes a person so, or erases them.
    ///
    /// # Errors
    /// When this cannot be done here.
    fn adopt(&self, member: &Member) -> Result<(), RollError>;

    /// Everything that was noted.
    ///
    /// # Errors
    /// When it cannot be read.
    fn rows(&self) -> Result<Vec<Row>, RollError>;

    /// Notes a row in the place of the one with the same slot.
    ///
    /// # Errors
    /// When the disk refuses.
    fn keep(&self, row: &Row) -> Result<(), RollError>;

    /// Who was changed behind event `since`, and the newest event; `None`: that is not known any more.
    ///
    /// # Errors
    /// When it cannot be read.
    fn changed(&self, since: u64) -> Result<(Option<Vec<String>>, u64), RollError>;
}

/// What is noted of one person.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its place on the disk.
    pub slot: u32,
    /// Which group: the pseudonym of nobody.
    pub group: String,
    /// The person's pseudonym.
    pub name: String,
    /// Who; forgotten once everybody was told that they are gone.
    pub id: Option<String>,
    /// The state's revision.
    pub rev: u64,
    /// A tombstone.
    pub gone: bool,
    /// The state's content.
    pub digest: [u8; 32],
    /// What the gallery held when this was noted.
    pub held: [u8; 32],
    /// A broker has taken it.
    pub said: bool,
    /// Another state is being taken over.
    pub taking: bool,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({}, rev {}, gone {}, said {})", self.name, self.rev, self.gone, self.said)
    }
}

impl Row {
    /// Whether the gallery holds what is noted.
    const fn is_whole(&self) -> bool {
        self.rev > 0 && !self.taking
    }

    const fn stamp(&self) -> Stamp {
        Stamp { rev: self.rev, gone: self.gone, digest: self.digest }
    }
}

/// A state on its way to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    name: String,
    stamp: Stamp,
}

/// A state to be published, retained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Where.
    pub topic: String,
    /// What.
    pub sealed: Vec<u8>,
    /// Comes back with [`Group::said`].
    pub token: Token,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It was known.
    Known,
    /// The gallery now holds it.
    Adopted,
    /// The own state is later and will be said.
    Answered,
    /// Somebody removed the message; the own state will be said.
    Cleared,
    /// Not of this group.
    Refused(SealError),
}

/// This door's part.
pub struct Group {
    key: GroupKey,
    prefix: String,
    roll: Box<dyn Roll>,
    tag: String,
    ledger: Ledger,
    rows: BTreeMap<String, Row>,
    free: Vec<u32>,
    next_slot: u32,
    seen: u64,
    unsaid: BTreeSet<String>,
    under_way: BTreeMap<String, Stamp>,
    heard: BTreeSet<String>,
}

impl Group {
    /// Reads what was noted and what has changed since. `prefix` is `ostiary/fleet/<group>/person/`.
    ///
    /// # Errors
    /// When something cannot be read or noted.
    pub fn open(key: GroupKey, prefix: String, roll: Box<dyn Roll>) -> Result<Self, RollError> {
        let tag = key.pseudonym("");
        let mut group = Self {
            key,
            prefix,
            roll,
            tag,
            ledger: Ledger::default(),
            rows: BTreeMap::new(),
            free: Vec::new(),
            next_slot: 0,
            seen: 0,
            unsaid: BTreeSet::new(),
            under_way: BTreeMap::new(),
            heard: BTreeSet::new(),
        };
        for row in group.roll.rows()? {
            group.next_slot = group.next_slot.max(row.slot.saturating_add(1));
            if row.group == group.tag {
                group.ledger.adopted(&row.name, row.stamp());
                group.rows.insert(row.name.clone(), row);
                continue;
            }
            // Of another group, or with another key: forgotten.
            group.free.push(row.slot);
            if row != (Row { slot: row.slot, ..Row::default() }) {
                group.roll.keep(&Row { slot: row.slot, ..Row::default() })?;
            }
        }
        (_, group.seen) = group.roll.changed(u64::MAX)?;
        group.scan()?;
        group.connected();
        Ok(group)
    }

    /// Whether a topic is of this group.
    #[must_use]
    pub fn is_ours(&self, topic: &str) -> bool {
        topic.starts_with(&self.prefix)
    }

    /// Notices what was changed at this door.
    ///
    /// # Errors
    /// When something cannot be read or noted; asked again, it goes on.
    pub fn look(&mut self) -> Result<(), RollError> {
        let (ids, newest) = self.roll.changed(self.seen)?;
        match ids {
            Some(ids) => ids.iter().try_for_each(|id| self.check(id))?,
            None => self.scan()?,
        }
        self.seen = newest;
        Ok(())
    }

    /// A connection begins: whatever was under way is said again.
    pub fn connected(&mut self) {
        self.under_way.clear();
        self.heard.clear();
        self.unsaid =
            self.rows.values().filter(|r| !r.said && r.is_whole()).map(|r| r.name.clone()).collect();
    }

    /// The broker has had time to tell all it keeps: what it did not tell it does not have, and is told.
    ///
    /// # Errors
    /// When something cannot be read or noted.
    pub fn settled(&mut self) -> Result<(), RollError> {
        let unheard = |r: &&Row| r.id.is_some() && !self.heard.contains(&r.name);
        let (whole, half): (Vec<&Row>, Vec<&Row>) =
            self.rows.values().filter(unheard).partition(|r| r.is_whole());
        self.unsaid.extend(whole.into_iter().map(|r| r.name.clone()));
        // What was begun and is told by nobody any more: what came of it is this door's own.
        let half: Vec<String> = half.into_iter().filter_map(|r| r.id.clone()).collect();
        half.iter().try_for_each(|id| self.check(id))
    }

    /// A message of the group.
    ///
    /// # Errors
    /// When it cannot be taken over; it is when it is heard again.
    pub fn hear(&mut self, topic: &str, payload: &[u8]) -> Result<Heard, RollError> {
        let Some(name) = topic.strip_prefix(&self.prefix) else {
            return Ok(Heard::Refused(SealError::Forged));
        };
        if payload.is_empty() {
            self.say_again(name, None);
            return Ok(Heard::Cleared);
        }
        let member = match self.key.open(topic, payload) {
            Ok(member) => member,
            Err(error) => return Ok(Heard::Refused(error)),
        };
        self.heard.insert(name.to_owned());
        let theirs = member.stamp();
        let taking = self.rows.get(name).is_some_and(|r| r.taking);
        let mut verdict = self.ledger.judge(name, theirs);
        if verdict == Verdict::Adopt && !taking {
            // A change made here a moment ago takes part in the comparison.
            self.check(&member.id)?;
            verdict = self.ledger.judge(name, theirs);
        }
        match verdict {
            Verdict::Known if !taking => Ok(Heard::Known),
            Verdict::Known | Verdict::Adopt => self.adopt(name, &member, theirs).map(|()| Heard::Adopted),
            Verdict::Answer => {
                self.say_again(name, Some(&member.id));
                Ok(Heard::Answered)
            }
        }
    }

    /// What is to be said next; each state once a connection, until it is said or has changed.
    ///
    /// # Errors
    /// When a person cannot be read.
    pub fn next_to_say(&mut self) -> Result<Option<Said>, RollError> {
        while let Some(name) = self.unsaid.iter().find(|n| !self.under_way.contains_key(*n)).cloned() {
            let Some(row) = self.rows.get(&name).filter(|r| r.is_whole()) else {
                self.unsaid.remove(&name);
                continue;
            };
            let (Some(id), stamp, held) = (row.id.clone(), row.stamp(), row.held) else {
                // Gone, and everybody was told: whoever did not hear of it will speak up, and then be answered.
                self.unsaid.remove(&name);
                continue;
            };
            let member = if stamp.gone {
                Member { id, rev: stamp.rev, gone: true, ..Member::default() }
            } else {
                match self.roll.member(&id)? {
                    Some(member) if member.stamp().digest == held && held == stamp.digest => {
                        Member { rev: stamp.rev, ..member }
                    }
                    Some(member) if member.stamp().digest == held => {
                        // What was taken over reads otherwise here: that is a state of its own.
                        let next = self.ledger.next(&name, false, held);
                        self.note(&name, &id, next, held)?;
                        continue;
                    }
                    Some(_) | None => {
                        self.unsaid.remove(&name);
                        self.check(&id)?;
                        continue;
                    }
                }
            };
            let topic = format!("{}{name}", self.prefix);
            match self.key.seal(&topic, &member) {
                Ok(sealed) => {
                    self.under_way.insert(name.clone(), stamp);
                    return Ok(Some(Said { topic, sealed, token: Token { name, stamp } }));
                }
                Err(error) => {
                    tracing::error!(%error, "a person is not shared with the group");
                    self.unsaid.remove(&name);
                }
            }
        }
        Ok(None)
    }

    /// A broker has taken it.
    ///
    /// # Errors
    /// When that cannot be noted; it is said again then.
    pub fn said(&mut self, token: &Token) -> Result<(), RollError> {
        self.under_way.remove(&token.name);
        let Some(row) = self.rows.get(&token.name).filter(|r| r.stamp() == token.stamp) else {
            return Ok(());
        };
        let id = if row.gone { None } else { row.id.clone() };
        let done = Row { said: true, id, ..row.clone() };
        if done != *row {
            self.roll.keep(&done)?;
            self.rows.insert(token.name.clone(), done);
        }
        self.unsaid.remove(&token.name);
        Ok(())
    }

    /// How many states wait to be said.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.unsaid.len()
    }

    fn scan(&mut self) -> Result<(), RollError> {
        let ids = self.roll.ids()?;
        let half_done = |rows: &BTreeMap<String, Row>, name: &str| rows.get(name).is_some_and(|r| r.taking);
        for id in &ids {
            if !half_done(&self.rows, &self.key.pseudonym(id)) {
                self.check(id)?;
            }
        }
        let here: BTreeSet<&String> = ids.iter().collect();
        let gone: Vec<String> = self
            .rows
            .values()
            .filter(|r| !r.gone && !r.taking)
            .filter_map(|r| r.id.clone())
            .filter(|id| !here.contains(id))
            .collect();
        gone.iter().try_for_each(|id| self.check(id))
    }

    /// Compares what the gallery holds of a person with what was noted.
    fn check(&mut self, id: &str) -> Result<(), RollError> {
        let name = self.key.pseudonym(id);
        let held = self.roll.member(id)?.map(|m| m.stamp().digest);
        let row = self.rows.get(&name);
        match (held, row) {
            (Some(held), Some(row)) if !row.gone && row.held == held => Ok(()),
            (Some(held), _) => {
                let next = self.ledger.next(&name, false, held);
                self.note(&name, id, next, held)
            }
            (None, Some(row)) if !row.gone && row.rev > 0 => {
                let next = self.ledger.next(&name, true, [0; 32]);
                self.note(&name, id, next, [0; 32])
            }
            (None, Some(_) | None) => Ok(()),
        }
    }

    /// Notes a change made here; without a stamp the gallery holds again what was shared.
    fn note(&mut self, name: &str, id: &str, next: Option<Stamp>, held: [u8; 32]) -> Result<(), RollError> {
        let stamp = next.or_else(|| self.rows.get(name).map(Row::stamp)).unwrap_or_default();
        let said = next.is_none() && self.rows.get(name).is_some_and(|r| r.said);
        let row = Row { id: Some(id.to_owned()), held, said, ..self.row(name, stamp) };
        self.roll.keep(&row)?;
        self.ledger.adopted(name, stamp);
        self.rows.insert(name.to_owned(), row);
        if !said {
            self.unsaid.insert(name.to_owned());
            self.under_way.remove(name);
        }
        Ok(())
    }

    fn adopt(&mut self, name: &str, member: &Member, theirs: Stamp) -> Result<(), RollError> {
        let known = self.rows.get(name).map(Row::stamp).unwrap_or_default();
        let nobody = theirs.gone && self.roll.member(&member.id)?.is_none();
        if !nobody {
            let begun = Row { id: Some(member.id.clone()), taking: true, ..self.row(name, known) };
            self.roll.keep(&begun)?;
            self.rows.insert(name.to_owned(), begun);
            self.roll.adopt(member)?;
        }
        let held = self.roll.member(&member.id)?.map_or([0; 32], |m| m.stamp().digest);
        let id = (!theirs.gone).then(|| member.id.clone());
        let row = Row { id, held, said: true, ..self.row(name, theirs) };
        self.roll.keep(&row)?;
        self.ledger.adopted(name, theirs);
        self.rows.insert(name.to_owned(), row);
        self.unsaid.remove(name);
        Ok(())
    }

    /// A row of that name in its slot, or in a free one, with nothing noted but the stamp.
    fn row(&mut self, name: &str, stamp: Stamp) -> Row {
        let slot = match self.rows.get(name) {
            Some(row) => row.slot,
            None => self.free.pop().unwrap_or_else(|| {
                self.next_slot += 1;
                self.next_slot - 1
            }),
        };
        let Stamp { rev, gone, digest } = stamp;
        Row { slot, group: self.tag.clone(), name: name.to_owned(), rev, gone, digest, ..Row::default() }
    }

    fn say_again(&mut self, name: &str, id: Option<&str>) {
        let Some(row) = self.rows.get_mut(name).filter(|r| r.rev > 0) else { return };
        if row.id.is_none() {
            row.id = id.map(str::to_owned);
        }
        if row.id.is_some() {
            self.unsaid.insert(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
