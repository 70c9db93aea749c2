//! What may happen, and how chance chooses it. An operation names what it is about by a number that is taken among what is
//! there by then: a list from which some are dropped still means something. Printed, it is the Rust that repeats it.

use super::{chance::Chance, documents::Document};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Somebody deposits, as everybody should or in another manner, at one of the gateways.
    Deposit(Document, Manner, usize),
    /// What was deposited comes again under its key.
    Repeat(usize, Repeat, usize),
    /// One deposit, sent so many times at once, under one key, at all gateways.
    AtOnce(Document, usize),
    /// One of the readers opens one of the deliveries, whether this person may or not.
    Open(usize, usize, usize),
    /// A unit answers a delivery.
    Acknowledge(usize, Outcome, usize),
    /// Two people answer the same delivery at once.
    AcknowledgeTwice(usize),
    /// The sender, or somebody else, says that it called.
    Telephone(usize, usize),
    /// Somebody looks what became of an exchange, whether this person may or not.
    Follow(usize, usize),
    /// A sender takes its evidence home and verifies it.
    Evidence(usize),
    /// An open task is done, and a second time.
    Finish(usize, usize),
    /// The notice to the parents waits so many days.
    Defer(usize, u16),
    /// The data-protection officer erases.
    Erase(usize, usize),
    /// Somebody reads in an emergency; again, without another reason, while it lasts.
    Emergency(usize, usize, usize),
    /// Somebody asks whether the agreement with the schools carries a question.
    Decide(usize),
    /// The administrator proposes that the agreement with the schools is suspended, or not.
    Propose(bool, usize),
    /// The data-protection officer approves, or the head of the CRIP.
    Approve(bool, usize),
    /// Both approve at once.
    ApproveTogether,
    /// The administrator takes back what waits.
    Withdraw(usize),
    /// The second agent of the CRIP is habilitated from today on, or is not any more.
    Habilitate(bool),
    /// The second agent leads the CRIP, or the first one again.
    Lead(bool),
    /// Time passes.
    Pass(Span),
    /// The clock is put back by an hour.
    TurnBack,
    /// A gateway is stopped in order and started again.
    Restart(usize),
    /// All gateways are stopped, time passes, and they start again.
    Down(Span),
    /// A gateway ends without a word while so many deposit: its tasks are dropped where they stand. It is started again.
    Abort(usize, usize),
    /// A gateway ends without a word in the middle of an erasure.
    AbortErasing(usize, usize),
    /// The endpoint of the CRIP from now on.
    Endpoint(Behaviour),
    /// Each unit reads its mailbox by pages of this size.
    Collect(u32, usize),
}

/// How somebody deposits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As everybody should.
    Honest,
    /// Without a token.
    WithoutToken,
    /// With a token that ended an hour ago.
    OldToken,
    /// Without an idempotency key.
    WithoutKey,
    /// With the certificate of another institution.
    AnotherInstitution,
    /// To the town hall, which is nobody's recipient here.
    WrongRecipient,
    /// Cut off in the middle of the body.
    Unreadable,
}

/// How a deposit is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The same body.
    Same,
    /// Another body.
    Other,
    /// The same body without a token.
    Unnamed,
}

/// How a unit answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It takes it in charge.
    TakenInCharge,
    /// It refuses.
    Refused,
    /// It says that it is not for it.
    NotForUs,
}

impl Outcome {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::TakenInCharge => "taken-in-charge",
            Self::Refused => "refused",
            Self::NotForUs => "not-for-us",
        }
    }
}

/// How much time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// So many seconds.
    Seconds(u32),
    /// Until a millisecond before the next instant at which somebody is to be told something.
    JustBeforeTheNext,
    /// Until that instant.
    ToTheNext,
}

/// How the endpoint of the CRIP behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It takes notices and says so.
    Well,
    /// It takes them and says that it could not: the same comes again.
    Errors,
    /// It says that there is no such place.
    Wrong,
    /// It sends who comes elsewhere.
    Redirects,
    /// It takes them and answers only later.
    Slow,
    /// It takes them and never answers.
    Hangs,
    /// It is not there.
    Dark,
}

/// What a seed makes happen.
pub fn choose(seed: u64, length: usize) -> Vec<Operation> {
    let mut chance = Chance::new(seed);
    (0..length).map(|_| one(&mut chance)).collect()
}

/// The instant at which a run begins: each is near something at which clocks go wrong.
pub fn beginning(seed: u64) -> &'static str {
    Chance::new(seed ^ 0x5eed).of(&[
        "2026-11-25T09:30:00.000Z", // a Wednesday, weeks before an agreement ends and another begins
        "2026-11-27T16:40:00.000Z", // a Friday, twenty minutes before people go home
        "2026-12-24T15:10:00.000Z", // the eve of two days off and a week-end
        "2027-03-26T15:50:00.000Z", // the week-end in which an hour is skipped, and Easter Monday after it
        "2027-10-29T08:05:00.000Z", // the one in which an hour comes twice, and a holiday on Monday
        "2027-01-31T21:15:00.000Z", // the last day of a month, at night
    ])
}

fn one(chance: &mut Chance) -> Operation {
    let (any, at) = (chance.any(), chance.any());
    match chance.below(100) {
        0..22 => Operation::Deposit(Document::choose(chance), manner(chance), at),
        22..27 => Operation::Repeat(any, chance.of(&[Repeat::Same, Repeat::Same, Repeat::Other, Repeat::Unnamed]), at),
        27..29 => Operation::AtOnce(Document::choose(chance), 2 + chance.any() % 5),
        29..43 => Operation::Open(any, chance.any(), at),
        43..50 => {
            let outcome = chance.of(&[Outcome::TakenInCharge, Outcome::TakenInCharge, Outcome::Refused, Outcome::NotForUs]);
            Operation::Acknowledge(any, outcome, at)
        }
        50 => Operation::AcknowledgeTwice(any),
        51..53 => Operation::Telephone(any, chance.any()),
        53..56 => Operation::Follow(any, chance.any()),
        56 => Operation::Evidence(any),
        57..63 => Operation::Finish(any, at),
        63..65 => Operation::Defer(any, u16::try_from(1 + chance.below(80)).unwrap()),
        65..69 => Operation::Erase(any, at),
        69..71 => Operation::Emergency(any, chance.any(), at),
        71 => Operation::Decide(at),
        72..74 => Operation::Propose(chance.one_in(2), at),
        74..77 => Operation::Approve(chance.one_in(2), at),
        77 => chance.of(&[Operation::ApproveTogether, Operation::Withdraw(at)]),
        78 => Operation::Habilitate(chance.one_in(2)),
        79 => Operation::Lead(chance.one_in(2)),
        80..89 => Operation::Pass(span(chance)),
        89 => Operation::TurnBack,
        90 if chance.one_in(2) => Operation::Restart(at),
        90 => Operation::Down(span(chance)),
        91 if chance.one_in(2) => Operation::AbortErasing(any, at),
        91..93 => Operation::Abort(at, 1 + chance.any() % 6),
        93..97 => Operation::Endpoint(chance.of(&[
            Behaviour::Well,
            Behaviour::Well,
            Behaviour::Errors,
            Behaviour::Wrong,
            Behaviour::Redirects,
            Behaviour::Slow,
            Behaviour::Hangs,
            Behaviour::Dark,
        ])),
        _ => Operation::Collect(u32::try_from(1 + chance.below(9)).unwrap(), at),
    }
}

fn manner(chance: &mut Chance) -> Manner {
    let odd = [
        Manner::WithoutToken,
        Manner::OldToken,
        Manner::WithoutKey,
        Manner::AnotherInstitution,
        Manner::WrongRecipient,
        Manner::Unreadable,
    ];
    if chance.one_in(5) { chance.of(&odd) } else { Manner::Honest }
}

fn span(chance: &mut Chance) -> Span {
    let (minute, hour, day) = (60, 3600, 86_400);
    match chance.below(10) {
        0..2 => Span::JustBeforeTheNext,
        2..5 => Span::ToTheNext,
        5 => Span::Seconds(minute * (1 + chance.below(59) as u32)),
        6 => Span::Seconds(hour * (1 + chance.below(23) as u32)),
        7 => Span::Seconds(day * (1 + chance.below(6) as u32)),
        8 => Span::Seconds(7 * day * (1 + chance.below(3) as u32)),
        _ => Span::Seconds(1 + chance.below(u64::from(3 * day)) as u32),
    }
}
