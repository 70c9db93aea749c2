//! A mail that came, taken apart with hostile bytes in mind: which of its heads count, what it carries, what it says of one of ours.
//! Never looks into a mail within a mail, and never trusts what stands twice.

use adapters::{
    reading::{Finding, Place},
    xdm::{self, Disposed, Subject},
};
use mail_parser::{HeaderName, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use super::compose::is_id;
use crate::store::mail::MailFate;

/// A mail as far as it concerns us.
pub(super) struct Mail {
    /// The one mailbox that it says to come from, in lower case.
    pub(super) from: Option<String>,
    /// `Message-ID`, without its brackets.
    pub(super) id: Option<String>,
    /// Somebody asks for a notice, to be sent to where the mail came from.
    pub(super) asks: bool,
    /// A machine wrote it: it is never answered.
    pub(super) automatic: bool,
    /// What it is.
    pub(super) what: What,
}

/// What a mail is.
pub(super) enum What {
    /// It carries archives.
    Archives(Carried),
    /// It says what became of one of ours.
    Fate {
        /// The Message-ID of ours.
        original: Option<String>,
        /// What became of it.
        fate: MailFate,
        /// A server on the way says so, not the mailbox that it was for.
        on_the_way: bool,
    },
    /// It says nothing for good yet: a delay.
    Waits,
    /// What it is cannot be made out, or may not be.
    Strange(Finding),
}

/// What a mail carries.
pub(super) struct Carried {
    /// Every `IHE_XDM.zip`.
    pub(super) archives: Vec<Vec<u8>>,
    /// Every other file, with its media type.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// What is written in the mail itself.
    pub(super) words: Option<String>,
}

/// Takes a mail apart.
pub(super) fn open(bytes: &[u8]) -> Mail {
    let strange = |finding| Mail { from: None, id: None, asks: false, automatic: true, what: What::Strange(finding) };
    // Each part costs memory before anybody looks at it.
    if too_much(bytes) {
        return strange(too_many());
    }
    let Some(message) = MessageParser::default().parse(bytes) else {
        return strange(Finding::new(Place::Whole, "not-a-mail", "Ce n’est pas un courriel que l’on sache lire."));
    };
    let (from, path) = (from(&message), path(&message));
    let from = from.filter(|from| path.fits(from));
    let id = once(&message, HeaderName::MessageId).and_then(|_| message.message_id()).filter(|id| is_id(id)).map(str::to_owned);
    let asks = from.is_some() && asked(&message) == from;
    let submitted = message.header("Auto-Submitted").and_then(HeaderValue::as_text).is_some_and(|said| !said.eq_ignore_ascii_case("no"));
    let automatic = submitted || path == Path::Nobody;
    // Whoever writes for nobody deposits nothing: the operator vouches for no address then.
    let nobody = from.is_none() || path == Path::Nobody;
    Mail { id, asks, automatic, what: what(&message, nobody), from }
}

fn what(message: &Message<'_>, nobody: bool) -> What {
    if message.parts.len() > MAX_PARTS {
        return What::Strange(too_many());
    }
    let kind = message.content_type();
    if kind.is_some_and(|kind| {
        kind.ctype().eq_ignore_ascii_case("multipart") && kind.subtype().is_some_and(|sub| sub.eq_ignore_ascii_case("report"))
    }) {
        return report(message);
    }
    if let Some(Subject { refused: Some(_), .. }) = message.subject().and_then(Subject::read) {
        // A receiving system that refuses by a mail of its own.
        let original = first(message.in_reply_to()).or_else(|| first(message.references()));
        return What::Fate { original, fate: MailFate::Fail, on_the_way: false };
    }
    if nobody {
        let detail =
            "Le courriel ne dit pas de façon certaine de quelle boîte il vient : un seul « From » y est attendu, avec une seule adresse.";
        return What::Strange(Finding::new(Place::Path("From".into()), "sender-unsure", detail));
    }
    let mut carried = Carried { archives: Vec::new(), files: Vec::new(), words: None };
    for part in message.attachments() {
        let content = match &part.body {
            PartType::Message(inner) => inner.raw_message(),
            PartType::Text(_) | PartType::Html(_) | PartType::Binary(_) | PartType::InlineBinary(_) => part.contents(),
            PartType::Multipart(_) => continue,
        };
        if part.attachment_name().is_some_and(|name| name.trim().eq_ignore_ascii_case("IHE_XDM.zip")) {
            carried.archives.push(content.to_vec());
        } else {
            carried.files.push((media_type(part), content.to_vec()));
        }
    }
    carried.words = message.body_text(0).map(|text| text.trim().chars().take(MAX_WORDS).collect()).filter(|text: &String| !text.is_empty());
    match carried.archives.len() {
        0 => What::Strange(
            Finding::new(Place::File("IHE_XDM.zip".into()), "missing", "Le courriel ne porte pas d’archive « IHE_XDM.zip ».")
                .cured_by("Joignez l’archive au courriel lui-même, et non à un courriel transféré."),
        ),
        1..=MAX_ARCHIVES => What::Archives(carried),
        _ => What::Strange(
            Finding::new(Place::File("IHE_XDM.zip".into()), "too-many", "Le courriel porte trop d’archives.")
                .cured_by("Envoyez-les en plusieurs courriels."),
        ),
    }
}

/// A report about one of our mails: a notice of disposition (RFC 8098), or of what became of it on the way (RFC 3464).
fn report(message: &Message<'_>) -> What {
    let part = |kind: &str| message.parts.iter().find(|part| media_type(part).eq_ignore_ascii_case(kind));
    if let Some(said) = part("message/disposition-notification") {
        return match xdm::disposition(said.contents()) {
            Ok(said) => {
                let fate = match (&said.failed, said.what) {
                    (Some(_), _) => MailFate::Fail,
                    (None, Disposed::Displayed) => MailFate::Display,
                    (None, Disposed::Processed) => MailFate::Process,
                    (None, Disposed::Dispatched) => MailFate::Dispatch,
                    (None, Disposed::Deleted) => MailFate::Delete,
                };
                What::Fate { original: said.original, fate, on_the_way: false }
            }
            Err(refused) => What::Strange(refused.0.into_iter().next().unwrap_or_else(no_report)),
        };
    }
    let Some(said) = part("message/delivery-status") else { return What::Strange(no_report()) };
    let status = String::from_utf8_lossy(said.contents()).to_ascii_lowercase();
    let failed = status.lines().filter_map(|line| line.strip_prefix("action:")).any(|action| action.trim() == "failed");
    let inner = message.parts.iter().find_map(|part| match &part.body {
        PartType::Message(inner) => inner.message_id().map(str::to_owned),
        PartType::Text(_) | PartType::Html(_) | PartType::Binary(_) | PartType::InlineBinary(_) | PartType::Multipart(_) => None,
    });
    let heads = || {
        let part = part("text/rfc822-headers")?;
        MessageParser::default().parse_headers(part.contents())?.message_id().map(str::to_owned)
    };
    if failed { What::Fate { original: inner.or_else(heads), fate: MailFate::Fail, on_the_way: true } } else { What::Waits }
}

/// Of whom the operator saw the mail come (RFC 5321, 4.4).
#[derive(PartialEq, Eq)]
enum Path {
    /// It does not say.
    Untold,
    /// Of nobody: a report, or an answer of a machine.
    Nobody,
    /// Of an address of this domain.
    Of(String),
    /// It says so more than once: one of them is not the operator's.
    Twice,
}

impl Path {
    /// Whether a mail that names this address may have come so.
    fn fits(&self, from: &str) -> bool {
        match self {
            Self::Untold | Self::Nobody => true,
            Self::Of(domain) => from.rsplit_once('@').is_some_and(|(_, of)| of == domain),
            Self::Twice => false,
        }
    }
}

fn path(message: &Message<'_>) -> Path {
    let mut all = message.headers_raw().filter(|(name, _)| name.eq_ignore_ascii_case("Return-Path")).map(|(_, path)| path);
    match (all.next().map(|path| path.trim().trim_matches(['<', '>']).to_ascii_lowercase()), all.next()) {
        (None, _) => Path::Untold,
        (Some(_), Some(_)) => Path::Twice,
        (Some(path), None) if path.is_empty() => Path::Nobody,
        (Some(path), None) => Path::Of(path.rsplit_once('@').map_or(path.clone(), |(_, domain)| domain.to_owned())),
    }
}

/// The one address of the one `From`.
fn from(message: &Message<'_>) -> Option<String> {
    let from = once(message, HeaderName::From)?.as_address()?;
    let mut all = from.iter();
    let (Some(one), None) = (all.next(), all.next()) else { return None };
    one.address().map(str::to_ascii_lowercase)
}

/// Where a notice is asked to go.
fn asked(message: &Message<'_>) -> Option<String> {
    let value = message.header_raw("Disposition-Notification-To")?.trim();
    let address = value.rsplit_once('<').map_or(value, |(_, rest)| rest.trim_end_matches('>'));
    Some(address.trim().to_ascii_lowercase())
}

/// A head that stands there once.
fn once<'m>(message: &'m Message<'_>, name: HeaderName<'static>) -> Option<&'m HeaderValue<'m>> {
    let mut all = message.headers().iter().filter(|header| header.name == name);
    let one = all.next()?;
    all.next().is_none().then_some(&one.value)
}

fn first(value: &HeaderValue<'_>) -> Option<String> {
    value.as_text().or_else(|| value.as_text_list()?.first().map(AsRef::as_ref)).map(|id| id.trim_matches(['<', '>', ' ']).to_owned())
}

fn media_type(part: &MessagePart<'_>) -> String {
    let known =
        part.content_type().map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("octet-stream")).to_ascii_lowercase());
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'+' | b'.');
    known.filter(|kind| kind.len() <= 100 && kind.bytes().all(plain)).unwrap_or_else(|| "application/octet-stream".to_owned())
}

/// Whether a mail may cost much more memory than it is long: each part, each head and each address of one is kept apart. Counted of
/// lines that may begin one, wherever they stand: what is encoded has neither such lines nor commas.
fn too_much(bytes: &[u8]) -> bool {
    let (mut kinds, mut boundaries, mut heads, mut commas) = (0, 0, 0, 0);
    for line in bytes.split(|b| *b == b'\n') {
        kinds += usize::from(line.get(..13).is_some_and(|start| start.eq_ignore_ascii_case(b"content-type:")));
        boundaries += usize::from(line.starts_with(b"--"));
        heads += usize::from(line.iter().find(|b| matches!(b, b':' | b' ')) == Some(&b':'));
        commas += line.iter().filter(|b| matches!(b, b',' | b';')).count();
        if kinds > MAX_PARTS || boundaries > 2 * MAX_PARTS || heads > MAX_HEADS || commas > MAX_COMMAS {
            return true;
        }
    }
    false
}

fn too_many() -> Finding {
    Finding::new(Place::Whole, "too-many", "Le courriel a trop de parties.").cured_by("Envoyez l’archive seule, sans la découper.")
}

fn no_report() -> Finding {
    Finding::new(
        Place::Whole,
        "bad-report",
        "L’avis ne dit pas, dans la forme de la RFC 8098 ou de la RFC 3464, ce qu’est devenu le courriel.",
    )
}

/// Parts of a mail.
const MAX_PARTS: usize = 200;
/// Lines of a mail that may be heads.
const MAX_HEADS: usize = 20_000;
/// What may stand between addresses of a head.
const MAX_COMMAS: usize = 200_000;
/// Archives of a mail.
const MAX_ARCHIVES: usize = 8;
/// Characters of what is written in a mail itself.
const MAX_WORDS: usize = 65_536;

#[cfg(test)]
mod tests;
