//! Mails that are not taken over: the mail is laid aside in the mailbox, with a note beside it that tells people why; a sender who
//! is known gets the same reasons, place by place, in the terms of the format.

use adapters::reading::Finding;

use super::{
    LookFault, Mails,
    compose::{self, Head, Notice, Way},
    fetch::Mailbox,
    open::Mail,
    partner::Partner,
};
use crate::source::sha256_base64url;

/// Why a mail is set aside.
pub(super) struct Aside {
    /// The first code, for log line and notice.
    pub(super) code: String,
    /// One line for each reason, in French. Holds nothing that stands in the mail.
    pub(super) reasons: Vec<String>,
    /// It is not what an honest partner sends.
    pub(super) suspect: bool,
}

impl Aside {
    /// Reasons of an adapter.
    pub(super) fn of(findings: &[Finding], suspect: bool) -> Self {
        let code = findings.first().map_or("unreadable", |finding| finding.code).to_owned();
        let told = |finding: &Finding| {
            let cure = finding.cure.as_deref().map(|cure| format!(" {cure}")).unwrap_or_default();
            format!("{} : {}{cure} [{}]", finding.place, finding.detail, finding.code)
        };
        Self { code, reasons: findings.iter().map(told).collect(), suspect }
    }
}

impl Mails {
    /// Tells the sender, lays a note beside the mail, and moves it.
    pub(super) async fn set_aside(
        &self,
        mailbox: &mut Mailbox,
        uid: u32,
        (mail, partner): (&Mail, Option<&Partner>),
        aside: &Aside,
    ) -> Result<(), LookFault> {
        if let Some(partner) = partner
            && !mail.automatic
        {
            self.answer(mail, partner, Some(aside)).await?;
        }
        let text = format!(
            "Passerelle n’a pas pris le courriel qui se trouve dans ce dossier avec cette note.\r\nBoîte d’origine connue : {}\r\n\r\n{}\r\n\r\n\
             Lisez-le, et faites le nécessaire : un enfant peut être en danger.\r\n",
            partner.map_or("non", |partner| partner.institution.as_str()),
            aside.reasons.join("\r\n")
        );
        let id = self.answer_id("note", mail, &uid.to_string());
        let head = self.head(&self.config.address, &id, "Passerelle : courriel à examiner", Way::Tells(mail.id.as_deref()));
        mailbox.lay(&self.config.aside, &compose::of_words(&head, &text)).await?;
        mailbox.put_away(uid, &self.config.aside).await?;
        metrics::counter!(super::ASIDE).increment(1);
        if aside.suspect {
            metrics::counter!(super::SUSPECT).increment(1);
        }
        let partner = partner.map(|partner| partner.institution.as_str());
        tracing::error!(partner, code = %aside.code, "a mail is set aside: somebody must look at it");
        Ok(())
    }

    /// Says what became of a mail: a notice where one was asked for, words where it went wrong and none was.
    pub(super) async fn answer(&self, mail: &Mail, partner: &Partner, aside: Option<&Aside>) -> Result<(), LookFault> {
        let Some(to) = mail.from.as_deref().filter(|_| !mail.automatic && (mail.asks || aside.is_some())) else { return Ok(()) };
        let (subject, text) = match aside {
            None => ("Avis : courriel pris en compte par Passerelle", TAKEN.to_owned()),
            Some(aside) => {
                ("[KO Intégration système !] Courriel non pris en compte", format!("{NOT_TAKEN}{}\r\n", aside.reasons.join("\r\n")))
            }
        };
        let id = self.answer_id(if aside.is_some() { "ko" } else { "ok" }, mail, partner.institution.as_str());
        let head = self.head(to, &id, subject, Way::Tells(mail.id.as_deref()));
        let said = Notice { mailbox: &self.config.address, original: mail.id.as_deref(), failed: aside.map(|aside| aside.code.as_str()) };
        let written = if mail.asks { compose::notice(&head, &text, &said) } else { compose::of_words(&head, &text) };
        let mut counter = self.office.postbox.open().await?;
        let handed_in = counter.hand_in(to, &written).await;
        counter.close().await;
        match handed_in {
            Ok(()) => Ok(()),
            // Nobody takes our answer there: that stops nothing of what came.
            Err(super::WireFault::No) => {
                tracing::warn!(partner = %partner.institution, "a partner's mailbox refuses our answer");
                Ok(())
            }
            Err(fault) => Err(fault.into()),
        }
    }

    fn head<'a>(&'a self, to: &'a str, id: &'a str, subject: &'a str, way: Way<'a>) -> Head<'a> {
        Head { from: &self.config.address, to, id, at: self.rooms.clock.now(), subject, urgent: false, way }
    }

    /// The same for the same mail, so that an answer that is given twice is known.
    fn answer_id(&self, what: &str, mail: &Mail, more: &str) -> String {
        let made = sha256_base64url(format!("{what} {} {more}", mail.id.as_deref().unwrap_or_default()).as_bytes());
        format!("{made}@{}", self.domain())
    }
}

const TAKEN: &str = "Bonjour,\r\n\r\nVotre courriel a été pris en compte par Passerelle et transmis à son destinataire. Cet avis ne dit pas qu’il l’a lu.\r\n";
const NOT_TAKEN: &str = "Bonjour,\r\n\r\nVotre courriel n’a pas pu être pris en compte. Il est gardé, et une personne va le lire ; si un enfant est en danger, \
    téléphonez.\r\n\r\n";
