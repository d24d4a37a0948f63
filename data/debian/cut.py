#!/usr/bin/env python3
"""Cuts this sample from the full set of Debian packages.

    python3 cut.py FULL_SET_DIRECTORY [OUTPUT_DIRECTORY]

FULL_SET_DIRECTORY holds items.jsonl.gz, vectors.f16.npy, queries.jsonl.gz, query_vectors.f16.npy and
events.txt.gz. The output goes beside this script when no other directory is named. The same input gives
the same bytes. Needs Python 3.9 and numpy.
"""

import gzip
import json
import pathlib
import sys

import numpy as np

ITEMS = 5_000
EVENTS = 225_643
CONTEXTS = 50_445
QUERIES = 200
DIMENSION = 384
TOP = 10
BYTES_MAX = 7_000_000

FILES = (
    "items.jsonl.gz",
    "vectors.f16.npy",
    "events.txt.gz",
    "queries.jsonl.gz",
    "query_vectors.f16.npy",
    "truth_top10.npy",
    "truth_top10_scores.npy",
)


def lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as f:
        yield from f


def write_lines(path, rows):
    """Writes a gzip file without a time or a name in it, so that a second run gives the same bytes."""
    text = "".join(rows).encode("utf-8")
    with open(path, "wb") as f, gzip.GzipFile("", "wb", compresslevel=9, fileobj=f, mtime=0) as z:
        z.write(text)


def short(row):
    """A row with the first line of its text ("name - short description") and its scalar metadata."""
    scalars = {k: v for k, v in row["metadata"].items() if isinstance(v, (str, int, float))}
    kept = {"id": row["id"], "text": row["text"].split("\n", 1)[0], "metadata": scalars}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")) + "\n"


def head(path, count):
    rows = []
    for line in lines(path):
        if len(rows) == count:
            break
        rows.append(json.loads(line))
    assert len(rows) == count, f"{path}: expected at least {count} rows, got {len(rows)}"
    return rows


def unit(vectors):
    """float16 widened to float64 and brought back to length one: half rounding moved the norms a little."""
    wide = vectors.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def truth(items, queries):
    """The TOP nearest rows of each query by exact cosine, best first; equal scores, lower row first."""
    # One query at a time and einsum: no BLAS, so the sums do not depend on the machine's threads.
    rows = np.zeros((len(queries), TOP), dtype="<i4")
    scores = np.zeros((len(queries), TOP), dtype="<f8")
    unit_items, unit_queries = unit(items), unit(queries)
    for n, query in enumerate(unit_queries):
        cosine = np.einsum("ij,j->i", unit_items, query)
        best = np.lexsort((np.arange(len(cosine)), -cosine))[:TOP]
        rows[n], scores[n] = best, cosine[best]
    return rows, scores


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.strip())
    full = pathlib.Path(sys.argv[1])
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else pathlib.Path(__file__).resolve().parent
    out.mkdir(parents=True, exist_ok=True)

    items = head(full / "items.jsonl.gz", ITEMS)
    queries = head(full / "queries.jsonl.gz", QUERIES)
    vectors = np.load(full / "vectors.f16.npy")[:ITEMS]
    query_vectors = np.load(full / "query_vectors.f16.npy")[:QUERIES]
    assert vectors.shape == (ITEMS, DIMENSION) and vectors.dtype == np.dtype("<f2")
    assert query_vectors.shape == (QUERIES, DIMENSION) and query_vectors.dtype == np.dtype("<f2")

    ids = {row["id"] for row in items}
    assert len(ids) == ITEMS, "ids are not unique"
    events = [line for line in lines(full / "events.txt.gz") if line.split()[3] in ids]
    contexts = {line.split()[1] for line in events}
    assert len(events) == EVENTS, f"expected {EVENTS} events, got {len(events)}"
    assert len(contexts) == CONTEXTS, f"expected {CONTEXTS} contexts, got {len(contexts)}"

    rows, scores = truth(vectors, query_vectors)
    write_lines(out / "items.jsonl.gz", map(short, items))
    write_lines(out / "queries.jsonl.gz", map(short, queries))
    write_lines(out / "events.txt.gz", events)
    np.save(out / "vectors.f16.npy", np.ascontiguousarray(vectors))
    np.save(out / "query_vectors.f16.npy", np.ascontiguousarray(query_vectors))
    np.save(out / "truth_top10.npy", rows)
    np.save(out / "truth_top10_scores.npy", scores)

    total = 0
    for name in FILES:
        size = (out / name).stat().st_size
        total += size
        print(f"{size:>9}  {name}")
    print(f"{total:>9}  in all: {ITEMS} items, {EVENTS} events in {CONTEXTS} contexts, {QUERIES} queries")
    assert total <= BYTES_MAX, f"{total} bytes, at most {BYTES_MAX}"


if __name__ == "__main__":
    main()
