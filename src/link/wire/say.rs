//! Replies as text for people at the board.
//!
//! Owns: the wording. Does not own: exit codes (`app`).
//! Invariant: a score is said only where the reply holds one: the operator at the board's own command line.

use std::fmt;

use super::{
    AccountView, AuditLine, CollectionView, Compared, DoorStatus, Enrolled, Erased, Identified, Invited,
    ModelChange, Moment, PersonPage, PersonView, Status, TokenIssued, TokenView,
};

impl fmt::Display for Enrolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for image in &self.images {
            match (image.template, image.quality) {
                (Some(template), Some(quality)) => {
                    writeln!(f, "  {}: accepted as template {template}, quality {quality}", image.file)?;
                }
                _ => writeln!(f, "  {}: refused: {}", image.file, image.reasons.join(", "))?,
            }
        }
        let word = if self.templates == 1 { "template" } else { "templates" };
        write!(f, "{} is enrolled with {} {word}", self.person, self.templates)?;
        if let Some(near) = &self.nearest_other
            && let (Some(person), Some(distance)) = (&near.person, near.distance_to_threshold)
        {
            write!(f, "; nearest other person {person}, {distance:.2} below the threshold")?;
        }
        Ok(())
    }
}

impl fmt::Display for Identified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.person, &self.name) {
            (Some(id), name) => write!(f, "{id} ({})", name.as_deref().unwrap_or("no name"))?,
            (None, _) if self.ambiguous => {
                f.write_str("unknown: two enrolled people are too much alike to tell")?;
            }
            (None, _) => f.write_str("unknown: nobody that is enrolled")?,
        }
        if let (Some(score), Some(cosine), Some(threshold)) = (self.score, self.cosine, self.threshold) {
            write!(f, "; score {score:.2}, cosine {cosine:.3}, threshold {threshold:.3}")?;
        }
        write!(f, ", quality {}", self.quality)
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.same { "the same person" } else { "not the same person" };
        write!(f, "{verdict}; match level {} of 5", self.match_level)?;
        if let (Some(score), Some(cosine)) = (self.score, self.cosine) {
            write!(f, ", score {score:.2}, cosine {cosine:.3}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PersonPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for p in &self.persons {
            let again = if p.needs_reenrolment { "  NEEDS RE-ENROLMENT" } else { "" };
            writeln!(f, "{:<24} {:<9} {:>2} templates  {}{again}", p.id, p.status, p.templates, p.name)?;
        }
        write!(f, "{} of {} people", self.persons.len(), self.total)
    }
}

impl fmt::Display for PersonView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "id        {}", self.id)?;
        writeln!(f, "name      {}", self.name)?;
        writeln!(f, "status    {}", self.status)?;
        let moment = |at: Option<Moment>| at.map_or_else(|| "-".into(), Moment::text);
        writeln!(f, "valid     {} to {}", moment(self.valid_from), moment(self.valid_until))?;
        writeln!(f, "consent   {}", self.consent.as_deref().unwrap_or("-"))?;
        writeln!(f, "created   {}", self.create_date.text())?;
        writeln!(f, "modified  {}", self.modified_date.text())?;
        writeln!(f, "kept      {} images, {} crops", self.images, self.crops)?;
        let again = if self.needs_reenrolment { ", all of another model: NEEDS RE-ENROLMENT" } else { "" };
        write!(f, "templates {}{again}", self.templates)?;
        self.looks.iter().try_for_each(|look| write!(f, "\n  {look}"))
    }
}

impl fmt::Display for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "erased {}: {} templates, {} images, {} crops; searched all {} bytes of the gallery's file for {} \
             patterns of them: {} found before, {} after",
            self.person,
            self.templates,
            self.images,
            self.crops,
            self.bytes_searched,
            self.patterns,
            self.found_before,
            self.occurrences
        )
    }
}

impl fmt::Display for CollectionView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<24} {:>6} people  {}", self.id, self.persons, self.name)
    }
}

impl fmt::Display for AuditLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7}  {}  {:<24} {:<10}", self.number, self.time.text(), self.who, self.what)?;
        match (&self.person, &self.until, self.people) {
            (Some(person), None, _) => write!(f, "  {person}")?,
            (Some(first), Some(last), Some(people)) => write!(f, "  {people} people, {first} to {last}")?,
            (_, _, None) => write!(f, "  everybody")?,
            (None, _, Some(_)) => {}
        }
        if self.detail.is_empty() { Ok(()) } else { write!(f, "  ({})", self.detail) }
    }
}

impl fmt::Display for AccountView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = match (self.invited, self.last_login) {
            (true, _) => "waits for the first sign-in".to_owned(),
            (false, None) => "never signed in".to_owned(),
            (false, Some(at)) => format!("signed in last {}", at.text()),
        };
        write!(f, "{:<32} {:<16} {last}", self.name, self.role.name())
    }
}

impl fmt::Display for Invited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.account)?;
        let (a, b) = self.code.split_at(self.code.len() / 2);
        write!(
            f,
            "{a} {b}\nThe code for the first sign-in at the console, good once and until {}. It cannot be shown again.",
            self.until.text()
        )
    }
}

impl fmt::Display for TokenView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = self.expires.map_or_else(|| "without end".to_owned(), |m| format!("until {}", m.text()));
        let expired = if self.expired { " (EXPIRED)" } else { "" };
        write!(f, "{}  {:<24} {until}{expired}  {}", self.id, self.name, self.scopes.join(","))
    }
}

impl fmt::Display for TokenIssued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.view)?;
        write!(f, "{}\nKeep it now: it is not stored and cannot be shown again.", self.secret)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ostiary     {}", self.version)?;
        writeln!(f, "data        {} ({} bytes)", self.data, self.file_bytes)?;
        writeln!(f, "gallery     {} people, {} templates", self.people, self.templates)?;
        writeln!(f, "models      {} (epoch {})", self.models, self.epoch)?;
        writeln!(f, "embedder    {}", self.embedder)?;
        if let Some(change) = &self.change {
            writeln!(f, "changing    {change}")?;
        }
        if self.needs_reenrolment > 0 {
            writeln!(
                f,
                "re-enrol    {} people are unknown to these models; ostiary persons list marks them",
                self.needs_reenrolment
            )?;
        }
        let note = if self.extrapolated { ", extrapolated beyond what was measured" } else { "" };
        writeln!(f, "threshold   cosine {:.3}, margin {:.3}{note}", self.threshold, self.margin)?;
        writeln!(
            f,
            "strangers   {:.1e} false identifications a look expected at this size (target {:.1e})",
            self.expected_fpir, self.fpir_target
        )?;
        writeln!(f, "journal     {} events, {} not confirmed", self.events, self.queued)?;
        write!(f, "clock       {}", self.clock)?;
        match &self.door {
            Some(door) => write!(f, "\n{door}"),
            None => write!(f, "\ndoor        not running"),
        }
    }
}

impl fmt::Display for ModelChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to {} (epoch {}): {} of {} kept faces", self.models, self.epoch, self.done, self.total)?;
        if self.failed > 0 {
            write!(f, ", {} gave no template", self.failed)?;
        }
        self.fault.as_ref().map_or(Ok(()), |fault| write!(f, "; STANDS STILL: {fault}"))
    }
}

impl fmt::Display for DoorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relay = if self.relay { "on" } else { "off" };
        writeln!(f, "door        {}, relay {relay}", self.state)?;
        let journal = if self.journal_ok { "written" } else { "WAITING: the disk refuses events" };
        writeln!(f, "events      {journal}")?;
        write!(
            f,
            "camera      {}; {} frames, {} looked at, {} overtaken by a newer one",
            self.camera_fault.as_deref().unwrap_or("delivers"),
            self.frames,
            self.looks,
            self.overwritten
        )
    }
}
