//! Configuration of the portal: where browsers find it, and who says who sits in front of them.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use exchange::InstitutionId;
use reqwest::Url;
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
    /// The institutions for whose people it speaks: `prefix` and its `sub` are their id in the directory.
    pub institutions: Vec<InstitutionId>,
    /// Stands before its `sub`, so that those of two providers of one institution are never the same person.
    #[serde(default)]
    pub prefix: String,
    /// Minutes for which it may let somebody in without asking them; 0: it asks each time; absent: those of the profile.
    pub fresh_minutes: Option<u32>,
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

    /// For how many minutes it may let somebody in without asking them, unless the configuration says it. The federations of
    /// the State set that themselves.
    pub const fn fresh_minutes(self) -> Option<u32> {
        match self {
            Self::Proconnect | Self::ProSanteConnect => None,
            Self::Oidc => Some(15),
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

    /// How long ago it may have asked who it is; nothing: that is its own affair.
    pub fn fresh(&self) -> Option<Duration> {
        self.fresh_minutes.or(self.profile.fresh_minutes()).map(|minutes| Duration::from_secs(u64::from(minutes) * 60))
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

    /// The origin as a browser writes it: lower case, and no port that goes without saying.
    pub(super) fn write_origin_as_a_browser(&mut self) {
        if let Some(origin) = browser_origin(&self.origin) {
            self.origin = origin;
        }
    }

    pub(super) fn mistakes(&self) -> Vec<String> {
        let secure = |address: &str| address.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.contains(['?', '#']));
        let mut mistakes = Vec::new();
        if browser_origin(&self.origin).is_none() {
            mistakes.push("`portal.origin` must be `https://` and a host, with its port unless it is 443, and no path".to_owned());
        }
        if self.providers.is_empty() {
            mistakes.push("`portal.providers`: nobody could sign in".to_owned());
        }
        for provider in self.providers.iter().filter(|provider| !secure(&provider.issuer)) {
            mistakes.push(format!("`portal.providers`: the issuer of `{}` must be an `https://` address", provider.name));
        }
        for (n, one) in self.providers.iter().enumerate() {
            for other in self.providers.iter().skip(n + 1) {
                if one.issuer == other.issuer && one.client == other.client {
                    mistakes.push(format!("`portal.providers`: `{}` and `{}` are the same", one.name, other.name));
                }
                let both = one.institutions.iter().any(|id| other.institutions.contains(id));
                // What one of them calls somebody must never be what the other calls somebody else.
                if both && (one.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&one.prefix)) {
                    let names = (&one.name, &other.name);
                    mistakes.push(format!(
                        "`portal.providers`: `{}` and `{}` speak for one institution: each needs a `prefix` of its own, with which the other's does not begin",
                        names.0, names.1
                    ));
                }
            }
        }
        mistakes
    }
}

/// What a browser makes of an address that is an origin and nothing else.
fn browser_origin(written: &str) -> Option<String> {
    let url = Url::parse(written).ok()?;
    let bare = url.scheme() == "https" && url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    (bare && nobody && !written.trim_start_matches("https:").contains('@')).then(|| url.origin().ascii_serialization())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn portal(origin: &str, providers: &[(&str, &str, &str)]) -> Portal {
        let provider = |(issuer, institution, prefix): &(&str, &str, &str)| {
            format!(
                "[[providers]]\nname = \"{issuer}\"\nissuer = \"{issuer}\"\nprofile = \"oidc\"\nclient = \"c\"\nsecret_file = \"s\"\n\
                 authorities = \"a\"\ninstitutions = [\"{institution}\"]\nprefix = \"{prefix}\"\n"
            )
        };
        let providers: String = providers.iter().map(provider).collect();
        toml::from_str(&format!("origin = \"{origin}\"\n{providers}")).unwrap()
    }

    #[test]
    fn an_origin_is_what_a_browser_writes_however_it_was_written() {
        let one = [("https://a.example", "dsden-31", "")];
        for (written, as_a_browser) in [
            ("https://p.example", "https://p.example"),
            ("https://P.Example:443/", "https://p.example"),
            ("https://p.example:8443", "https://p.example:8443"),
            ("https://écoles.example", "https://xn--coles-9ra.example"),
        ] {
            let mut portal = portal(written, &one);
            assert!(portal.mistakes().is_empty(), "{written}: {:?}", portal.mistakes());
            portal.write_origin_as_a_browser();
            assert_eq!(portal.origin, as_a_browser);
        }
        for wrong in [
            "http://p.example",
            "https://",
            "p.example",
            "https://p.example/portail",
            "https://p.example?x",
            "https://p.example#x",
            "https://a@p.example",
        ] {
            assert_eq!(portal(wrong, &one).mistakes().len(), 1, "{wrong}");
        }
    }

    #[test]
    fn two_providers_of_one_institution_never_speak_of_one_person() {
        let with = |one: &str, other: &str, where_: &str| {
            portal("https://p.example", &[("https://a.example", "dsden-31", one), ("https://b.example", where_, other)]).mistakes().len()
        };
        assert_eq!(with("", "", "chu-toulouse"), 0, "each for its own");
        assert_eq!(with("a-", "b-", "dsden-31"), 0);
        for (one, other) in [("", ""), ("", "b-"), ("a-", "a-"), ("a-", "a-b-")] {
            assert_eq!(with(one, other, "dsden-31"), 1, "{one} {other}");
        }
    }
}
