# The heavy and the rare. What every change must pass is ./test; needs nothing of this file.

# Lists the recipes.
default:
    @just --list

# All that must hold.
test:
    ./test

# kill -9 of a real server on a disk that loses what was not synced; ./test runs 50 rounds.
kill rounds="1000":
    CAIRN_KILL_ROUNDS={{rounds}} cargo test -p cairn --test it durability -- --nocapture

# Crashes and histories with many more random seeds: every mode of the log, and going back to any record.
seeds n="1000":
    CAIRN_SEEDS={{n}} cargo test -p cairn-engine --test it -- more_ --nocapture

# Top-10 of all 1,000 queries of the full Debian set (30,000 items) against its truth. DIR holds that set.
exactness dir:
    CAIRN_DEBIAN="{{absolute_path(dir)}}" cargo test -p cairn-engine --test it sample:: -- --nocapture

# The sample in data/debian, cut again from the full set in DIR. Needs Python with numpy.
sample dir:
    python3 data/debian/cut.py "{{absolute_path(dir)}}"

# The figures of docs/benchmarks.md.
bench *args:
    cargo build --release
    cargo run --release -p cairn-bench -- {{args}}

# Fuzzes the decoders of a log's files and of vector codes, each for SECONDS. Needs cargo-fuzz and a C++ compiler.
fuzz seconds="30":
    #!/usr/bin/env bash
    set -euo pipefail
    cd fuzz
    for target in record index time_index segment_open codes_open; do
        cargo run -q --example seeds -- "corpus/$target" "$target"
        cargo +stable fuzz run -s none "$target" -- -max_total_time={{seconds}} -max_len=4096
    done

# Licences, banned crates and sources of all dependencies. Needs cargo-deny.
deny:
    cargo deny check licenses bans sources

# Known vulnerabilities of all dependencies. Needs cargo-deny and the network.
advisories:
    cargo deny check advisories

# The documentation of every crate, warnings as errors.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# The binary we would ship: target/dist/cairn.
dist:
    cargo build --profile dist -p cairn
