//! Asking something on this machine in plain HTTP: the gateway's own local port, or a collector of traces. Never a partner.

use std::{io, time::Duration};

use axum::http::{Request, Response, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nobody listens there.
    #[error("nobody answers at `{0}`")]
    Nobody(String, #[source] io::Error),
    /// Somebody listens and does not answer in time.
    #[error("`{0}` does not answer within {1:?}")]
    Late(String, Duration),
    /// What answers does not speak HTTP, or answers more than is read.
    #[error("`{0}` gives no answer that can be read")]
    Unreadable(String, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Asks for one path of `address`.
///
/// # Errors
/// [`Unanswered`]: nobody there, too late, or not HTTP.
pub async fn get(address: &str, path: &str, patience: Duration) -> Result<Response<Bytes>, Unanswered> {
    let request = Request::get(path).header(header::HOST, address).body(Full::default());
    let request = request.map_err(|e| Unanswered::Unreadable(address.to_owned(), e.into()))?;
    send(address, request, patience).await
}

/// Sends one request to `address` and reads the whole answer.
///
/// # Errors
/// [`Unanswered`]: nobody there, too late, or not HTTP.
pub async fn send(address: &str, request: Request<Full<Bytes>>, patience: Duration) -> Result<Response<Bytes>, Unanswered> {
    timeout(patience, converse(address, request)).await.unwrap_or_else(|_| Err(Unanswered::Late(address.to_owned(), patience)))
}

async fn converse(address: &str, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Unanswered> {
    let unreadable = |e: Box<dyn std::error::Error + Send + Sync>| Unanswered::Unreadable(address.to_owned(), e);
    let socket = TcpStream::connect(address).await.map_err(|e| Unanswered::Nobody(address.to_owned(), e))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(|e| unreadable(e.into()))?;
    let answered = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    tokio::select! {
        answer = answered => answer.map_err(unreadable),
        // It ends before the answer was read only when something is wrong with it.
        Err(e) = connection => Err(unreadable(e.into())),
    }
}

/// Bytes of an answer that are read.
const ANSWER_BYTES: usize = 1024 * 1024;
