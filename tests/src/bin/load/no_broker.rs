//! What stands in for `broker.rs` in a build without the feature `bench`: a broker that cannot exist.

use tokio::task::JoinHandle;

use crate::stage::Stage;

pub enum Broker {}

pub enum Publisher {}

impl Broker {
    pub fn new(_: &str, _: &Stage, _: bool) -> Self {
        panic!("built without an AMQP client: `cargo build -p tests --features bench --bin load`")
    }

    pub async fn declare(&self) {
        match *self {}
    }

    pub async fn delete(&self) {
        match *self {}
    }

    pub async fn consume(&self) -> JoinHandle<()> {
        match *self {}
    }

    pub async fn kept(&self) -> Option<Box<Publisher>> {
        match *self {}
    }

    pub async fn publish(&self, _: &Option<Box<Publisher>>, _: &[u8]) -> Result<(), String> {
        match *self {}
    }
}
