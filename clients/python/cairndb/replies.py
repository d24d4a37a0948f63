"""The replies: what requests give back."""

import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .errors import InputError, ProtocolError

_KEY = re.compile(r"([A-Za-z_0-9]+)=")


class Hit(NamedTuple):
    """One search result; the score is as precise as the wire's four decimals."""

    id: str
    score: float


class Debug(NamedTuple):
    """What the server says about one search, after ``debug(True)``. The time is in microseconds."""

    mode: str
    query_time_us: int
    candidates: int
    results: int


class Arrays(NamedTuple):
    """Search results, best first, the scores as a numpy array of float64."""

    ids: List[str]
    scores: Any


class Hits(List[Hit]):
    """Search results, best first. ``debug`` is there while ``debug(True)`` is on."""

    debug: Optional[Debug] = None

    def arrays(self) -> Arrays:
        """The ids, and the scores as a numpy array. numpy is needed here and nowhere else."""
        try:
            import numpy
        except ImportError:
            raise InputError("arrays() needs numpy, which is not installed") from None
        return Arrays([hit.id for hit in self], numpy.array([hit.score for hit in self], dtype=numpy.float64))


class Appended(NamedTuple):
    """Where a record was appended."""

    partition: int
    offset: int


class Record(NamedTuple):
    """A record of a topic. Key and value are bytes; ``None`` when the record has none. The time is RFC 3339."""

    offset: int
    time: str
    key: Optional[bytes]
    value: Optional[bytes]


class Fetched(NamedTuple):
    """What reading a topic gave, and the offset to read on from."""

    records: List[Record]
    next_offset: int
    high_water_mark: int


class Variable(NamedTuple):
    """A setting that can be asked for while the server runs."""

    name: str
    value: str
    mutable: bool


class Block:
    """A reply of several lines: ``key: value`` lines are read by ``block["key"]``, rows of ``key=value`` by ``rows()``."""

    def __init__(self, head: str, lines: List[str]) -> None:
        #: The first line: ``OK INFO``.
        self.head = head
        #: The lines between the first and ``END``.
        self.lines = lines

    def pairs(self) -> Iterator[Tuple[str, str]]:
        """The lines of the form ``key: value``."""
        for line in self.lines:
            key, colon, value = line.partition(":")
            if colon:
                yield key, value.strip()

    def get(self, key: str, default: Optional[str] = None) -> Optional[str]:
        """The value of the first line ``key: value``."""
        return next((value for name, value in self.pairs() if name == key), default)

    def __getitem__(self, key: str) -> str:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def number(self, key: str) -> int:
        """The whole number in the line ``key: value``; a ProtocolError when there is none."""
        value = self.get(key)
        try:
            return int(value if value is not None else "")
        except ValueError:
            raise ProtocolError(f"{self.head}: expected a number in the line {key}, got {value!r}") from None

    def rows(self) -> List[Dict[str, str]]:
        """The lines of ``key=value`` words, as LIST has them, one dict each."""
        return [fields(line) for line in self.lines if "=" in line.split(" ", 1)[0].split(":", 1)[0]]

    def __repr__(self) -> str:
        return f"Block({self.head!r}, {self.lines!r})"


@dataclass
class Reply:
    """A reply as it came. ``kind`` is ok, results, block, bulk, array or error."""

    kind: str
    head: str
    lines: List[str] = field(default_factory=list)
    #: Of results: how many of ``lines`` are results; the others are debug lines.
    rows: int = 0
    #: Of bulk and array.
    values: Optional[List[Optional[str]]] = None

    @property
    def block(self) -> Block:
        """Its lines; one line (nvecd's ``OK DUMP_SAVED …``) is a block without lines."""
        if self.kind not in ("block", "ok"):
            raise ProtocolError(f"expected lines, got {self.kind}: {self.head}")
        return Block(self.head, self.lines)


def fields(line: str) -> Dict[str, str]:
    """Reads ``a=1 b="x y" reason=some words``: what follows a value and is no ``key=`` belongs to it. ``error`` is the rest
    of the line."""
    found: Dict[str, str] = {}
    name = ""
    left = line
    while left:
        key = _KEY.match(left)
        if key is None and not name:
            raise ProtocolError(f"expected key=value words, got {line!r}")
        if key is None:
            more, _, left = left.partition(" ")
            found[name] += " " + more
            continue
        name, left = key.group(1), left[key.end() :]
        if name == "error":
            found[name] = left
            break
        if left.startswith('"'):
            found[name], used = _quoted(left)
            left = left[used:].lstrip(" ")
        else:
            found[name], _, left = left.partition(" ")
    return found


def _quoted(text: str) -> Tuple[str, int]:
    """The text of a value in double quotes at the beginning, and how many characters it took."""
    out: List[str] = []
    at = 1
    while at < len(text):
        char = text[at]
        if char == '"':
            return "".join(out), at + 1
        if char == "\\":
            at += 1
            char = text[at : at + 1]
        out.append(char)
        at += 1
    raise ProtocolError(f"quotes that do not close: {text!r}")


def hits(reply: Reply) -> Hits:
    """The results of a search."""
    if reply.kind != "results":
        raise ProtocolError(f"expected results, got {reply.kind}: {reply.head}")
    found = Hits()
    for line in reply.lines[: reply.rows]:
        name, space, score = line.rpartition(" ")
        try:
            found.append(Hit(name, float(score)))
        except ValueError:
            space = ""
        if not space:
            raise ProtocolError(f"expected `<id> <score>`, got {line!r}")
    told = reply.lines[reply.rows :]
    if told:
        block = Block("# DEBUG", told)
        figures = [block.number(key) for key in ("query_time_us", "candidates", "results")]
        found.debug = Debug(block.get("mode") or "", *figures)
    return found


def appended(block: Block) -> Appended:
    """Where a record was appended."""
    return Appended(block.number("partition"), block.number("offset"))


def fetched(block: Block) -> Fetched:
    """The records of TOPIC READ."""
    records = [_record(line) for line in block.lines if line.startswith("offset=")]
    return Fetched(records, block.number("next_offset"), block.number("high_water_mark"))


def _record(line: str) -> Record:
    words = fields(line)

    def part(name: str) -> Optional[bytes]:
        if name + "_hex" in words:
            return bytes.fromhex(words[name + "_hex"])
        return words[name].encode() if name in words else None

    try:
        return Record(int(words["offset"]), words.get("time", ""), part("key"), part("value"))
    except ValueError:
        raise ProtocolError(f"not a record of a topic: {line!r}") from None


def variable(line: str) -> Variable:
    """Reads ``name=value (mutable|immutable)``."""
    name, equals, rest = line.partition("=")
    for ending, mutable in ((" (mutable)", True), (" (immutable)", False)):
        if equals and rest.endswith(ending):
            return Variable(name, rest[: -len(ending)], mutable)
    raise ProtocolError(f"expected `name=value (mutable|immutable)`, got {line!r}")
