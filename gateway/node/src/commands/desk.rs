//! The desk at the gateway's own machine: its databases, and who sits there.
//!
//! Whoever has a shell and the key file could write any name; so a name is proved by the professional's token, signed by the
//! institution under a key of the directory. It is bound to the gateway's own certificate, which no member connects with: a
//! token for the wire does not serve at the desk, nor one for the desk on the wire.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use exchange::{InstitutionId, ProfessionalId};
use ring::rand::SystemRandom;
use serde_json::json;

use super::{CommandFault, print};
use crate::{
    client,
    clock::{Clock, SystemClock},
    config::Config,
    directory::{Professional, Role},
    flows::{Law, matching::Desk},
    node,
    refusal::{Refusal, TokenFault},
    seal::KeyStore,
    store::{Part, Store, keys::Keys, vault::Vault},
    token::{self, Expect, TokenVerifier},
};

/// Which gateway, and for whom the output is.
#[derive(Debug, Args)]
pub struct Place {
    /// Configuration of the gateway
    #[arg(long, env = "PASSERELLE_CONFIG", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
}

/// Who acts.
#[derive(Debug, Args)]
pub struct Who {
    /// File with the professional's token, bound to the gateway's own certificate: `gateway token issue --certificate <that of
    /// the gateway>`
    #[arg(long, value_name = "FILE", env = "PASSERELLE_DESK_TOKEN")]
    pub token: PathBuf,
    /// Which gateway
    #[command(flatten)]
    pub place: Place,
}

/// A professional whom a token names.
pub(super) struct Proved {
    pub(super) institution: InstitutionId,
    pub(super) id: ProfessionalId,
}

/// Why nobody acts.
pub(super) enum Unproved {
    /// The token is not good.
    Token(TokenFault),
    /// The token is good, and its bearer may not do this: why, in French.
    NotEntitled(&'static str),
}

impl Unproved {
    pub(super) fn tell(self, json: bool) -> Result<ExitCode, CommandFault> {
        match self {
            Self::Token(fault) => {
                let face = Refusal::Token(fault).face();
                refuse(json, &face.code, &format!("{} {}", face.detail, face.cure.unwrap_or_default()))
            }
            Self::NotEntitled(why) => refuse(json, "habilitation", why),
        }
    }
}

/// The databases of a gateway, which may be running.
pub(super) struct Rooms {
    pub(super) config: Config,
    pub(super) law: Law,
    pub(super) keystore: Arc<KeyStore>,
    pub(super) store: Store,
    pub(super) keys: Keys,
    pub(super) vault: Vault,
    pub(super) random: SystemRandom,
}

impl Rooms {
    pub(super) async fn open(file: &Path) -> Result<Self, CommandFault> {
        let config = Config::load(file).map_err(gateway)?;
        let keystore = Arc::new(KeyStore::open(&config.keys).map_err(|e| CommandFault::file(&config.keys, &e))?);
        let store = Store::open(&config.database(Part::Gateway)).await.map_err(gateway)?;
        let law = node::in_force(&config, &store).await.map_err(gateway)?;
        Ok(Self {
            store,
            keys: Keys::open(&config.database(Part::Keys), keystore.clone()).await.map_err(gateway)?,
            vault: Vault::open(&config.database(Part::Vault), keystore.clone()).await.map_err(gateway)?,
            random: SystemRandom::new(),
            config,
            law,
            keystore,
        })
    }

    /// Whom the token names: its signature, its audience, its time and its revocation checked as at the door.
    pub(super) async fn proved(&self, who: &Who) -> Result<Result<Proved, Unproved>, CommandFault> {
        let text = std::fs::read_to_string(&who.token).map_err(|e| CommandFault::file(&who.token, &e))?;
        let jwt = text.trim();
        let unproved = |fault: TokenFault| Ok(Err(Unproved::Token(fault)));
        let Some(claimed) = token::claimed_issuer(jwt) else { return unproved(TokenFault::Malformed) };
        let issues = |one: &&crate::directory::Institution| one.token_issuer.as_ref().is_some_and(|issuer| issuer.issuer == claimed);
        let Some(institution) = self.law.directory.institutions().find(issues) else {
            return unproved(TokenFault::Refused(token::TokenRefusal::AnotherIssuer));
        };
        let expect = Expect {
            audience: &format!("urn:passerelle:gateway:{}", self.config.gateway),
            institution,
            certificate_thumbprint: client::thumbprint(&self.config.tls.certificate)?,
            now: SystemClock.now(),
        };
        let verified = match TokenVerifier::new().verify(jwt, &expect) {
            Ok(verified) => verified,
            Err(refusal) => return unproved(TokenFault::Refused(refusal)),
        };
        let blinded = self.keystore.blind("jti", &verified.jti).map_err(gateway)?;
        if self.store.token_revoked(&verified.professional.issuer, &blinded).await.map_err(gateway)? {
            return unproved(TokenFault::Revoked);
        }
        Ok(Ok(Proved { institution: institution.id.clone(), id: verified.professional }))
    }

    /// The professional whom the token names, who has one of these functions in an institution of this Département.
    pub(super) async fn with_role(
        &self,
        who: &Who,
        roles: &[Role],
        otherwise: &'static str,
    ) -> Result<Result<&Professional, Unproved>, CommandFault> {
        let proved = match self.proved(who).await? {
            Ok(proved) => proved,
            Err(unproved) => return Ok(Err(unproved)),
        };
        let here = self
            .law
            .directory
            .institution(&proved.institution)
            .is_some_and(|of| of.departement == self.config.departement && of.units.values().any(|unit| unit.kind.as_str() == "crip"));
        let known = self.law.directory.professional(&proved.id).filter(|known| here && known.institution == proved.institution);
        Ok(known.filter(|known| roles.iter().any(|role| known.has_role(*role))).ok_or(Unproved::NotEntitled(otherwise)))
    }

    pub(super) fn desk(&self) -> Desk<'_> {
        let Self { store, keystore, keys, vault, law, random, .. } = self;
        Desk { store, keystore, keys, vault, policy_set: law.policies.hash(), retention: &law.retention, random }
    }

    pub(super) async fn close(&self) {
        self.store.close().await;
        self.keys.close().await;
        self.vault.close().await;
    }
}

/// Says no, with exit code 1.
pub(super) fn refuse(json: bool, code: &str, detail: &str) -> Result<ExitCode, CommandFault> {
    print(&if json { json!({"code": code, "detail": detail}).to_string() } else { detail.to_owned() });
    Ok(ExitCode::from(1))
}

pub(super) fn gateway(fault: impl std::fmt::Display) -> CommandFault {
    CommandFault::Gateway(fault.to_string())
}
