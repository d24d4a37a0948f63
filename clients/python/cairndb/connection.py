"""The connection: a socket, requests going out while replies come in."""

import selectors
import socket
import time
from typing import Callable, Optional, Sequence

from .errors import ConnectionFailed, InputError, ReplyTimeout
from .protocol import Decoder
from .replies import Reply

_CHUNK = 64 << 10


class Connection:
    """A connected socket. After any exception of ``exchange`` it is of no more use."""

    def __init__(
        self,
        host: str,
        port: int,
        unix_path: Optional[str],
        connect_timeout: float,
        reply_bytes_max: int,
    ) -> None:
        self.name = f"unix:{unix_path}" if unix_path else f"{host}:{port}"
        try:
            if unix_path:
                self._socket = _unix(unix_path, connect_timeout)
            else:
                self._socket = socket.create_connection((host, port), connect_timeout)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except socket.timeout as error:
            raise ReplyTimeout(f"cannot connect to {self.name} within {connect_timeout} s") from error
        except OverflowError as error:
            raise InputError(f"port: expected 0 to 65535, got {port}") from error
        except OSError as error:
            raise ConnectionFailed(f"cannot connect to {self.name}: {error}") from error
        self._socket.setblocking(False)
        self._decoder = Decoder(reply_bytes_max)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        #: Whether the last exchange gave all its bytes to the system; a server does not do half a line.
        self.all_sent = True

    def close(self) -> None:
        """Closes the socket."""
        self._selector.close()
        self._socket.close()

    def is_closed(self) -> bool:
        """Whether the server has closed it, as far as that is known without waiting."""
        if self._decoder.pending():
            return False
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True

    def exchange(
        self,
        data: bytes,
        shapes: Sequence[str],
        timeout: float,
        take: Callable[[Reply], None],
    ) -> None:
        """Sends ``data`` and gives the reply of each shape to ``take``; each may take ``timeout`` seconds."""
        view, sent, broken = memoryview(data), 0, None
        self.all_sent = False
        for place, shape in enumerate(shapes):
            until = time.monotonic() + timeout
            while True:
                reply = self._decoder.next(shape) if self._decoder.pending() else None
                if reply is not None:
                    take(reply)
                    break
                sending = sent < len(view) and broken is None
                left = until - time.monotonic()
                ready = self._wait(sending, left)
                if left <= 0 and not ready:
                    raise ReplyTimeout(f"no reply from {self.name} within {timeout} s")
                if ready & selectors.EVENT_WRITE:
                    try:
                        sent += self._socket.send(view[sent : sent + _CHUNK])
                    except (BlockingIOError, InterruptedError):
                        pass
                    except OSError as error:
                        # A server that closes says why before: that is still to be read.
                        broken = error
                    self.all_sent = sent == len(view)
                if ready & selectors.EVENT_READ:
                    self._read(len(shapes) - place, broken)

    def _wait(self, sending: bool, seconds: float) -> int:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if sending else 0)
        if self._selector.get_key(self._socket).events != events:
            self._selector.modify(self._socket, events)
        ready = 0
        for _, mask in self._selector.select(max(seconds, 0)):
            ready |= mask
        return ready

    def _read(self, unanswered: int, broken: Optional[OSError]) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            raise ConnectionFailed(f"the connection to {self.name} was lost: {error}") from error
        if not data:
            why = f"{self.name} closed the connection with {unanswered} requests unanswered"
            raise ConnectionFailed(why) from broken
        self._decoder.feed(data)


def _unix(path: str, timeout: float) -> socket.socket:
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.settimeout(timeout)
        connected.connect(path)
    except BaseException:
        connected.close()
        raise
    return connected
