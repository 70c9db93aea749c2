//! From measurements to a page: medians over the rounds, medians of the ratios within each round, and what had to be
//! reached. Ratios are taken inside a round, where both systems met the same machine.

use std::{fmt::Write, fs, path::PathBuf};

use clap::Args;
use serde_json::Value;

/// `load table`
#[derive(Args)]
pub struct Table {
    /// Measurements, a line of JSON each
    measurements: PathBuf,
    /// Markdown about machine and versions, to stand above the figures
    #[arg(long)]
    about: Option<PathBuf>,
    /// What `cargo bench -p gateway --bench tail` printed
    #[arg(long)]
    decisions: Option<PathBuf>,
}

/// One measured series: a system on a database in a case.
#[derive(Clone, Copy)]
struct Series<'a> {
    case: &'a str,
    system: &'a str,
    database: &'a str,
}

/// All measurements.
struct Lines(Vec<Value>);

impl Table {
    /// Prints the page.
    pub fn print(&self) {
        let text = fs::read_to_string(&self.measurements).unwrap();
        let lines = Lines(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect());
        let file = |path: &Option<PathBuf>| path.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        print!("{}", lines.page(&file(&self.about), &file(&self.decisions)));
    }
}

impl Lines {
    fn page(&self, about: &str, decisions: &str) -> String {
        let mut page = format!("{HEAD}\n{about}\n## Had to be reached\n\n");
        page += "| | aim | measured | |\n|---|---|---|---|\n";
        for (what, aim, measured) in self.aims() {
            let (shown, verdict) = match measured {
                Some(measured) => (number(measured), if aim.holds(measured) { "reached" } else { "**not reached**" }),
                None => ("–".to_owned(), "not measured"),
            };
            writeln!(page, "| {what} | {} | {shown} | {verdict} |", aim.said()).unwrap();
        }
        for (case, title) in CASES {
            self.case(&mut page, case, title);
        }
        self.others(&mut page, decisions);
        page + NOT_COMPARABLE
    }

    fn case(&self, page: &mut String, case: &str, title: &str) {
        let rows: Vec<Series<'_>> = SYSTEMS
            .iter()
            .map(|(system, database)| Series { case, system, database })
            .filter(|row| self.rounds(*row).next().is_some())
            .collect();
        if rows.is_empty() {
            return;
        }
        let stored = rows.iter().filter_map(|row| self.median(*row, "stored")).fold(0.0, f64::max);
        write!(page, "\n## {title}\n\nAt least {stored} stored before. ").unwrap();
        page.push_str("CPU is in seconds per 1,000 exchanges, memory in MiB.\n\n");
        page.push_str("| system | per second | of bare | of RabbitMQ | of accepting alone | p50 ms | p99 ms | p99.9 ms | p99 of bare | CPU | database CPU | clients’ CPU | memory idle | loaded | start-up ms | did not count |\n");
        page.push_str("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
        for row in rows {
            let cell = |key: &str| self.median(row, key).map_or_else(|| "–".to_owned(), number);
            let bare = Series { system: "bare", ..row };
            let broker = Series { system: "broker", database: "quorum-queue", case };
            let alone = Series { case: ALONE, ..row };
            let of = |other: Series<'_>, key: &str, own: bool| {
                let shown = if own { self.ratio(row, other, key) } else { None };
                shown.map_or_else(|| "–".to_owned(), number)
            };
            let gateway = row.system == "gateway";
            let cells = [
                row.named(),
                cell("per_second"),
                of(bare, "per_second", gateway),
                of(broker, "per_second", row.system != "broker"),
                of(alone, "per_second", case != ALONE),
                cell("p50_ms"),
                cell("p99_ms"),
                cell("p999_ms"),
                of(bare, "p99_ms", gateway),
                cell("server_cpu_per_1000"),
                cell("database_cpu_per_1000"),
                cell("clients_cpu_per_1000"),
                cell("memory_idle_mib"),
                cell("memory_loaded_mib"),
                cell("start_up_ms"),
                self.rounds(row).map(faults).sum::<u64>().to_string(),
            ];
            writeln!(page, "| {} |", cells.join(" | ")).unwrap();
        }
        for row in SYSTEMS.iter().map(|(system, database)| Series { case, system, database }) {
            let beside =
                [("told", "notices arrived"), ("opened", "documents were opened"), ("uploaded", "files of 100 MiB were accepted besides")];
            for (key, what) in beside {
                if let Some(count) = self.median(row, key).filter(|count| *count > 0.0) {
                    let counted = self.median(row, "counted").unwrap_or_default();
                    writeln!(page, "\n{}: {} {what} while {} exchanges were accepted.", row.named(), number(count), number(counted))
                        .unwrap();
                }
            }
        }
    }

    fn others(&self, page: &mut String, decisions: &str) {
        page.push_str("\n## Decisions and log\n\n");
        let asked = Series { case: "decisions", system: "", database: "" };
        if let (Some(p50), Some(p99), Some(p999)) =
            (self.median(asked, "p50_ms"), self.median(asked, "p99_ms"), self.median(asked, "p999_ms"))
        {
            let (p50, p99, p999) = (number(p50), number(p99), number(p999));
            writeln!(
                page,
                "« May I? » over the wire, logged and answered, one after the other: p50 {p50} ms, p99 {p99} ms, p99.9 {p999} ms.\n"
            )
            .unwrap();
        }
        let log = Series { case: "log", system: "", database: "" };
        let rate = |field| self.median(log, field).map(number);
        if let (Some(entries), Some(verified), Some(alone), Some(copied)) =
            (rate("counted"), rate("per_second"), rate("alone_per_second"), rate("copied_per_second"))
        {
            writeln!(
                page,
                "A log of {entries} entries, in whole processes: entries, tiles, roots and checkpoints verified at {alone} entries/s; with the \
                 opening of every entry and the receipt of every exchange at {verified} entries/s; copied out before at {copied} entries/s.\n"
            )
            .unwrap();
        }
        if !decisions.is_empty() {
            writeln!(
                page,
                "In the process, without network and store (`cargo bench -p gateway --bench tail`):\n\n```text\n{}\n```",
                decisions.trim()
            )
            .unwrap();
        }
        let loads: Vec<f64> = self.0.iter().filter_map(|line| line["load_average"].as_f64()).collect();
        if let (Some(least), Some(most)) = (loads.iter().copied().reduce(f64::min), loads.iter().copied().reduce(f64::max)) {
            writeln!(
                page,
                "\nLoad average (1 min) before each measurement: {} to {}; the measurements themselves make most of it.",
                number(least),
                number(most)
            )
            .unwrap();
        }
    }

    /// What the run had to show.
    fn aims(&self) -> Vec<(String, Aim, Option<f64>)> {
        let gateway = |case, database| Series { case, system: "gateway", database };
        let bare = |case, database| Series { case, system: "bare", database };
        let broker = Series { case: ALONE, system: "broker", database: "quorum-queue" };
        let mut aims = Vec::new();
        for (database, of_bare) in [("postgres", 0.5), ("sqlite", 0.2)] {
            let mut aim = |what: &str, aim: Aim, measured: Option<f64>| aims.push((format!("{what}, {}", shown(database)), aim, measured));
            let own = gateway(ALONE, database);
            aim("32 clients, throughput of the bare server’s", Aim::AtLeast(of_bare), self.ratio(own, bare(ALONE, database), "per_second"));
            aim("32 clients, throughput of RabbitMQ’s", Aim::AtLeast(0.4), self.ratio(own, broker, "per_second"));
            aim("32 clients, p99 of the bare server’s", Aim::Under(3.0), self.ratio(own, bare(ALONE, database), "p99_ms"));
            aim(
                "notices pushed, throughput of accepting alone",
                Aim::AtLeast(0.7),
                self.ratio(gateway("told", database), own, "per_second"),
            );
            let connecting = self.median(gateway("new-connection", database), "server_cpu_per_1000");
            aim("a new connection and one exchange, server CPU in ms", Aim::Under(1.5), connecting);
            aim("idle memory in MiB", Aim::Under(60.0), self.median(own, "memory_idle_mib"));
            aim("memory at 64 clients in MiB", Aim::Under(200.0), self.most(gateway("keep-alive-64", database), "memory_most_mib"));
            aim(
                "memory at 64 clients and ten uploads of 100 MiB at once, in MiB",
                Aim::Under(200.0),
                self.most(gateway("uploads", database), "memory_most_mib"),
            );
            let grown = if self.median(gateway("grown-long", database), "stored").is_some() { "grown-long" } else { "grown" };
            let grown = gateway(grown, database);
            let stored = self.least(grown, "stored").unwrap_or_default();
            aim(&format!("start-up in ms with {} stored", number(stored)), Aim::Under(1000.0), self.most(grown, "start_up_ms"));
            let growth = self.ratio(grown, own, "server_cpu_per_1000");
            aim(&format!("CPU per exchange with {} stored, of that with 1,000", number(stored)), Aim::Under(1.15), growth);
        }
        let log = Series { case: "log", system: "", database: "" };
        let (alone, with) = ("verification of the log alone, entries per second", "the same with every opening and every receipt");
        aims.push((alone.to_owned(), Aim::AtLeast(100_000.0), self.median(log, "alone_per_second")));
        aims.push((with.to_owned(), Aim::AtLeast(100_000.0), self.median(log, "per_second")));
        aims
    }

    fn rounds<'a>(&'a self, of: Series<'a>) -> impl Iterator<Item = &'a Value> {
        let is = move |line: &&Value, key: &str, wanted: &str| line[key].as_str().unwrap_or_default() == wanted;
        self.0.iter().filter(move |line| is(line, "case", of.case) && is(line, "system", of.system) && is(line, "database", of.database))
    }

    fn median(&self, of: Series<'_>, key: &str) -> Option<f64> {
        median(self.rounds(of).filter_map(|line| line[key].as_f64()).collect())
    }

    fn most(&self, of: Series<'_>, key: &str) -> Option<f64> {
        self.rounds(of).filter_map(|line| line[key].as_f64()).reduce(f64::max)
    }

    fn least(&self, of: Series<'_>, key: &str) -> Option<f64> {
        self.rounds(of).filter_map(|line| line[key].as_f64()).reduce(f64::min)
    }

    /// Median over the rounds of one series' figure divided by the other's of the same round.
    fn ratio(&self, one: Series<'_>, other: Series<'_>, key: &str) -> Option<f64> {
        let ratios = self.rounds(one).filter_map(|line| {
            let twin = self.rounds(other).find(|twin| twin["round"] == line["round"])?;
            Some(line[key].as_f64()? / twin[key].as_f64()?)
        });
        median(ratios.collect())
    }
}

impl Series<'_> {
    fn named(&self) -> String {
        match self.system {
            "broker" => "RabbitMQ, quorum queue".to_owned(),
            system => format!("{system}, {}", shown(self.database)),
        }
    }
}

/// What a figure has to be.
enum Aim {
    AtLeast(f64),
    Under(f64),
}

impl Aim {
    fn holds(&self, measured: f64) -> bool {
        match self {
            Self::AtLeast(aim) => measured >= *aim,
            Self::Under(aim) => measured < *aim,
        }
    }

    fn said(&self) -> String {
        match self {
            Self::AtLeast(aim) => format!("at least {}", number(*aim)),
            Self::Under(aim) => format!("under {}", number(*aim)),
        }
    }
}

fn faults(line: &Value) -> u64 {
    line["faults"].as_object().map_or(0, |faults| faults.values().filter_map(Value::as_u64).sum())
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let (low, high) = (figures.get(figures.len().checked_sub(1)? / 2)?, figures.get(figures.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

fn shown(database: &str) -> &str {
    if database == "postgres" { "PostgreSQL" } else { "SQLite" }
}

/// Three digits that tell something, and separated thousands.
fn number(figure: f64) -> String {
    let digits = match figure.abs() {
        0.0 => 0,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    let plain = format!("{figure:.digits$}");
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// The case that the others are compared with.
const ALONE: &str = "keep-alive-32";

const CASES: [(&str, &str); 8] = [
    (ALONE, "32 clients that keep their connection"),
    ("keep-alive-64", "64 clients that keep their connection"),
    ("uploads", "64 clients that keep their connection, and ten that send files of 100 MiB"),
    ("new-connection", "32 clients, a new connection for each exchange"),
    ("told", "32 clients, delivery on: notices pushed"),
    ("opened", "32 clients, delivery on: notices pushed, and everything opened"),
    ("grown", "32 clients on a gateway that holds many exchanges"),
    ("grown-long", "32 clients on a gateway that holds ten times as many"),
];

const SYSTEMS: [(&str, &str); 5] =
    [("gateway", "sqlite"), ("bare", "sqlite"), ("gateway", "postgres"), ("bare", "postgres"), ("broker", "quorum-queue")];

const HEAD: &str = "# What accepting costs

Written by `tests/bench.sh`; not to be edited by hand. Deposits of a 4 KiB information préoccupante, each about another
child, with every check on. Only a `201` counts whose receipt verifies and commits to the bytes sent. The same clients
deposit the same bytes at a *bare* server (the gateway’s own door and a durable, group-committing insert; no rule, no
encryption, no log, no receipt), and publish them to RabbitMQ (quorum queue, persistent, confirms, mutual TLS).
Systems take turns within each round; figures are medians over the rounds, ratios are medians of the rounds’ ratios.
";

const NOT_COMPARABLE: &str = "
## What is not comparable

- Clients, server and database share the cores of one machine, so whatever saves the clients’ CPU also shows as throughput.
  Receipts are verified after the window.
- Clients wait for their answer before they send again: what a stall would do to people who do not wait is not in p99.
- RabbitMQ is asked for less: a quorum of one member, no decision, no encryption at rest, no receipt, no revocation lists;
  TLS 1.3 of Erlang without the hybrid key exchange; AMQP instead of HTTP, and its client is another library. A new
  connection costs it several more round trips (AMQP’s own opening).
- The bare server keeps bytes that nobody could find again by anything but their id.
- PostgreSQL stands as Debian installs it, on the loopback without TLS. Its CPU is told apart from the server’s; its
  memory is not told, since its processes share most of it.
- *Memory* is resident memory of the server’s process; *start-up* runs from its start to its first « ready », looked for
  every 25 ms.
- A unit is pushed one notice at a time, each over a connection of its own: the notices that arrived within the window are
  fewer than the exchanges, and the rest follow.
";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let line = |round: u64, system: &str, per_second: f64| json!({"case": ALONE, "round": round, "system": system, "database": "sqlite", "per_second": per_second});
        // A machine that slows down: the medians' ratio would be 0.25.
        let lines = Lines(vec![
            line(1, "gateway", 400.0),
            line(1, "bare", 800.0),
            line(2, "gateway", 100.0),
            line(2, "bare", 400.0),
            line(3, "gateway", 50.0),
            line(3, "bare", 100.0),
        ]);
        let of = |system| Series { case: ALONE, system, database: "sqlite" };
        assert_eq!(lines.ratio(of("gateway"), of("bare"), "per_second"), Some(0.5));
        assert_eq!(lines.median(of("gateway"), "per_second"), Some(100.0));
        assert_eq!(lines.median(of("broker"), "per_second"), None);
        let page = lines.page("", "");
        assert!(page.contains("| 32 clients, throughput of the bare server’s, SQLite | at least 0.20 | 0.50 | reached |"), "{page}");
        assert!(page.contains("| gateway, SQLite | 100 | 0.50 | – |"), "{page}");
    }

    #[test]
    fn numbers_are_read_at_a_glance() {
        let read = [(0.0, "0"), (0.256, "0.26"), (12.34, "12.3"), (812.7, "813"), (1_234_567.0, "1,234,567")];
        for (figure, text) in read {
            assert_eq!(number(figure), text);
        }
    }
}
