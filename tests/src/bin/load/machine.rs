//! What the machine says of itself and of its processes (proc(5)).

use std::{fs, io::Write, path::Path, time::Instant};

/// CPU seconds of a process and of its children, the dead ones included; of this one alone, whose child is measured.
pub fn cpu_seconds(id: u32) -> f64 {
    if id == std::process::id() {
        return stat(id).map_or(0.0, |stat| stat.own);
    }
    let own = stat(id).map_or(0.0, |stat| stat.own + stat.reaped);
    own + children(id).into_iter().filter_map(stat).map(|stat| stat.own).sum::<f64>()
}

/// Resident memory of a process now, and at most so far, in MiB.
pub fn memory(id: u32) -> (f64, f64) {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// Processes that wanted a CPU during the last minute, on average.
pub fn load_average() -> f64 {
    fs::read_to_string("/proc/loadavg").unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

/// Lines of Markdown: cores, memory, kernel, disk, SQLite. No name of the machine.
pub async fn about(folder: &Path) -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap();
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().unwrap();
    let memory: u64 = field(&memory, "MemTotal").trim_end_matches(" kB").parse().unwrap();
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect("sqlite::memory:").await.unwrap();
    let sqlite: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&pool).await.unwrap();
    format!(
        "- Machine: {cores} cores ({}), {} GiB of memory, Linux {}\n- Disk: 4 KiB written and synced in {:.2} ms (median of 200)\n\
         - SQLite {sqlite}, compiled in\n",
        field(&cpu, "model name"),
        memory.div_ceil(1024 * 1024),
        read("/proc/sys/kernel/osrelease").split('-').next().unwrap_or_default().trim(),
        sync_ms(folder),
    )
}

/// Median of 200 writes of 4 KiB, each followed by a sync of its data, in milliseconds.
fn sync_ms(folder: &Path) -> f64 {
    let mut file = tempfile::tempfile_in(folder).unwrap();
    let mut took: Vec<f64> = (0..200)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[7; 4096]).unwrap();
            file.sync_data().unwrap();
            began.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[took.len() / 2]
}

struct Stat {
    parent: u32,
    own: f64,
    reaped: f64,
}

fn stat(id: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    // Clock ticks of 1/100 s.
    let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<f64>().ok()).map(|ticks| ticks / 100.0);
    Some(Stat { parent: fields.get(1)?.parse().ok()?, own: ticks(11)? + ticks(12)?, reaped: ticks(13)? + ticks(14)? })
}

fn children(of: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|id| stat(*id).is_some_and(|stat| stat.parent == of)).collect()
}
