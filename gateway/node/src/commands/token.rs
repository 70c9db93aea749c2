//! What a member types about tokens: sign one for a professional, print a public key, end a token.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::{CommandFault, member::Link, print};
use crate::{
    client,
    clock::{Clock, SystemClock},
    token,
};

/// `gateway token`
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Sign a professional token with your institution's token key; it works only with your certificate
    Issue {
        /// Institution id of the directory
        #[arg(long)]
        institution: String,
        /// Opaque id of the professional in the directory
        #[arg(long)]
        professional: String,
        /// Private key of the institution's token issuer (PKCS#8 PEM, ES256 or EdDSA)
        #[arg(long)]
        key: PathBuf,
        /// Certificate to which the token is bound (PEM)
        #[arg(long)]
        certificate: PathBuf,
        /// Id of the gateway
        #[arg(long)]
        gateway_id: String,
        /// Minutes until it ends, 10 at most
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=10))]
        minutes: u8,
    },
    /// Print the public key of a token key as a JWK set: the file of the directory's `keys/` folder
    Jwk {
        /// Private key (PKCS#8 PEM)
        key: PathBuf,
    },
    /// End a token of your institution before its time
    Revoke {
        /// Id (`jti`) of the token
        #[arg(allow_hyphen_values = true)]
        jti: String,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
}

impl Token {
    /// Whether the answer is for a program.
    pub fn json(&self) -> bool {
        match self {
            Self::Revoke { link, .. } => link.json,
            Self::Issue { .. } | Self::Jwk { .. } => false,
        }
    }
}

/// Signs tokens, prints public keys, revokes.
///
/// # Errors
/// [`CommandFault`].
pub async fn token(command: Token) -> Result<(), CommandFault> {
    match command {
        Token::Issue { institution, professional, key, certificate, gateway_id, minutes } => {
            let pem = std::fs::read_to_string(&key).map_err(|e| CommandFault::file(&key, &e))?;
            let wanted = token::Wanted {
                issuer: &format!("urn:passerelle:institution:{institution}"),
                subject: &professional,
                audience: &format!("urn:passerelle:gateway:{gateway_id}"),
                certificate_thumbprint: client::thumbprint(&certificate)?,
                jti: &client::new_key()?,
                now: SystemClock.now(),
                life: u32::from(minutes) * 60,
            };
            print(&token::issue(&pem, &wanted).map_err(|e| CommandFault::file(&key, &e))?);
        }
        Token::Jwk { key } => {
            let pem = std::fs::read_to_string(&key).map_err(|e| CommandFault::file(&key, &e))?;
            let (_, jwk) = token::jwk_of_private_key(&pem).map_err(|e| CommandFault::file(&key, &e))?;
            print(&json!({"keys": [jwk]}).to_string());
        }
        Token::Revoke { jti, link } => {
            link.client()?.post("/v1/tokens/revocations", &json!({"jti": jti})).await?;
            print(if link.json { "{}" } else { "Jeton révoqué." });
        }
    }
    Ok(())
}
