//! Members that send a large file each, again and again, while others deposit: what memory is asked to stay flat under.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use exchange::DataClass;
use gateway::client::{Enclosure, new_key};
use serde_json::json;
use tests::{
    people::{HOSPITAL, SCHOOL, TEACHER},
    process::connect,
};
use tokio::task::JoinSet;

use crate::{children, stage::Stage};

/// Uploads under way; each client begins the next one when the last was accepted.
pub struct Uploads {
    accepted: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Uploads {
    /// Begins with `count` files of [`BYTES`] at once.
    pub async fn begin(stage: &Stage, base: &str, count: usize) -> Self {
        let mut uploads = Self { accepted: Arc::default(), over: Arc::default(), clients: JoinSet::new() };
        if count == 0 {
            return uploads;
        }
        let file = stage.world.folder.join("radiographies.pdf");
        let mut written = std::fs::File::create(&file).unwrap();
        let mebibyte: Vec<u8> = (0..1024 * 1024_u32).map(|n| n.wrapping_mul(0x9E37_79B9).to_be_bytes()[0]).collect();
        for _ in 0..BYTES / mebibyte.len() {
            written.write_all(&mebibyte).unwrap();
        }
        let enclosure = Enclosure::of(&file, DataClass::Sante).await.unwrap();
        for place in 0..count {
            // One institution may send four at once.
            let ((institution, professional), unit) = MEMBERS[place % MEMBERS.len()];
            let client = connect(&stage.world, base, institution, professional);
            let (enclosure, accepted, over) = (enclosure.clone(), uploads.accepted.clone(), uploads.over.clone());
            uploads.clients.spawn(async move {
                for n in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let mut envelope = children::envelope(0, 1_000_000 + place, n);
                    envelope["sender"] = json!({"institution": institution, "unit": unit});
                    envelope["attachments"] = json!([enclosure.described()]);
                    client.submit_with(&envelope, std::slice::from_ref(&enclosure), &new_key().unwrap()).await.unwrap();
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        uploads
    }

    /// Lets each client finish its file; gives how many were accepted.
    pub async fn finish(mut self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        while let Some(one) = self.clients.join_next().await {
            one.unwrap();
        }
        self.accepted.load(Ordering::Relaxed)
    }
}

/// Who sends, and for which unit.
const MEMBERS: [((&str, &str), &str); 3] = [(SCHOOL, "ssfe"), (HOSPITAL, "pediatrie"), (TEACHER, "direction")];
/// The largest file that a gateway takes by default: 100 MiB.
const BYTES: usize = 100 * 1024 * 1024;
