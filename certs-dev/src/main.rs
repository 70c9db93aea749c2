//! The development PKI from a terminal: enough to enrol a member by hand with a request made by OpenSSL.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use certs_dev::{Leaf, Pki, PkiError, token_key};
use clap::{Parser, Subcommand};
use time::OffsetDateTime;

/// Issues development certificates for Passerelle. Never use them in production.
#[derive(Debug, Parser)]
#[command(name = "certs-dev", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make all authorities in an empty folder.
    Pki {
        /// Where.
        folder: PathBuf,
    },
    /// Certify the key of a request (`openssl req -new …`); prints the chain.
    Sign {
        /// Folder of the authorities.
        #[arg(long, default_value = "pki")]
        pki: PathBuf,
        /// `ac-territoires`, `ac-education`, `ac-sante`, `ac-justice` or `ac-social`.
        #[arg(long)]
        authority: String,
        /// Directory id of the institution.
        #[arg(long)]
        institution: String,
        /// The request, PKCS#10 PEM; `-` reads it from standard input.
        #[arg(long)]
        csr: PathBuf,
    },
    /// Certify a new key; prints the chain, writes the key to a file.
    Issue {
        /// Folder of the authorities.
        #[arg(long, default_value = "pki")]
        pki: PathBuf,
        /// Which authority.
        #[arg(long)]
        authority: String,
        /// Directory id of the institution.
        #[arg(long)]
        institution: String,
        /// Where the key goes (mode 0600).
        #[arg(long)]
        key: PathBuf,
    },
    /// Revoke a certificate and write the revocation lists.
    Revoke {
        /// Folder of the authorities.
        #[arg(long, default_value = "pki")]
        pki: PathBuf,
        /// The certificate, PEM.
        #[arg(long)]
        certificate: PathBuf,
    },
    /// Write the revocation lists again, good for thirty days.
    Lists {
        /// Folder of the authorities.
        #[arg(long, default_value = "pki")]
        pki: PathBuf,
    },
    /// Print a new P-256 key for the tokens of an institution, PKCS#8 PEM.
    TokenKey,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(text) => match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            let _ = writeln!(io::stderr(), "certs-dev: {error}{cause}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<String, PkiError> {
    let now = now();
    match command {
        Command::Pki { folder } => {
            Pki::create(&folder, now)?;
            Ok(String::new())
        }
        Command::Sign { pki, authority, institution, csr } => {
            let request = if csr == Path::new("-") {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text).map_err(|e| PkiError::File(csr.clone(), e))?;
                text
            } else {
                std::fs::read_to_string(&csr).map_err(|e| PkiError::File(csr.clone(), e))?
            };
            Ok(Pki::open(&pki)?.sign_csr(&authority, &institution, &request, now)?.chain_pem)
        }
        Command::Issue { pki, authority, institution, key } => {
            use std::os::unix::fs::OpenOptionsExt;
            let issued = Pki::open(&pki)?.issue(&Leaf::member(&authority, &institution, now))?;
            std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&key)
                .and_then(|mut file| file.write_all(issued.key_pem.as_bytes()))
                .map_err(|e| PkiError::File(key.clone(), e))?;
            Ok(issued.chain_pem)
        }
        Command::Revoke { pki, certificate } => {
            let mut authorities = Pki::open(&pki)?;
            let chain = std::fs::read_to_string(&certificate).map_err(|e| PkiError::File(certificate.clone(), e))?;
            authorities.revoke_pem(&chain)?;
            authorities.write_crls(now)?;
            Ok(String::new())
        }
        Command::Lists { pki } => {
            Pki::open(&pki)?.write_crls(now)?;
            Ok(String::new())
        }
        Command::TokenKey => token_key(),
    }
}

#[allow(clippy::disallowed_methods, reason = "a command has no other clock than the wall's")]
fn now() -> OffsetDateTime {
    std::time::SystemTime::now().into()
}
