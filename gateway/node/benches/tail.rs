//! The slow ones: p50, p99 and p99.9 of 100,000 decisions. `cargo bench -p gateway --bench tail`.
//!
//! Criterion gives means; a person who waits meets the tail. Prints a table, asserts nothing about time.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench that prints")]

mod town;

use std::time::{Duration, Instant};

use town::Town;

const TIMES: usize = 100_000;

fn main() {
    let town = Town::new(200, 0);
    let (fields, classes) = town.size();
    println!("document of {fields} fields in {classes} classes, 200 agreements in force, {TIMES} times each");
    println!("{:<24} {:>10} {:>10} {:>10} {:>10}", "", "p50", "p99", "p99.9", "max");
    let route = town.route();
    tell("open with withholding", &measured(|| town.open(&route)));
    tell("accept", &measured(|| town.accept(town.draft())));
    for (name, own, others) in [("accept, 2,000 own", 2_000, 0), ("accept, 2,000 of others", 1, 2_000)] {
        let town = Town::new(own, others);
        tell(name, &measured(|| town.accept(town.draft())));
    }
}

fn measured<T>(decide: impl Fn() -> T) -> Vec<Duration> {
    let once = |_| {
        let begun = Instant::now();
        std::hint::black_box(decide());
        begun.elapsed()
    };
    let warm: Duration = (0..TIMES / 20).map(once).sum();
    assert!(warm > Duration::ZERO);
    let mut took: Vec<Duration> = (0..TIMES).map(once).collect();
    took.sort_unstable();
    took
}

fn tell(name: &str, took: &[Duration]) {
    let at = |part: f64| {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a sorted list"
        )]
        let place = (took.len() as f64 * part) as usize;
        took.get(place.min(took.len() - 1)).copied().unwrap_or_default()
    };
    println!("{name:<24} {:>10.1?} {:>10.1?} {:>10.1?} {:>10.1?}", at(0.5), at(0.99), at(0.999), at(1.0));
}
