//! What stands between a gateway and its database, as an HAProxy or an address that moves does: whoever connects here is
//! led to the server of the moment. It can also be a network that is cut: nothing passes any more, and nobody is told.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinHandle,
};

/// A socket that leads to a server.
pub struct Front {
    folder: PathBuf,
    way: watch::Sender<Way>,
    serving: JoinHandle<()>,
}

/// Where connections lead.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// To the socket in this folder.
    To(PathBuf),
    /// Nowhere: bytes are swallowed, connections stay open.
    Silent,
}

impl Front {
    /// Leads to the server whose socket is in `to`.
    pub fn new(folder: &Path, to: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let listener = UnixListener::bind(folder.join(SOCKET)).unwrap();
        let (way, seen) = watch::channel(Way::To(to.to_owned()));
        let serving = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                open.spawn(lead(client, seen.clone()));
            }
        });
        Self { folder: folder.to_owned(), way, serving }
    }

    /// Its folder, as that of a server's socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// From now on to another server; connections to the one before are cut.
    pub fn lead_to(&self, to: &Path) {
        self.way.send_replace(Way::To(to.to_owned()));
    }

    /// Nothing passes any more, and nobody is told.
    pub fn fall_silent(&self) {
        self.way.send_replace(Way::Silent);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn lead(client: UnixStream, mut way: watch::Receiver<Way>) {
    let own = way.borrow_and_update().clone();
    let Way::To(folder) = &own else {
        // Who connects into the silence is let in, and hears nothing until it is over.
        let _ = way.changed().await;
        return;
    };
    let Ok(server) = UnixStream::connect(folder.join(SOCKET)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let silence = Arc::new(way.clone());
    let both = async {
        tokio::select! {
            () = pour(from_client, to_server, (*silence).clone()) => {}
            () = pour(from_server, to_client, (*silence).clone()) => {}
        }
    };
    // Silence is no change of the way: connections stay. Another server is.
    let moved = async {
        let _ = way.wait_for(|now| *now != own && *now != Way::Silent).await;
    };
    let healed = async {
        let mut silent = (*silence).clone();
        if silent.wait_for(|now| *now == Way::Silent).await.is_ok() {
            // When it is over, what was cut off is gone, as after a network that forgot.
            let _ = silent.wait_for(|now| *now != Way::Silent).await;
        }
    };
    tokio::select! {
        () = both => {}
        () = moved => {}
        () = healed => {}
    }
}

/// Passes bytes on while anything passes.
async fn pour(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, way: watch::Receiver<Way>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(n) = from.read(&mut bytes).await else { return };
        if *way.borrow() == Way::Silent {
            return std::future::pending().await;
        }
        if n == 0 || to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}

const SOCKET: &str = ".s.PGSQL.5432";
