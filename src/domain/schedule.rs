//! Weekly schedules and holidays (SPEC 6): seven days of five periods, four groups of holidays.
//!
//! Owns: their bounds and whether a schedule is open at a local time. Does not own: who is bound by it (`rulebook`),
//! how a file spells it.
//! Invariants: a period that exists lies within a day or runs over one midnight; a schedule never allocates.
//!
//! Times are those of a clock on the wall: a period in the hour that a change of time skips does not come that
//! day, one in the hour it repeats comes twice, and "from eight to eighteen" is that on every day of the year.

use super::calendar::{DAY_MINUTES, Day, Local};

/// Periods of one day.
pub const MAX_PERIODS: usize = 5;
/// Groups of holidays.
pub const HOLIDAY_GROUPS: usize = 4;
/// Holidays known in all.
pub const MAX_HOLIDAYS: usize = 255;
/// Days of the longest holiday.
pub const MAX_HOLIDAY_DAYS: u16 = 366;

/// From a minute of the day on until before another; where it ends no later than it begins, that is the next day's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    from: u16,
    to: u16,
}

impl Period {
    /// `from` 0 to 1,439, `to` 1 to 1,440 (midnight at the end of the day); `None` beyond, and where both are the
    /// same minute. `22:00` to `06:00` runs over midnight and belongs to the day on which it begins.
    #[must_use]
    pub const fn new(from: u16, to: u16) -> Option<Self> {
        if from >= DAY_MINUTES || to == 0 || to > DAY_MINUTES || from == to {
            return None;
        }
        Some(Self { from, to })
    }

    /// The first minute.
    #[must_use]
    pub const fn from(self) -> u16 {
        self.from
    }

    /// The minute after the last.
    #[must_use]
    pub const fn to(self) -> u16 {
        self.to
    }

    /// Whether it runs over midnight.
    #[must_use]
    pub const fn is_overnight(self) -> bool {
        self.to < self.from
    }

    /// Open on the day on which it begins.
    const fn on_its_day(self, minute: u16) -> bool {
        self.from <= minute && (self.is_overnight() || minute < self.to)
    }

    /// Open on the morning after.
    const fn on_the_next(self, minute: u16) -> bool {
        self.is_overnight() && minute < self.to
    }
}

/// The periods of one day.
pub type Periods = heapless::Vec<Period, MAX_PERIODS, u8>;

/// A week, and what a holiday makes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// From Monday.
    pub week: [Periods; 7],
    /// For each group of holidays: `None`: the day is as any other; otherwise the periods of such a day, none for
    /// a day that is closed.
    pub holidays: [Option<Periods>; HOLIDAY_GROUPS],
}

/// A day, or several in a row, that are not as others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holiday {
    year: Option<i16>,
    month: u8,
    day: u8,
    days: u16,
    groups: u8,
}

impl Holiday {
    /// `year` `None`: every year; the 29th of February then comes in leap years alone. `days`: 1 to 366 in a row.
    /// `groups`: which of the four, bit 0 for the first. `None` where there is no such day or nothing is named.
    #[must_use]
    pub const fn new(year: Option<i16>, month: u8, day: u8, days: u16, groups: u8) -> Option<Self> {
        // Any leap year will do for a day that comes every year.
        let tried = match year {
            Some(year) => year as i32,
            None => 2_000,
        };
        let known = Day::of(tried, month, day).is_some();
        if !known || days == 0 || days > MAX_HOLIDAY_DAYS || groups == 0 || groups >> HOLIDAY_GROUPS != 0 {
            return None;
        }
        Some(Self { year, month, day, days, groups })
    }

    /// Year (`None`: every), month, day.
    #[must_use]
    pub const fn date(&self) -> (Option<i16>, u8, u8) {
        (self.year, self.month, self.day)
    }

    /// Days in a row.
    #[must_use]
    pub const fn days(&self) -> u16 {
        self.days
    }

    /// Which groups, bit 0 for the first.
    #[must_use]
    pub const fn groups(&self) -> u8 {
        self.groups
    }

    /// Whether that day belongs to it.
    #[must_use]
    pub fn covers(&self, day: Day) -> bool {
        let begins = |year: i32| {
            Day::of(year, self.month, self.day)
                .is_some_and(|first| first <= day && day.0 - first.0 < i32::from(self.days))
        };
        if let Some(year) = self.year {
            return begins(i32::from(year));
        }
        // It may have begun the year before.
        let year = day.date().0;
        begins(year) || begins(year - 1)
    }
}

/// What a schedule says of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Open.
    Open,
    /// The week has it shut.
    Shut,
    /// The week has it open, and a holiday shuts it.
    Holiday,
}

impl Schedule {
    /// What it says at a local time, with the holidays that there are.
    ///
    /// A day in several groups is open where each group that has periods of its own for such a day has it open.
    #[must_use]
    pub fn at(&self, local: Local, holidays: &[Holiday]) -> Opening {
        let open = self.on(local.day, holidays, |p| p.on_its_day(local.minute))
            || self.on(local.day.before(), holidays, |p| p.on_the_next(local.minute));
        if open {
            return Opening::Open;
        }
        let usual = self.of_week(local.day).iter().any(|p| p.on_its_day(local.minute))
            || self.of_week(local.day.before()).iter().any(|p| p.on_the_next(local.minute));
        if usual { Opening::Holiday } else { Opening::Shut }
    }

    /// Open at every minute, whatever the day: asks no clock.
    #[must_use]
    pub fn is_always(&self) -> bool {
        let whole = |periods: &Periods| periods.iter().any(|p| p.from == 0 && p.to == DAY_MINUTES);
        self.week.iter().all(whole) && self.holidays.iter().flatten().all(whole)
    }

    fn of_week(&self, day: Day) -> &Periods {
        &self.week[day.weekday() as usize]
    }

    fn on(&self, day: Day, holidays: &[Holiday], open: impl Fn(&Period) -> bool) -> bool {
        let groups = holidays.iter().filter(|h| h.covers(day)).fold(0, |all, h| all | h.groups);
        let mut special = (0..HOLIDAY_GROUPS)
            .filter(|g| groups & (1 << g) != 0)
            .filter_map(|g| self.holidays[g].as_ref())
            .peekable();
        if special.peek().is_none() {
            return self.of_week(day).iter().any(open);
        }
        special.all(|periods| periods.iter().any(&open))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn period(from: u16, to: u16) -> Period {
        Period::new(from, to).unwrap()
    }

    fn office() -> Schedule {
        let mut s = Schedule::default();
        for day in &mut s.week[..5] {
            day.push(period(480, 1_080)).unwrap();
        }
        s.holidays[0] = Some(Periods::new());
        s.holidays[1] = Some(Periods::from_slice(&[period(600, 720)]).unwrap());
        s
    }

    fn at(y: i32, m: u8, d: u8, minute: u16) -> Local {
        Local { day: Day::of(y, m, d).unwrap(), minute }
    }

    #[test]
    fn office_hours_end_on_the_minute() {
        let s = office();
        assert_eq!(s.at(at(2026, 11, 20, 479), &[]), Opening::Shut);
        assert_eq!(s.at(at(2026, 11, 20, 480), &[]), Opening::Open);
        assert_eq!(s.at(at(2026, 11, 20, 1_079), &[]), Opening::Open);
        assert_eq!(s.at(at(2026, 11, 20, 1_080), &[]), Opening::Shut);
        assert_eq!(s.at(at(2026, 11, 21, 600), &[]), Opening::Shut, "a Saturday");
    }

    #[test]
    fn a_holiday_shuts_opens_or_says_nothing() {
        let s = office();
        let day = |groups| [Holiday::new(None, 11, 20, 1, groups).unwrap()];
        assert_eq!(s.at(at(2026, 11, 20, 600), &day(1)), Opening::Holiday);
        assert_eq!(s.at(at(2026, 11, 20, 300), &day(1)), Opening::Shut, "shut anyway");
        assert_eq!(s.at(at(2026, 11, 20, 610), &day(2)), Opening::Open, "shorter hours");
        assert_eq!(s.at(at(2026, 11, 20, 800), &day(2)), Opening::Holiday);
        assert_eq!(
            s.at(at(2026, 11, 20, 610), &day(3)),
            Opening::Holiday,
            "each of its groups must have it open"
        );
        assert_eq!(s.at(at(2026, 11, 20, 800), &day(4)), Opening::Open, "a group of which it says nothing");
        let saturday = [Holiday::new(Some(2026), 11, 21, 1, 2).unwrap()];
        assert_eq!(s.at(at(2026, 11, 21, 610), &saturday), Opening::Open, "open because it is a holiday");
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let mut s = Schedule::default();
        s.week[4].push(period(1_320, 360)).unwrap();
        s.holidays[0] = Some(Periods::new());
        assert_eq!(s.at(at(2026, 11, 20, 1_330), &[]), Opening::Open, "Friday night");
        assert_eq!(s.at(at(2026, 11, 21, 359), &[]), Opening::Open, "Saturday morning");
        assert_eq!(s.at(at(2026, 11, 21, 360), &[]), Opening::Shut);
        assert_eq!(s.at(at(2026, 11, 20, 359), &[]), Opening::Shut, "Friday morning is Thursday's");
        let saturday = [Holiday::new(None, 11, 21, 1, 1).unwrap()];
        assert_eq!(
            s.at(at(2026, 11, 21, 359), &saturday),
            Opening::Open,
            "a shift that began before the holiday"
        );
        let friday = [Holiday::new(None, 11, 20, 1, 1).unwrap()];
        assert_eq!(s.at(at(2026, 11, 21, 359), &friday), Opening::Holiday);
    }

    #[test]
    fn holidays_of_every_year_and_over_its_end() {
        let leap = Holiday::new(None, 2, 29, 1, 1).unwrap();
        assert!(leap.covers(Day::of(2028, 2, 29).unwrap()));
        assert!(!leap.covers(Day::of(2027, 2, 28).unwrap()) && !leap.covers(Day::of(2027, 3, 1).unwrap()));
        let turn = Holiday::new(None, 12, 24, 14, 1).unwrap();
        assert!(turn.covers(Day::of(2027, 1, 6).unwrap()) && !turn.covers(Day::of(2027, 1, 7).unwrap()));
        assert!(turn.covers(Day::of(2026, 12, 24).unwrap()) && !turn.covers(Day::of(2026, 12, 23).unwrap()));
        let once = Holiday::new(Some(2026), 12, 24, 14, 1).unwrap();
        assert!(once.covers(Day::of(2027, 1, 6).unwrap()) && !once.covers(Day::of(2027, 12, 24).unwrap()));
        for bad in [
            Holiday::new(Some(2027), 2, 29, 1, 1),
            Holiday::new(None, 2, 30, 1, 1),
            Holiday::new(None, 1, 1, 0, 1),
            Holiday::new(None, 1, 1, 367, 1),
            Holiday::new(None, 1, 1, 1, 0),
            Holiday::new(None, 1, 1, 1, 16),
        ] {
            assert_eq!(bad, None);
        }
    }

    fn periods() -> impl Strategy<Value = Periods> {
        prop::collection::vec((0_u16..1_440, 1_u16..=1_440), 0..=MAX_PERIODS)
            .prop_map(|all| all.into_iter().filter_map(|(a, b)| Period::new(a, b)).collect())
    }

    fn schedules() -> impl Strategy<Value = Schedule> {
        (prop::array::uniform7(periods()), prop::array::uniform4(prop::option::of(periods())))
            .prop_map(|(week, holidays)| Schedule { week, holidays })
    }

    /// The model: every minute of three days painted on a strip.
    fn painted(s: &Schedule, day: Day, groups_of: &dyn Fn(Day) -> u8) -> Vec<bool> {
        let mut strip = vec![false; 3 * 1_440];
        for back in 0..2 {
            let today = Day(day.0 - 1 + back);
            let special: Vec<&Periods> = (0..4)
                .filter(|g| groups_of(today) >> g & 1 == 1)
                .filter_map(|g| s.holidays[g as usize].as_ref())
                .collect();
            let paint = |periods: &Periods| {
                let mut own = vec![false; 3 * 1_440];
                for p in periods {
                    let end = if p.to <= p.from { p.to + 1_440 } else { p.to };
                    for minute in p.from..end {
                        own[back as usize * 1_440 + minute as usize] = true;
                    }
                }
                own
            };
            let (lists, all) = if special.is_empty() {
                (vec![paint(&s.week[today.weekday() as usize])], true)
            } else {
                (special.into_iter().map(paint).collect(), true)
            };
            for (i, minute) in strip.iter_mut().enumerate() {
                *minute |= all && lists.iter().all(|l| l[i]);
            }
        }
        strip[1_440..2_880].to_vec()
    }

    proptest! {
        #[test]
        fn a_schedule_is_what_is_painted_on_a_strip_of_minutes(
            s in schedules(),
            number in 0_i32..60_000,
            today in 0_u8..16,
            yesterday in 0_u8..16,
        ) {
            let day = Day(number);
            let mut holidays = Vec::new();
            for (d, groups) in [(day, today), (day.before(), yesterday)] {
                let (y, m, n) = d.date();
                holidays.extend(Holiday::new(Some(y as i16), m, n, 1, groups));
            }
            let groups_of = |d: Day| if d == day { today } else if d == day.before() { yesterday } else { 0 };
            let strip = painted(&s, day, &groups_of);
            let usual = painted(&s, day, &|_| 0);
            for minute in 0..1_440_u16 {
                let wanted = match (strip[usize::from(minute)], usual[usize::from(minute)]) {
                    (true, _) => Opening::Open,
                    (false, true) => Opening::Holiday,
                    (false, false) => Opening::Shut,
                };
                prop_assert_eq!(s.at(Local { day, minute }, &holidays), wanted, "{}", minute);
            }
            prop_assert!(!s.is_always() || strip.iter().all(|m| *m));
        }
    }
}
