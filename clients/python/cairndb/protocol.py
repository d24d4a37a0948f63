"""The wire: request lines, and the decoder that splits received bytes into replies. No sockets."""

import math
import re
from typing import Any, Dict, Generator, Iterable, List, Mapping, Optional, Union

from .errors import InputError, ProtocolError
from .replies import Reply

Vector = Any
Metadata = Union[str, Mapping[str, Union[bool, int, float, str]]]

_BLOCKS = {"INFO", "CHECK", "CONFIG", "WAL", "TIMELINE", "TOPIC", "COLLECTION", "STORAGE"}
_WRITES = {"EVENT", "VECSET", "METASET", "VECDEL"}
_READS: Dict[str, Iterable[str]] = {
    "SIM": (),
    "SIMV": (),
    "INFO": (),
    "CHECK": (),
    "CONFIG": (),
    "GET": (),
    "SHOW": (),
    "AUTH": (),
    "USE": (),
    "DEBUG": (),
    "CACHE": ("STATS",),
    "DUMP": ("VERIFY", "INFO", "STATUS"),
    "SNAPSHOT": ("LIST", "INFO", "VERIFY", "DIFF", "SCHEDULE", "STATUS"),
    "WAL": ("STATUS", "VERIFY", "SYNC"),
    "TIMELINE": ("LIST", "COMPARE"),
    "TOPIC": ("LIST", "INFO", "READ", "OFFSET"),
    "COLLECTION": ("LIST", "STATS"),
    "STORAGE": ("STATS",),
}

#: Done twice it changes nothing more; the same state, but for what others write meanwhile; or not the same at all.
READS, WRITES, ONCE = 0, 1, 2


def _two_words(line: str) -> List[str]:
    return (line.split(None, 2) + ["", ""])[:2]


def effect(line: str) -> int:
    """READS, WRITES or ONCE: whether a request may be sent twice."""
    first, second = (word.upper() for word in _two_words(line))
    if first in _WRITES:
        return WRITES
    seconds = _READS.get(first)
    if seconds is None:
        return ONCE
    return READS if not seconds or second in seconds else ONCE


def shape(line: str) -> str:
    """How the reply to a request ends: line, results, block, dump, verify, bulk, array, debug_on or debug_off."""
    first, second = (word.upper() for word in _two_words(line))
    if first in ("SIM", "SIMV"):
        return "results"
    if first in _BLOCKS:
        return "block"
    if first == "DUMP":
        return {"SAVE": "dump", "LOAD": "dump", "VERIFY": "verify"}.get(second, "block")
    if first == "SNAPSHOT":
        return "verify" if second == "VERIFY" else "block"
    if first == "CACHE" and second == "STATS":
        return "block"
    if first == "DEBUG" and second in ("ON", "OFF"):
        return "debug_" + second.lower()
    return {"GET": "bulk", "SHOW": "array"}.get(first, "line")


def word(what: str, value: str) -> str:
    """A value that stands between two spaces."""
    if not isinstance(value, str) or not value or re.search(r"\s", value):
        raise InputError(f"{what}: expected text without white space, got {value!r}")
    return value


def rest(what: str, value: str) -> str:
    """A value that may hold spaces, but no line end."""
    if not isinstance(value, str) or not value or "\n" in value or "\r" in value:
        shown = "something else" if what == "password" else repr(value)
        raise InputError(f"{what}: expected text without line ends, got {shown}")
    return value


def quoted(what: str, value: str) -> str:
    """A value in double quotes."""
    if value == "":
        return '""'
    return '"' + rest(what, value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def options(values: Mapping[str, Any]) -> str:
    """Options as a line has them; those that are ``None`` are left out, booleans are on and off."""
    line = ""
    for name, value in values.items():
        if value is None:
            continue
        text = ("on" if value else "off") if isinstance(value, bool) else str(value)
        line += f" {word('option', name)}={text if re.fullmatch(r'[A-Za-z0-9_.:+%-]+', text) else quoted(name, text)}"
    return line


def floats(vector: Vector) -> str:
    """The numbers of a vector, each written so that the server reads the same float32. Takes sequences of
    numbers, ``array.array`` and one-dimensional numpy arrays."""
    if isinstance(vector, (str, bytes)):
        raise InputError(f"vector: expected numbers, got {vector!r}")
    if getattr(vector, "ndim", 1) != 1:
        raise InputError(f"vector: expected one dimension, got the shape {tuple(vector.shape)}")
    # Nine digits are enough for a float32 and short; others keep all they have.
    short = str(getattr(vector, "dtype", "")) in ("float16", "float32") or getattr(vector, "typecode", "") == "f"
    numbers = vector.tolist() if hasattr(vector, "tolist") else vector
    out = []
    for place, number in enumerate(numbers):
        try:
            value = float(number)
        except (TypeError, ValueError):
            raise InputError(f"vector[{place}]: expected a number, got {number!r}") from None
        if isinstance(number, str) or not math.isfinite(value):
            raise InputError(f"vector[{place}]: expected a finite number, got {number!r}")
        out.append("%.9g" % value if short else repr(value))
    return " ".join(out)


def metadata(values: Metadata) -> str:
    """Metadata as METASET has it: text as it is, or a mapping whose values are bool, int, float or str."""
    if isinstance(values, str):
        return rest("metadata", values)
    pairs = []
    for key, value in values.items():
        if not isinstance(value, (bool, int, float, str)):
            raise InputError(f"metadata {key}: expected bool, int, float or str, got {value!r}")
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, str):
            text = quoted(key, value)
        else:
            text = repr(value)
        if not re.fullmatch(r"[^\s:=,\"!<>]+", key):
            raise InputError(f"metadata: expected a key without white space and signs, got {key!r}")
        pairs.append(f"{key}:{text}")
    if not pairs:
        raise InputError("metadata: expected at least one key, got none")
    return ",".join(pairs)


def one_line(line: str) -> bytes:
    """A request's bytes, its end included."""
    if not isinstance(line, str) or not line.strip("\r") or "\n" in line:
        raise InputError(f"a request is one line that is not empty, got {line!r}")
    return line.encode() + b"\n"


_ERRORS = ("(error)", "ERROR", "-ERR")
_Wait = Generator[None, None, Any]


class Decoder:
    """Splits received bytes into replies. Give it bytes with ``feed``, take replies with ``next``."""

    def __init__(self, reply_bytes_max: int) -> None:
        self._max = reply_bytes_max
        self._buffer = bytearray()
        self._at = 0
        self._searched = 0
        self._debug = False
        self._reading: Optional[Generator[None, None, Reply]] = None

    def feed(self, data: bytes) -> None:
        """Takes bytes received."""
        self._buffer += data

    def pending(self) -> bool:
        """Whether there are bytes that no reply has taken."""
        return self._at < len(self._buffer) or self._reading is not None

    def next(self, shape_: str) -> Optional[Reply]:
        """The next reply, of a request with this shape; ``None`` when more bytes are needed."""
        if self._reading is None:
            del self._buffer[: self._at]
            self._at = self._searched = 0
            self._reading = self._reply(shape_)
        try:
            next(self._reading)
        except StopIteration as end:
            self._reading = None
            reply: Reply = end.value
            return reply
        if len(self._buffer) > self._max:
            raise ProtocolError(f"a reply of more than {self._max} bytes")
        return None

    def _line(self) -> _Wait:
        while True:
            end = self._buffer.find(b"\n", self._searched)
            if end >= 0:
                line = bytes(self._buffer[self._at : end])
                self._at = self._searched = end + 1
                return _text(line[:-1] if line.endswith(b"\r") else line)
            self._searched = len(self._buffer)
            yield

    def _value(self, head: str) -> _Wait:
        length = self._number(head, "$")
        if length < 0:
            return None
        while len(self._buffer) < self._at + length + 2:
            yield
        value, end = self._buffer[self._at : self._at + length], self._buffer[self._at + length : self._at + length + 2]
        if end != b"\r\n":
            raise ProtocolError("a value is longer or shorter than its length says")
        self._at += length + 2
        self._searched = self._at
        return _text(bytes(value))

    def _number(self, text: str, mark: str) -> int:
        digits = text[len(mark) :]
        if text.startswith(mark) and digits == "-1" and mark in "$*":
            return -1
        if not text.startswith(mark) or not re.fullmatch(r"[0-9]{1,19}", digits):
            raise ProtocolError(f"expected `{mark}<n>`, got {text[:80]!r}")
        if int(digits) > self._max:
            raise ProtocolError(f"a reply of {digits} things, expected at most {self._max} bytes")
        return int(digits)

    def _until_end(self) -> _Wait:
        lines: List[str] = []
        while True:
            line = yield from self._line()
            if line == "END":
                return lines
            lines.append(line)

    def _reply(self, shape_: str) -> Generator[None, None, Reply]:
        head: str = yield from self._line()
        mark = next((mark for mark in _ERRORS if head.startswith(mark)), None)
        if mark is not None:
            long = shape_ == "verify" and mark == "(error)"
            details = (yield from self._until_end()) if long else []
            return Reply("error", head[len(mark) :].strip(), details)
        if shape_ == "results":
            return (yield from self._results(head))
        if shape_ == "bulk":
            value = yield from self._value(head)
            return Reply("bulk", head, values=[value])
        if shape_ == "array":
            values: List[Optional[str]] = []
            for _ in range(self._number(head, "*")):
                line = yield from self._line()
                values.append((yield from self._value(line)))
            return Reply("array", head, values=values)
        one = head.startswith("OK DUMP_") and not head.startswith("OK DUMP_INFO") and shape_ in ("dump", "verify")
        if shape_ in ("block", "dump", "verify") and not one:
            return Reply("block", head, (yield from self._until_end()))
        if shape_.startswith("debug_"):
            self._debug = shape_ == "debug_on"
        return Reply("ok", head)

    def _results(self, head: str) -> Generator[None, None, Reply]:
        count = self._number(head, "OK RESULTS ")
        lines: List[str] = []
        for _ in range(count):
            lines.append((yield from self._line()))
        if self._debug:
            told = yield from self._line()
            for _ in range(self._number(told, "# DEBUG ")):
                lines.append((yield from self._line()))
        return Reply("results", head, lines, rows=count)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ProtocolError(f"the reply is not UTF-8: {data[:80]!r}") from None
