//! What became of our mails: a notice that came is written down beside its delivery; one that is bad news, or that does not come,
//! is a task of the unit that sent. A notice opens and acknowledges nothing: nobody signed it (see `collect/system`).

use exchange::FollowUpId;

use super::Mails;
use crate::{
    flows::{NO_NOTICE, NOT_HANDED_OVER},
    log::Event,
    refusal::Refusal,
    store::{
        StoreError,
        follow_up::NewFollowUp,
        mail::{MailFate, SentMail, SettleMail},
    },
};

impl Mails {
    /// Writes down what became of a mail, once.
    ///
    /// # Errors
    /// The store is unavailable.
    pub(super) async fn settled(&self, mail: &SentMail, fate: MailFate) -> Result<(), Refusal> {
        tracing::info!(delivery.id = %mail.delivery, partner = %mail.partner, fate = fate.as_str(), "a partner says what became of a mail");
        let opens = fate.calls_for_a_person().then(|| task(NOT_HANDED_OVER, mail, fate.as_str()));
        self.settle(mail, Some(fate), opens).await
    }

    /// Looks for mails about danger of which no notice came in time.
    ///
    /// # Errors
    /// The store is unavailable.
    pub(super) async fn overdue(&self) -> Result<(), Refusal> {
        for mail in self.rooms.store.overdue_mails(self.rooms.clock.now()).await? {
            metrics::counter!(super::NO_NOTICE).increment(1);
            tracing::error!(delivery.id = %mail.delivery, partner = %mail.partner, "no notice of a mail about danger came in time: somebody must ask");
            self.settle(&mail, None, Some(task(NO_NOTICE, &mail, "no-notice"))).await?;
        }
        Ok(())
    }

    async fn settle(&self, mail: &SentMail, fate: Option<MailFate>, opens: Option<NewFollowUp>) -> Result<(), Refusal> {
        let law = self.rooms.law.load_full();
        let now = self.rooms.clock.now();
        let entry = match &opens {
            Some(task) => {
                let statement = self.rooms.state(&law, Event::FollowUpOpened, Some(mail.exchange), now);
                let statement = statement.commit("delivery", &mail.delivery).commit("follow_up", &task.id).commit("code", &task.code);
                Some(self.rooms.entry(statement)?)
            }
            None => None,
        };
        let settle = SettleMail { delivery: mail.delivery, exchange: mail.exchange, fate, at: now, opens, entry };
        match self.rooms.store.write(settle).await {
            // As much is known already, or another replica was faster.
            Ok(()) | Err(StoreError::NotThere(_) | StoreError::AlreadyThere) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn task(code: &str, mail: &SentMail, detail: &str) -> NewFollowUp {
    NewFollowUp { id: FollowUpId::new(), code: code.to_owned(), owner: mail.sender.clone(), details: vec![detail.to_owned()] }
}
