//! What a client cannot do to the others. The waits are short, but longer than a handshake on a busy machine.

use super::*;

const SHORT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_silent_client_is_let_go_and_takes_no_place() {
    let pace = Pace { handshake: SHORT, ..Pace::USUAL };
    let stage = Stage::with(Limits { connections: 1, ..Limits::default() }, pace, |_| {}).await;
    let mut silent = TcpStream::connect(stage.address).await.unwrap();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(stage.ask(&stage.member("ac-social", "caf-31"), "/who").await.is_ok());
}

#[tokio::test]
async fn connections_are_limited_in_all_and_per_certificate() {
    let limits = Limits { connections: 3, connections_per_certificate: 2, ..Limits::default() };
    let stage = Stage::with(limits, Pace::USUAL, |_| {}).await;
    let (one, other) = (stage.member("ac-social", "caf-31"), stage.member("ac-sante", "chu-toulouse"));
    let mut first = stage.connect(&one).await.unwrap();
    let mut second = stage.connect(&one).await.unwrap();
    first.ask("/who").await.unwrap();
    second.ask("/who").await.unwrap();
    assert!(stage.ask(&one, "/who").await.is_err(), "a third of one certificate");
    let mut third = stage.connect(&other).await.unwrap();
    third.ask("/who").await.unwrap();
    assert!(stage.ask(&other, "/who").await.is_err(), "a fourth in all");
    // A place that is given back can be taken.
    third.send("GET /who HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    third.answer().await.unwrap();
    third.ended().await;
    while stage.ask(&other, "/who").await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused() {
    let stage = Stage::new().await;
    let issued = stage.member("ac-social", "caf-31");
    let mut talk = stage.connect(&issued).await.unwrap();
    talk.send(&format!("GET /who HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n", "a".repeat(20_000))).await.unwrap();
    assert!(talk.answer().await.unwrap().starts_with("431 "));

    let tls = client_config(&stage.roots(), chain(&issued), key(&issued)).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).resolve("localhost", stage.address).build().unwrap();
    let answer = client.get(format!("https://localhost:{}/who", stage.address.port())).header("x-long", "a".repeat(20_000)).send().await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 431));
}

#[tokio::test]
async fn headers_and_bodies_that_do_not_come_are_not_awaited() {
    let stage = Stage::with(Limits::default(), Pace { header: SHORT, body: SHORT, ..Pace::USUAL }, |_| {}).await;
    let issued = stage.member("ac-social", "caf-31");
    let mut headers = stage.connect(&issued).await.unwrap();
    headers.send("GET /who HTTP/1.1\r\nhost: local").await.unwrap();
    headers.ended().await;
    let mut body = stage.connect(&issued).await.unwrap();
    body.send("POST /count HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc").await.unwrap();
    assert!(body.answer().await.unwrap().starts_with("408 "));
    body.ended().await;
    let mut whole = stage.connect(&issued).await.unwrap();
    whole.send("POST /count HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc").await.unwrap();
    assert_eq!(whole.answer().await.unwrap(), "200 3");
}

#[tokio::test]
async fn an_idle_connection_is_ended_but_not_one_that_waits_for_us() {
    let stage = Stage::with(Limits::default(), Pace { idle: SHORT, ..Pace::USUAL }, |_| {}).await;
    let issued = stage.member("ac-social", "caf-31");
    let mut waiting = stage.connect(&issued).await.unwrap();
    waiting.send("GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    stage.asked.notified().await;
    // Longer than `idle`, by the end of another connection that is.
    stage.connect(&issued).await.unwrap().ended().await;
    stage.release.notify_one();
    assert_eq!(waiting.answer().await.unwrap(), "200 at last");
    waiting.ended().await;
}

#[tokio::test]
async fn a_stop_lets_requests_end_and_takes_no_new_ones() {
    let stage = Stage::new().await;
    let issued = stage.member("ac-social", "caf-31");
    let mut idle = stage.connect(&issued).await.unwrap();
    idle.ask("/who").await.unwrap();
    let mut waiting = stage.connect(&issued).await.unwrap();
    waiting.send("GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    stage.asked.notified().await;
    stage.stop.cancel();
    idle.ended().await;
    assert!(TcpStream::connect(stage.address).await.is_err());
    stage.release.notify_one();
    assert_eq!(waiting.answer().await.unwrap(), "200 at last");
    stage.serving.await.unwrap();
}

#[tokio::test]
async fn what_does_not_end_within_the_drain_is_ended() {
    let stage = Stage::with(Limits::default(), Pace { drain: SHORT, ..Pace::USUAL }, |_| {}).await;
    let mut waiting = stage.connect(&stage.member("ac-social", "caf-31")).await.unwrap();
    waiting.send("GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    stage.asked.notified().await;
    stage.stop.cancel();
    stage.serving.await.unwrap();
    waiting.ended().await;
}
