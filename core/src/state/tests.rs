//! Every transition from every word, compared with what it should do in plain words: a second description of [`State`], without a bit in it.

use alloc::vec::Vec;

use super::*;

/// A word, spelled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plain {
    phase: Phase,
    busy: bool,
    heard: bool,
    carried: bool,
    task: bool,
    runnable: bool,
    led: bool,
    forgotten: bool,
    detached: bool,
    late: bool,
    rivaled: bool,
    lingers: bool,
    /// A detached task is one of them.
    aboard: usize,
}

const PHASES: [Phase; 6] = [Phase::Flying, Phase::Vacant, Phase::Landing, Phase::Landed, Phase::Released, Phase::Dead];

/// What can be seen of a transition: what it returned, and the word after it, if it changed.
type Seen<T> = (T, Option<Plain>);

impl Plain {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (phase, marks, aboard) in PHASES.into_iter().flat_map(|phase| {
            (0..1 << 11).flat_map(move |marks: usize| (0..4).map(move |aboard| (phase, marks, aboard)))
        }) {
            let mark = |place: usize| marks >> place & 1 == 1;
            let plain = Self {
                phase,
                busy: mark(0),
                heard: mark(1),
                carried: mark(2),
                task: mark(3),
                runnable: mark(4),
                led: mark(5),
                forgotten: mark(6),
                detached: mark(7),
                late: mark(8),
                rivaled: mark(9),
                lingers: mark(10),
                aboard,
            };
            // A flight in progress has somebody aboard, and a detached task is somebody.
            if aboard >= usize::from(plain.detached) && (aboard > 0 || !plain.open()) {
                all.push(plain);
            }
        }
        all
    }

    fn word(self) -> usize {
        let phase = match self.phase {
            Phase::Flying => FLYING,
            Phase::Vacant => VACANT,
            Phase::Landing => LANDING,
            Phase::Landed => LANDED,
            Phase::Released => RELEASED,
            Phase::Dead => DEAD,
        };
        let marks = [
            (self.busy, BUSY),
            (self.heard, HEARD),
            (self.carried, CARRIED),
            (self.task, TASK),
            (self.runnable, RUNNABLE),
            (self.led, LED),
            (self.forgotten, FORGOTTEN),
            (self.detached, DETACHED),
            (self.late, LATE),
            (self.rivaled, RIVALED),
            (self.lingers, LINGERS),
        ];
        phase + self.aboard * CALLER + marks.iter().map(|(set, mark)| usize::from(*set) * mark).sum::<usize>()
    }

    fn of(word: usize) -> Self {
        let mark = |mark: usize| word & mark == mark;
        Self {
            phase: Snapshot(word).phase(),
            busy: mark(BUSY),
            heard: mark(HEARD),
            carried: mark(CARRIED),
            task: mark(TASK),
            runnable: mark(RUNNABLE),
            led: mark(LED),
            forgotten: mark(FORGOTTEN),
            detached: mark(DETACHED),
            late: mark(LATE),
            rivaled: mark(RIVALED),
            lingers: mark(LINGERS),
            aboard: word / CALLER,
        }
    }

    fn open(self) -> bool {
        self.phase == Phase::Flying || self.phase == Phase::Vacant
    }

    fn flying(self) -> bool {
        self.phase == Phase::Flying
    }

    fn callers(self) -> usize {
        self.aboard - usize::from(self.detached)
    }

    fn vacant(self) -> bool {
        self.phase == Phase::Vacant && !self.rivaled
    }

    fn drivable(self) -> bool {
        self.flying() && self.carried && !self.task && self.runnable && !self.busy
    }

    fn served(self) -> bool {
        self.phase == Phase::Landed && self.lingers && !self.forgotten
    }

    fn clearing(self) -> bool {
        if self.open() || self.forgotten {
            return false;
        }
        if self.phase == Phase::Landing && self.lingers { true } else { self.busy && !self.lingers }
    }

    /// The new leader holds a work of its own.
    fn led_anew(self) -> Self {
        Self { phase: Phase::Flying, busy: true, led: true, carried: false, task: false, runnable: false, ..self }
    }

    /// The leader and its work are gone.
    fn orphaned(self) -> Self {
        Self { phase: Phase::Vacant, busy: false, led: false, carried: false, task: false, runnable: false, ..self }
    }

    fn board(self, most: Option<usize>) -> Seen<Boarding> {
        let one_more = Self { aboard: self.aboard + 1, ..self };
        match self.phase {
            _ if self.open() && most.is_some_and(|most| self.callers() >= most) => (Boarding::Full, None),
            _ if self.vacant() => (Boarding::TookOver, Some(one_more.led_anew())),
            _ if self.open() => (Boarding::Followed, Some(Self { heard: true, ..one_more })),
            _ if self.served() => (Boarding::Lingers, None),
            _ if self.clearing() => (Boarding::Clearing, Some(Self { heard: true, ..self })),
            _ => (Boarding::Gone, None),
        }
    }

    /// What happens if the flight is led.
    fn held(self, then: Self) -> Seen<Held> {
        if self.flying() { (Held::Yes { runnable: self.runnable }, Some(then)) } else { (Held::Ended, None) }
    }

    fn retry(self, leaves: bool) -> Seen<bool> {
        let others = self.callers() - usize::from(self.led).min(self.callers());
        if !self.flying() || others == 0 {
            return (false, None);
        }
        let gone = usize::from(self.led && leaves) + usize::from(self.detached);
        (true, Some(Self { aboard: self.aboard - gone, detached: false, ..self.orphaned() }))
    }

    fn after(self, after: After) -> Self {
        match after {
            After::Plain => self,
            After::Late => Self { late: true, ..self },
            After::Lingers => Self { lingers: true, ..self },
            After::Forgotten => Self { forgotten: true, ..self },
        }
    }

    fn begin_cancel(self, after: After) -> Seen<Option<Cancelling>> {
        if !self.open() {
            return (None, None);
        }
        let owns_work = self.flying() && self.carried && !self.busy;
        let landing = Self { phase: Phase::Landing, busy: self.busy || owns_work, ..self };
        (Some(Cancelling { owns_work, busy: self.busy }), Some(landing.after(after)))
    }

    fn leave(self, leaver: Leaver, may_end: bool) -> Seen<Left> {
        if !self.open() {
            return (Left::Ended, None);
        }
        let mut left = Self { aboard: self.aboard - 1, ..self };
        match leaver {
            Leaver::Follower => {}
            Leaver::Starter | Leaver::Leading => left.led = false,
            Leaver::Task => left.detached = false,
        }
        let leading = leaver == Leaver::Leading;
        if left.aboard > 0 {
            return match leading {
                false => (Left::Others, Some(left)),
                true => (Left::Vacated, Some(Self { phase: Phase::Vacant, busy: false, ..left })),
            };
        }
        let dead = Self { phase: Phase::Dead, ..left };
        match (leading || !self.carried, self.busy) {
            _ if !may_end => (Left::WouldEnd, None),
            (true, _) => (Left::Nobody, Some(Self { busy: false, ..dead })),
            (false, true) => (Left::NobodyButRunner, Some(dead)),
            (false, false) => (Left::NobodyButWork, Some(Self { busy: true, ..dead })),
        }
    }
}

/// Takes `real` from every word and compares.
#[track_caller]
fn same<T: PartialEq + core::fmt::Debug>(real: impl Fn(&State) -> T, plain: impl Fn(Plain) -> Seen<T>) {
    for before in Plain::all() {
        let state = State(AtomicUsize::new(before.word()));
        let returned = real(&state);
        let (expected, after) = plain(before);
        assert_eq!(returned, expected, "from {before:?}");
        assert_eq!(Plain::of(state.load().0), after.unwrap_or(before), "from {before:?}");
    }
}

/// Does something whenever `when`, and returns the word before it then.
fn stepped(when: impl Fn(Plain) -> bool, then: impl Fn(Plain) -> Plain) -> impl Fn(Plain) -> Seen<Option<Plain>> {
    move |before| if when(before) { (Some(before), Some(then(before))) } else { (None, None) }
}

fn before(snapshot: Snapshot) -> Option<Plain> {
    Some(Plain::of(snapshot.0))
}

#[test]
fn a_new_flight_is_led_and_has_one_caller() {
    let new = Plain::of(State::new().load().0);
    assert_eq!(Plain::of(0), Plain { aboard: 0, ..Plain::of(FLYING) });
    assert_eq!(new, Plain { busy: true, led: true, aboard: 1, ..Plain::of(FLYING) });
}

#[test]
fn what_is_seen() {
    for plain in Plain::all() {
        let seen = Snapshot(plain.word());
        assert_eq!(Plain::of(seen.0), plain, "the marks overlap");
        assert_eq!(seen.phase(), plain.phase);
        assert_eq!(seen.callers(), plain.callers());
        let followers = plain.callers() - usize::from(plain.led).min(plain.callers());
        assert_eq!(seen.followers(), if plain.open() { followers } else { 0 });
        assert_eq!(seen.is_open(), plain.open());
        assert_eq!(seen.is_busy(), plain.busy);
        assert_eq!(seen.is_heard(), plain.heard);
        assert_eq!(seen.is_led(), plain.led);
        assert_eq!(seen.is_forgotten(), plain.forgotten);
        assert_eq!(seen.is_late(), plain.late);
        assert_eq!(seen.is_rivaled(), plain.rivaled);
        let led_by_one = plain.flying() && (!plain.carried || plain.task);
        assert_eq!(seen.may_be_overtaken(), led_by_one || plain.phase == Phase::Vacant && plain.rivaled);
        assert_eq!(seen.is_vacant(), plain.vacant());
        assert_eq!(seen.lingers(), plain.served());
        let kept = plain.served() || plain.phase == Phase::Landing && plain.lingers && !plain.forgotten;
        assert_eq!(seen.is_kept(), kept);
        assert_eq!(seen.is_clearing(), plain.clearing());
        assert_eq!(seen.is_drivable(), plain.drivable());
        let idle = match plain.phase {
            Phase::Flying => !plain.drivable(),
            Phase::Vacant => plain.rivaled,
            phase => phase == Phase::Landing,
        };
        assert_eq!(seen.is_idle(), idle);
    }
}

#[test]
fn boarding() {
    same(|state| state.board(Room::ANY), |plain| plain.board(None));
    for most in 1..4 {
        same(|state| state.board(Room::at_most(most)), |plain| plain.board(Some(most)));
    }
    same(|state| state.board(Room::at_most(0)), |plain| plain.board(Some(1)));
    same(|state| state.board(Room::at_most(usize::MAX)), |plain| plain.board(None));
    // Nobody comes aboard a flight that has as many as the word can count, with or without a detached task.
    for detached in [0, DETACHED] {
        let full = State(AtomicUsize::new(MOST - MOST % CALLER + CALLER + FLYING + detached));
        let word = full.load().0;
        assert_eq!(full.board(Room::ANY), if detached == 0 { Boarding::Full } else { Boarding::Followed });
        assert!(full.load().0 >= word, "the count came round");
    }
}

#[test]
fn leading() {
    same(State::claim, |plain| (plain.vacant(), plain.vacant().then(|| plain.led_anew())));
    same(State::offer, |plain| plain.held(Plain { carried: true, runnable: true, busy: false, ..plain }));
    let spawned = |plain| Plain { carried: true, task: true, busy: false, ..plain };
    same(|state| state.hand_to_task(false), |plain| plain.held(spawned(plain)));
    let detached = |plain: Plain| Plain { detached: true, aboard: plain.aboard + 1, ..spawned(plain) };
    let handed = |plain: Plain| if plain.detached { (Held::Ended, None) } else { plain.held(detached(plain)) };
    same(|state| if state.load().0 & DETACHED != 0 { Held::Ended } else { state.hand_to_task(true) }, handed);
    same(State::take_from_task, |plain| plain.held(Plain { task: false, runnable: true, ..plain }));
    same(State::vacate, |plain| plain.held(plain.orphaned()));
    for leaves in [false, true] {
        same(|state| state.retry(leaves), |plain| plain.retry(leaves));
    }
}

#[test]
fn running() {
    same(State::resume, |plain| plain.held(Plain { busy: true, ..plain }));
    same(State::pause, |plain| plain.held(Plain { busy: false, ..plain }));
    let claimed = |plain: Plain| plain.drivable().then_some(Plain { busy: true, runnable: false, ..plain });
    same(State::claim_work, |plain| (plain.drivable(), claimed(plain)));
    same(State::mark_runnable, |plain| {
        (plain.flying() && !plain.runnable && !plain.busy, Some(Plain { runnable: true, ..plain }))
    });
    same(State::mark_heard, |plain| ((), Some(Plain { heard: true, ..plain })));
    let free = |plain: Plain| plain.flying() && !plain.rivaled;
    same(State::begin_rival, |plain| (free(plain), free(plain).then_some(Plain { rivaled: true, ..plain })));
    same(|state| state.end_rival().and_then(before), stepped(Plain::open, |plain| Plain { rivaled: false, ..plain }));
}

#[test]
fn ending() {
    for close in [State::close_alone, State::close_unseen] {
        same(close, |plain| {
            let alone = plain.flying() && plain.aboard == 1;
            (alone, alone.then_some(Plain { phase: Phase::Dead, busy: false, ..plain }))
        });
    }
    for after in [After::Plain, After::Late, After::Lingers, After::Forgotten] {
        same(
            |state| state.begin_landing(after),
            |plain| {
                let landing = Plain { phase: Phase::Landing, busy: false, ..plain }.after(after);
                (plain.flying(), plain.flying().then_some(landing))
            },
        );
        same(|state| state.begin_cancel(after), |plain| plain.begin_cancel(after));
    }
    // Only from `Landing`.
    same(
        |state| if state.load().phase() == Phase::Landing { before(state.landed()) } else { None },
        stepped(|plain| plain.phase == Phase::Landing, |plain| Plain { phase: Phase::Landed, ..plain }),
    );
    same(
        |state| state.release().ok().and_then(before),
        stepped(Plain::flying, |plain| Plain { phase: Phase::Released, busy: false, ..plain }),
    );
    same(|state| before(state.clear()), stepped(|_| true, |plain| Plain { busy: false, ..plain }));
    same(|state| before(state.forgotten()), stepped(|_| true, |plain| Plain { forgotten: true, ..plain }));
}

#[test]
fn leaving() {
    for leaver in [Leaver::Follower, Leaver::Starter, Leaver::Leading, Leaver::Task] {
        for may_end in [false, true] {
            // Only a task that was detached leaves as one.
            let leaves = |plain: Plain| leaver != Leaver::Task || plain.detached;
            same(
                |state| leaves(Plain::of(state.load().0)).then(|| state.leave(leaver, may_end)),
                |plain| {
                    let (left, after) = leaves(plain).then(|| plain.leave(leaver, may_end)).unzip();
                    (left, after.flatten())
                },
            );
        }
    }
    for (left, is_end) in [
        (Left::Others, false),
        (Left::Ended, false),
        (Left::Vacated, false),
        (Left::WouldEnd, false),
        (Left::Nobody, true),
        (Left::NobodyButWork, true),
        (Left::NobodyButRunner, true),
    ] {
        assert_eq!(left.is_end(), is_end);
    }
}
