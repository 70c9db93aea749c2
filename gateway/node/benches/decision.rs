//! What a decision costs, and what reloading the rules costs. `cargo bench -p gateway --bench decision`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench; criterion's macros document nothing")]

mod town;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use town::{Town, load};

/// A whole decision: facts, questions, explanations, record.
fn decisions(criterion: &mut Criterion) {
    let town = Town::new(200, 0);
    let route = town.route();
    assert!(town.accept(town.draft()) && town.open(&route) > 5, "the benches measure permits");
    criterion.bench_function("accept", |b| b.iter_batched(|| town.draft(), |draft| town.accept(draft), BatchSize::SmallInput));
    criterion.bench_function("open with withholding", |b| b.iter(|| town.open(&route)));
}

/// The same decision beside more and more agreements: of the two parties, then of others.
fn agreements(criterion: &mut Criterion) {
    for whose in ["own", "others"] {
        let mut group = criterion.benchmark_group(format!("accept beside agreements of {whose}"));
        for count in [10, 200, 2_000] {
            let town = if whose == "own" { Town::new(count, 0) } else { Town::new(1, count) };
            group.bench_with_input(BenchmarkId::from_parameter(count), &town, |b, town| {
                b.iter_batched(|| town.draft(), |draft| town.accept(draft), BatchSize::SmallInput);
            });
        }
    }
}

/// Reading and checking all data, as a reload does before the swap.
fn reload(criterion: &mut Criterion) {
    let town = Town::new(1, 199);
    let mut group = criterion.benchmark_group("reload");
    group.sample_size(20);
    group.bench_function("rules, catalogue, directory, 200 agreements", |b| b.iter(|| load(town.register())));
}

criterion_group!(benches, decisions, agreements, reload);
criterion_main!(benches);
