"""The client: one connection at a time, made anew when it is lost."""

import random
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, List, Optional, Tuple, Type, TypeVar, cast

from .commands import Commands
from .connection import Connection
from .errors import (
    CairnError,
    ConnectionFailed,
    FateUnknown,
    InputError,
    ProtocolError,
    Refused,
    ReplyTimeout,
    refused,
)
from .protocol import READS, WRITES, effect, one_line, rest, shape, word
from .replies import Reply

T = TypeVar("T")
Decode = Callable[[Reply], Any]


@dataclass(frozen=True)
class Reconnect:
    """How a lost connection is made anew. A request that certainly was not done is then sent again; one that may have
    been done only when doing it twice is the same as once: those that only read, and others when ``repeat_writes`` says so.

    Waits are in seconds, random up to ``delay_first``, then twice that and so on up to ``delay_max``.
    """

    attempts: int = 5
    delay_first: float = 0.05
    delay_max: float = 2.0
    #: EVENT, VECSET, METASET and VECDEL too. The same write twice leaves the same state, unless another client
    #: wrote the same item in between, or an EVENT ADD falls out of the server's dedup window.
    repeat_writes: bool = False

    def delay(self, attempt: int) -> float:
        """A wait before an attempt; 0 is the first."""
        return random.uniform(0, min(self.delay_max, self.delay_first * 2 ** min(attempt, 60)))


class Client(Commands):
    """A connection to a server, over TCP or (``unix_path``) a Unix socket. Times are in seconds.

    It may be shared by threads: their requests are done one after another, and ``use``, ``auth`` and ``debug`` hold for all of
    them. For requests at the same time, give each thread a client. It must not be used on both sides of a fork.

    ``timeout`` is how long each reply may take; a snapshot or restore of much data takes long. ``reconnect=None`` means that a
    lost connection stays lost.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 11017,
        *,
        unix_path: Optional[str] = None,
        password: Optional[str] = None,
        collection: Optional[str] = None,
        timeout: float = 60.0,
        connect_timeout: float = 5.0,
        reply_bytes_max: int = 256 << 20,
        reconnect: Optional[Reconnect] = Reconnect(),
    ) -> None:
        self.timeout = timeout
        self._endpoint = (host, port, unix_path, connect_timeout, reply_bytes_max)
        self._reconnect = reconnect
        self._password = rest("password", password) if password is not None else None
        self._collection = word("collection", collection) if collection is not None else None
        self._debug = False
        self._lock = threading.RLock()
        self._closed = False
        self._connection: Optional[Connection] = None
        attempt = 0
        while self._connection is None:
            try:
                self._connection = self._open()
            except (ConnectionFailed, InputError) as error:
                self._again(error, READS, False, attempt, "")
            attempt += 1

    def close(self) -> None:
        """Closes the connection; the client is of no more use."""
        with self._lock:
            self._closed = True
            self._drop()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        host, port, unix_path = self._endpoint[:3]
        return f"Client({f'unix:{unix_path}' if unix_path else f'{host}:{port}'})"

    def pipeline(self, *, raise_first: bool = True) -> "Pipeline":
        """Requests that are sent together: ``with client.pipeline() as p: p.vecset(…); p.event(…)``.

        They are sent when the ``with`` ends; ``p.results`` then has a result for each, an exception for one that was
        refused. The first of those is raised, unless ``raise_first`` is false.
        """
        return Pipeline(self, raise_first)

    def _do(self, line: str, decode: Callable[[Reply], T]) -> T:
        results: List[Any] = []
        self._run([(line, decode)], results)
        if isinstance(results[0], CairnError):
            raise results[0]
        return cast(T, results[0])

    def _run(self, requests: List[Tuple[str, Decode]], results: List[Any]) -> None:
        """Does requests in order; what came before a failure is in ``results``."""
        lines = [one_line(line) for line, _ in requests]
        with self._lock:
            attempt = 0
            while len(results) < len(requests):
                done = len(results)
                sent = True
                try:
                    sent = False
                    connection = self._ready()
                    sent = True
                    self._exchange(connection, requests[done:], b"".join(lines[done:]), results)
                except (ConnectionFailed, ProtocolError, Refused) as error:
                    connection_ = self._connection
                    if sent and connection_ is not None and len(requests) == 1:
                        # A server does not do half a line.
                        sent = connection_.all_sent
                    self._drop()
                    left = [line for line, _ in requests[len(results) :]]
                    attempt = 0 if len(results) > done else attempt
                    named = _named(left[0]) if len(requests) == 1 else ""
                    named = named or f"what follows the first {len(results)} of {len(requests)} requests"
                    self._again(error, max(map(effect, left), default=READS), sent, attempt, named)
                except BaseException:
                    # Interrupted: a late reply must not be taken for another request's.
                    self._drop()
                    raise
                attempt += 1

    def _exchange(
        self, connection: Connection, requests: List[Tuple[str, Decode]], data: bytes, results: List[Any]
    ) -> None:
        answered = iter(requests)

        def take(reply: Reply) -> None:
            line, decode = next(answered)
            self._note(line, reply)
            if reply.kind == "error":
                results.append(refused(reply.head, reply.lines))
            else:
                results.append(decode(reply))

        connection.exchange(data, [shape(line) for line, _ in requests], self.timeout, take)

    def _again(self, error: Exception, effect_: int, sent: bool, attempt: int, named: str) -> None:
        """Waits before another attempt, or raises what the error means."""
        reconnect = self._reconnect
        harmless = effect_ == READS or (effect_ == WRITES and reconnect is not None and reconnect.repeat_writes)
        # A server that is slow is not asked the same again.
        late = isinstance(error, ReplyTimeout) and sent
        lost = isinstance(error, ConnectionFailed) and not late
        if reconnect is not None and attempt < reconnect.attempts and lost and (harmless or not sent):
            time.sleep(reconnect.delay(attempt))
            return
        if sent and effect_ != READS:
            raise FateUnknown(f"it is unknown whether {named} was done: {error}") from error
        raise error

    def _ready(self) -> Connection:
        if self._closed:
            raise InputError("the client is closed")
        if self._connection is not None and (self._reconnect is None or not self._connection.is_closed()):
            return self._connection
        if self._connection is None and self._reconnect is None:
            raise ConnectionFailed("the connection is unusable after an earlier failure")
        self._drop()
        self._connection = self._open()
        return self._connection

    def _open(self) -> Connection:
        connection = Connection(*self._endpoint)
        lines = []
        if self._password is not None:
            lines.append(f"AUTH {self._password}")
        if self._collection is not None:
            lines.append(f"USE {self._collection}")
        if self._debug:
            lines.append("DEBUG ON")

        def take(reply: Reply) -> None:
            if reply.kind == "error":
                raise refused(reply.head, reply.lines)

        try:
            for line in lines:
                connection.exchange(one_line(line), [shape(line)], self._endpoint[3], take)
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _note(self, line: str, reply: Reply) -> None:
        """Takes note of what a server must be told again on a new connection."""
        if reply.kind == "error":
            return
        first, _, argument = line.strip().partition(" ")
        first, argument = first.upper(), argument.strip()
        if first == "AUTH":
            self._password = argument
        elif first == "USE":
            self._collection = argument if argument != "default" else None
        elif first == "DEBUG":
            self._debug = argument.upper() == "ON"


class Pipeline(Commands):
    """Requests that are sent together. Use it by ``with client.pipeline() as p``."""

    def __init__(self, client: Client, raise_first: bool) -> None:
        self._client = client
        self._raise_first = raise_first
        self._requests: List[Tuple[str, Decode]] = []
        #: A result for each request that was answered, in order; an exception for one that was refused.
        self.results: List[Any] = []

    def __len__(self) -> int:
        return len(self._requests)

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if kind is None:
            self.execute()

    def execute(self) -> List[Any]:
        """Sends what was asked since the last time, and gives the results. When the connection is lost, what was acknowledged
        until then is in ``results``."""
        requests, self._requests = self._requests, []
        self.results = []
        self._client._run(requests, self.results)
        refusals = [result for result in self.results if isinstance(result, Refused)]
        if refusals and self._raise_first:
            raise refusals[0]
        return self.results

    def _do(self, line: str, decode: Callable[[Reply], T]) -> T:
        one_line(line)
        self._requests.append((line, decode))
        # The result is not there yet: it comes into ``results``.
        return cast(T, None)


def _named(line: str) -> str:
    """The request as an error shows it: never the password of AUTH."""
    words = line.split()[:3]
    return words[0] if words[0].upper() == "AUTH" else " ".join(words)
