//! How much one certificate may ask. Deposits have a budget of their own: reading a mailbox too eagerly never stops
//! a danger from being reported.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::config::Limits;

/// The budgets of all certificates.
pub(super) struct Rates {
    requests: DefaultKeyedRateLimiter<[u8; 32]>,
    deposits: DefaultKeyedRateLimiter<[u8; 32]>,
    clock: DefaultClock,
}

impl Rates {
    pub(super) fn new(limits: &Limits) -> Self {
        let quota = |per_second| {
            let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
            Quota::per_second(per_second).allow_burst(NonZeroU32::new(limits.burst).unwrap_or(NonZeroU32::MIN).max(per_second))
        };
        // Rates are counted on the monotonic clock: they must not stop when somebody sets the wall's back.
        let clock = DefaultClock::default();
        Self {
            requests: RateLimiter::dashmap_with_clock(quota(limits.requests_per_second), clock.clone()),
            deposits: RateLimiter::dashmap_with_clock(quota(limits.deposits_per_second), clock.clone()),
            clock,
        }
    }

    /// Takes one from a budget, or says how long to wait.
    pub(super) fn admit(&self, thumbprint: &[u8; 32], deposit: bool) -> Result<(), Duration> {
        let budget = if deposit { &self.deposits } else { &self.requests };
        budget.check_key(thumbprint).map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Forgets certificates whose budget is whole again.
    pub(super) fn forget(&self) {
        for budget in [&self.requests, &self.deposits] {
            budget.retain_recent();
            budget.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_per_certificate_and_deposits_have_their_own() {
        let rates = Rates::new(&Limits { requests_per_second: 1, burst: 3, deposits_per_second: 1, ..Limits::default() });
        let (one, other) = ([1; 32], [2; 32]);
        for _ in 0..3 {
            rates.admit(&one, false).unwrap();
        }
        let wait = rates.admit(&one, false).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1));
        rates.admit(&one, true).unwrap();
        rates.admit(&other, false).unwrap();
        rates.forget();
        assert!(rates.admit(&one, false).is_err(), "a budget that was used is not forgotten");
    }
}
