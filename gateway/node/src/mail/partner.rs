//! A partner that exchanges secure mail: one data file for each, named after its institution. Read whole at the start, all mistakes
//! at once; who may read what is not here but in the directory and the rules.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use adapters::health;
use exchange::{InstitutionId, Party, UnitId};
use serde::Deserialize;

/// A partner as the gateway works with it.
pub struct Partner {
    /// Who it is.
    pub institution: InstitutionId,
    /// Its unit in whose name its mails come.
    pub unit: Option<UnitId>,
    /// To whom they go.
    pub recipient: Party,
    /// The mailbox to which mails for it go.
    pub mailbox: String,
    /// The mailboxes from which its mails may come, that one among them.
    pub senders: Vec<String>,
    /// The exchange type of an archive that says none.
    pub otherwise: String,
    /// How long a notice of a mail about danger is awaited.
    pub notice_within: Duration,
}

/// What is wrong with a partner file.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {what}", file.display())]
pub struct PartnerFault {
    file: PathBuf,
    what: String,
}

/// A partner file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    institution: InstitutionId,
    unit: Option<UnitId>,
    recipient: Party,
    mailbox: String,
    #[serde(default)]
    senders: Vec<String>,
    otherwise: String,
    #[serde(default = "notice_minutes")]
    notice_minutes: NonZeroU32,
}

impl Partner {
    /// Reads one partner file.
    ///
    /// # Errors
    /// [`PartnerFault`] with every mistake; of shape the first one only.
    pub fn load(file: &Path) -> Result<Self, PartnerFault> {
        let fault = |what: String| PartnerFault { file: file.to_owned(), what };
        let text = std::fs::read_to_string(file).map_err(|e| fault(e.to_string()))?;
        let from: Written = toml::from_str(&text).map_err(|e| fault(e.message().to_owned()))?;
        let mut mistakes = Vec::new();
        if file.file_stem().is_none_or(|stem| stem != from.institution.as_str()) {
            mistakes.push(format!("the file is named after its institution: `{}.toml`", from.institution));
        }
        for address in [&from.mailbox].into_iter().chain(&from.senders) {
            if !is_address(address) {
                mistakes
                    .push("`mailbox` and `senders` are addresses of mailboxes: `nom@domaine.mssante.fr`, without a name before".to_owned());
            }
        }
        if !health::TYPES.contains(&from.otherwise.as_str()) {
            mistakes.push(format!("`otherwise` is one of {}", health::TYPES.join(", ")));
        }
        if !mistakes.is_empty() {
            return Err(fault(mistakes.join("; ")));
        }
        let senders = [&from.mailbox].into_iter().chain(&from.senders).map(|address| address.to_ascii_lowercase()).collect();
        Ok(Self {
            institution: from.institution,
            unit: from.unit,
            recipient: from.recipient,
            mailbox: from.mailbox,
            senders,
            otherwise: from.otherwise,
            notice_within: Duration::from_secs(60 * u64::from(from.notice_minutes.get())),
        })
    }
}

/// Mailboxes that two partners claim: nobody could say whose mail comes from there.
pub(super) fn shared(partners: &BTreeMap<String, Partner>, folder: &Path) -> Vec<PartnerFault> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let mut faults = Vec::new();
    for (name, partner) in partners {
        for sender in &partner.senders {
            if let Some(other) = seen.insert(sender, name).filter(|other| *other != name.as_str()) {
                let what = format!("one of its mailboxes is `{other}`'s too");
                faults.push(PartnerFault { file: folder.join(format!("{name}.toml")), what });
            }
        }
    }
    faults
}

/// Whether a text is an address that can stand in a header and in a command as it is.
pub(super) fn is_address(text: &str) -> bool {
    let part = |text: &str| {
        !text.is_empty()
            && !text.starts_with('.')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+'))
    };
    text.len() <= 254 && text.split_once('@').is_some_and(|(local, domain)| part(local) && part(domain) && !domain.contains('_'))
}

/// Four hours.
const fn notice_minutes() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(239)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/mail/chu-toulouse.toml")
    }

    #[test]
    fn the_sample_is_read() {
        let partner = Partner::load(&sample()).unwrap();
        assert_eq!((partner.institution.as_str(), partner.otherwise.as_str()), ("chu-toulouse", "information-preoccupante"));
        assert_eq!(partner.senders.len(), 2);
    }

    #[test]
    fn every_mistake_is_told() {
        let text = std::fs::read_to_string(sample()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chu-toulouse.toml");
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Partner::load(&file).map(drop).map_err(|fault| fault.to_string())
        };
        assert_eq!(load(&text), Ok(()));
        for (from, to, what) in [
            ("institution = \"chu-toulouse\"\nunit", "institution = \"chu-albi\"\nunit", "chu-albi.toml"),
            ("mailbox = \"", "mailbox = \"a\\r\\nBcc: x@", "`mailbox`"),
            ("mailbox = \"", "mailbox = \"Nom <x>", "`mailbox`"),
            ("otherwise = \"information-preoccupante\"", "otherwise = \"placement\"", "`otherwise`"),
            ("notice_minutes = 240", "notice_minutes = 0", "nonzero"),
            ("notice_minutes = 240", "password = \"x\"", "unknown field"),
        ] {
            assert!(text.contains(from), "{from}");
            let fault = load(&text.replacen(from, to, 1)).unwrap_err();
            assert!(fault.contains(what), "{from}: {fault}");
        }
    }

    #[test]
    fn a_mailbox_has_one_owner() {
        let mut partners = BTreeMap::new();
        for name in ["chu-toulouse", "clinique"] {
            partners.insert(name.to_owned(), Partner::load(&sample()).unwrap());
        }
        assert_eq!(shared(&partners, Path::new("p")).len(), 2);
    }
}
