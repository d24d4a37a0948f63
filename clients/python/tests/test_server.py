"""Every command against the real server."""

import os
import signal
import tempfile
import unittest

from support import Real
from cairndb import (
    Arrays,
    AuthError,
    BadRequest,
    Client,
    DamagedError,
    ExistsError,
    FateUnknown,
    LimitError,
    NotFoundError,
    InputError,
    Reconnect,
    Refused,
)


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Real()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def collection(self, **options):
        """A collection of this test alone."""
        name = self.id().rsplit(".", 1)[1]
        self.client.collection_create(name, **options)
        self.client.use(name)
        return name

    def test_vectors_metadata_and_searches(self):
        self.collection(dimension=3)
        self.client.vecset("tea", [1, 0, 0])
        self.client.vecset("coffee", [0.9, 0.1, 0])
        self.client.vecset("rock", (0, 0, 1.0))
        self.client.metaset("coffee", {"kind": "hot drink", "price": 3.5, "sold": True})
        self.client.metaset("tea", "kind:drink,price:2")
        hits = self.client.sim("tea", 2, using="vectors")
        self.assertEqual([hit.id for hit in hits], ["coffee", "rock"])
        self.assertAlmostEqual(hits[0].score, 0.9939, places=4)
        hits = self.client.simv([1, 0, 0], 5, filter='kind:"hot drink",price>3', min_score=0.1, exact=True)
        self.assertEqual([hit.id for hit in hits], ["coffee"])
        self.assertEqual([hit.id for hit in self.client.simv([1, 0, 0], 1, offset=1, ef=50)], ["coffee"])
        self.client.vecdel("rock")
        with self.assertRaises(NotFoundError):
            self.client.vecdel("rock")

    def test_events(self):
        self.collection()
        self.client.event("basket", "ADD", "tea", 100)
        self.client.event("basket", "SET", "milk", 50)
        hits = self.client.sim("tea", using="events")
        self.assertEqual([(hit.id, hit.score) for hit in hits], [("milk", 5000.0)])
        self.client.event("basket", "DEL", "milk", timestamp=1737201600)
        with self.assertRaisesRegex(BadRequest, r"Score must be in range \[0, 100\], got 101"):
            self.client.event("basket", "ADD", "tea", 101)

    def test_refusals_are_of_their_kinds_and_the_connection_goes_on(self):
        self.collection(dimension=2)
        for error, call in [
            (BadRequest, lambda: self.client.vecset("a", [1])),
            (LimitError, lambda: self.client.simv([1, 1], 100_000)),
            (NotFoundError, lambda: self.client.sim("nobody")),
            (NotFoundError, lambda: self.client.use("nowhere")),
            (NotFoundError, lambda: self.client.snapshot_info("never")),
            (NotFoundError, lambda: self.client.topic_read("no-topic")),
            (NotFoundError, lambda: self.client.dump_load("none.nvec")),
            (ExistsError, lambda: self.client.collection_create("default")),
            (BadRequest, lambda: self.client.command("FOO")),
        ]:
            with self.assertRaises(error):
                call()
        self.client.vecset("a", [1, 2])

    def test_info_and_check(self):
        info = self.client.info()
        self.assertGreaterEqual(info.number("uptime_seconds"), 0)
        self.assertIn("lsn", info)
        self.assertEqual(len(self.client.check()["state_hash"]), 64)

    def test_collections_and_storage(self):
        name = self.collection(dimension=2, storage="mmap", fields="kind,price")
        self.client.vecset("a", [1, 2])
        self.client.collection_alias("other", name)
        stats = self.client.collection_stats("other")
        self.assertEqual((stats["storage"], stats.number("vectors"), stats["fields"]), ("mmap", 1, "kind,price"))
        self.client.collection_unalias("other")
        self.client.collection_configure(name, ef_search=80)
        self.client.collection_rename(name, "renamed")
        self.assertIn("renamed", [row["collection"] for row in self.client.collection_list().rows()])
        self.assertEqual(self.client.storage_stats("renamed").rows()[0]["storage"], "mmap")
        self.assertEqual(self.client.storage_mmap(collection="renamed")["mmap_enabled"], "true")
        self.assertEqual(self.client.storage_compact("renamed", aggressive=True)["status"], "completed")
        self.assertIn("WOULD_DROP", self.client.collection_drop("renamed", dry_run=True).head)
        self.client.use("default")
        self.client.collection_drop("renamed")
        with self.assertRaises(NotFoundError):
            self.client.collection_stats("renamed")

    def test_dumps(self):
        self.client.vecset("d", [1, 0])
        saved = self.client.dump_save("py dump.nvec")
        self.assertIn("py dump.nvec", saved.head)
        self.assertEqual(self.client.dump_verify("py dump.nvec")["crc"], "verified")
        self.assertEqual(self.client.dump_info("py dump.nvec").number("version"), 1)
        self.assertEqual(self.client.dump_status()["status"], "completed")
        file = self.server.path / "snapshots" / "py dump.nvec"
        whole = file.read_bytes()
        middle = len(whole) // 2
        file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        with self.assertRaises(DamagedError) as caught:
            self.client.dump_verify("py dump.nvec")
        self.assertTrue(caught.exception.details)
        file.write_bytes(whole)
        self.assertIn("replaced", self.client.dump_load("py dump.nvec"))
        with self.assertRaises(BadRequest):
            self.client.dump_save("../out.nvec")

    def test_snapshots(self):
        made = self.client.snapshot_create(name="one", description='before "it"', tags="a,b", compression="gzip")
        self.assertEqual((made["name"], made["description"]), ("one", 'before "it"'))
        self.client.vecset("s", [1, 0])
        self.assertEqual(made["tags"], "a,b")
        two = self.client.snapshot_create(name="two", incremental=True, tags=["c", "d e"])
        self.assertEqual((two["type"], two["tags"]), ("incremental", "c,d e"))
        part = self.client.snapshot_create(name="part", collections=["default"])
        self.assertEqual((part["covers"], part["collections"]), ("collections", "default"))
        with self.assertRaisesRegex(BadRequest, "base two: expected a snapshot of the same collections"):
            self.client.snapshot_create(collections=["default"], base="two")
        self.assertEqual(self.client.snapshot_create(collections="default", base="part")["base"], part["id"])
        with self.assertRaisesRegex(InputError, "tags: expected words without a comma"):
            self.client.snapshot_create(tags=["a,b"])
        self.assertIn(made["id"], [row["id"] for row in self.client.snapshot_list().rows()])
        self.assertEqual(self.client.snapshot_info("one")["compression"], "gzip")
        self.client.snapshot_verify("one")
        self.assertIn("*", [row["collection"] for row in self.client.snapshot_diff("one", "two").rows()])
        self.client.snapshot_pin("one", "keep me")
        with self.assertRaises(Refused):
            self.client.snapshot_delete("one")
        self.client.snapshot_unpin("one")
        self.assertIn("PLAN", self.client.snapshot_restore("one", dry_run=True).head)
        self.assertIn("RESTORED", self.client.snapshot_restore("one").head)
        self.assertIn("PRUNE_PLAN", self.client.snapshot_prune(dry_run=True, keep_last=1).head)
        self.client.snapshot_delete("one", force=True)
        self.assertEqual(self.client.snapshot_schedule().rows(), [])
        self.assertIn("status", self.client.snapshot_status())

    def test_the_log_and_the_past(self):
        self.assertEqual(self.client.wal_status()["sync_mode"], "fsync")
        self.client.vecset("w", [1, 0])
        self.assertGreaterEqual(self.client.wal_sync().number("durable_lsn"), 1)
        self.assertEqual(self.client.wal_verify().head, "OK WAL_VALID")
        self.assertEqual(self.client.timeline_list().rows()[0]["role"], "live")
        branch = self.client.timeline_recover("latest").head.rsplit(" ", 1)[1]
        self.assertIn("equal", self.client.timeline_compare(branch))
        self.client.timeline_promote(branch)
        self.assertEqual(self.client.timeline_list().rows()[0]["id"], branch)
        other = self.client.timeline_recover("latest").head.rsplit(" ", 1)[1]
        self.client.timeline_drop(other, dry_run=True)
        self.client.timeline_drop(other)
        self.assertNotIn(other, [row["id"] for row in self.client.timeline_list().rows()])

    def test_topics(self):
        self.client.topic_create("orders", partitions=2, retention="24h", compaction="key")
        at = self.client.topic_append("orders", 'two "small" \\ apples', key="k 1", partition=1)
        self.assertEqual(at, (1, 0))
        self.client.topic_append("orders", "", partition=1)
        self.client.topic_append("orders", key="k 1", partition=1)
        fetched = self.client.topic_read("orders", 1, 0, count=10)
        self.assertEqual(
            [(record.offset, record.key, record.value) for record in fetched.records],
            [(0, b"k 1", b'two "small" \\ apples'), (1, None, b""), (2, b"k 1", None)],
        )
        self.assertEqual((fetched.next_offset, fetched.high_water_mark), (3, 3))
        self.assertEqual(self.client.topic_offset("orders", 1, "2001-01-01T00:00:00Z"), 0)
        self.assertIsNone(self.client.topic_offset("orders", 1, "2999-01-01T00:00:00Z"))
        self.client.topic_alter("orders", retention="48h")
        self.assertEqual(len(self.client.topic_info("orders").rows()), 2)
        self.assertEqual(len(self.client.topic_list().lines), 1)
        self.client.topic_compact("orders")
        self.client.topic_delete("orders")

    def test_pipelines(self):
        self.collection(dimension=2)
        with self.client.pipeline() as p:
            for n in range(2000):
                p.vecset(f"v{n}", [n, 1])
            p.simv([0, 1], 1)
        self.assertEqual(len(p.results), 2001)
        self.assertEqual(p.results[-1][0].id, "v0")
        with self.client.pipeline(raise_first=False) as p:
            p.vecset("x", [1])
            p.vecset("x", [1, 1])
        self.assertEqual([type(result) for result in p.results], [BadRequest, type(None)])

    def test_arrays_in_and_out(self):
        self.collection(dimension=2)
        self.client.vecset("a", [1, 0])
        try:
            import numpy
        except ImportError:
            with self.assertRaisesRegex(InputError, "needs numpy"):
                self.client.simv([1, 0]).arrays()
            return
        self.client.vecset("b", numpy.array([0.1, 0.7], dtype=numpy.float32))
        found = self.client.simv(numpy.array([0.1, 0.7]), 2).arrays()
        self.assertIsInstance(found, Arrays)
        self.assertEqual((found.ids[0], found.scores.dtype, found.scores.shape), ("b", numpy.float64, (2,)))

    def test_the_cache_is_told_of_and_switched(self):
        self.client.cache_enable()
        self.assertEqual(self.client.cache_stats()["cache_enabled"], "true")
        self.client.cache_clear()
        self.client.cache_enable(False)
        self.assertEqual(self.client.cache_stats()["cache_enabled"], "false")
        self.client.cache_enable()

    def test_variables_are_shown_got_and_set(self):
        level = next(v for v in self.client.show_variables("logging%") if v.name == "logging.level")
        self.assertTrue(level.mutable)
        self.assertEqual(self.client.get_variable("logging.level"), level.value)
        self.client.set_variable("logging.level", "warn")
        self.addCleanup(self.client.set_variable, "logging.level", level.value)
        self.assertEqual(self.client.get_variable("logging.level"), "warn")
        self.assertGreater(len(self.client.show_variables()), 50)
        with self.assertRaises(NotFoundError):
            self.client.get_variable("foo.bar")
        with self.assertRaises(BadRequest):
            self.client.set_variable("api.tcp.port", "1")

    def test_the_configuration_is_told_and_explained(self):
        self.assertIn("similarity.fusion_alpha: 0.6", self.client.config_show().lines)
        self.assertTrue(any(line.startswith("similarity: ") for line in self.client.config_help().lines))

    def test_without_passwords_any_is_taken(self):
        self.client.auth("anything")

    def test_debug_tells_how_a_search_went(self):
        self.collection(dimension=2)
        self.client.vecset("q", [1, 0])
        self.client.debug()
        self.assertEqual(self.client.simv([1, 0], 1).debug.results, 1)
        self.client.debug(False)
        self.assertIsNone(self.client.simv([1, 0], 1).debug)


class Passwords(unittest.TestCase):
    def test_what_needs_the_password_is_refused_without_and_done_with_it_also_after_a_restart(self):
        server = Real("security:\n  requirepass: secret word\n")
        self.addCleanup(server.close)
        with server.client() as client:
            with self.assertRaises(AuthError) as caught:
                client.auth("wrong")
            self.assertEqual(caught.exception.kind, "auth")
            # Whatever the shape of its reply, the connection stays in step.
            for call in (
                lambda: client.vecset("a", [1, 0]),
                lambda: client.dump_save("x.nvec"),
                lambda: client.dump_verify("x.nvec"),
                lambda: client.snapshot_verify("x"),
                lambda: client.wal_sync(),
            ):
                with self.assertRaises(AuthError):
                    call()
            client.info()
        with server.client(password="secret word") as client:
            client.vecset("a", [1, 0])
            server.stop()
            server.start(server.port)
            client.vecset("b", [1, 1])
        with self.assertRaises(AuthError):
            server.client(password="wrong")


class UnixSockets(unittest.TestCase):
    def test_a_server_that_listens_on_one_is_reached_by_it(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = os.path.join(directory.name, "cairn.sock")
        server = Real(f"  unix_socket:\n    path: {path}\n")
        self.addCleanup(server.close)
        self.assertIn(f" unix={path} ", server.line)
        with Client(unix_path=path) as client:
            client.vecset("a", [1, 0])
            server.stop()
            server.start(server.port)
            self.assertEqual(client.simv([1, 0], 1)[0].id, "a")


class Nvecd(unittest.TestCase):
    def test_the_other_dialect_is_understood(self):
        server = Real("    dialect: nvecd\n")
        self.addCleanup(server.close)
        with server.client() as client:
            client.vecset("a", [1, 0])
            self.assertTrue(client.dump_save("x.nvec").head.startswith("OK DUMP_SAVED "))
            self.assertTrue(client.dump_verify("x.nvec").head.startswith("OK DUMP_VERIFIED "))
            self.assertTrue(client.dump_load("x.nvec").head.startswith("OK DUMP_LOADED "))
            self.assertEqual(client.dump_info("x.nvec").number("vector_store_count"), 1)
            self.assertEqual(client.dump_status()["status"], "completed")
            with self.assertRaises(NotFoundError):
                client.dump_verify("none.nvec")
            with self.assertRaises(BadRequest):
                client.command("FOO")
            self.assertEqual(client.info()["version"], "0.1.0")


class Restarts(unittest.TestCase):
    def test_a_client_finds_a_restarted_server_and_its_collection_again(self):
        server = Real()
        self.addCleanup(server.close)
        with server.client(reconnect=Reconnect(attempts=8)) as client:
            client.collection_create("books", dimension=2)
            client.use("books")
            client.vecset("a", [1, 0])
            server.stop()
            server.start(server.port)
            self.assertEqual(client.simv([1, 0], 1)[0].id, "a")
            client.vecset("b", [0, 1])

    def test_what_was_acknowledged_before_a_kill_is_there_after_it(self):
        server = Real()
        self.addCleanup(server.close)
        with server.client() as client:
            acknowledged = 0
            try:
                while True:
                    client.vecset(f"v{acknowledged}", [acknowledged, 1])
                    acknowledged += 1
                    if acknowledged == 50:
                        server.process.send_signal(signal.SIGKILL)
            except (FateUnknown, ConnectionError):
                pass
            server.kill()
            server.start(server.port)
            self.assertGreaterEqual(client.check().number("vectors"), acknowledged)


if __name__ == "__main__":
    unittest.main()
