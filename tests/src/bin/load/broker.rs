//! RabbitMQ as a place to keep the same bytes: a durable quorum queue, persistent messages, a publisher that waits for
//! the confirm of each, mutual TLS with the same certificates.

use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    runtime::default_runtime,
    tcp::{OwnedIdentity, OwnedTLSConfig},
    types::{AMQPValue, FieldTable, LongString},
};
use tokio::task::JoinHandle;

use crate::{deposit::SENDER, stage::Stage};

/// A broker that runs.
pub struct Broker {
    url: String,
    tls: OwnedTLSConfig,
    new_connections: bool,
}

/// A connection with a channel whose messages are confirmed.
pub struct Publisher {
    connection: Connection,
    channel: Channel,
}

impl Broker {
    /// The broker at `url` (`amqps://guest:guest@localhost:5671/%2f`), which trusts the authorities of `stage`.
    pub fn new(url: &str, stage: &Stage, new_connections: bool) -> Self {
        // The client asks rustls for the provider of the process, and two are compiled in.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = stage.world.folder.join("members").join(SENDER.0);
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let identity = OwnedIdentity::PKCS8 { pem: read("certificate.pem"), key: read("key.pem") };
        let roots = std::fs::read_to_string(stage.world.authorities()).unwrap();
        Self { url: url.to_owned(), tls: OwnedTLSConfig { identity: Some(identity), cert_chain: Some(roots) }, new_connections }
    }

    /// An empty queue.
    pub async fn declare(&self) {
        self.delete().await;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from("quorum")));
        let channel = self.connect().await.unwrap().channel;
        channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), arguments).await.unwrap();
    }

    /// Takes the queue away with what it holds.
    pub async fn delete(&self) {
        let channel = self.connect().await.unwrap().channel;
        channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await.unwrap();
    }

    /// A consumer that acknowledges what it gets.
    pub async fn consume(&self) -> JoinHandle<()> {
        let publisher = self.connect().await.unwrap();
        publisher.channel.basic_qos(256, BasicQosOptions::default()).await.unwrap();
        let consume = publisher.channel.basic_consume(QUEUE.into(), "crip".into(), BasicConsumeOptions::default(), FieldTable::default());
        let mut consumer = consume.await.unwrap();
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = consumer.next().await {
                delivery.ack(BasicAckOptions::default()).await.unwrap();
            }
            drop(publisher);
        })
    }

    /// The connection of a client that keeps its own.
    pub async fn kept(&self) -> Option<Box<Publisher>> {
        if self.new_connections { None } else { Some(Box::new(self.connect().await.unwrap())) }
    }

    /// Publishes and waits for the confirm, over the client's connection or a new one.
    pub async fn publish(&self, kept: &Option<Box<Publisher>>, body: &[u8]) -> Result<(), String> {
        let failed = |fault: lapin::Error| fault.to_string();
        match kept {
            Some(publisher) => publisher.publish(body).await,
            None => {
                let publisher = self.connect().await.map_err(failed)?;
                publisher.publish(body).await?;
                publisher.connection.close(200, "done".into()).await.map_err(failed)
            }
        }
    }

    async fn connect(&self) -> lapin::Result<Publisher> {
        let (properties, tls) = (ConnectionProperties::default(), self.tls.clone());
        let connection = Connection::connect_with_config(&self.url, properties, tls, default_runtime()?).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Publisher { connection, channel })
    }
}

impl Publisher {
    async fn publish(&self, body: &[u8]) -> Result<(), String> {
        let persistent = BasicProperties::default().with_delivery_mode(2).with_content_type("application/json".into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let sent = self.channel.basic_publish("".into(), QUEUE.into(), options, body, persistent).await;
        match sent.map_err(|fault| fault.to_string())?.await {
            Ok(Confirmation::Ack(None)) => Ok(()),
            Ok(other) => Err(format!("not kept: {other:?}")),
            Err(fault) => Err(fault.to_string()),
        }
    }
}

const QUEUE: &str = "informations-preoccupantes";
