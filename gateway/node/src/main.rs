//! The commands of the gateway: what a person types. Each has its `--help`; exit codes are those of [`gateway::commands`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gateway::commands::{CommandFault, adapter, audit, backup, decision, health, keys, member, migrate, run, task, token, vault};

/// Passerelle: the gateway through which French institutions exchange information about children in danger
#[derive(Debug, Parser)]
#[command(version, about, long_about = LONG, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create the master keys and a configuration to complete
    Init(run::Init),
    /// Say everything that would stop the gateway from starting
    Check(run::Serve),
    /// Bring the database up to date, or back to an earlier version of its schema
    Migrate(migrate::Migrate),
    /// Run the gateway until SIGTERM or Ctrl-C, then drain
    Serve(run::Serve),
    /// Ask the gateway that runs here whether it can serve: for a person, a container engine, a service manager
    Health(health::Health),
    /// Play the whole story with a development PKI and pretend partners
    #[cfg(feature = "demo")]
    Demo(gateway::demo::Demo),
    /// Deposit an exchange (member)
    Submit(member::Submit),
    /// Read, open and acknowledge what waits for your unit (member)
    #[command(subcommand)]
    Mailbox(member::Mailbox),
    /// Follow an exchange, get its evidence, record a telephone call (member)
    #[command(subcommand)]
    Exchange(member::Exchange),
    /// See, end and put off what your units still have to do (member)
    #[command(subcommand)]
    Task(task::Task),
    /// Read in an emergency, with a reason; see who did (member)
    #[command(subcommand)]
    Urgence(task::Urgence),
    /// Sign professional tokens, print their public key (member)
    #[command(subcommand)]
    Token(token::Token),
    /// Ask "may I?" before sending (member)
    #[command(subcommand)]
    Decision(decision::Decision),
    /// Match descriptions of children that may be one child (gateway's machine)
    #[command(subcommand)]
    Vault(vault::Vault),
    /// Renew or destroy the keys of pseudonyms; erasure journal; fingerprint of a key file (gateway's machine)
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Copy the databases of a gateway, which may be running (gateway's machine)
    Backup(backup::Backup),
    /// Put a backup into an empty data folder, and destroy again what was erased since (gateway's machine)
    Restore(backup::Restore),
    /// Copy the log out, verify it against pinned keys
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Try a partner's file before the first partner sends one
    #[command(subcommand)]
    Adapter(adapter::Adapter),
    /// Test the rules; propose, approve and put in force another set of them
    #[command(subcommand)]
    Policy(run::Policy),
}

const LONG: &str = "Passerelle: the gateway through which French institutions exchange information about children in danger.\n\n\
On the gateway's machine: init, check, migrate, serve, health, backup, restore, vault, keys, audit bundle, policy.\n\
For a member institution, against any gateway: submit, mailbox, exchange, task, urgence, decision, token.\n\
For an integrator, with a file of a partner: adapter check.\n\
For an auditor, with nothing but keys noted beforehand: audit verify.";

const EXIT_CODES: &str = "Exit codes: 0 done; 1 refused, or found wrong; 2 could not be done (a file, the network, the gateway itself).";

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::parse().command;
    let json = command.wants_json();
    match command.run().await {
        Ok(code) => code,
        Err(fault) => {
            fault.tell(json);
            fault.exit_code()
        }
    }
}

impl Command {
    async fn run(self) -> Result<ExitCode, CommandFault> {
        match self {
            Self::Init(options) => run::init(&options)?,
            Self::Check(options) => return run::check(&options).await,
            Self::Migrate(options) => migrate::migrate(&options).await?,
            Self::Serve(options) => run::serve(&options).await?,
            Self::Health(options) => return health::health(&options).await,
            #[cfg(feature = "demo")]
            Self::Demo(options) => return gateway::demo::play(options).await,
            Self::Submit(options) => member::submit(options).await?,
            Self::Mailbox(command) => member::mailbox(command).await?,
            Self::Exchange(command) => member::exchange(command).await?,
            Self::Task(command) => task::task(command).await?,
            Self::Urgence(command) => task::urgence(command).await?,
            Self::Token(command) => token::token(command).await?,
            Self::Decision(command) => return decision::decision(command).await,
            Self::Vault(command) => return vault::vault(command).await,
            Self::Keys(command) => return keys::keys(command).await,
            Self::Backup(options) => return backup::backup(&options).await,
            Self::Restore(options) => return backup::restore(&options).await,
            Self::Audit(command) => return audit::audit(command).await,
            Self::Adapter(command) => return adapter::adapter(&command),
            Self::Policy(command) => return run::policy(command).await,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Whether a refusal is to be printed for a program.
    fn wants_json(&self) -> bool {
        match self {
            Self::Submit(options) => options.link.json,
            Self::Mailbox(command) => command.link().json,
            Self::Exchange(command) => command.link().json,
            Self::Task(command) => command.link().json,
            Self::Urgence(command) => command.link().json,
            Self::Decision(command) => command.json(),
            Self::Token(command) => command.json(),
            Self::Init(_) | Self::Check(_) | Self::Migrate(_) | Self::Serve(_) | Self::Vault(_) | Self::Keys(_) | Self::Audit(_) => false,
            Self::Health(options) => options.json,
            Self::Adapter(adapter::Adapter::Check(options)) => options.json,
            Self::Backup(options) => options.place.json,
            Self::Restore(options) => options.place.json,
            Self::Policy(command) => command.json(),
            #[cfg(feature = "demo")]
            Self::Demo(_) => false,
        }
    }
}
