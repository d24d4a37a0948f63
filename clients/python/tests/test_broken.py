"""Broken connections, slow servers and garbage; what is sent again, and what never is."""

import os
import socket
import tempfile
import threading
import unittest
from unittest import mock

from support import CLOSE, HANG, QUICK, Fake
import cairndb
from cairndb import (
    AuthError,
    BadRequest,
    BusyError,
    Client,
    ConnectionFailed,
    FateUnknown,
    InputError,
    LimitError,
    NotFoundError,
    ProtocolError,
    Reconnect,
    ReplyTimeout,
    SlowDownError,
)

HIT = b"OK RESULTS 1\r\nb 0.5000\r\n"
VECSET = b"OK VECSET\r\n"


class Lost(unittest.TestCase):
    def test_a_read_is_sent_again_on_a_new_connection(self):
        with Fake([CLOSE], [HIT]) as server, server.client() as client:
            self.assertEqual(client.sim("a", 5)[0].id, "b")
            self.assertEqual(server.wait(), [(0, "SIM a 5"), (1, "SIM a 5")])

    def test_a_read_whose_reply_is_cut_is_sent_again(self):
        with Fake([(b"OK RESULTS 2\r\nb 0.5000\r\nc 0.", CLOSE)], [HIT]) as server, server.client() as client:
            self.assertEqual(len(client.sim("a")), 1)

    def test_a_write_is_never_sent_again_by_itself(self):
        with Fake([CLOSE], [VECSET]) as server, server.client() as client:
            with self.assertRaisesRegex(FateUnknown, "VECSET a 1.0") as caught:
                client.vecset("a", [1])
            self.assertEqual(caught.exception.kind, "unknown")
            client.vecset("b", [1])
            self.assertEqual(server.wait(), [(0, "VECSET a 1.0"), (1, "VECSET b 1.0")])

    def test_a_write_is_sent_again_when_the_caller_allows_it(self):
        allowed = Reconnect(attempts=3, delay_first=0.001, delay_max=0.002, repeat_writes=True)
        with Fake([CLOSE], [VECSET, CLOSE]) as server, server.client(reconnect=allowed) as client:
            client.vecset("a", [1])
            with self.assertRaises(FateUnknown):
                client.topic_append("t", "x")

    def test_a_connection_that_was_closed_before_is_seen_before_anything_is_sent(self):
        with Fake([VECSET], [VECSET]) as server, server.client() as client:
            client.vecset("a", [1])
            # The script of the first connection is at its end: it is closed, or will be.
            while not client._connection.is_closed():
                pass
            client.vecset("b", [2])
            self.assertEqual(server.wait(), [(0, "VECSET a 1.0"), (1, "VECSET b 2.0")])

    def test_password_collection_and_debug_are_said_again(self):
        ok, used, debug = b"+OK\r\n", b"OK USE books\r\n", b"OK DEBUG_ON\r\n"
        told = b"# DEBUG 4\r\nmode: events\r\nquery_time_us: 7\r\ncandidates: 2\r\nresults: 0\r\n"
        script = [ok, used, debug]
        with Fake([*script, CLOSE], [*script, b"OK RESULTS 0\r\n" + told]) as server:
            with server.client(password="p w") as client:
                client.use("books")
                client.debug()
                self.assertEqual(client.sim("a", 1).debug, ("events", 7, 2, 0))
                lines = ["AUTH p w", "USE books", "DEBUG ON", "SIM a 1"]
                self.assertEqual(server.wait(), [(n, line) for n in (0, 1) for line in lines])

    def test_a_collection_that_is_gone_stops_the_request_instead_of_meaning_another(self):
        gone = b"(error) Collection not found: books (there are: default)\r\n"
        with Fake([b"OK USE books\r\n", CLOSE], [gone]) as server, server.client(collection="books") as client:
            with self.assertRaises(NotFoundError):
                client.sim("a", 1)
            self.assertEqual(server.wait()[1:], [(0, "SIM a 1"), (1, "USE books")])

    def test_attempts_are_bounded(self):
        with Fake(*[[CLOSE]] * 4) as server, server.client() as client:
            with self.assertRaises(ConnectionFailed):
                client.info()
            self.assertEqual(len(server.wait()), 4)

    def test_waits_grow_up_to_their_bound_and_differ(self):
        reconnect = Reconnect(delay_first=0.05, delay_max=0.3)
        with mock.patch("random.uniform", lambda low, high: high):
            self.assertEqual([reconnect.delay(n) for n in (0, 1, 2, 3, 999)], [0.05, 0.1, 0.2, 0.3, 0.3])
        self.assertNotEqual(reconnect.delay(9), reconnect.delay(9))

    def test_without_reconnecting_a_lost_connection_stays_lost(self):
        with Fake([CLOSE], [HIT]) as server, server.client(reconnect=None) as client:
            for _ in range(2):
                with self.assertRaises(ConnectionFailed):
                    client.info()

    def test_nobody_listening_is_an_error_with_the_address(self):
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            port = deaf.getsockname()[1]
            with self.assertRaisesRegex(ConnectionFailed, f"127.0.0.1:{port}"):
                Client("127.0.0.1", port, reconnect=QUICK)

    def test_a_closed_client_says_so(self):
        with Fake([HIT]) as server:
            client = server.client()
            client.close()
            with self.assertRaisesRegex(InputError, "closed"):
                client.info()


class Late(unittest.TestCase):
    def test_a_late_reply_is_not_asked_for_again_but_the_client_goes_on(self):
        with Fake([HANG], [HIT]) as server, server.client(timeout=0.05) as client:
            with self.assertRaises(ReplyTimeout):
                client.info()
            client.timeout = 60
            client.sim("a", 1)
            self.assertEqual(server.wait(), [(0, "INFO"), (1, "SIM a 1")])

    def test_a_write_that_is_not_answered_in_time_has_an_unknown_fate(self):
        with Fake([HANG]) as server, server.client(timeout=0.05) as client:
            with self.assertRaises(FateUnknown) as caught:
                client.vecset("a", [1])
            self.assertIsInstance(caught.exception.__cause__, ReplyTimeout)

    def test_a_server_that_accepts_and_says_nothing_ends_connecting_in_time(self):
        with Fake([HANG]) as server:
            with self.assertRaises(ReplyTimeout):
                server.client(password="x", connect_timeout=0.05, reconnect=None)


class Garbage(unittest.TestCase):
    def test_a_reply_of_another_protocol_is_named(self):
        for data in (b"HTTP/1.1 400\r\n", b"OK RESULTS x\r\n", b"OK RESULTS 1\r\nlonely\r\n", b"\xff\xff\r\n"):
            with Fake([(data, CLOSE)]) as server, server.client() as client:
                with self.assertRaises(ProtocolError, msg=data):
                    client.sim("a")

    def test_garbage_in_answer_to_a_write_leaves_its_fate_unknown(self):
        with Fake([(b"\xff\xff\r\n", CLOSE)]) as server, server.client() as client:
            with self.assertRaises(FateUnknown):
                client.vecset("a", [1])

    def test_records_that_are_garbled_are_errors(self):
        for line in ("offset=x time=1", 'offset=1 value="open', "offset=1 value_hex=zz", "offset=1 junk"):
            reply = f"OK TOPIC_RECORDS 1\r\nnext_offset: 2\r\nhigh_water_mark: 2\r\n{line}\r\nEND\r\n"
            with Fake([reply.encode()]) as server, server.client() as client:
                with self.assertRaises(ProtocolError, msg=line):
                    client.topic_read("t")


class Refusals(unittest.TestCase):
    def test_each_kind_is_an_exception_of_its_own_and_the_connection_goes_on(self):
        messages = [
            (b"(error) NOAUTH Authentication required", AuthError, "auth"),
            (b"ERROR LOADING a dump", BusyError, "retry"),
            (b"(error) Too many connections: the maximum is 1", SlowDownError, "slow_down"),
            (b"(error) top_k 1001 exceeds maximum allowed: 1000", LimitError, "limit"),
            (b"(error) Query vector not found: LOADING", NotFoundError, "not_found"),
            (b"(error) Unknown command: FOO", BadRequest, "input"),
            (b"(error) the write's fate is unknown: the server is stopping", FateUnknown, "unknown"),
        ]
        with Fake([message + b"\r\n" for message, _, _ in messages] + [VECSET]) as server:
            with server.client() as client:
                for message, error, kind in messages:
                    with self.assertRaises(error, msg=message) as caught:
                        client.command("FOO")
                    self.assertEqual(caught.exception.kind, kind, message)
                client.vecset("a", [1])
                self.assertEqual(len(server.wait()), 8)

    def test_bad_input_is_not_sent(self):
        with Fake([VECSET]) as server, server.client() as client:
            for call in (
                lambda: client.vecset("a b", [1]),
                lambda: client.event("c", "PUT", "a", 1),
                lambda: client.event("c", "ADD", "a"),
                lambda: client.event("c", "DEL", "a", 1),
                lambda: client.event("c", "ADD", "a", 1.5),
                lambda: client.sim("a", 5, filter="k:v\nINFO"),
                lambda: client.topic_append("t"),
                lambda: client.topic_append("t", "a\nb"),
                lambda: client.command(""),
                lambda: client.command("INFO\nINFO"),
            ):
                with self.assertRaises(InputError):
                    call()
            client.vecset("a", [1])
            self.assertEqual(server.wait(), [(0, "VECSET a 1.0")])

    def test_a_password_is_in_no_error(self):
        with Fake([CLOSE]) as server, server.client(reconnect=None) as client:
            for password in ("hunter2", "hunter2\n"):
                with self.assertRaises(cairndb.CairnError) as caught:
                    client.auth(password)
                self.assertNotIn("hunter2", repr(caught.exception))


class Pipelines(unittest.TestCase):
    def test_results_stand_in_order_and_the_first_refusal_is_raised(self):
        with Fake([VECSET, b"(error) Failed to parse float: x\r\n", HIT] * 2) as server:
            with server.client() as client:
                with client.pipeline(raise_first=False) as p:
                    p.vecset("a", [1])
                    p.command("VECSET a x")
                    p.sim("a")
                self.assertIsNone(p.results[0])
                self.assertIsInstance(p.results[1], BadRequest)
                self.assertEqual(p.results[2][0].score, 0.5)
                with self.assertRaises(BadRequest):
                    with client.pipeline() as p:
                        p.vecset("a", [1])
                        p.command("VECSET a x")
                        p.sim("a")
                self.assertEqual(len(p.results), 3)

    def test_nothing_is_sent_when_the_body_fails(self):
        with Fake([VECSET]) as server, server.client() as client:
            with self.assertRaises(KeyError):
                with client.pipeline() as p:
                    p.vecset("a", [1])
                    raise KeyError("mine")
            client.vecset("b", [1])
            self.assertEqual(server.wait(), [(0, "VECSET b 1.0")])

    def test_what_was_acknowledged_before_a_loss_is_known(self):
        with Fake([VECSET, CLOSE]) as server, server.client() as client:
            pipeline = client.pipeline()
            with self.assertRaisesRegex(FateUnknown, "what follows the first 1 of 3 requests"):
                with pipeline as p:
                    for name in "abc":
                        p.vecset(name, [1])
            self.assertEqual(pipeline.results, [None])

    def test_reads_go_on_where_they_were(self):
        with Fake([HIT, CLOSE], [HIT, HIT]) as server, server.client() as client:
            with client.pipeline() as p:
                for name in "abc":
                    p.sim(name, 1)
            self.assertEqual(len(p.results), 3)
            self.assertEqual(server.wait()[2:], [(1, "SIM b 1"), (1, "SIM c 1")])

    def test_more_than_the_socket_buffers_hold_does_not_deadlock(self):
        count = 3000
        answer = b"OK RESULTS 1\r\n" + b"x" * 1000 + b" 1.0000\r\n"
        with Fake([answer] * count) as server, server.client() as client:
            with client.pipeline() as p:
                for _ in range(count):
                    p.sim("y" * 1000, 1)
            self.assertEqual(len(p.results), count)


class Shared(unittest.TestCase):
    def test_threads_get_their_own_replies(self):
        def answers(listener):
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    name = line.split()[1].decode()
                    connection.sendall(f"OK RESULTS 1\r\n{name} 1.0000\r\n".encode())

        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=answers, args=(listener,), daemon=True).start()
            with Client("127.0.0.1", listener.getsockname()[1]) as client:
                wrong = []

                def ask(name):
                    for _ in range(50):
                        if client.sim(name, 1)[0].id != name:
                            wrong.append(name)

                threads = [threading.Thread(target=ask, args=(f"n{n}",)) for n in range(8)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.assertEqual(wrong, [])

    def test_a_unix_socket_is_a_server_like_any_other(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "s")
            with Fake([VECSET], unix_path=path) as server, Client(unix_path=path) as client:
                client.vecset("a", [1])
                self.assertEqual(server.wait(), [(0, "VECSET a 1.0")])
            with self.assertRaisesRegex(ConnectionFailed, "unix:.*nowhere"):
                Client(unix_path=os.path.join(directory, "nowhere"), reconnect=None)


if __name__ == "__main__":
    unittest.main()
