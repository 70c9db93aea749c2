//! A gateway as a service manager runs it: whenever it ends by itself, it is started again.

use std::{
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    sync::mpsc,
    task::JoinHandle,
};

use crate::process::plain;

/// Runs until it is told to stop.
pub struct Service {
    orders: mpsc::Sender<Order>,
    keeper: JoinHandle<()>,
    ended: Arc<AtomicUsize>,
    local: String,
}

enum Order {
    Kill,
    Terminate,
}

impl Service {
    pub(crate) async fn start(program: &Path, config: &Path, local: &str, environment: &[(&str, &str)]) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(config.with_file_name("gateway.log")).unwrap();
        let mut command = Command::new(program);
        command.args(["serve", "--config"]).arg(config).envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let (orders, received) = mpsc::channel(1);
        let ended = Arc::new(AtomicUsize::new(0));
        let keeper = tokio::spawn(keep(command, received, ended.clone()));
        let service = Self { orders, keeper, ended, local: local.to_owned() };
        service.ready().await;
        service
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        for _ in 0..800 {
            if plain(&self.local, "/health/ready").await.is_some_and(|answer| answer.contains("\"ready\":true")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the service is not ready");
    }

    /// How often it ended by itself.
    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    /// `kill -9`, and not started again.
    pub async fn kill(self) {
        self.orders.send(Order::Kill).await.unwrap();
        self.keeper.await.unwrap();
    }

    /// SIGTERM, and not started again.
    pub async fn stop(self) {
        self.orders.send(Order::Terminate).await.unwrap();
        self.keeper.await.unwrap();
    }
}

async fn keep(mut command: Command, mut orders: mpsc::Receiver<Order>, ended: Arc<AtomicUsize>) {
    loop {
        let mut child: Child = command.spawn().unwrap();
        let order = tokio::select! {
            order = orders.recv() => order,
            _ = child.wait() => None,
        };
        match order {
            Some(Order::Kill) => return child.kill().await.unwrap(),
            Some(Order::Terminate) => {
                Command::new("kill").arg(child.id().unwrap().to_string()).status().await.unwrap();
                assert!(child.wait().await.unwrap().success());
                return;
            }
            None if orders.is_closed() => return,
            None => {
                ended.fetch_add(1, Ordering::SeqCst);
                // As a service manager, which does not start it at once.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
