//! Decisions: what the law and the agreements in force let pass, and the proof that they were asked.
//!
//! A [`Permit`] cannot be built outside this room, copied or printed: "the check was not reached" does not compile.
//! This room knows rules and no database; it fails closed: an error of a rule is never a permission.

mod acts;
mod advise;
mod again;
mod alerts;
mod approvers;
mod ask;
mod cases;
mod decide;
mod explain;
mod fitness;
mod load;
mod near;
mod question;
mod record;
mod whole;
mod withhold;
mod words;

#[cfg(test)]
mod tests;

use exchange::ExchangeId;

pub use acts::{DualControl, Granted, Inquiry, Protected, Reidentification, Stage};
pub use advise::Decision;
pub use again::{NotAgain, Reason};
pub use approvers::Approvers;
pub use ask::Unfit;
pub use cases::{Cases, CasesFault, Report, Table, rules_table, run_cases};
pub use decide::{Admitted, Denial, SEND_SORTED};
pub use explain::Explanation;
pub use load::{Policies, PolicyFault};
pub use question::{Actor, AgreementState, Opening, Reading, Residence, Side, Submission};
pub use record::{DecisionRecord, Named, Question, Replay};
pub use whole::Whole;
pub use withhold::{Release, Withheld};

/// The gateway decided that something may happen to one exchange. One maker: the policy engine.
///
/// A room that needs one asks for it:
/// ```
/// fn reveal(permit: &gateway::policy::Permit) -> exchange::ExchangeId {
///     permit.exchange()
/// }
/// ```
/// Nobody else makes one, and nobody makes two of one:
/// ```compile_fail
/// let permit = gateway::policy::Permit { exchange: exchange::ExchangeId::new() };
/// ```
/// ```compile_fail
/// fn again(permit: &gateway::policy::Permit) -> gateway::policy::Permit {
///     permit.clone()
/// }
/// ```
pub struct Permit {
    exchange: ExchangeId,
}

impl Permit {
    /// The exchange this permit is about, and no other.
    pub fn exchange(&self) -> ExchangeId {
        self.exchange
    }

    /// A permit for tests of the rooms that ask for one.
    #[cfg(test)]
    #[allow(dead_code, reason = "the rooms that use it come one after the other")]
    pub(crate) fn for_test(exchange: ExchangeId) -> Self {
        Self { exchange }
    }
}

/// The words that a fact may have.
#[cfg(test)]
pub(crate) fn words_of(fact: &str, catalogue: &crate::catalogue::Catalogue) -> std::collections::BTreeSet<String> {
    words::list(fact, catalogue).unwrap_or_default()
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Permit({})", self.exchange)
    }
}
