//! One run: operations one after the other, the judge after each. And what is left of a run that failed: its seed, its
//! operations, and fewer of them that fail as well.

use std::{collections::BTreeMap, fmt, panic::AssertUnwindSafe};

use futures::FutureExt;

use super::{
    judge::Follower,
    model::Model,
    operations::{self, Operation},
    people::{MAILBOXES, Unit},
    town::Town,
};

/// What is real, and what is expected of it.
pub struct Run {
    /// What is real.
    pub town: Town,
    /// What must be so.
    pub model: Model,
    /// Who follows each mailbox by its cursor, from the beginning.
    pub(super) followers: BTreeMap<Unit, Follower>,
    /// When it began.
    pub(super) began: exchange::Instant,
    /// Whether the clock was ever put back: then the log says so.
    pub(super) turned_back: bool,
    /// What was done, as against passed over because there was nothing to do it to.
    pub done: usize,
}

/// A run that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// At which operation.
    pub step: usize,
    /// What is not as it must be.
    pub what: String,
}

/// What became of an operation.
pub(super) enum Became {
    /// It was done.
    Done,
    /// There was nothing to do it to.
    PassedOver,
}

impl Run {
    /// A town at an instant, of which nothing is expected yet.
    pub async fn at(beginning: &str) -> Self {
        let town = Town::at(beginning).await;
        let mut model = Model { agent: true, ..Model::default() };
        model.leads = super::rules::leads(&town);
        let followers = MAILBOXES.iter().map(|(unit, _)| (*unit, Follower::default())).collect();
        let began = town.now();
        Self { town, model, followers, began, turned_back: false, done: 0 }
    }

    /// These operations, each judged, and what is left at the end.
    ///
    /// # Errors
    /// The first thing that is not as it must be.
    pub async fn through(beginning: &str, operations: &[Operation]) -> Result<usize, Failure> {
        let step = std::sync::atomic::AtomicUsize::new(0);
        let whole = async {
            let mut run = Self::at(beginning).await;
            for (n, operation) in operations.iter().enumerate() {
                step.store(n, std::sync::atomic::Ordering::SeqCst);
                if matches!(run.one(*operation).await?, Became::Done) {
                    run.done += 1;
                }
                run.judge().await?;
                if n % 10 == 9 {
                    run.judge_mailboxes(3, n).await?;
                }
            }
            step.store(operations.len(), std::sync::atomic::Ordering::SeqCst);
            let done = run.done;
            run.end().await.map(|()| done)
        };
        // What the support of the tests finds impossible is a failure like another.
        let judged = AssertUnwindSafe(whole).catch_unwind().await.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("stopped: {}", text.unwrap_or_default()))
        });
        judged.map_err(|what| Failure { step: step.load(std::sync::atomic::Ordering::SeqCst), what })
    }

    async fn one(&mut self, operation: Operation) -> Result<Became, String> {
        match operation {
            Operation::Deposit(document, manner, at) => self.deposit(document, manner, at).await,
            Operation::Repeat(which, repeat, at) => self.repeat(which, repeat, at).await,
            Operation::AtOnce(document, copies) => self.at_once(document, copies).await,
            Operation::Open(which, by, at) => self.open(which, by, at).await,
            Operation::Acknowledge(which, outcome, at) => self.acknowledge(which, outcome, at).await,
            Operation::AcknowledgeTwice(which) => self.acknowledge_twice(which).await,
            Operation::Telephone(which, by) => self.telephone(which, by).await,
            Operation::Follow(which, by) => self.follow(which, by).await,
            Operation::Evidence(which) => self.evidence(which).await,
            Operation::Finish(which, at) => self.finish(which, at).await,
            Operation::Defer(which, days) => self.defer(which, days).await,
            Operation::Erase(which, at) => self.erase(which, at).await,
            Operation::Emergency(which, by, at) => self.emergency(which, by, at).await,
            Operation::Decide(at) => self.decide(at).await,
            Operation::Propose(suspended, at) => self.propose(suspended, at).await,
            Operation::Approve(officer, at) => self.approve(officer, at).await,
            Operation::ApproveTogether => self.approve_together().await,
            Operation::Withdraw(at) => self.withdraw(at).await,
            Operation::Habilitate(whether) => self.habilitate(whether).await,
            Operation::Lead(second) => self.lead(second).await,
            Operation::Pass(span) => self.pass(span).await,
            Operation::TurnBack => self.turn_back().await,
            Operation::Restart(at) => self.restart(at).await,
            Operation::Down(span) => self.down(span).await,
            Operation::Abort(at, deposits) => self.abort(at, deposits).await,
            Operation::AbortErasing(which, at) => self.abort_erasing(which, at).await,
            Operation::Endpoint(behaviour) => {
                self.town.behave(behaviour).await;
                Ok(Became::Done)
            }
            Operation::Collect(page, at) => self.judge_mailboxes(page, at).await.map(|()| Became::Done),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation {}: {}", self.step, self.what)
    }
}

/// Runs of these seeds, each of so many operations; says what was run, and stops at the first that fails, with what repeats
/// it.
#[allow(clippy::print_stdout, reason = "what a test run shows of it")]
pub async fn seeds(seeds: impl IntoIterator<Item = u64>, length: usize) {
    let (mut runs, mut done) = (0, 0);
    for seed in seeds {
        let operations = operations::choose(seed, length);
        println!("PASSERELLE_SEED={seed}: {length} operations from {}", operations::beginning(seed));
        match Run::through(operations::beginning(seed), &operations).await {
            Ok(some) => (runs, done) = (runs + 1, done + some),
            Err(failure) => {
                let told = operations.iter().take(failure.step + 1).map(|one| format!("    {one:?},\n")).collect::<String>();
                println!("seed {seed}, {failure}\n{told}");
                let (fewer, last) = shrink(operations::beginning(seed), &operations, failure.clone()).await;
                let told = fewer.iter().map(|one| format!("    {one:?},\n")).collect::<String>();
                panic!("PASSERELLE_SEED={seed}: {failure}\nfrom {}, fewer fail with: {last}\n{told}", operations::beginning(seed));
            }
        }
    }
    println!("{runs} runs, {done} operations done");
}

/// Fewer operations that fail too: as many as can be dropped in a limited number of runs.
async fn shrink(beginning: &str, operations: &[Operation], failure: Failure) -> (Vec<Operation>, Failure) {
    let mut least: Vec<Operation> = operations.iter().take(failure.step + 1).copied().collect();
    let mut last = failure;
    let mut size = least.len() / 2;
    let mut tries = 0;
    while size > 0 {
        let mut from = 0;
        while from < least.len() && tries < TRIES {
            let mut fewer = least.clone();
            fewer.drain(from..(from + size).min(least.len()));
            tries += 1;
            match Run::through(beginning, &fewer).await {
                Err(failure) if !fewer.is_empty() => {
                    fewer.truncate(failure.step + 1);
                    (least, last) = (fewer, failure);
                }
                _ => from += size,
            }
        }
        size /= 2;
    }
    (least, last)
}

/// How often a failing run is run again with fewer operations.
const TRIES: usize = 40;
