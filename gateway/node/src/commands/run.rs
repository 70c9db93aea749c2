//! What the people who install a gateway type: `init`, `check`, `serve`, `policy`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    CommandFault, decision, ending, migrate,
    policy_sets::{self, Sets},
    print, with_causes,
};
use crate::{
    agreements::InForce,
    clock::{Clock, SystemClock},
    config::Config,
    flows::{Law, amend::FirstFault},
    listen::Door,
    node::{self, Node},
    policy,
    seal::KeyStore,
    source::Files,
    store::{
        Part, RESTORING, StoreError,
        policy_sets::{Archived, archived_in_force},
    },
    watch::lines,
};

#[cfg(feature = "otel")]
use crate::watch::traces::Traces;

/// `gateway init`
#[derive(Debug, Args)]
pub struct Init {
    /// Folder of the gateway's configuration; keys are created there
    #[arg(default_value = ".")]
    pub folder: PathBuf,
}

/// `gateway serve`, `gateway check`
#[derive(Debug, Args)]
pub struct Serve {
    /// Configuration file; every setting is explained in deploy/gateway.toml
    #[arg(long, env = "PASSERELLE_CONFIG", default_value = "gateway.toml")]
    pub config: PathBuf,
}

/// `gateway policy`
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Play the cases of a policies folder and say which do not give the expected answer
    Test {
        /// The `policies` folder
        #[arg(default_value = "policies")]
        folder: PathBuf,
    },
    /// Say in French what a change of the policies folder opens and closes, with examples
    Diff(super::policy_diff::Diff),
    /// Print the table of rules: article, where each lives, its cases, how sure we are
    Table {
        /// The `policies` folder
        #[arg(default_value = "policies")]
        folder: PathBuf,
    },
    /// Put another set to the decisions of the past month: what would change; names nobody (gateway's machine)
    Simulate(decision::Simulate),
    /// What people of the Département do together to change the rules
    #[command(flatten)]
    Sets(Box<Sets>),
}

impl Policy {
    /// Whether the answer is for a program.
    pub fn json(&self) -> bool {
        match self {
            Self::Test { .. } | Self::Diff(_) | Self::Table { .. } => false,
            Self::Simulate(options) => options.here.json,
            Self::Sets(command) => command.link().json,
        }
    }
}

/// Creates the master keys, and a configuration to be completed.
///
/// # Errors
/// A file cannot be written, or keys are already there.
pub fn init(options: &Init) -> Result<(), CommandFault> {
    std::fs::create_dir_all(&options.folder).map_err(|e| CommandFault::file(&options.folder, &e))?;
    let keys = options.folder.join("keys.json");
    if keys.exists() {
        return Err(CommandFault::file(&keys, &"keys are already there; losing them loses everything, so they are never replaced"));
    }
    KeyStore::create(&keys).map_err(|e| CommandFault::file(&keys, &e))?;
    let config = options.folder.join("gateway.toml");
    if !config.exists() {
        std::fs::write(&config, include_str!("../../../../deploy/gateway.toml")).map_err(|e| CommandFault::file(&config, &e))?;
    }
    print(&format!(
        "Clés maîtresses : {} (mode 0600). Gardez-en une copie hors ligne, dans un coffre : les perdre, c’est tout perdre.\nConfiguration : {}. Complétez-la, puis : gateway check --config {}",
        keys.display(),
        config.display(),
        config.display()
    ));
    Ok(())
}

/// Says everything that would stop the gateway from starting, and what would start and let nothing pass.
///
/// # Errors
/// Of the data the first room that is wrong (the next ones speak its words), of keys and certificates everything.
pub async fn check(options: &Serve) -> Result<ExitCode, CommandFault> {
    let config = Config::load(&options.config).map_err(|e| CommandFault::Gateway(with_causes(&e)))?;
    if config.data.join(RESTORING).exists() {
        return Err(CommandFault::Gateway(StoreError::Unfinished(config.data).to_string()));
    }
    let (law, folder) = law_and_folder(&config).await?;
    let keys = KeyStore::open(&config.keys).map_err(|e| CommandFault::file(&config.keys, &e).to_string());
    let door = Door::open(&config.tls, &config.limits, Arc::new(SystemClock));
    let door = door.and_then(|door| door.push_client(&config.tls).map(|_| door)).map_err(|e| with_causes(&e));
    let (law, keystore, door) = match (law, keys, door) {
        (Ok(law), Ok(keystore), Ok(door)) => (law, keystore, door),
        (law, keys, door) => {
            let mistakes: Vec<String> = [law.err(), keys.err(), door.err()].into_iter().flatten().collect();
            return Err(CommandFault::Gateway(mistakes.join("\n")));
        }
    };
    let mistaken = matches!(folder, Some(Apart::Mistaken(_)));
    let apart = folder.map(|(Apart::Other(said) | Apart::Mistaken(said))| said);
    #[cfg(feature = "sftp")]
    let apart = apart.into_iter().chain(partners_out_of_reach(&config, &law).await?);
    #[cfg(feature = "mail")]
    let apart = apart.into_iter().chain(mail_out_of_reach(&config, &law).await?);
    for doubt in doubts(&config, &law, &door).into_iter().chain(apart) {
        print(&format!("Attention : {doubt}."));
    }
    let types = law.catalogue.types_on(SystemClock.now()).count();
    print(&format!(
        "Prêt : {types} types d’échange, {} institutions, {} protocoles, jeu de règles {}.",
        law.directory.institutions().count(),
        law.agreements.all().count(),
        law.policies.hash().get(..12).unwrap_or_default()
    ));
    for ending in ending::soon(&config, &law, SystemClock.now()) {
        print(&format!("À prévoir : {ending}."));
    }
    if let Some(waits) = ending::log_that_stands(&config, SystemClock.now()).await {
        print(&format!("À prévoir : {waits}."));
    }
    print(&format!("Clés maîtresses : empreinte {} ; une copie fidèle dit la même (gateway keys fingerprint).", keystore.fingerprint()));
    print(&format!("Base de données : {}.", migrate::described(&config).await?));
    // The gateway starts; what somebody wrote for it does not.
    Ok(if mistaken { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// A policies folder that is not what is in force, in words.
enum Apart {
    /// It holds another set.
    Other(String),
    /// It has mistakes.
    Mistaken(String),
}

/// The law with which the gateway would start, and what is to be said of a folder that holds something else. Looks into
/// the database without writing; before the first start there is none, and the folder is what counts.
async fn law_and_folder(config: &Config) -> Result<(Result<Law, String>, Option<Apart>), CommandFault> {
    let folder = node::load_law(config).map_err(|e| e.to_string());
    let archived = if config.database.is_some() || config.data.join("gateway.db").exists() {
        let looked = archived_in_force(&config.database(Part::Gateway)).await;
        looked.map_err(|e| CommandFault::Gateway(format!("the set in force cannot be read: {}", with_causes(&e))))?
    } else {
        Archived::Nothing
    };
    let (set, texts) = match archived {
        Archived::Nothing => return Ok((folder, None)),
        Archived::NoneInForce => return Ok((Err(FirstFault::NothingInForce.to_string()), None)),
        Archived::InForce(set, texts) => (set, texts),
    };
    let name = set.get(..12).unwrap_or(&set).to_owned();
    let told = match &folder {
        Ok(law) if law.files.hash() == set => None,
        Ok(law) => Some(Apart::Other(format!(
            "le dossier {} contient un autre jeu de règles ({}) que celui en vigueur ({name}) ; il n’est PAS appliqué. \
             La passerelle décide avec le jeu approuvé qu’elle garde en archive. Pour l’appliquer : gateway policy propose, \
             puis deux approbations. Pour revoir le jeu en vigueur : gateway policy show {name} --write DOSSIER",
            config.policies.display(),
            law.files.hash().get(..12).unwrap_or_default(),
        ))),
        Err(mistakes) => Some(Apart::Mistaken(format!(
            "le dossier {} a des fautes ; il n’est PAS appliqué, et la passerelle décide avec le jeu approuvé {name} :\n{mistakes}",
            config.policies.display(),
        ))),
    };
    let files = Arc::new(Files::archived(PathBuf::from(format!("jeu-{name}")), texts));
    let law = if files.hash() == set {
        Law::read(files, &config.directory).map_err(|e| e.to_string())
    } else {
        Err(format!("the archived policy set {name} is damaged: restore the database"))
    };
    Ok((law, told))
}

/// What starts and does not do what somebody meant.
fn doubts(config: &Config, law: &Law, door: &Door) -> Vec<String> {
    let trust = config.tls.trust.display();
    let authorities: BTreeSet<&String> = law.directory.institutions().flat_map(|institution| &institution.certificate_issuers).collect();
    let unknown = authorities
        .into_iter()
        .filter(|name| !config.tls.trust.join(format!("{name}.pem")).exists())
        .map(|name| format!("l’annuaire nomme l’autorité {name}, absente de {trust} : ses institutions ne pourront pas se connecter"));
    let undated = law
        .agreements
        .all()
        .filter(|one| law.agreements.in_force(&one.id, SystemClock.now()) == InForce::NoDates)
        .map(|one| format!("le protocole {} est en vigueur sans premier jour (effective_from) : rien ne passera par lui", one.id));
    let known = law.catalogue.codes.get("CL-profession");
    let misspelt = law.directory.professionals().filter(|person| !person.is_system() && known.is_some_and(|known| !known.contains(&person.profession))).map(|person| {
        format!(
            "annuaire : {} a la profession « {} », que la liste CL-profession ne connaît pas : les règles qui tiennent à la profession la refuseront",
            person.id.subject, person.profession
        )
    });
    let files = config.database.is_none();
    let readable = (files && node::open_to_others(&config.data))
        .then(|| format!("d’autres utilisateurs de cette machine peuvent entrer dans {} : chmod 700", config.data.display()));
    let units = law.directory.institutions().flat_map(|institution| institution.units.values());
    let dropped = units.filter_map(|unit| unit.push.as_ref()?.dropped_at());
    let has_file = |name: &str| config.sftp.as_ref().is_some_and(|sftp| sftp.partners.join(format!("{name}.toml")).exists());
    let nowhere = dropped.filter(|name| !has_file(name)).map(|name| {
        format!("l’annuaire dépose des fichiers pour {name}, dont aucun fichier de partenaire ne dit où : rien ne lui parviendra")
    });
    let mailed = law.directory.institutions().flat_map(|one| one.units.values()).filter_map(|unit| unit.push.as_ref()?.mailed_to());
    let has_mailbox = |name: &str| config.mail.as_ref().is_some_and(|mail| mail.partners.join(format!("{name}.toml")).exists());
    let unmailed = mailed.filter(|name| !has_mailbox(name)).map(|name| {
        format!(
            "l’annuaire écrit par messagerie sécurisée à {name}, dont aucun fichier de partenaire ne dit la boîte : rien ne lui parviendra"
        )
    });
    unknown.chain(door.mistakes()).chain(undated).chain(misspelt).chain(nowhere).chain(unmailed).chain(readable).collect()
}

/// Partners of whom the directory or the server knows something else than their file says.
///
/// # Errors
/// The gateway would not start: its key, or a partner file.
#[cfg(feature = "sftp")]
async fn partners_out_of_reach(config: &Config, law: &Law) -> Result<Vec<String>, CommandFault> {
    use crate::drops::{self, Link, WireFault};
    let Some(sftp) = &config.sftp else { return Ok(Vec::new()) };
    let (key, partners) = drops::load(sftp).map_err(|e| CommandFault::Gateway(e.to_string()))?;
    let mut all = Vec::new();
    for (name, partner) in &partners {
        if law.directory.institution(&partner.institution).is_none() {
            all.push(format!("le partenaire {name} n’est pas dans l’annuaire : rien ne sera échangé avec lui"));
        }
        let looked = match Link::open(partner, &key).await {
            Ok(link) => {
                let (inbox, outbox) = (link.list(&partner.inbox).await, link.list(&partner.outbox).await);
                link.close().await;
                inbox.and_then(|inbox| Ok(inbox.len().max(outbox?.len())))
            }
            Err(fault) => Err(fault),
        };
        let what = match looked {
            Ok(files) if files <= drops::CROWDED => continue,
            Ok(_) | Err(WireFault::TooLarge) => {
                "un de ses deux dossiers n’est vidé par personne : à 20 000 fichiers, plus rien ne sera échangé avec lui"
            }
            Err(WireFault::HostKey) => {
                "son serveur n’a pas la clé écrite dans host_key : vérifiez l’empreinte avec lui, par un autre moyen"
            }
            Err(WireFault::Refused) => "son serveur refuse la clé de la passerelle, ou ce compte",
            Err(WireFault::Unreachable | WireFault::Slow) => "son serveur ne répond pas",
            Err(WireFault::NotThere) => "un de ses deux dossiers n’existe pas",
            Err(WireFault::No | WireFault::Content) => "un de ses deux dossiers ne se laisse pas lire",
        };
        all.push(format!("partenaire {name} ({}:{}) : {what}", partner.host, partner.port));
    }
    Ok(all)
}

/// What of secure mail is out of reach: partners that the directory does not know, and the two services of the operator.
///
/// # Errors
/// The gateway would not start: its password, its authorities, or a partner file.
#[cfg(feature = "mail")]
async fn mail_out_of_reach(config: &Config, law: &Law) -> Result<Vec<String>, CommandFault> {
    use crate::mail::{Office, WireFault};
    let Some(mail) = &config.mail else { return Ok(Vec::new()) };
    let office = Office::open(mail).map_err(|e| CommandFault::Gateway(e.to_string()))?;
    let strangers = office.partners.values().filter(|partner| law.directory.institution(&partner.institution).is_none());
    let mut all: Vec<String> = strangers
        .map(|partner| {
            format!(
                "le partenaire {} (messagerie sécurisée) n’est pas dans l’annuaire : rien ne sera échangé avec lui",
                partner.institution
            )
        })
        .collect();
    let mut told = |what: &str, server: &crate::config::Server, fault: WireFault| {
        let why = match fault {
            WireFault::Certificate => "aucune des autorités de mail.trust ne répond du certificat de ce serveur, ou il ne porte pas ce nom",
            WireFault::Clear => "ce serveur n’offre pas STARTTLS : rien ne partira en clair",
            WireFault::Login => "ce serveur refuse le compte ou son mot de passe",
            WireFault::Unreachable | WireFault::Slow => "ce serveur ne répond pas",
            WireFault::Later | WireFault::No => "ce serveur refuse ce qu’on lui demande",
        };
        all.push(format!("messagerie sécurisée, {what} ({}:{}) : {why}", server.host, server.port));
    };
    match office.postbox.open().await {
        Ok(counter) => counter.close().await,
        Err(fault) => told("envoi", &mail.smtp, fault),
    }
    match office.mailbox.open().await {
        Ok(mailbox) => mailbox.close().await,
        Err(fault) => told("réception", &mail.imap, fault),
    }
    Ok(all)
}

/// Runs until told to stop.
///
/// # Errors
/// The gateway could not start.
pub async fn serve(options: &Serve) -> Result<(), CommandFault> {
    let config = Config::load(&options.config).map_err(|e| CommandFault::Gateway(with_causes(&e)))?;
    #[cfg(feature = "otel")]
    let traces = Traces::to_collector(config.traces.as_ref()).map_err(|e| CommandFault::Gateway(with_causes(&e)))?;
    #[cfg(feature = "otel")]
    lines::to_stderr(traces.as_ref().map(Traces::layer));
    #[cfg(not(feature = "otel"))]
    lines::to_stderr(None);
    forbid_core_dumps();
    let node = Node::start(config, Arc::new(SystemClock)).await.map_err(|e| CommandFault::Gateway(e.to_string()))?;
    print(&format!("Passerelle écoute sur https://{} ; santé sur http://{}", node.address(), node.local_address()));
    stop_signal().await;
    node.stop().await;
    #[cfg(feature = "otel")]
    if let Some(traces) = traces {
        traces.stop().await;
    }
    Ok(())
}

/// A core dump would hold identities in clear. Where the system does not let us forbid it, the reason is logged.
fn forbid_core_dumps() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none).and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable)) {
        tracing::warn!(error = %error, "core dumps could not be forbidden: forbid them in the system's configuration");
    }
}

/// Plays the jurists' cases, compares two folders, or changes the rules.
///
/// # Errors
/// The folder cannot be read, or the gateway refused.
pub async fn policy(command: Policy) -> Result<ExitCode, CommandFault> {
    match command {
        Policy::Test { folder } => {
            let report = policy::run_cases(&folder).map_err(|e| mistaken(&folder, &e))?;
            print(&report.to_string());
            Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::from(1) })
        }
        Policy::Diff(options) => super::policy_diff::diff(&options),
        Policy::Simulate(options) => decision::simulate(options).await,
        Policy::Sets(command) => policy_sets::sets(*command).await.map(|()| ExitCode::SUCCESS),
        Policy::Table { folder } => {
            let table = policy::rules_table(&folder).map_err(|e| mistaken(&folder, &e))?;
            print(table.to_string().trim_end());
            table.faults().iter().for_each(|fault| print(fault));
            Ok(if table.faults().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
        }
    }
}

/// Mistakes that keep a folder from being played, for the jurist who wrote it.
fn mistaken(folder: &Path, faults: &policy::CasesFault) -> CommandFault {
    CommandFault::Gateway(format!("le dossier {} a des fautes, rien n’est joué :\n{faults}", folder.display()))
}

/// Waits for SIGTERM or Ctrl-C. They are caught from the call on, not from the first poll: what was begun before that would be
/// killed instead of stopped.
pub(crate) fn stop_signal() -> impl Future<Output = ()> {
    let [mut term, mut int] = [SignalKind::terminate(), SignalKind::interrupt()].map(|kind| signal(kind).ok());
    async move {
        let caught = async |signal: &mut Option<Signal>| match signal {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        };
        tokio::select! {
            () = caught(&mut term) => {}
            () = caught(&mut int) => {}
        }
    }
}
