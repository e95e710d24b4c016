//! Reading the audit log.
//!
//! Owns: the pages and the filter. Does not own: what is written into it (`app/audit`), keeping it (`store`).

use super::people::parse;
use super::{Desk, OrRefuse as _};
use crate::domain::{About, ClockTrust, PersonId};
use crate::link::wire::{AuditLine, AuditPage, AuditQuery, Moment, Refusal, Reply};
use crate::store::Look;

/// Lines opened for one page of a filtered list; the page then ends and says where to go on.
const SCAN: usize = 20_000;
const BATCH: usize = 512;

impl Desk {
    pub(super) fn list_audit(&self, query: &AuditQuery) -> Result<Reply, Refusal> {
        if query.limit == 0 || query.limit > 1_000 {
            return Err(Refusal::invalid("limit", "\"limit\" must be 1 to 1000"));
        }
        let person = query.person.as_deref().map(parse).transpose()?;
        let wanted = |look: &Look| {
            person.as_ref().is_none_or(|id| look.about.may_hold(id))
                && query.who.as_deref().is_none_or(|who| look.who == who)
        };
        let (mut looks, mut before, mut opened) = (Vec::new(), query.before, 0);
        let full = |looks: &Vec<AuditLine>| looks.len() == usize::from(query.limit);
        while opened < SCAN && !full(&looks) {
            let batch = self.house.store.looks(before, BATCH).or_refuse()?;
            if batch.is_empty() {
                return Ok(Reply::Audit(AuditPage { looks, before: None }));
            }
            opened += batch.len();
            for look in batch {
                before = Some(look.number);
                if wanted(&look) {
                    looks.push(line(look));
                    if full(&looks) {
                        break;
                    }
                }
            }
        }
        Ok(Reply::Audit(AuditPage { looks, before: before.filter(|number| *number > 1) }))
    }
}

pub(super) fn line(look: Look) -> AuditLine {
    let text = |id: &PersonId| Some(id.to_string());
    let (person, until, people) = match &look.about {
        About::Nobody => (None, None, Some(0)),
        About::One(id) => (text(id), None, Some(1)),
        About::Some { first, last, count } => (text(first), text(last), Some(*count)),
        About::Everybody => (None, None, None),
    };
    AuditLine {
        number: look.number,
        time: Moment(look.at.0),
        trusted: look.trust == ClockTrust::Trusted,
        who: look.who,
        what: look.what.name().to_owned(),
        person,
        until,
        people,
        detail: look.detail,
    }
}
