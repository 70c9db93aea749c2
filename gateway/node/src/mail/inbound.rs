//! What came: a mail of a known mailbox with its archive becomes exchanges, by acceptance's one door and under keys made of the mail
//! itself; then its sender is answered, and last it is moved. A crash at any instant repeats what was done, under the same keys.

use adapters::{
    health::Context,
    reading::{Finding, Letter, Place, Refused},
    xdm,
};
use exchange::{ExchangeId, Party};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    LookFault, Mails,
    aside::Aside,
    fetch::{Lying, Mailbox},
    open::{self, Carried, Mail, What},
    partner::Partner,
};
use crate::{
    flows::{
        Author, Caller,
        accept::{LetterDeposit, Room, accept_letter, accepted_under},
    },
    refusal::{Fault, Refusal},
    source::sha256_base64url,
};

impl Mails {
    /// One look into the mailbox.
    pub(super) async fn look(&self, stop: &CancellationToken) -> Result<(), LookFault> {
        let mut mailbox = self.office.mailbox.open().await?;
        let looked = self.look_at(&mut mailbox, stop).await;
        mailbox.close().await;
        looked
    }

    async fn look_at(&self, mailbox: &mut Mailbox, stop: &CancellationToken) -> Result<(), LookFault> {
        for lying in mailbox.list(AT_ONCE).await? {
            if stop.is_cancelled() {
                return Ok(());
            }
            match self.one(mailbox, lying).await {
                Ok(()) => {}
                // What we cannot do with one mail now, we may do with the next.
                Err(LookFault::Ours(refusal)) => {
                    tracing::error!(error = %refusal, "a mail could not be taken over now; it will be at the next look");
                }
                Err(LookFault::Wire(fault)) => return Err(fault.into()),
            }
        }
        Ok(())
    }

    async fn one(&self, mailbox: &mut Mailbox, lying: Lying) -> Result<(), LookFault> {
        let at_most = self.config.max_mib.get().saturating_mul(1024 * 1024);
        let large = lying.size > at_most;
        // Of one that is too large its head says who sent it.
        let bytes = mailbox.read(lying.uid, if large { HEAD } else { at_most }).await?;
        let mail = open::open(&bytes);
        let partner =
            mail.from.as_deref().and_then(|from| self.office.partners.values().find(|one| one.senders.iter().any(|it| it == from)));
        // 1. What became of one of ours. Reports of the way come from servers; that is why the id must be one that only we could know.
        if let What::Fate { original, fate, on_the_way } = &mail.what {
            let known = match original {
                Some(id) => self.rooms.store.mail(id).await.map_err(Refusal::from)?,
                None => None,
            };
            // What a mailbox says of a mail, only the one that it was for may say.
            let known = known.filter(|known| *on_the_way || partner.is_some_and(|partner| partner.institution == known.partner));
            if let Some(known) = known {
                self.settled(&known, *fate).await?;
                return Ok(mailbox.put_away(lying.uid, &self.config.taken).await?);
            }
            let finding = Finding::new(Place::Whole, "unknown-mail", "L’avis parle d’un courriel que Passerelle n’a pas envoyé.");
            return self.set_aside(mailbox, lying.uid, (&mail, None), &Aside::of(&[finding], true)).await;
        }
        if large {
            let detail = format!("Le courriel dépasse {} Mio.", self.config.max_mib);
            let finding = Finding::new(Place::Whole, "too-large", detail).cured_by("Envoyez-le en plusieurs courriels.");
            return self.set_aside(mailbox, lying.uid, (&mail, partner), &Aside::of(&[finding], partner.is_none())).await;
        }
        // 2. Whose it is.
        let Some(partner) = partner else {
            let aside = match &mail.what {
                What::Strange(finding) => Aside::of(std::slice::from_ref(finding), true),
                What::Waits => return Ok(mailbox.put_away(lying.uid, &self.config.taken).await?),
                What::Archives(_) | What::Fate { .. } => {
                    let detail = "Aucun fichier de partenaire ne connaît la boîte qui envoie.";
                    Aside::of(&[Finding::new(Place::Path("From".into()), "unknown-sender", detail)], true)
                }
            };
            return self.set_aside(mailbox, lying.uid, (&mail, None), &aside).await;
        };
        // 3. What it carries.
        let accepted = match &mail.what {
            What::Archives(carried) => self.accepted(partner, &mail, carried).await?,
            What::Strange(finding) => Err(Aside::of(std::slice::from_ref(finding), false)),
            What::Waits | What::Fate { .. } => return Ok(mailbox.put_away(lying.uid, &self.config.taken).await?),
        };
        match accepted {
            Ok(ids) => {
                self.answer(&mail, partner, None).await?;
                mailbox.put_away(lying.uid, &self.config.taken).await?;
                metrics::counter!(super::RECEIVED).increment(1);
                tracing::info!(partner = %partner.institution, exchanges = ids.len(), "a mail is taken over");
                Ok(())
            }
            Err(aside) => self.set_aside(mailbox, lying.uid, (&mail, Some(partner)), &aside).await,
        }
    }

    /// Hands every archive of a mail to acceptance. One that is refused sets the mail aside, with what was accepted of it.
    async fn accepted(&self, partner: &Partner, mail: &Mail, carried: &Carried) -> Result<Result<Vec<ExchangeId>, Aside>, LookFault> {
        let context = Context {
            sender: Party { institution: partner.institution.clone(), unit: partner.unit.clone() },
            recipient: partner.recipient.clone(),
            purpose: None,
            legal_basis: Vec::new(),
            // None of the types that come so goes to the health leg: an INS is left out (R57).
            health_leg: false,
        };
        let caller = Caller { institution: partner.institution.clone(), unit: None, stale: false, author: Author::Unnamed };
        let (mut ids, mut reasons, mut code) = (Vec::new(), Vec::new(), None);
        for (n, archive) in carried.archives.iter().enumerate() {
            let mut letters = match xdm::read(archive, &context, &partner.otherwise) {
                Ok(reading) => reading.letters,
                Err(Refused(findings)) => {
                    let aside = Aside::of(&findings, false);
                    code = code.or(Some(aside.code));
                    reasons.extend(aside.reasons);
                    continue;
                }
            };
            for letter in &mut letters {
                if n == 0 {
                    beside_the_archive(letter, carried);
                }
            }
            for letter in letters {
                match self.deposited(&caller, partner, mail, (archive, letter)).await? {
                    Ok(id) => ids.push(id),
                    Err(aside) => {
                        code = code.or(Some(aside.code));
                        reasons.extend(aside.reasons);
                    }
                }
            }
        }
        Ok(match code {
            None => Ok(ids),
            Some(code) => Err(Aside { code, reasons, suspect: false }),
        })
    }

    async fn deposited(
        &self,
        caller: &Caller,
        partner: &Partner,
        mail: &Mail,
        (archive, letter): (&[u8], Letter),
    ) -> Result<Result<ExchangeId, Aside>, LookFault> {
        // A Message-ID is no promise of ours: another archive under the same one is another exchange.
        let named = format!("mail {} {} {}", partner.institution, mail.id.as_deref().unwrap_or_default(), sha256_base64url(archive));
        let key = sha256_base64url(named.as_bytes());
        let kind = letter.envelope.get("type").and_then(Value::as_str).and_then(|kind| kind.parse().ok());
        let refusal = match accept_letter(&self.rooms, caller, LetterDeposit { letter, key: Some(&key), room: Room::ForAll }).await {
            Ok(accepted) => return Ok(Ok(accepted.id)),
            Err(refusal) => refusal,
        };
        match refusal.face().fault {
            Fault::Ours => return Err(refusal.into()),
            Fault::Caller => {}
        }
        // The same archive was taken before a crash, and is read otherwise since: what was accepted then stands.
        if matches!(refusal, Refusal::KeyReused) {
            let law = self.rooms.law.load_full();
            let of = kind.and_then(|kind| law.catalogue.exchange_type(&kind, self.rooms.clock.now()));
            if let Some(of) = of
                && let Some(id) = accepted_under(&self.rooms, caller, of, &key).await?
            {
                return Ok(Ok(id));
            }
        }
        let face = refusal.face();
        let mut reasons = vec![[Some(face.detail), face.cure].into_iter().flatten().collect::<Vec<_>>().join(" ")];
        reasons.extend(face.errors.into_iter().map(|error| format!("{} : {} [{}]", error.pointer, error.detail, error.code)));
        Ok(Err(Aside { code: face.code, reasons, suspect: false }))
    }
}

/// Files and words that a sender put beside the archive go with it, unless they are in it too: nothing is dropped.
fn beside_the_archive(letter: &mut Letter, carried: &Carried) {
    let words = carried.words.as_ref().map(|words| ("text/plain".to_owned(), words.as_bytes().to_vec()));
    let more = carried.files.iter().cloned().chain(words);
    let Value::Object(envelope) = &mut letter.envelope else { return };
    let Value::Array(described) = envelope.entry("attachments").or_insert_with(|| json!([])) else { return };
    for (n, (media_type, bytes)) in (1..).zip(more) {
        if !letter.attachments.contains(&bytes) {
            described.push(json!({"name": format!("courriel-{n}"), "class": "sante", "size": bytes.len(), "media_type": media_type}));
            letter.attachments.push(bytes);
        }
    }
}

/// Mails of one look.
const AT_ONCE: usize = 100;
/// Bytes that are read of a mail that is too large.
const HEAD: u32 = 64 * 1024;
