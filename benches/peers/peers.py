"""CairnDB's graph beside hnswlib, faiss and usearch: queries a second of one thread at equal recall@10.

    python peers.py DIR CAIRN_BENCH [--rounds N] [--only NAME,…]

DIR holds vectors.{f16,f32}.npy, query_vectors.{f16,f32}.npy, gt_top100.npy and, for another metric than the cosine, a
file `metric`. CAIRN_BENCH is the program of this repository's bench crate, built with --release. Each library builds once,
with all processors; for each it is then found out how wide it must search for a recall of 0.95 and of 0.99; then all of
them answer all queries in turns, round after round, in one thread. The peers get all queries in one call, so that Python costs
them nothing; CairnDB gets them one by one. Figures are medians of the rounds.
Prints one JSON object.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

# Answers do not depend on OpenBLAS; a setting for another processor would only slow faiss.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

import faiss
import hnswlib
import numpy as np
import usearch.index

K = 10
WIDTHS = [10, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 320, 384, 512, 768, 1024]
PROBES = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256, 384, 512]
THREADS = os.cpu_count() or 1


def load(directory):
    def array(name):
        for kind in ("f16", "f32"):
            path = directory / f"{name}.{kind}.npy"
            if path.exists():
                return np.ascontiguousarray(np.load(path), dtype=np.float32)
        sys.exit(f"{directory}: no {name}.f16.npy or {name}.f32.npy")

    metric = directory / "metric"
    metric = metric.read_text().strip() if metric.exists() else "cosine"
    vectors, queries = array("vectors"), array("query_vectors")
    if metric == "cosine":
        # So that every library may take the inner product, the cheaper one.
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
        queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-30)
    return metric, vectors, queries, np.load(directory / "gt_top100.npy")[:, :K]


def resident():
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def recall(found, truth):
    hits = sum(len(set(a.tolist()) & set(b.tolist())) for a, b in zip(found, truth))
    return hits / truth.size


class Hnswlib:
    name, widths = "hnswlib", WIDTHS

    def build(self, metric, vectors):
        self.space = "l2" if metric == "l2" else "ip"
        self.index = hnswlib.Index(self.space, vectors.shape[1])
        self.index.init_index(max_elements=len(vectors), M=16, ef_construction=200)
        self.index.set_num_threads(THREADS)
        self.index.add_items(vectors)

    def reload(self, path, dimension):
        self.index.save_index(path)
        begin = time.perf_counter()
        self.index = hnswlib.Index(self.space, dimension)
        self.index.load_index(path)
        taken = time.perf_counter() - begin
        self.index.set_num_threads(1)
        return taken

    def search(self, queries, width):
        self.index.set_ef(width)
        return self.index.knn_query(queries, k=K, num_threads=1)[0]


class Faiss:
    def metric(self, metric):
        return faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT

    def reload(self, path, dimension):
        faiss.write_index(self.index, path)
        begin = time.perf_counter()
        self.index = faiss.read_index(path)
        return time.perf_counter() - begin

    def search(self, queries, width):
        faiss.omp_set_num_threads(1)
        self.set_width(width)
        return self.index.search(queries, K)[1]


class FaissHnsw(Faiss):
    name, widths = "faiss HNSWFlat", WIDTHS

    def build(self, metric, vectors):
        faiss.omp_set_num_threads(THREADS)
        self.index = faiss.IndexHNSWFlat(vectors.shape[1], 16, self.metric(metric))
        self.index.hnsw.efConstruction = 200
        self.index.add(vectors)

    def set_width(self, width):
        self.index.hnsw.efSearch = width


class FaissHnswSq(FaissHnsw):
    name = "faiss HNSWSQ8"

    def build(self, metric, vectors):
        faiss.omp_set_num_threads(THREADS)
        self.index = faiss.IndexHNSWSQ(
            vectors.shape[1], faiss.ScalarQuantizer.QT_8bit, 16, self.metric(metric)
        )
        self.index.hnsw.efConstruction = 200
        self.index.train(vectors)
        self.index.add(vectors)


class FaissIvf(Faiss):
    name, widths = "faiss IVFFlat", PROBES

    def build(self, metric, vectors):
        faiss.omp_set_num_threads(THREADS)
        lists = int(4 * len(vectors) ** 0.5)
        quantizer = faiss.IndexFlat(vectors.shape[1], self.metric(metric))
        self.index = faiss.IndexIVFFlat(quantizer, vectors.shape[1], lists, self.metric(metric))
        quantizer.this.disown()
        self.index.own_fields = True
        self.index.train(vectors[:: max(1, len(vectors) // (50 * lists))])
        self.index.add(vectors)

    def set_width(self, width):
        self.index.nprobe = width


class Usearch:
    widths = WIDTHS

    def __init__(self, dtype):
        self.dtype, self.name = dtype, f"usearch {dtype}"

    def build(self, metric, vectors):
        self.metric = "l2sq" if metric == "l2" else "ip"
        self.index = self.make(vectors.shape[1])
        self.index.add(np.arange(len(vectors)), vectors, threads=THREADS)

    def make(self, dimension):
        return usearch.index.Index(
            ndim=dimension, metric=self.metric, dtype=self.dtype, connectivity=16, expansion_add=200
        )

    def reload(self, path, dimension):
        self.index.save(path)
        begin = time.perf_counter()
        self.index = self.make(dimension)
        self.index.load(path)
        return time.perf_counter() - begin

    def search(self, queries, width):
        self.index.expansion_search = width
        return self.index.search(queries, K, threads=1).keys


class Cairn:
    """The program of the bench crate, which answers lines."""

    name, widths = "CairnDB", WIDTHS

    def __init__(self, program, directory):
        self.process = subprocess.Popen(
            [program, "graph", str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.report = json.loads(self.process.stdout.readline())

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def timed(self, width):
        answer = self.ask(f"search {width}")
        return answer["seconds"], answer["recall"]


class Peer:
    """A library in this process, built and loaded from its file."""

    def __init__(self, library, metric, vectors, queries, truth):
        self.library, self.queries, self.truth = library, queries, truth
        self.name, self.widths = library.name, library.widths
        before, begin = resident(), time.perf_counter()
        library.build(metric, vectors)
        taken = time.perf_counter() - begin
        grown = resident() - before
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "index")
            load = library.reload(path, vectors.shape[1])
            size = os.path.getsize(path)
        self.report = {
            "build_seconds": round(taken, 3),
            "build_bytes": grown,
            "index_bytes": size,
            "load_seconds": round(load, 6),
            "threads": THREADS,
        }

    def timed(self, width):
        begin = time.perf_counter()
        found = self.library.search(self.queries, width)
        return time.perf_counter() - begin, recall(found, self.truth)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="names of libraries, separated by commas")
    arguments = parser.parse_args()
    metric, vectors, queries, truth = load(arguments.directory)
    libraries = [Hnswlib(), FaissHnsw(), FaissHnswSq(), FaissIvf()]
    libraries += [Usearch(dtype) for dtype in ("f32", "f16", "i8")]
    only = [name for name in arguments.only.split(",") if name]
    contenders = [Cairn(arguments.program, arguments.directory)]
    for library in libraries:
        if not only or library.name in only:
            contenders.append(Peer(library, metric, vectors, queries, truth))
            print(f"{library.name} built: {contenders[-1].report}", file=sys.stderr)

    runs = []
    for contender in contenders:
        contender.timed(contender.widths[len(contender.widths) // 2])
        for aim in (0.95, 0.99):
            for width in contender.widths:
                _, reached = contender.timed(width)
                if reached >= aim:
                    runs.append({"contender": contender, "aim": aim, "width": width, "recall": reached, "seconds": []})
                    break
    for _ in range(arguments.rounds):
        for run in runs:
            run["seconds"].append(run["contender"].timed(run["width"])[0])

    result = {"set": {"rows": len(vectors), "dimension": vectors.shape[1], "metric": metric, "queries": len(queries)}}
    for contender in contenders:
        result[contender.name] = dict(contender.report)
    for run in runs:
        rates = [len(queries) / seconds for seconds in run["seconds"]]
        result[run["contender"].name][f"at {run['aim']}"] = {
            "width": run["width"],
            "recall": round(run["recall"], 5),
            "qps": round(statistics.median(rates)),
            "qps_least": round(min(rates)),
            "qps_most": round(max(rates)),
        }
    for aim in ("at 0.95", "at 0.99"):
        others = [result[c.name][aim]["qps"] for c in contenders[1:] if aim in result[c.name]]
        if others and aim in result["CairnDB"]:
            result[f"ratio {aim}"] = round(result["CairnDB"][aim]["qps"] / max(others), 3)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
