//! Decisions: what the law and the agreements in force let pass, and the proof that they were asked.
//!
//! A [`Permit`] cannot be built outside this room, copied or printed: "the check was not reached" does not compile.

use exchange::ExchangeId;

/// The gateway decided that something may happen to one exchange. One maker: the policy engine.
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
    pub(crate) fn for_test(exchange: ExchangeId) -> Self {
        Self { exchange }
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Permit({})", self.exchange)
    }
}
