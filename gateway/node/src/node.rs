//! The node: builds every room once, starts the workers, stops them in order.
//!
//! Start distrusts itself: law, directory and policies are checked whole, the log's rows must give the root that was
//! last signed. Stop is a drain: no new connection, requests in flight end, workers end, the notary signs what is left.

use std::{
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use metrics_exporter_prometheus::PrometheusBuilder;
use ring::rand::SystemRandom;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    config::Config,
    flows::{
        AttachmentLimits, LawFault, Rooms, Sets, accept,
        backup::{self, Mark},
        collect, erase, forward,
        notary::Notary,
        remind,
        sweep::{self, Walk},
    },
    listen, log,
    portal::{self, Portal},
    problem, receipt,
    routes::{self, Edge},
    seal::KeyStore,
    send::Poster,
    store::{Part, Store, attachments::Attachments, doubt::Doubts, keys::Keys, vault::Vault},
    token::TokenVerifier,
    watch::{self, Watch},
};

#[cfg(feature = "sftp")]
use crate::drops::Drops;
#[cfg(feature = "mail")]
use crate::mail::Mails;

mod reload;

pub use reload::{in_force, load_law};

/// A running gateway.
pub struct Node {
    rooms: Arc<Rooms>,
    address: SocketAddr,
    local_address: SocketAddr,
    stop_edges: CancellationToken,
    stop_workers: CancellationToken,
    stop_notary: CancellationToken,
    stop_watch: CancellationToken,
    edges: TaskTracker,
    workers: TaskTracker,
    notary: TaskTracker,
    watch: TaskTracker,
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
#[error("{room}: {what}")]
pub struct StartFault {
    room: &'static str,
    what: String,
}

impl StartFault {
    pub(crate) fn of(room: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        move |what| Self { room, what: what.to_string() }
    }

    fn of_law(fault: &LawFault) -> Self {
        Self { room: fault.room, what: fault.mistakes.join("\n  ") }
    }
}

impl Node {
    /// Builds and starts everything; when this returns, members are served.
    ///
    /// # Errors
    /// [`StartFault`] with the room and every mistake it found.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartFault> {
        // 1. Folders and keys.
        // Taken before the files are read: what changes from here on is noticed.
        let seen = reload::Seen::now(&config);
        let keystore = Arc::new(KeyStore::open(&config.keys).map_err(|e| StartFault::of("keys")(&e))?);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data).map_err(|e| StartFault::of("data")(&e))?;
        if config.database.is_none() && open_to_others(&config.data) {
            tracing::warn!(folder = %config.data.display(), "other users of this machine can enter the folder of the databases: chmod 700");
        }

        // 2. What is kept.
        let store = Store::open(&config.database(Part::Gateway)).await.map_err(|e| StartFault::of("store")(&e))?;
        let keys = Keys::open(&config.database(Part::Keys), keystore.clone()).await.map_err(|e| StartFault::of("store")(&e))?;
        let vault = Vault::open(&config.database(Part::Vault), keystore.clone()).await.map_err(|e| StartFault::of("vault")(&e))?;
        let attachments =
            Attachments::open(&config.database(Part::Attachments), &keystore).await.map_err(|e| StartFault::of("attachments")(&e))?;

        // 3. What is data: read whole, checked whole. The set that was approved, not whatever lies in the folder.
        let (law, first) = reload::law_at_start(&config, &store).await?;

        // 4. The log takes over its tree, or the gateway does not start.
        let origin = config.origin();
        let log_key =
            log::Signer::from_pkcs8(&origin, log::checkpoint::KeyKind::Log, keystore.log_key()).map_err(|e| StartFault::of("log")(&e))?;
        let log_vkey = log_key.verifier().to_string();
        let (notary, signed) = Notary::open(store.clone(), clock.clone(), log_key).await.map_err(|e| StartFault::of("log")(&e))?;
        let signer = receipt::Signer::new(keystore.receipt_key(), &config.gateway, &origin).map_err(|e| StartFault::of("receipt")(&e))?;
        let rooms = Arc::new(Rooms {
            gateway: config.gateway.clone(),
            departement: config.departement.clone(),
            origin,
            clock: clock.clone(),
            law: ArcSwap::from_pointee(law),
            sets: Sets::new(config.policies.clone(), config.directory.clone()),
            store,
            keys,
            vault,
            attachments,
            attachment_limits: AttachmentLimits {
                bytes: u64::from(config.limits.attachment_mib.get()) * 1024 * 1024,
                count: config.limits.attachments,
                envelope_bytes: config.limits.body_bytes,
            },
            keystore,
            signer,
            signed,
            random: SystemRandom::new(),
            started: tokio::time::Instant::now(),
            doubts: Doubts::default(),
            turns: accept::KeyTurns::default(),
            emergency_minutes: config.limits.emergency_minutes.get(),
            stopping: CancellationToken::new(),
        });

        #[cfg(feature = "sftp")]
        let drops = match &config.sftp {
            Some(sftp) => Some(Arc::new(Drops::open(sftp, rooms.clone()).map_err(|e| StartFault::of("sftp")(&e))?)),
            None => None,
        };
        #[cfg(feature = "mail")]
        let mails = match &config.mail {
            Some(mail) => Some(Arc::new(Mails::open(mail, rooms.clone()).map_err(|e| StartFault::of("mail")(&e))?)),
            None => None,
        };

        // 5. The doors.
        let door = listen::Door::open(&config.tls, &config.limits, clock.clone()).map_err(|e| StartFault::of("tls")(&e))?;
        let edge = Arc::new(Edge::new(rooms.clone(), door.clone(), TokenVerifier::new(), log_vkey, &config.limits));
        let listener = TcpListener::bind(config.listen).await.map_err(|e| StartFault::of("listen")(&e))?;
        let local = TcpListener::bind(config.local).await.map_err(|e| StartFault::of("local")(&e))?;
        let address = listener.local_addr().map_err(|e| StartFault::of("listen")(&e))?;
        let local_address = local.local_addr().map_err(|e| StartFault::of("local")(&e))?;
        let metrics = metrics_handle();
        accept::count_from_zero();
        erase::count_from_zero();
        collect::urgence::count_from_zero();
        problem::count_from_zero();

        let node = Self {
            rooms: rooms.clone(),
            address,
            local_address,
            stop_edges: rooms.stopping.clone(),
            stop_workers: CancellationToken::new(),
            stop_notary: CancellationToken::new(),
            stop_watch: CancellationToken::new(),
            edges: TaskTracker::new(),
            workers: TaskTracker::new(),
            notary: TaskTracker::new(),
            watch: TaskTracker::new(),
        };
        // Before anybody is served: the log says what was put back, and with what data this run decides.
        let restored = Mark::read(&config.data).map_err(|e| StartFault::of("restore")(&e))?;
        if let Some(mark) = &restored {
            backup::say_restored(&rooms, mark).await.map_err(|e| StartFault::of("restore")(&e))?;
        }
        reload::settle_start(&rooms, first).await?;
        let walk = if restored.is_some() { Walk::Whole } else { Walk::Recent };
        sweep::finish_erasures(&rooms, walk).await.map_err(|e| StartFault::of("erasure")(&e))?;
        if restored.is_some() {
            Mark::remove(&config.data).map_err(|e| StartFault::of("restore")(&e))?;
        }
        node.notary.spawn(notary.run(node.stop_notary.clone()));
        let pages = match &config.portal {
            Some(portal) => Some(portal::routes(
                Portal::open(edge.clone(), portal.clone(), config.tls.clone()).map_err(|e| StartFault::of("portal")(&e))?,
            )),
            None => None,
        };
        let has_pages = pages.is_some();
        let mut router = routes::routes(edge, pages, config.limits.body_bytes);
        if has_pages {
            router = router.layer(axum::middleware::from_fn(portal::speak));
        }
        node.edges.spawn(door.clone().serve(listener, router, node.stop_edges.clone()));
        let health = watch::routes(Watch::new(rooms.clone(), door.clone(), metrics));
        let stop = node.stop_watch.clone();
        node.watch.spawn(async move {
            if let Err(error) = axum::serve(local, health).with_graceful_shutdown(stop.cancelled_owned()).await {
                tracing::error!(error = %error, "the health port stopped");
            }
        });

        // 6. The workers.
        let every = Duration::from_millis;
        node.workers.spawn(remind::run(rooms.clone(), every(config.workers.clocks_ms), node.stop_workers.clone()));
        let poster =
            Poster::new(door.push_client(&config.tls).map_err(|e| StartFault::of("tls")(&e))?).map_err(|e| StartFault::of("push")(&e))?;
        #[cfg(feature = "sftp")]
        let poster = poster.with_drops(drops.clone());
        #[cfg(feature = "sftp")]
        if let Some(drops) = drops {
            node.workers.spawn(drops.run(node.stop_workers.clone()));
        }
        #[cfg(feature = "mail")]
        let poster = poster.with_mails(mails.clone());
        #[cfg(feature = "mail")]
        if let Some(mails) = mails {
            node.workers.spawn(mails.run(node.stop_workers.clone()));
        }
        let poster = Arc::new(poster);
        let attempts = config.workers.push_attempts;
        node.workers.spawn(forward::run(rooms.clone(), poster, attempts, every(config.workers.push_ms), node.stop_workers.clone()));
        node.workers.spawn(sweep::run(rooms.clone(), node.stop_workers.clone()));
        node.workers.spawn(erase::run(rooms.clone(), node.stop_workers.clone()));
        tracing::info!(version = env!("CARGO_PKG_VERSION"), policy.set = rooms.law.load().files.hash(), "the gateway serves");
        node.workers.spawn(reload::run(rooms, config, seen, door, node.stop_workers.clone()));
        Ok(node)
    }

    /// Where members connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics answer.
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// The rooms, for scenario tests that run workers when they are told to.
    pub fn rooms(&self) -> &Arc<Rooms> {
        &self.rooms
    }

    /// Drains and stops: edges, then workers, then the notary, then the local port, which says until then that the gateway
    /// drains; then the store.
    pub async fn stop(self) {
        tracing::info!("the gateway drains: nobody new is let in");
        for (stop, tasks, at_most) in [
            (&self.stop_edges, &self.edges, DRAIN),
            (&self.stop_workers, &self.workers, DRAIN),
            (&self.stop_notary, &self.notary, DRAIN),
            (&self.stop_watch, &self.watch, LAST_WORDS),
        ] {
            stop.cancel();
            tasks.close();
            if tokio::time::timeout(at_most, tasks.wait()).await.is_err() {
                tracing::warn!("something did not stop in time and is left behind");
            }
        }
        self.rooms.store.close().await;
        self.rooms.keys.close().await;
        self.rooms.vault.close().await;
        self.rooms.attachments.close().await;
        tracing::info!("the gateway has stopped");
    }
}

/// Whether users other than its owner can enter a folder that is there.
pub(crate) fn open_to_others(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|folder| folder.permissions().mode() & 0o077 != 0)
}

fn metrics_handle() -> metrics_exporter_prometheus::PrometheusHandle {
    use std::sync::OnceLock;
    static HANDLE: OnceLock<metrics_exporter_prometheus::PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            let _ = metrics::set_global_recorder(recorder);
            handle
        })
        .clone()
}

/// How long each stage of a stop may take.
const DRAIN: Duration = Duration::from_secs(20);
/// How long whoever still asks for health or metrics is answered.
const LAST_WORDS: Duration = Duration::from_secs(2);
