//! Random operations over gateways, members and one clock (`tests/src/simulation`), each judged. Failure is:
//!
//! * a danger refused for another reason than unreadable bytes, another's name or a rule of secrecy;
//! * anything else accepted that must be refused, or refused that must be accepted, under the agreements and rules in force;
//! * an exchange that was answered `201` and is not kept, or is kept twice, or one that nobody deposited;
//! * a key that is answered otherwise than before: another receipt, a second acceptance, anything but `410` once it was erased;
//! * a unit that does not find in its mailbox, once, what it must, or finds something else; a follower whose cursor missed one;
//! * content, or that there is any, told to who may not know; a word that stands in one exchange read in another; a word that
//!   is to be handed to nobody read at all; content withheld from who may read it;
//! * anything erased that is read again, or whose key is left; anything that somebody still waits for erased;
//! * a clock that runs until another instant than the law says, or does not stop when it must;
//! * a reminder that is missing, early, told twice, or told to somebody else;
//! * a task that is missing, is done twice, or is done by somebody whose it is not;
//! * a notice that never comes, comes under two ids, comes of nothing, or says more than it may;
//! * a set of rules in force that two did not approve, or not in force though they did;
//! * a receipt, a proof or the log that does not verify; an acceptance, an acknowledgement, an erasure that it does not hold once;
//! * no answer, or one that says that the gateway failed.
//!
//! Not among the operations: attachments, corrections and withdrawals, retention, identities that are matched, backups,
//! certificates. Each has tests of its own.
//!
//! `PASSERELLE_SEED=17` repeats one run, `PASSERELLE_RUNS=500` makes so many, `PASSERELLE_STEPS=200` makes them longer.
//! The choices are decided by the seed; how threads interleave is not. What a run found stands below as a short list.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use tests::{
    kept::random,
    simulation::{
        self, Run,
        documents::{Document::*, Form::*, Urgency::*},
        operations::{Manner::*, Operation, Operation::*, Outcome::*},
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_operations() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let (usual, steps) = if std::env::var_os("PASSERELLE_LONG").is_some() { (200, 150) } else { (1, 50) };
    let length = usize::try_from(number("PASSERELLE_STEPS").unwrap_or(steps)).unwrap();
    let runs = number("PASSERELLE_RUNS").unwrap_or(usual);
    // Another seed each time, which is printed: what nobody has run yet is worth more than what passed yesterday.
    let first = number("PASSERELLE_SEED").unwrap_or_else(|| u64::from(random()));
    simulation::seeds(first..first + runs, length).await;
}

/// A request names its last day; somebody was also warned two days before the day on which it would have ended without that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_names_a_day_is_warned_before_that_day() {
    holds(&[Deposit(Question, Honest, 0)]).await;
}

/// Two calls about one child were recorded in one millisecond: the second was told that the gateway was unavailable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_calls_at_one_instant_are_two_calls() {
    holds(&[Deposit(Concern(Immediate, Bare), Honest, 0), Telephone(0, 0), Telephone(0, 0)]).await;
}

/// The same of two decisions to let a task wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_deferrals_at_one_instant_are_two_deferrals() {
    holds(&[Deposit(Report(Immediate), Honest, 0), Defer(0, 80), Defer(0, 40)]).await;
}

/// What was erased before anybody answered it stayed in the mailbox for ever: it opened no more, and could not be answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_erased_waits_for_nobody() {
    let answered = [Deposit(Report(Immediate), Honest, 0), Deposit(Suites(0), Honest, 0), Deposit(Concern(Immediate, Bare), Honest, 0)];
    let erased = [Deposit(Feedback(0), Honest, 0), Erase(0, 1), Erase(1, 1), Collect(1, 0), Acknowledge(1, TakenInCharge, 1)];
    holds(&[answered.as_slice(), &erased].concat()).await;
}

/// Who asked whether a placement may be read under an agreement that is not in force was told that none had been named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_read_is_told_why() {
    holds(&[Decide(0), Decide(1)]).await;
}

/// A short list of operations from a Wednesday morning on.
async fn holds(operations: &[Operation]) {
    Run::through(tests::NOW, operations).await.unwrap_or_else(|failure| panic!("{failure}"));
}
