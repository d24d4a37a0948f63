"""Request lines, and replies at every split; no sockets."""

import array
import unittest

import support  # noqa: F401
from cairndb import InputError, ProtocolError
from cairndb.protocol import ONCE, READS, WRITES, Decoder, effect, floats, metadata, options, shape
from cairndb.replies import Block, fields

REPLIES = [
    ("line", "OK EVENT\r\n", "ok", []),
    ("line", "(error) Unknown command: FOO\r\n", "error", []),
    ("line", "ERROR Unknown command: FOO\r\n", "error", []),
    ("results", "OK RESULTS 0\r\n", "results", []),
    ("results", "OK RESULTS 2\r\nb 5000.0000\r\nc -0.5000\r\n", "results", ["b 5000.0000", "c -0.5000"]),
    ("block", "OK INFO\r\n\r\n# Server\r\nEND\r\n", "block", ["", "# Server"]),
    ("block", "+OK\r\na: 1\r\nEND\r\n", "block", ["a: 1"]),
    ("dump", "OK DUMP_SAVED /a b.nvec\r\n", "ok", []),
    ("dump", "OK Snapshot saved: /a\r\nsize: 1 bytes\r\nEND\r\n", "block", ["size: 1 bytes"]),
    ("verify", "(error) CRC mismatch\r\nexpected: 0x1\r\nEND\r\n", "error", ["expected: 0x1"]),
    ("verify", "ERROR CRC mismatch\r\n", "error", []),
    ("verify", "OK DUMP_VERIFIED /a\r\n", "ok", []),
    ("block", "OK DUMP_INFO /a\r\nversion: 1\r\nEND\r\n", "block", ["version: 1"]),
    ("bulk", "$5\r\na\r\nbc\r\n", "bulk", []),
    ("bulk", "$-1\r\n", "bulk", []),
    ("array", "*2\r\n$1\r\na\r\n$3\r\nb=1\r\n", "array", []),
    ("block", "OK X\na: 1\nEND\n", "block", ["a: 1"]),
]


class Requests(unittest.TestCase):
    def test_floats_are_written_so_that_they_read_back_the_same(self):
        self.assertEqual(floats([1, 0.5, -2e-7]), "1.0 0.5 -2e-07")
        self.assertEqual(floats((0.1,)), "0.1")
        short = floats(array.array("f", [0.1]))
        self.assertEqual(array.array("f", [float(short)]), array.array("f", [0.1]))
        self.assertLess(len(short), 12)

    def test_what_is_no_vector_is_refused_with_its_place(self):
        for bad in ([float("nan")], [1, float("inf")], ["1"], "12", [None], 5):
            with self.assertRaises((InputError, TypeError)):
                floats(bad)
        with self.assertRaisesRegex(InputError, r"vector\[1\]: expected a finite number, got inf"):
            floats([1, float("inf")])

    def test_arrays_are_known_by_what_they_offer(self):
        class Array:
            ndim, dtype, shape = 1, "float32", (2,)

            def tolist(self):
                return [0.10000000149011612, 2.0]

        class Matrix(Array):
            ndim, shape = 2, (1, 2)

        self.assertEqual(floats(Array()), "0.100000001 2")
        with self.assertRaisesRegex(InputError, r"expected one dimension, got the shape \(1, 2\)"):
            floats(Matrix())

    def test_metadata_keeps_types_and_quotes_text(self):
        values = {"a": True, "b": 3, "c": 0.5, "d": 'x, "y": z'}
        self.assertEqual(metadata(values), 'a:true,b:3,c:0.5,d:"x, \\"y\\": z"')
        self.assertEqual(metadata("k:v"), "k:v")
        for bad in ({}, {"a b": 1}, {"a": None}, {"a": "x\ny"}, "k:v\nINFO"):
            with self.assertRaises(InputError):
                metadata(bad)

    def test_options_are_quoted_where_they_must(self):
        self.assertEqual(options({"a": 1, "b": True, "c": None, "d": 'x "y"'}), ' a=1 b=on d="x \\"y\\""')

    def test_the_first_words_say_how_a_reply_ends_and_what_may_be_repeated(self):
        for line, shape_, effect_ in [
            ("EVENT c ADD a 1", "line", WRITES),
            ("vecset a 1", "line", WRITES),
            ("sim a 1", "results", READS),
            ("INFO", "block", READS),
            ("DUMP SAVE", "dump", ONCE),
            ("dump verify x", "verify", READS),
            ("SNAPSHOT VERIFY x", "verify", READS),
            ("SNAPSHOT CREATE", "block", ONCE),
            ("TOPIC APPEND t x", "block", ONCE),
            ("TOPIC READ t 0 0", "block", READS),
            ("CACHE CLEAR", "line", ONCE),
            ("CACHE STATS", "block", READS),
            ("GET a", "bulk", READS),
            ("SET a 1", "line", ONCE),
            ("SHOW VARIABLES", "array", READS),
            ("DEBUG on", "debug_on", READS),
            ("FOO", "line", ONCE),
        ]:
            self.assertEqual((shape(line), effect(line)), (shape_, effect_), line)


class Replies(unittest.TestCase):
    def test_every_reply_decodes_at_every_split(self):
        for shape_, text, kind, lines in REPLIES:
            data = text.encode()
            for cut in range(len(data) + 1):
                decoder = Decoder(1 << 20)
                decoder.feed(data[:cut])
                if cut < len(data):
                    self.assertIsNone(decoder.next(shape_), (text, cut))
                decoder.feed(data[cut:])
                reply = decoder.next(shape_)
                self.assertEqual((reply.kind, reply.lines), (kind, lines), (text, cut))
                self.assertFalse(decoder.pending())

    def test_all_replies_in_one_stream(self):
        decoder = Decoder(1 << 20)
        decoder.feed("".join(text for _, text, _, _ in REPLIES).encode())
        self.assertEqual([decoder.next(shape_).kind for shape_, *_ in REPLIES], [kind for _, _, kind, _ in REPLIES])

    def test_what_is_no_reply_is_an_error(self):
        for shape_, text in [
            ("results", b"HTTP/1.1 400 Bad Request\r\n"),
            ("results", b"OK RESULTS -1\r\n"),
            ("results", b"OK RESULTS 99999999999999999999\r\n"),
            ("results", b"OK RESULTS 2000000\r\n"),
            ("bulk", b"$2000000\r\n"),
            ("bulk", b"$2\r\nabcd\r\n"),
            ("bulk", b"hello\r\n"),
            ("array", b"*99999999\r\n"),
            ("array", b"*1\r\nfoo\r\n"),
            ("line", b"\xff\xfe\r\n"),
        ]:
            decoder = Decoder(1 << 20)
            decoder.feed(text)
            with self.assertRaises(ProtocolError, msg=text):
                decoder.next(shape_)

    def test_a_reply_past_the_limit_is_an_error(self):
        decoder = Decoder(100)
        decoder.feed(b"OK INFO\r\n" + b"x" * 200)
        with self.assertRaises(ProtocolError):
            decoder.next("block")

    def test_blocks_are_read_by_key_and_by_row(self):
        block = Block("OK X", ["lsn: 7", "id=a type=full name=\"x \\\"y\\\"\"", "id=b error=no such: thing = 1"])
        self.assertEqual((block["lsn"], block.number("lsn"), block.get("no")), ("7", 7, None))
        rows = block.rows()
        self.assertEqual(rows[0], {"id": "a", "type": "full", "name": 'x "y"'})
        self.assertEqual(rows[1], {"id": "b", "error": "no such: thing = 1"})
        self.assertEqual(fields("a=1 reason=loaded x b=2"), {"a": "1", "reason": "loaded x", "b": "2"})
        with self.assertRaises(KeyError):
            block["no"]
        with self.assertRaises(ProtocolError):
            block.number("no")
        with self.assertRaises(ProtocolError):
            fields('a="open')
        with self.assertRaises(ProtocolError):
            fields("words alone")


if __name__ == "__main__":
    unittest.main()
