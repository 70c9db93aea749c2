//! Measurements that are made once, each a line of JSON: printed, and appended to a file where it is not made twice.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::{Value, json};
use tests::process::{connect, program};
use tokio::process::Command;

use crate::{deposit::SENDER, machine, stage::Stage};

/// Where a line goes, and under which name.
#[derive(Args)]
pub struct Append {
    /// File of measurements; one that holds this measurement is left as it is
    #[arg(long)]
    append: Option<PathBuf>,
    /// Name of the measurement
    #[arg(long, default_value = "by-hand")]
    case: String,
    /// Round in which it is made
    #[arg(long, default_value_t = 1)]
    round: u64,
}

impl Append {
    /// Whether the file holds this measurement already.
    pub fn there(&self, what: &[(&str, String)]) -> bool {
        let Some(text) = self.append.as_ref().and_then(|file| fs::read_to_string(file).ok()) else { return false };
        let same = |line: Value| {
            line["case"] == self.case.as_str()
                && line["round"] == self.round
                && what.iter().all(|(key, value)| line[*key] == value.as_str())
        };
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).any(same)
    }

    /// Tells a person in a line, and a program in the file.
    pub fn write(&self, what: &[(&str, String)], figures: Value) {
        let mut line = json!({"case": self.case, "round": self.round});
        for (key, value) in what {
            line[*key] = value.as_str().into();
        }
        line.as_object_mut().unwrap().extend(figures.as_object().unwrap().clone());
        match &self.append {
            None => println!("{}", serde_json::to_string_pretty(&line).unwrap()),
            Some(file) => {
                let mut file = fs::File::options().create(true).append(true).open(file).unwrap();
                writeln!(file, "{line}").unwrap();
                let shown = ["counted", "per_second", "p50_ms", "p99_ms", "load_average", "faults"];
                let shown: Vec<String> =
                    shown.iter().filter_map(|key| figures.get(*key).map(|value| format!("{key} {}", short(value)))).collect();
                println!("    {}", shown.join(", "));
            }
        }
    }
}

fn short(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() => format!("{number:.1}"),
        _ => value.to_string(),
    }
}

/// `load decisions`
#[derive(Args)]
pub struct Decisions {
    /// Seconds that count
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Where the stage stands
    #[arg(long, default_value = "target/bench/scratch")]
    scratch: PathBuf,
    #[command(flatten)]
    append: Append,
}

impl Decisions {
    /// One person, one connection, one question after the other.
    pub async fn measure(&self) {
        if self.append.there(&[]) {
            return;
        }
        let load = machine::load_average();
        let stage = Stage::passing(&self.scratch);
        let server = stage.start("gateway", None).await;
        let client = connect(&stage.world, &server.base, SENDER.0, SENDER.1);
        let question = json!({
            "action": "submit", "type": "information-preoccupante", "party": {"institution": "departement-31", "unit": "crip"},
            "parents_informed": "faite", "child_informed": "faite", "urgency": "ordinary"
        });
        let mut took = Vec::new();
        let (began, window) = (Instant::now(), Duration::from_secs(self.seconds));
        while began.elapsed() < window {
            let asked = Instant::now();
            client.post("/v1/decisions", &question).await.unwrap();
            took.push(asked.elapsed());
        }
        server.process.stop().await;
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
        let figures = json!({
            "counted": took.len(), "p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999), "load_average": load,
        });
        self.append.write(&[], figures);
    }
}

/// `load log`
#[derive(Args)]
pub struct Log {
    /// A stage kept by `load run --keep`, on SQLite
    stage: PathBuf,
    #[command(flatten)]
    append: Append,
}

impl Log {
    /// Copies the log out and verifies the copy with the binary that an auditor has, keys pinned before.
    pub async fn measure(&self) {
        if self.append.there(&[]) {
            return;
        }
        let load = machine::load_average();
        let stage = Stage::open(&self.stage);
        let server = stage.start("gateway", None).await;
        let keys = connect(&stage.world, &server.base, SENDER.0, SENDER.1).get("/v1/keys").await.unwrap();
        server.process.stop().await;
        let (pinned, bundle) = (self.stage.join("pinned.json"), self.stage.join("bundle"));
        fs::write(&pinned, keys.to_string()).unwrap();
        if bundle.exists() {
            fs::remove_dir_all(&bundle).unwrap();
        }
        let (config, pinned) = (stage.world.config(), pinned.to_str().unwrap().to_owned());
        let (_, copied) = gateway(&["audit", "bundle", "--config", config.to_str().unwrap(), bundle.to_str().unwrap()]).await;
        let log_key = keys["log"]["vkey"].as_str().unwrap();
        let verify = ["audit", "verify", bundle.to_str().unwrap(), "--log-key", log_key, "--receipt-keys", &pinned, "--json"];
        let (report, verified) = gateway(&verify).await;
        let report: Value = serde_json::from_str(&report).unwrap();
        let entries = report["entries"].as_u64().unwrap();
        assert_eq!(report["findings"], json!([]), "the log does not hold");
        // The log alone, as whoever is neither party nor auditor has it.
        for beside in ["openings", "receipts"] {
            fs::remove_dir_all(bundle.join(beside)).unwrap();
        }
        let (report_alone, alone) = gateway(&verify).await;
        let report_alone: Value = serde_json::from_str(&report_alone).unwrap();
        assert_eq!((&report_alone["findings"], &report_alone["entries"]), (&json!([]), &report["entries"]), "the log alone does not hold");
        fs::remove_dir_all(&bundle).unwrap();
        let figures = json!({
            "counted": entries, "receipts": report["receipts_included"], "openings": report["openings_verified"],
            "copied_per_second": entries as f64 / copied, "per_second": entries as f64 / verified,
            "alone_per_second": entries as f64 / alone, "load_average": load,
        });
        self.append.write(&[], figures);
    }
}

/// What a command of the gateway prints, and the seconds it took.
async fn gateway(arguments: &[&str]) -> (String, f64) {
    let began = Instant::now();
    let done = Command::new(program("gateway")).args(arguments).stderr(Stdio::inherit()).output().await.unwrap();
    let seconds = began.elapsed().as_secs_f64();
    assert!(done.status.success(), "`gateway {}` failed", arguments.join(" "));
    (String::from_utf8(done.stdout).unwrap(), seconds)
}
