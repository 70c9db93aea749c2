//! Configuration of the portal: where browsers find it, and who says who sits in front of them.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use exchange::InstitutionId;
use serde::Deserialize;

/// The pages for a browser.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portal {
    /// What a browser writes before the path: `https://passerelle.example:8443`. Forms from anywhere else are refused.
    pub origin: String,
    /// Minutes without a request after which a session is over.
    #[serde(default = "fifteen")]
    pub idle_minutes: NonZeroU32,
    /// Hours after which it is over, however busy.
    #[serde(default = "eight")]
    pub session_hours: NonZeroU32,
    /// Days that a draft is kept.
    #[serde(default = "seven")]
    pub draft_days: NonZeroU32,
    /// Who signs people in.
    pub providers: Vec<Provider>,
}

/// An OpenID provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// What the button says.
    pub name: String,
    /// `iss`, an `https` address under which its configuration is published.
    pub issuer: String,
    /// Whose customs it follows.
    pub profile: Profile,
    /// What it calls this gateway.
    pub client: String,
    /// File with the secret that it gave (mode 0600).
    pub secret_file: PathBuf,
    /// Roots under which its certificate stands (PEM).
    pub authorities: PathBuf,
    /// The institutions for whose people it speaks: its `sub` is their id in the directory.
    pub institutions: Vec<InstitutionId>,
    /// Values of `acr`, one of which must be told; absent: those of the profile.
    pub acr: Option<Vec<String>>,
    /// Values of `amr`, one of which must be told; absent: those of the profile.
    pub amr: Option<Vec<String>>,
}

/// Whose customs a provider follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// ProConnect, of the State.
    Proconnect,
    /// Pro Santé Connect, of the health professions.
    ProSanteConnect,
    /// Any other.
    Oidc,
}

impl Profile {
    /// What is asked for.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Proconnect | Self::Oidc => "openid",
            Self::ProSanteConnect => "openid scope_all",
        }
    }

    /// How sure it must be of who it is, unless the configuration says it.
    pub const fn acr(self) -> &'static [&'static str] {
        match self {
            Self::Proconnect => &[
                "https://proconnect.gouv.fr/assurance/self-asserted-2fa",
                "https://proconnect.gouv.fr/assurance/consistency-checked-2fa",
                "eidas2",
                "eidas3",
            ],
            Self::ProSanteConnect => &["eidas1", "eidas2", "eidas3"],
            Self::Oidc => &[],
        }
    }

    /// By which means it must have found out, unless the configuration says it: more than a password, or a card.
    pub const fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Proconnect | Self::Oidc => &["mfa", "hwk"],
            // Its cards and its app are all it lets in with; it names them without a list that is kept.
            Self::ProSanteConnect => &[],
        }
    }
}

impl Provider {
    /// How sure it must be.
    pub fn acr(&self) -> Vec<String> {
        self.acr.clone().unwrap_or_else(|| self.profile.acr().iter().map(|&one| one.to_owned()).collect())
    }

    /// By which means it must have found out.
    pub fn amr(&self) -> Vec<String> {
        self.amr.clone().unwrap_or_else(|| self.profile.amr().iter().map(|&one| one.to_owned()).collect())
    }
}

impl Portal {
    /// How long a session lasts without a request.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(u64::from(self.idle_minutes.get()) * 60)
    }

    /// How long it lasts, however busy.
    pub fn lasts(&self) -> Duration {
        Duration::from_secs(u64::from(self.session_hours.get()) * 3600)
    }

    /// How long a draft is kept.
    pub fn drafts_last(&self) -> Duration {
        Duration::from_secs(u64::from(self.draft_days.get()) * 24 * 3600)
    }

    pub(super) fn mistakes(&self) -> Vec<String> {
        let secure = |address: &str| address.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.contains(['?', '#']));
        let mut mistakes = Vec::new();
        if !secure(&self.origin) || self.origin.trim_start_matches("https://").contains('/') {
            mistakes.push("`portal.origin` must be `https://` and a host, with its port unless it is 443, and no path".to_owned());
        }
        if self.providers.is_empty() {
            mistakes.push("`portal.providers`: nobody could sign in".to_owned());
        }
        for provider in self.providers.iter().filter(|provider| !secure(&provider.issuer)) {
            mistakes.push(format!("`portal.providers`: the issuer of `{}` must be an `https://` address", provider.name));
        }
        mistakes
    }
}

const fn fifteen() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(14)
}

const fn eight() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(7)
}

const fn seven() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(6)
}
