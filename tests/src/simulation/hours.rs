//! Time: it passes, it is put back, and it passes while nobody is there.

use std::time::Duration;

use exchange::Instant;

use super::{
    operations::Span,
    run::{Became, Run},
};

impl Run {
    pub(super) async fn pass(&mut self, span: Span) -> Result<Became, String> {
        let Some(at) = self.after(span) else { return Ok(Became::PassedOver) };
        self.town.scene.clock.set(at);
        self.settle().await.map(|()| Became::Done)
    }

    pub(super) async fn turn_back(&mut self) -> Result<Became, String> {
        let at = self.town.now().minus(Duration::from_secs(3600));
        // Certificates began with the run.
        if at < self.began {
            return Ok(Became::PassedOver);
        }
        self.turned_back = true;
        self.town.scene.clock.set(at);
        self.settle().await.map(|()| Became::Done)
    }

    pub(super) async fn restart(&mut self, at: usize) -> Result<Became, String> {
        let at = at % self.town.gateways.len();
        self.town.gateways[at].stop().await;
        self.town.start(at).await;
        self.settle().await.map(|()| Became::Done)
    }

    pub(super) async fn down(&mut self, span: Span) -> Result<Became, String> {
        let Some(until) = self.after(span) else { return Ok(Became::PassedOver) };
        for gateway in &mut self.town.gateways {
            gateway.stop().await;
        }
        self.town.scene.clock.set(until);
        for n in 0..self.town.gateways.len() {
            self.town.start(n).await;
        }
        self.settle().await.map(|()| Became::Done)
    }

    /// The instant after some time; nothing when certificates would not last so long.
    fn after(&self, span: Span) -> Option<Instant> {
        let now = self.town.now();
        let at = match span {
            Span::Seconds(seconds) => now.plus(Duration::from_secs(u64::from(seconds))),
            Span::ToTheNext => self.model.next()?,
            Span::JustBeforeTheNext => self.model.next()?.minus(Duration::from_millis(1)),
        };
        let last = crate::NOW.parse::<Instant>().unwrap().plus(Duration::from_secs(LASTS));
        (at > now && at < last).then_some(at)
    }

    /// The clocks were looked at since: everything of which somebody is to be told by now has been told.
    pub(super) async fn settle(&mut self) -> Result<(), String> {
        self.model.look(self.town.now());
        self.judge_told().await
    }
}

/// Until when the certificates of all members last, less what the end of a run takes.
const LASTS: u64 = 363 * 86_400;
