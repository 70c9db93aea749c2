//! Why nothing was copied or restored, said in French to whoever types the command, with what would cure it.

use std::{io, path::PathBuf};

use crate::store::StoreError;

/// Why nothing was copied or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupFault {
    /// A file or folder cannot be used.
    #[error("« {} » est inutilisable", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// A database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No gateway has worked here.
    #[error("la base « {} » n’existe pas : cette passerelle n’a jamais démarré ici", .0.display())]
    NoDatabase(PathBuf),
    /// The copied log has no readable head.
    #[error("le journal copié n’a pas de point de contrôle lisible : gateway audit verify")]
    Log,
    /// A copy has the name and the content of a file.
    #[error("« {} » n’est pas un fichier ordinaire : rien n’est lu d’un tube ni d’un périphérique", .0.display())]
    NotAFile(PathBuf),
    /// What a link brings in from elsewhere may be anything, keys too.
    #[error("« {} » est un lien qui sort de son dossier, ou y revient : mettez à sa place le fichier lui-même", .0.display())]
    Leaves(PathBuf),
    /// Nothing is made above the folder that was asked for: it may be a disk that is not mounted.
    #[error("le dossier « {} » n’existe pas : créez-le d’abord (ou montez le disque), la copie y fera le sien", .0.display())]
    NoParent(PathBuf),
    /// Somebody stopped it.
    #[error("sauvegarde interrompue : rien n’en reste")]
    Stopped,
    /// The disk cannot hold it, or would be left without what the gateway needs.
    #[error(
        "il faut {bytes} octets dans « {} », il en reste {left}, dont {reserve} sont gardés pour la passerelle : supprimez d’anciennes \
         copies, ou choisissez un autre disque", folder.display()
    )]
    NoRoom {
        /// Where.
        folder: PathBuf,
        /// How many are needed.
        bytes: u64,
        /// How many there are.
        left: u64,
        /// How many of these stay free.
        reserve: u64,
    },
    /// The keys of contents have a life of their own.
    #[error("les clés des contenus vont dans un dossier à part, qui n’est ni dans l’autre ni autour de lui")]
    Together,
    /// The folder holds something.
    #[error("« {} » n’est pas vide : rien n’y est écrit ni effacé", .0.display())]
    NotEmpty(PathBuf),
    /// Somebody is filling the folder, or was killed while doing so.
    #[error("« {} » est là : une sauvegarde est en cours, ou fut interrompue. Si rien ne tourne, supprimez-le et recommencez", .0.display())]
    Interrupted(PathBuf),
    /// There is no complete backup in the folder.
    #[error("« {} » ne contient pas de sauvegarde complète (backup.json manque)", .0.display())]
    NoBackup(PathBuf),
    /// Not a document that this version reads.
    #[error("« {} » n’est pas un document que cette version sait lire", .0.display())]
    Format(PathBuf),
    /// Sealed under other master keys.
    #[error("« {} » est de la clé maîtresse {theirs} ; celle qui est configurée est {ours}. Remettez la bonne copie de keys.json", file.display())]
    OtherKeys {
        /// Which document.
        file: PathBuf,
        /// Their fingerprint.
        theirs: String,
        /// That of the keys at hand.
        ours: String,
    },
    /// A document was changed since it was written.
    #[error("« {} » a été modifié depuis son écriture : n’employez pas cette copie", .0.display())]
    Altered(PathBuf),
    /// A copied file was changed since it was written.
    #[error("« {} » n’est plus ce qui fut copié (empreinte SHA-256) : n’employez pas cette copie", .0.display())]
    AnotherFile(PathBuf),
    /// Of another gateway.
    #[error("« {} » est d’une autre passerelle : {theirs}", file.display())]
    AnotherGateway {
        /// Which document.
        file: PathBuf,
        /// Id and origin.
        theirs: String,
    },
    /// Keys that are older than what they are to open.
    #[error(
        "la copie des clés ({keys}) est plus ancienne que la sauvegarde ({main}) : des contenus y seraient sans clé. \
         Prenez les clés de la même sauvegarde, ou de plus récentes"
    )]
    OlderKeys {
        /// When the keys were copied.
        keys: exchange::Instant,
        /// When the rest was.
        main: exchange::Instant,
    },
    /// Nobody says what was erased since.
    #[error(
        "rien ne dit ce qui fut effacé depuis la copie des clés ({0}). Donnez le dernier journal des effacements \
         (--erased FICHIER), ou dites qu’il n’y en a pas eu : --no-erasures-since-backup"
    )]
    ErasuresUnknown(exchange::Instant),
    /// Keys of another line of history: one copy was put back beside a gateway that went on, or the like.
    #[error(
        "{missing} contenus de la sauvegarde n’ont dans cette copie des clés ni clé ni effacement : elle vient d’une autre suite de la \
         passerelle, et ils seraient perdus. Prenez les clés de la même sauvegarde, ou d’une plus récente de la même suite"
    )]
    KeysMissing {
        /// How many.
        missing: u64,
    },
    /// A journal that pretends to know what has not happened yet.
    #[error(
        "« {} » est daté du {at}, dans l’avenir : l’horloge de cette machine est fausse, ou celle d’où il vient l’était. \
         Mettez-les à l’heure, puis écrivez-le de nouveau (gateway keys journal) ou prenez un journal plus ancien", file.display()
    )]
    Future {
        /// The journal.
        file: PathBuf,
        /// Its date.
        at: exchange::Instant,
    },
    /// The journal that is there names what this database does not know to be destroyed.
    #[error(
        "« {} » nomme {missing} effacements que cette passerelle ne connaît plus : un état plus ancien a été remis en place sans eux. \
         Arrêtez-la et rejouez-le : gateway keys replay", file.display()
    )]
    Forgets {
        /// The journal.
        file: PathBuf,
        /// How many.
        missing: usize,
    },
    /// A gateway serves on this data.
    #[error("quelque chose écoute sur {0} : arrêtez d’abord la passerelle")]
    Running(std::net::SocketAddr),
    /// A gateway serves from this database, wherever it runs.
    #[error("une passerelle travaille sur cette base de données, ici ou sur une autre machine : arrêtez-les toutes d’abord")]
    Serving,
}

impl BackupFault {
    /// The stable code, when the answer is no rather than a failure.
    pub fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::File(..) | Self::Store(_) | Self::NoDatabase(_) | Self::Log | Self::NoRoom { .. } | Self::Stopped => None,
            Self::NotAFile(_) => Some("not-a-file"),
            Self::Leaves(_) => Some("leaves"),
            Self::NoParent(_) => Some("no-parent"),
            Self::Together => Some("together"),
            Self::NotEmpty(_) => Some("not-empty"),
            Self::Interrupted(_) => Some("interrupted"),
            Self::NoBackup(_) => Some("no-backup"),
            Self::Format(_) => Some("format"),
            Self::OtherKeys { .. } => Some("other-keys"),
            Self::Altered(_) => Some("altered"),
            Self::AnotherFile(_) => Some("another-file"),
            Self::AnotherGateway { .. } => Some("another-gateway"),
            Self::OlderKeys { .. } => Some("older-keys"),
            Self::ErasuresUnknown(_) => Some("erasures-unknown"),
            Self::Forgets { .. } => Some("forgets"),
            Self::KeysMissing { .. } => Some("keys-missing"),
            Self::Future { .. } => Some("future"),
            Self::Running(_) | Self::Serving => Some("running"),
        }
    }
}
