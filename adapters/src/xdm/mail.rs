//! What a mail of MSSanté says in its subject, and what a notice of disposition (RFC 8098) says of a mail that was sent.

use std::fmt;

use crate::reading::{Finding, Place, Refused};

/// A subject of the volet “transmission d’un document CDA par courriel MSS”: `XDM/1.0/DDM+…`, with
/// `[KO Intégration système !][code]` before it where the receiving system refused.
///
/// The volet wants a label, then name, given name and birth date of the patient. We write the label alone: a subject stands in
/// notices, lists and logs. Its `Debug` shows nothing, since what comes from others may name somebody.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    /// Code of the error (`902`), where the mail is about a refusal.
    pub refused: Option<String>,
    /// What stands behind `XDM/1.0/DDM+`.
    pub label: String,
}

impl Subject {
    /// Reads a subject; nothing where it is not one of an archive.
    pub fn read(text: &str) -> Option<Self> {
        let (before, label) = text.split_once(XDM)?;
        let before = before.trim();
        let label = label.trim().to_owned();
        if before.is_empty() {
            return Some(Self { refused: None, label });
        }
        // Two forms are in use: the one of the volet, and the one of its example.
        let code = before.strip_prefix(REFUSED).or_else(|| before.strip_prefix("[Erreur d’intégration !]"))?;
        let code = code.trim().strip_prefix('[')?.strip_suffix(']')?;
        is_code(code).then(|| Self { refused: Some(code.to_owned()), label })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It becomes a header of a mail: no line of a label may become another one.
        if let Some(code) = self.refused.as_deref().filter(|code| is_code(code)) {
            write!(f, "{REFUSED}[{code}] ")?;
        }
        let harmless = self.label.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c });
        write!(f, "{XDM}{}", harmless.take(MAX_LABEL).collect::<String>().trim_end())
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject")
    }
}

/// What became of a mail, as the part `message/disposition-notification` of a notice says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// `Message-ID` of the mail, without its brackets.
    pub original: Option<String>,
    /// What was done with it.
    pub what: Disposed,
    /// Whether that went wrong, and the code of the receiving system where it gives one.
    pub failed: Option<Option<String>>,
}

/// What was done with a mail (RFC 8098, section 3.2.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposed {
    /// Shown to somebody, who need not have read it.
    Displayed,
    /// Handled without being shown.
    Processed,
    /// Sent on, printed, or the like.
    Dispatched,
    /// Thrown away, perhaps unseen.
    Deleted,
}

/// Reads the part `message/disposition-notification`: its fields, already without transfer encoding.
///
/// # Errors
/// [`Refused`] where there is no `Disposition` of the RFC, or the part is longer than 64 KiB.
pub fn disposition(part: &[u8]) -> Result<Disposition, Refused> {
    if part.len() > 64 * 1024 {
        return Err(refused("too-large", "L’avis est trop long."));
    }
    let text = String::from_utf8_lossy(part);
    let fields = unfolded(&text);
    let field = |name: &str| {
        fields.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let value = field("Disposition").ok_or_else(|| refused("missing", "L’avis n’a pas de champ « Disposition »."))?;
    let (_, value) =
        value.split_once(';').ok_or_else(|| refused("bad-code", "Le champ « Disposition » n’a pas la forme de la RFC 8098."))?;
    let (what, modifier) = value.trim().split_once('/').unwrap_or((value.trim(), ""));
    let what = match what.trim().to_ascii_lowercase().as_str() {
        "displayed" => Disposed::Displayed,
        "processed" => Disposed::Processed,
        "dispatched" => Disposed::Dispatched,
        "deleted" => Disposed::Deleted,
        _ => return Err(refused("bad-code", "Le champ « Disposition » n’a pas la forme de la RFC 8098.")),
    };
    let failed = modifier.trim().get(..5).filter(|word| word.eq_ignore_ascii_case("error")).map(|_| {
        let code = modifier.split_once(':').map(|(_, code)| code.split('^').next().unwrap_or_default().trim());
        code.filter(|code| is_code(code)).map(str::to_owned)
    });
    let original = field("Original-Message-ID").map(|id| id.trim_matches(['<', '>', ' ']).to_owned()).filter(|id| !id.is_empty());
    Ok(Disposition { original, what, failed })
}

/// Fields with their continued lines joined.
fn unfolded(text: &str) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match fields.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
            Some(field) => {
                field.push(' ');
                field.push_str(line.trim());
            }
            None => fields.push(line.to_owned()),
        }
    }
    fields
}

fn is_code(code: &str) -> bool {
    (1..=5).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit())
}

fn refused(code: &'static str, detail: &str) -> Refused {
    Refused(vec![Finding { place: Place::Whole, code, detail: detail.into(), cure: None }])
}

const XDM: &str = "XDM/1.0/DDM+";
/// Longest label, in characters: what is longer is no heading.
const MAX_LABEL: usize = 200;
const REFUSED: &str = "[KO Intégration système !]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_of_a_subject() {
        let plain = Subject::read("XDM/1.0/DDM+Information préoccupante FICTIVE Capucine 27/02/2014").unwrap();
        assert_eq!(plain.refused, None);
        assert_eq!(format!("{plain:?}"), "Subject");
        let refused = Subject::read("[KO Intégration système !][902] XDM/1.0/DDM+Signalement").unwrap();
        assert_eq!(refused, Subject { refused: Some("902".into()), label: "Signalement".into() });
        assert_eq!(Subject::read(&refused.to_string()), Some(refused));
        let injected = Subject { refused: Some("9]\r\nBcc: x".into()), label: format!("a\r\nBcc: x\u{85}\u{2028}{}", "y".repeat(5000)) };
        let written = injected.to_string();
        assert!(!written.contains(['\r', '\n', '\u{85}', '\u{2028}']) && written.len() < 300 && written.starts_with("XDM/1.0/DDM+a"));
        assert!(Subject::read("Re: XDM/1.0/DDM+x").is_none() && Subject::read("Bonjour").is_none());
    }

    #[test]
    fn reads_what_became_of_a_mail() {
        let notice = |disposition: &str| {
            format!(
                "Reporting-UA: pfi\r\nFinal-Recipient: rfc822; crip@dep.mssante.fr\r\nOriginal-Message-ID: <1995\r\n .23456@chu >\r\nDisposition:{disposition}\r\n\r\n"
            )
        };
        let read = |text: &str| disposition(notice(text).as_bytes());
        let good = read("automatic-action/MDN-sent-automatically; processed").unwrap();
        assert_eq!(good, Disposition { original: Some("1995 .23456@chu".into()), what: Disposed::Processed, failed: None });
        let bad =
            read(" automatic-action/MDN-sent-automatically; processed/Error: 902^Identifiant de patient inconnu^x| E^Error^y").unwrap();
        assert_eq!(bad.failed, Some(Some("902".into())));
        assert_eq!(read("manual-action/MDN-sent-manually; displayed").unwrap().what, Disposed::Displayed);
        assert_eq!(read("manual-action/MDN-sent-manually; deleted/error").unwrap().failed, Some(None));
        assert!(read("processed").is_err() && read("a; eaten").is_err() && disposition(b"").is_err());
    }
}
