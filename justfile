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

# Crashes and histories with many more random seeds: logs, topics, snapshots of logs, the archive, every mode of the
# write-ahead log, and going back to any record.
seeds n="1000":
    CAIRN_SEEDS={{n}} cargo test -p cairn-log -p cairn-engine -p cairn-snapshot --test it -- more_ --nocapture

# Random interleavings of snapshots, deletes, restores, loads and crashes, N of them; ./test runs as many as 100 seconds allow, a thousand at least.
interleavings n="100000":
    CAIRN_INTERLEAVINGS={{trim_start_match(n, "n=")}} cargo test -p cairn-snapshot --test it -- interleavings --nocapture

# Top-10 of all 1,000 queries of the full Debian set (30,000 items) against its truth. DIR holds that set.
exactness dir:
    CAIRN_DEBIAN="{{absolute_path(dir)}}" cargo test -p cairn-engine --test it sample:: -- --nocapture

# Recall of graphs and codes over the full Debian set, as built, restarted, restored, compacted, filtered. DIR holds that set.
recall dir:
    CAIRN_DEBIAN="{{absolute_path(dir)}}" cargo test -p cairn-engine --test it recall:: -- --nocapture

# The sample in data/debian, cut again from the full set in DIR. Needs Python with numpy.
sample dir:
    python3 data/debian/cut.py "{{absolute_path(dir)}}"

# Import and export with Parquet and Arrow, which take minutes to build; ./test leaves them out.
arrow:
    cargo clippy -p cairn-transfer --features arrow --all-targets -- -D warnings
    cargo test -p cairn-transfer --features arrow

# A long soak: mixed load on 64 connections, snapshots, kill -9, each life checked; two minutes of it are in ./test.
soak seconds="3600":
    CAIRN_SOAK_SECONDS={{seconds}} cargo test -p cairn --test it soak -- --nocapture

# The figures of docs/benchmarks.md.
bench *args:
    cargo build --release
    cargo run --release -p cairn-bench -- {{args}}

# The graph beside hnswlib, faiss and usearch on the full Debian set, which DIR holds. Needs Python 3.11 or newer with pip.
peers dir *args:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --release -p cairn-bench
    python3 -m venv target/peers
    target/peers/bin/pip install -q -r benches/peers/requirements.txt
    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE \
        target/peers/bin/python benches/peers/peers.py "{{dir}}" target/release/cairn-bench {{args}}

# The same on a million vectors of 128 elements in clusters, which are made first.
peers-million *args:
    cargo build --release -p cairn-bench
    test -f target/peers-million/metric || target/release/cairn-bench graph-set target/peers-million 1000000
    just peers target/peers-million {{args}}

# Snapshots beside restic and borg on the same data directory, made of the full Debian set in DIR. Installs their Debian packages where they are missing.
peers-snapshots dir rounds="3":
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --release
    for tool in restic borg; do
        command -v $tool >/dev/null || { echo "$tool is not there: installing it"; apt-get install -y --no-install-recommends ${tool/%borg/borgbackup}; }
    done
    python3 benches/peers/snapshots.py target/release/cairn "{{absolute_path(dir)}}" {{rounds}}

# Fuzzes the decoders of a log's files, of graphs and of vector codes, of snapshots and portable files, the readers of imports, a connection's conversation with the server and the loop that serves it, and requests of HTTP, each for SECONDS. Needs cargo-fuzz and a C++ compiler.
fuzz seconds="30":
    #!/usr/bin/env bash
    set -euo pipefail
    cd fuzz
    for target in record index time_index segment_open graph_open codes_open npy fvecs jsonl metadata log_part portable conversation session http_bodies; do
        cargo run -q --example seeds -- "corpus/$target" "$target"
        # What a peer asks for is held in little memory.
        case "$target" in conversation|session|http_bodies) limit=-malloc_limit_mb=256 ;; *) limit= ;; esac
        cargo +stable fuzz run -s none "$target" -- -max_total_time={{seconds}} -max_len=16384 -entropic_scale_per_exec_time=1 $limit
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
