//! What an auditor types: `audit bundle` copies the log out; `audit verify` distrusts everything but pinned keys.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{CommandFault, print};
use crate::{
    config::Config,
    flows::{bundle, verify},
    log, receipt,
    seal::KeyStore,
    store::{Part, Store},
};

/// `gateway audit`
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Copy the whole log (entries, tiles, checkpoints, openings still kept, receipts) into a folder
    Bundle {
        /// Configuration of the gateway
        #[arg(long, env = "PASSERELLE_CONFIG", default_value = "gateway.toml")]
        config: PathBuf,
        /// New or empty folder
        folder: PathBuf,
    },
    /// Verify a bundle, or one evidence file, against keys pinned outside it
    Verify {
        /// Folder written by `audit bundle`, or a JSON file from GET /v1/exchanges/{id}/evidence
        bundle: PathBuf,
        /// Log key (vkey) you pinned; several may be given
        #[arg(long = "log-key", required = true)]
        log_keys: Vec<String>,
        /// JWKS file of receipt keys you pinned
        #[arg(long)]
        receipt_keys: Option<PathBuf>,
        /// Witness key (vkey) you pinned; several may be given
        #[arg(long = "witness")]
        witnesses: Vec<String>,
        /// How many witnesses must have signed
        #[arg(long, default_value_t = 0)]
        quorum: usize,
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
}

/// Copies or verifies.
///
/// # Errors
/// A file or the database cannot be used; what is *wrong* with a log is in the report and the exit code.
pub async fn audit(command: Audit) -> Result<ExitCode, CommandFault> {
    match command {
        Audit::Bundle { config, folder } => {
            let config = Config::load(&config).map_err(|e| CommandFault::Gateway(e.to_string()))?;
            let keystore = KeyStore::open(&config.keys).map_err(|e| CommandFault::file(&config.keys, &e))?;
            let store = Store::open(&config.database(Part::Gateway)).await.map_err(|e| CommandFault::Gateway(e.to_string()))?;
            let bar = bar();
            let keys = public_keys(&config, &keystore)?;
            let leaves = bundle::write(&store, &keystore, &folder, &keys, &|done, of| advance(&bar, done, of))
                .await
                .map_err(|e| CommandFault::file(&folder, &e))?;
            bar.finish_and_clear();
            store.close().await;
            print(&format!("{leaves} entrées copiées dans {}.", folder.display()));
            Ok(ExitCode::SUCCESS)
        }
        Audit::Verify { bundle, log_keys, receipt_keys, witnesses, quorum, json } => {
            let receipts: Option<Value> = match &receipt_keys {
                Some(file) => {
                    let text = std::fs::read_to_string(file).map_err(|e| CommandFault::file(file, &e))?;
                    Some(serde_json::from_str(&text).map_err(|e| CommandFault::file(file, &e))?)
                }
                None => None,
            };
            let trust = verify::Trust::pinned(&log_keys, receipts.as_ref(), &witnesses, quorum)
                .map_err(|e| CommandFault::Gateway(e.to_string()))?;
            let report = if bundle.is_dir() {
                let bar = bar();
                let report = verify::verify_folder(&bundle, &trust, &|done, of| advance(&bar, done, of));
                bar.finish_and_clear();
                report
            } else {
                let text = std::fs::read_to_string(&bundle).map_err(|e| CommandFault::file(&bundle, &e))?;
                verify::verify_evidence(&text, &trust)
            };
            print(&if json { serde_json::to_string_pretty(&report).unwrap_or_default() } else { report.to_string() });
            Ok(ExitCode::from(report.exit_code()))
        }
    }
}

/// The keys that `GET /v1/keys` tells. In a bundle they are for information: what counts was pinned outside it.
fn public_keys(config: &Config, keystore: &KeyStore) -> Result<Value, CommandFault> {
    let unusable = |e: &dyn std::fmt::Display| CommandFault::file(&config.keys, e);
    let receipts = receipt::Signer::new(keystore.receipt_key(), &config.gateway, &config.origin()).map_err(|e| unusable(&e))?;
    let log = log::Signer::from_pkcs8(&config.origin(), log::checkpoint::KeyKind::Log, keystore.log_key()).map_err(|e| unusable(&e))?;
    Ok(json!({"keys": [receipts.jwk()], "log": {"origin": config.origin(), "vkey": log.verifier().to_string()}}))
}

/// A bar for a walk through the log.
pub(super) fn bar() -> ProgressBar {
    bar_of("entrées")
}

/// A line of progress on standard error, when that is a terminal.
pub(super) fn bar_of(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!("{{bar:40}} {{pos}}/{{len}} {what}, {{eta}}"));
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

pub(super) fn advance(bar: &ProgressBar, done: u64, of: u64) {
    bar.set_length(of);
    bar.set_position(done);
}
