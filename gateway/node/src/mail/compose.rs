//! Mails as this gateway writes them: heads in which no value can become another line, every part in base64, the same bytes for the
//! same mail.

use adapters::xdm::{self, Subject};
use base64::{Engine, engine::general_purpose::STANDARD};
use exchange::Instant;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

/// The head of a mail.
pub(super) struct Head<'a> {
    /// Our own mailbox.
    pub(super) from: &'a str,
    /// Whom it goes to.
    pub(super) to: &'a str,
    /// `Message-ID`, without its brackets.
    pub(super) id: &'a str,
    /// `Date`.
    pub(super) at: Instant,
    /// For people. Names nobody.
    pub(super) subject: &'a str,
    /// It must be read at once.
    pub(super) urgent: bool,
    /// What kind of mail it is.
    pub(super) way: Way<'a>,
}

/// How a mail stands to others.
pub(super) enum Way<'a> {
    /// One that asks for a notice of what became of it.
    Asks,
    /// One that a machine writes about another, of this Message-ID: nobody answers it.
    Tells(Option<&'a str>),
}

/// What a notice of disposition says (RFC 8098).
pub(super) struct Notice<'a> {
    /// The mailbox that the mail had reached.
    pub(super) mailbox: &'a str,
    /// `Message-ID` of the mail, as it came.
    pub(super) original: Option<&'a str>,
    /// Why it was not taken over: a code, where it was not.
    pub(super) failed: Option<&'a str>,
}

/// A mail that carries an archive.
pub(super) fn with_archive(head: &Head<'_>, text: &str, archive: &[u8]) -> Vec<u8> {
    let mut mail = written(head, &format!("multipart/mixed; boundary=\"{}\"", boundary(head.id)));
    part(&mut mail, head.id, "text/plain; charset=utf-8", None, text.as_bytes());
    part(&mut mail, head.id, xdm::MEDIA_TYPE, Some("IHE_XDM.zip"), archive);
    closed(mail, head.id)
}

/// A mail of words alone.
pub(super) fn of_words(head: &Head<'_>, text: &str) -> Vec<u8> {
    let mut mail = written(head, "text/plain; charset=utf-8");
    mail.push_str("Content-Transfer-Encoding: base64\r\n\r\n");
    lines(&mut mail, text.as_bytes());
    mail.into_bytes()
}

/// A notice of what became of a mail.
pub(super) fn notice(head: &Head<'_>, text: &str, notice: &Notice<'_>) -> Vec<u8> {
    let kind = format!("multipart/report; report-type=disposition-notification; boundary=\"{}\"", boundary(head.id));
    let mut mail = written(head, &kind);
    part(&mut mail, head.id, "text/plain; charset=utf-8", None, text.as_bytes());
    let mut fields = format!("Reporting-UA: passerelle; Passerelle\r\nFinal-Recipient: rfc822;{}\r\n", notice.mailbox);
    if let Some(id) = notice.original.filter(|id| is_id(id)) {
        fields.push_str(&format!("Original-Message-ID: <{id}>\r\n"));
    }
    match notice.failed {
        None => fields.push_str("Disposition: automatic-action/MDN-sent-automatically; processed\r\n"),
        Some(code) => {
            fields.push_str(&format!("Disposition: automatic-action/MDN-sent-automatically; processed/error\r\nError: {code}\r\n"))
        }
    }
    // Without transfer encoding, as programs that read it expect.
    mail.push_str(&format!("--{}\r\nContent-Type: message/disposition-notification\r\n\r\n{fields}\r\n", boundary(head.id)));
    closed(mail, head.id)
}

/// The subject of a mail with an archive. It stands in lists and on locked screens: it says neither who nor what.
pub(super) fn subject() -> String {
    Subject { refused: None, label: "Document sécurisé".to_owned() }.to_string()
}

/// Whether a text can stand between the brackets of a Message-ID as it is.
pub(super) fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>'))
}

fn written(head: &Head<'_>, kind: &str) -> String {
    let mut mail = String::new();
    let mut field = |name: &str, value: &str| mail.push_str(&format!("{name}: {value}\r\n"));
    field("From", &format!("<{}>", head.from));
    field("To", &format!("<{}>", head.to));
    field("Subject", &encoded(head.subject));
    field("Date", &date(head.at));
    field("Message-ID", &format!("<{}>", head.id));
    match head.way {
        Way::Asks => field("Disposition-Notification-To", &format!("<{}>", head.from)),
        Way::Tells(about) => {
            field("Auto-Submitted", "auto-replied");
            if let Some(id) = about.filter(|id| is_id(id)) {
                field("In-Reply-To", &format!("<{id}>"));
                field("References", &format!("<{id}>"));
            }
        }
    }
    if head.urgent {
        field("Importance", "high");
        field("X-Priority", "1");
    }
    field("MIME-Version", "1.0");
    field("Content-Type", kind);
    mail
}

fn part(mail: &mut String, id: &str, kind: &str, name: Option<&str>, bytes: &[u8]) {
    // The first one ends the head.
    let start = if mail.contains("\r\n\r\n") { "" } else { "\r\n" };
    let named = name.map_or(String::new(), |name| format!("; name=\"{name}\""));
    let disposed = name.map_or(String::new(), |name| format!("Content-Disposition: attachment; filename=\"{name}\"\r\n"));
    mail.push_str(&format!(
        "{start}--{}\r\nContent-Type: {kind}{named}\r\n{disposed}Content-Transfer-Encoding: base64\r\n\r\n",
        boundary(id)
    ));
    lines(mail, bytes);
}

fn closed(mut mail: String, id: &str) -> Vec<u8> {
    mail.push_str(&format!("--{}--\r\n", boundary(id)));
    mail.into_bytes()
}

/// No line of base64 is like it.
fn boundary(id: &str) -> String {
    let own: String = id.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    format!("=_{own}")
}

fn lines(mail: &mut String, bytes: &[u8]) {
    for line in bytes.chunks(57) {
        STANDARD.encode_string(line, mail);
        mail.push_str("\r\n");
    }
}

/// A value of a head (RFC 2047): without any control character, and in ASCII.
fn encoded(text: &str) -> String {
    let harmless: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if harmless.is_ascii() && harmless.len() <= 60 {
        return harmless;
    }
    let mut words: Vec<String> = vec![String::new()];
    for c in harmless.chars() {
        match words.last_mut().filter(|word| word.len() + c.len_utf8() <= 39) {
            Some(word) => word.push(c),
            None => words.push(c.to_string()),
        }
    }
    words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect::<Vec<_>>().join("\r\n ")
}

fn date(at: Instant) -> String {
    OffsetDateTime::from_unix_timestamp(at.unix_seconds()).ok().and_then(|at| at.format(&Rfc2822).ok()).unwrap_or_default()
}

/// Longest Message-ID that is repeated.
const MAX_ID: usize = 250;

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;

    fn head<'a>(subject: &'a str, way: Way<'a>) -> Head<'a> {
        let at = "2026-11-25T09:30:00Z".parse().unwrap();
        Head { from: "passerelle@dep.mssante.fr", to: "dpi@chu.mssante.fr", id: "a1@dep.mssante.fr", at, subject, urgent: true, way }
    }

    #[test]
    fn a_mail_with_an_archive_is_read_back() {
        let archive: Vec<u8> = (0..=255).cycle().take(5_000).collect();
        let mail = with_archive(&head(&subject(), Way::Asks), "Bonjour à tous", &archive);
        assert!(mail.is_ascii() && mail.split(|b| *b == b'\n').all(|line| line.len() < 200));
        let read = MessageParser::default().parse(&mail).unwrap();
        assert_eq!(read.subject(), Some("XDM/1.0/DDM+Document sécurisé"));
        assert_eq!((read.message_id(), read.attachment_count()), (Some("a1@dep.mssante.fr"), 1));
        assert_eq!(read.attachment(0).unwrap().contents(), archive);
        assert_eq!(read.body_text(0).unwrap(), "Bonjour à tous");
        assert_eq!(read.date().unwrap().to_timestamp(), 1_795_599_000);
        assert!(read.header("Disposition-Notification-To").is_some());
    }

    #[test]
    fn no_value_becomes_another_line() {
        let mail = of_words(&head("a\r\nBcc: x@y.fr\r\n\r\nbody", Way::Tells(Some("b>\r\nBcc: x"))), "x");
        let read = MessageParser::default().parse(&mail).unwrap();
        assert!(read.bcc().is_none() && read.header("In-Reply-To").is_none());
        assert!(read.subject().unwrap().contains("Bcc"));
        let told = Notice { mailbox: "p@dep.fr", original: Some("x\r\nDisposition: a; deleted"), failed: None };
        let mail = notice(&head("Avis", Way::Tells(None)), "x", &told);
        let read = MessageParser::default().parse(&mail).unwrap();
        let fields = read.parts.iter().find(|part| part.contents().starts_with(b"Reporting-UA")).unwrap();
        let said = xdm::disposition(fields.contents()).unwrap();
        assert_eq!((said.original, said.failed), (None, None));
    }
}
