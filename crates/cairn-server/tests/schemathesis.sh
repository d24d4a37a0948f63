#!/bin/bash
# Property-based requests against a running server's /openapi.json: no 5xx but the documented ones, no status that is not
# documented, no answer of another form. Schemathesis installs itself into target/ when it is missing.
#
#     crates/cairn-server/tests/schemathesis.sh [path of cairn]      SECONDS_MAX=60
set -euo pipefail
cd "$(dirname "$0")/../../.."
cairn=$(realpath "${1:-target/debug/cairn}")
seconds=${SECONDS_MAX:-60}
home=target/schemathesis
[ -x "$cairn" ] || { echo "schemathesis: no $cairn: cargo build -p cairn first" >&2; exit 2; }
if [ ! -x "$home/bin/st" ]; then
    echo "schemathesis: installing it into $home"
    python3 -m venv "$home"
    "$home/bin/pip" install --quiet 'schemathesis>=4,<5'
fi
work=$(mktemp -d)
cleanup() {
    [ -n "${server:-}" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
cat >"$work/cairn.yaml" <<YAML
data: {dir: $work/data}
snapshot: {dir: $work/snapshots}
api: {tcp: {port: 0}, http: {enable: true, port: 0}}
limits: {http_body_bytes: 1MB, bulk_bytes: 1MB}
logging: {level: warn}
YAML
"$cairn" serve -c "$work/cairn.yaml" >"$work/ready" 2>"$work/log" &
server=$!
for _ in $(seq 200); do
    grep -q '^ready ' "$work/ready" && break
    kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.05
done
http=$(sed -n 's/.* http=\([^ ]*\) .*/\1/p' "$work/ready")
[ -n "$http" ] || { echo "schemathesis: the server did not get ready" >&2; cat "$work/log" >&2; exit 1; }

# 503 is documented: a long operation that runs beside another is told so.
cat >"$work/schemathesis.toml" <<TOML
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "503"]
TOML
st=$PWD/$home/bin/st
cd "$work"
# Left out: the stream of events, which has no end; bulk bodies, whose types it cannot write; and moving the log or switching
# it off, which takes the server's time. The tests have them.
status=0
timeout "$seconds" "$st" --config-file "$work/schemathesis.toml" run "http://$http/openapi.json" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --exclude-path /v1/jobs/events --exclude-path "/v1/collections/{collection}/items:bulk" --exclude-path /v1/wal --exclude-path /v1/wal/disable \
    --phases examples,coverage,fuzzing --max-examples "${EXAMPLES:-20}" --continue-on-failure \
    --seed "${SEED:-1}" --request-timeout 20 --workers 2 --no-color || status=$?
# Passing the time is no failure; what was found by then is.
[ "$status" = 124 ] && { echo "schemathesis: ended after $seconds s"; status=0; }
kill -0 "$server" 2>/dev/null || { echo "schemathesis: the server died" >&2; cat "$work/log" >&2; exit 1; }
if grep -q panicked "$work/log"; then cat "$work/log" >&2; exit 1; fi
exit "$status"
