//! What leaves for a partner: one delivery as one mail, at least once, each time under the same Message-ID and with the same date.

use adapters::xdm::{self, Issue, Joined};
use exchange::{Instant, Urgency};
use futures::TryStreamExt;
use ring::rand::SecureRandom;

use super::{
    Mails, WireFault,
    compose::{self, Head, Way},
    partner::Partner,
    told_of,
};
use crate::{
    directory::PushEndpoint,
    flows::{
        collect::system::{Content, Handed, hand_over},
        forward::NotLeft,
    },
    refusal::{Fault, Refusal},
    store::{
        delivery::DeliveryRow,
        mail::{MailLeft, NameMail, Named},
    },
};

impl Mails {
    /// Sends one delivery to its partner's mailbox.
    ///
    /// # Errors
    /// [`NotLeft`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn leave(&self, delivery: &DeliveryRow, endpoint: &PushEndpoint) -> Result<(), NotLeft> {
        let Some(partner) = self.partner(endpoint.mailed_to().unwrap_or_default()) else { return Err(NotLeft::Never("no-partner-file")) };
        // 1. The operator is there, over TLS, and knows us: until then nothing is opened.
        let mut counter = self.office.postbox.open().await.map_err(|fault| {
            told_of(fault);
            NotLeft::Later(fault.code())
        })?;
        // 2. What may leave, written down and signed before it does.
        let content = match hand_over(&self.rooms, delivery, endpoint).await {
            Ok(Handed::Content(content)) => Some(*content),
            Ok(Handed::Notice(why)) => {
                tracing::info!(delivery.id = %delivery.id, partner = %partner.institution, why, "only a notice leaves for a partner's mailbox");
                None
            }
            // What was erased meanwhile is told to nobody.
            Err(Refusal::Erased { .. }) => return Err(NotLeft::Never("erased")),
            Err(refusal) => return Err(later(&refusal)),
        };
        // 3. Its name, the same at each try, and its bytes.
        let named = self.named(partner, delivery, content.is_some()).await?;
        let archive = match content {
            Some(content) => self.archive(delivery, &named, content).await?,
            None => None,
        };
        let mail = self.written(partner, delivery, &named, archive.as_deref());
        // 4. Hand it in. A crash here: it goes again, and whoever has it knows it by its name.
        let handed_in = counter.hand_in(&partner.mailbox, &mail).await;
        counter.close().await;
        match handed_in {
            Ok(()) => {}
            Err(WireFault::No) => return Err(NotLeft::Refuse("mail-refused")),
            Err(fault) => return Err(NotLeft::Later(fault.code())),
        }
        // 5. Keep until when somebody must have answered.
        let now = self.rooms.clock.now();
        let law = self.rooms.law.load_full();
        let danger = law.catalogue.exchange_type(&delivery.kind, now).is_some_and(|of| of.danger);
        let left = MailLeft { delivery: delivery.id, at: now, due: danger.then(|| now.plus(partner.notice_within)) };
        self.rooms.store.write(left).await.map_err(|_| NotLeft::Later("store"))?;
        metrics::counter!(super::SENT).increment(1);
        Ok(())
    }

    async fn named(&self, partner: &Partner, delivery: &DeliveryRow, content: bool) -> Result<Named, NotLeft> {
        let mut random = [0; 16];
        self.rooms.random.fill(&mut random).map_err(|_| NotLeft::Later("random"))?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let message_id = format!("{name}@{}", self.domain());
        let at = self.rooms.clock.now();
        let name = NameMail { delivery: delivery.id, partner: partner.institution.clone(), message_id, at, content };
        self.rooms.store.write(name).await.map_err(|_| NotLeft::Later("store"))
    }

    /// The archive of a document and its files; nothing when it is larger than a mail may be: then a notice says where it waits.
    async fn archive(&self, delivery: &DeliveryRow, named: &Named, content: Content) -> Result<Option<Vec<u8>>, NotLeft> {
        let law = self.rooms.law.load_full();
        // 57 bytes make a line of 76, and its end.
        let at_most = (u64::from(self.config.max_mib.get()) * 1024 * 1024).saturating_sub(SPARE) / 78 * 57;
        let size = content.attachments.iter().fold(0_u64, |sum, (leaving, _)| sum.saturating_add(leaving.size));
        if size > at_most {
            return Ok(too_large(delivery));
        }
        let mut files = Vec::new();
        for (leaving, media_type) in content.attachments {
            let bytes: Vec<u8> = leaving
                .stream()
                .try_fold(Vec::new(), |mut all, bytes| async move {
                    all.extend_from_slice(&bytes);
                    Ok(all)
                })
                .await
                .map_err(|refusal| later(&refusal))?;
            files.push((media_type.unwrap_or_else(|| "application/octet-stream".to_owned()), bytes));
        }
        let joined: Vec<Joined<'_>> = files.iter().map(|(media_type, bytes)| Joined { media_type, bytes }).collect();
        let from = law.directory.institution(&delivery.sender.institution).map_or("Passerelle", |known| known.name.as_str());
        let title = law.catalogue.exchange_type(&delivery.kind, self.rooms.clock.now()).map_or("Échange", |of| of.title.as_str());
        let issue = Issue { id: &delivery.id.to_string(), at: named.at, from, title };
        match xdm::write(&content.document, &issue, &joined) {
            Ok(archive) if archive.len() as u64 > at_most => Ok(too_large(delivery)),
            Ok(archive) => Ok(Some(archive)),
            Err(_) => Err(NotLeft::Refuse("unwritable")),
        }
    }

    fn written(&self, partner: &Partner, delivery: &DeliveryRow, named: &Named, archive: Option<&[u8]>) -> Vec<u8> {
        let subject = if archive.is_some() { compose::subject() } else { "Passerelle : un échange vous attend".to_owned() };
        let head = Head {
            from: &self.config.address,
            to: &partner.mailbox,
            id: &named.message_id,
            at: named.at,
            subject: &subject,
            urgent: delivery.urgency == Urgency::Immediate,
            way: Way::Asks,
        };
        match archive {
            Some(archive) => compose::with_archive(&head, WITH_ARCHIVE, archive),
            None => compose::of_words(&head, &waiting(delivery)),
        }
    }

    /// What our Message-IDs end in.
    pub(super) fn domain(&self) -> &str {
        self.config.address.rsplit('@').next().unwrap_or_default()
    }
}

fn too_large(delivery: &DeliveryRow) -> Option<Vec<u8>> {
    tracing::info!(delivery.id = %delivery.id, "an exchange is larger than a mail may be: only a notice leaves");
    None
}

/// That something waits, and nothing more.
fn waiting(delivery: &DeliveryRow) -> String {
    let urgency = match delivery.urgency {
        Urgency::Immediate => "à lire immédiatement",
        Urgency::Priority => "à lire en priorité",
        Urgency::Ordinary | Urgency::Batch => "sans urgence signalée",
    };
    let since: Instant = delivery.delivered_at;
    format!(
        "Bonjour,\r\n\r\nUn échange vous attend dans votre boîte Passerelle ({urgency}), depuis le {since}.\r\nRemise : {}\r\n\r\nCe courriel \
         n’en contient rien. Ouvrez-le dans Passerelle, sous votre nom.\r\n",
        delivery.id
    )
}

/// What we cannot now is tried again; so is what only a change of the rules, the directory or the agreements cures.
fn later(refusal: &Refusal) -> NotLeft {
    tracing::warn!(error = %refusal, "a delivery cannot leave for a partner's mailbox now");
    NotLeft::Later(match refusal.face().fault {
        Fault::Ours => "ours",
        Fault::Caller => "refused",
    })
}

/// For people who open the mail instead of their program.
const WITH_ARCHIVE: &str = "Bonjour,\r\n\r\nCe courriel porte un document de la protection de l’enfance, dans l’archive IHE_XDM.zip : intégrez-la \
    dans votre logiciel, ou ouvrez INDEX.HTM.\r\nIl est couvert par le secret professionnel. Un avis de réception vous est demandé.\r\n";
/// Bytes of a mail beside its archive.
const SPARE: u64 = 64 * 1024;
