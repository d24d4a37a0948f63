"""The typed commands, for a client (done at once) and a pipeline (done together)."""

from typing import Any, Callable, Dict, List, Optional, Sequence, TypeVar, Union

from . import replies
from .errors import InputError, ProtocolError
from .protocol import Metadata, Vector, floats, metadata, options, quoted, rest, word
from .replies import Appended, Block, Fetched, Hits, Reply, Variable

T = TypeVar("T")
_FLAG = {None: None, True: "on", False: "off"}


def _done(reply: Reply) -> None:
    if reply.kind != "ok":
        raise ProtocolError(f"expected one line, got {reply.kind}: {reply.head}")


def _block(reply: Reply) -> Block:
    return reply.block


def _whole(what: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InputError(f"{what}: expected a whole number, got {value!r}")
    return int(value)


class Commands:
    """All commands. In a pipeline each gives ``None``, and its result stands in ``results``.

    Raises, each of them: ``InputError`` before anything is sent, ``Refused`` (or one of its kinds) for the server's no,
    ``ConnectionFailed`` when there is no server, ``FateUnknown`` when a request that changes something got no answer.
    """

    def _do(self, line: str, decode: Callable[[Reply], T]) -> T:
        raise NotImplementedError

    def _lines(self, line: str) -> Block:
        return self._do(line, _block)

    # Writes. Each is durable when it returns, in the log's mode fsync.

    def event(
        self, context: str, op: str, id: str, score: Optional[int] = None, *, timestamp: Optional[int] = None
    ) -> None:
        """Records an event: ``op`` is ADD, SET or DEL. ``score`` is a whole number, 0 to 100, and not given with DEL.
        ``timestamp`` is in seconds since 1970; without, it happened now."""
        op = op.upper() if isinstance(op, str) else op
        if op not in ("ADD", "SET", "DEL"):
            raise InputError(f"op: expected ADD, SET or DEL, got {op!r}")
        if (score is None) != (op == "DEL"):
            raise InputError(f"score: ADD and SET need one, DEL takes none; got {op} with {score!r}")
        line = f"EVENT {word('context', context)} {op} {word('id', id)}"
        if score is not None:
            line += f" {_whole('score', score)}"
        if timestamp is not None:
            line += f" timestamp={_whole('timestamp', timestamp)}"
        return self._do(line, _done)

    def vecset(self, id: str, vector: Vector) -> None:
        """Sets or replaces an item's vector; its metadata stays."""
        return self._do(f"VECSET {word('id', id)} {floats(vector)}", _done)

    def metaset(self, id: str, values: Metadata) -> None:
        """Replaces all metadata of an item that has a vector: a mapping, or text as ``section:web,size:1200``."""
        return self._do(f"METASET {word('id', id)} {metadata(values)}", _done)

    def vecdel(self, id: str) -> None:
        """Takes an item's vector and metadata away; its events stay."""
        return self._do(f"VECDEL {word('id', id)}", _done)

    # Searches.

    def sim(
        self,
        id: str,
        k: int = 10,
        *,
        using: Optional[str] = None,
        filter: Optional[str] = None,
        min_score: Optional[float] = None,
        adaptive: Optional[bool] = None,
        ef: Optional[int] = None,
        exact: Optional[bool] = None,
        offset: Optional[int] = None,
    ) -> Hits:
        """The ``k`` items most similar to an item, best first. ``using`` is events, vectors or fusion (the default);
        ``filter`` as ``section:web,size>100``. ``sim(…).arrays()`` has the scores as a numpy array."""
        line = f"SIM {word('id', id)} {_whole('k', k)}"
        if using is not None:
            line += f" using={word('using', using)}"
        line += _search(filter, min_score, ef, exact, offset) + options({"adaptive": _FLAG[adaptive]})
        return self._do(line, replies.hits)

    def simv(
        self,
        vector: Vector,
        k: int = 10,
        *,
        filter: Optional[str] = None,
        min_score: Optional[float] = None,
        ef: Optional[int] = None,
        exact: Optional[bool] = None,
        offset: Optional[int] = None,
    ) -> Hits:
        """The ``k`` items whose vectors are most similar to ``vector``, best first; options as for ``sim``."""
        line = f"SIMV {_whole('k', k)}" + _search(filter, min_score, ef, exact, offset) + " " + floats(vector)
        return self._do(line, replies.hits)

    # State.

    def info(self) -> Block:
        """The server's figures: ``info()["lsn"]``, ``info().number("vector_count")``."""
        return self._lines("INFO")

    def check(self) -> Block:
        """Timeline, LSN, state hash and counts of the state as it is."""
        return self._lines("CHECK")

    # Collections.

    def use(self, name: str) -> None:
        """From now on the requests of this client mean this collection, or alias; ``default`` is where it begins."""
        return self._do(f"USE {word('collection', name)}", _done)

    def collection_create(self, name: str, **values: Any) -> Block:
        """Makes a collection: ``collection_create("books", dimension=384, storage="mmap")``."""
        return self._lines(f"COLLECTION CREATE {word('collection', name)}{options(values)}")

    def collection_list(self) -> Block:
        """The collections: ``rows()`` has a dict for each."""
        return self._lines("COLLECTION LIST")

    def collection_stats(self, name: str) -> Block:
        """How a collection is kept, and how much is in it; sizes in bytes."""
        return self._lines(f"COLLECTION STATS {word('collection', name)}")

    def collection_drop(self, name: str, *, dry_run: bool = False) -> Block:
        """Takes a collection away with all that is in it; with ``dry_run``, only says what would go."""
        return self._lines(f"COLLECTION DROP {word('collection', name)}{options({'dry_run': dry_run or None})}")

    def collection_rename(self, name: str, new_name: str) -> Block:
        """Gives a collection another name."""
        return self._lines(f"COLLECTION RENAME {word('collection', name)} {word('new name', new_name)}")

    def collection_alias(self, alias: str, name: str) -> Block:
        """Makes an alias mean a collection."""
        return self._lines(f"COLLECTION ALIAS {word('alias', alias)} {word('collection', name)}")

    def collection_unalias(self, alias: str) -> Block:
        """Takes an alias away."""
        return self._lines(f"COLLECTION UNALIAS {word('alias', alias)}")

    def collection_configure(self, name: str, **values: Any) -> Block:
        """Changes how a collection is stored, indexed and bounded; what is not named stays."""
        return self._lines(f"COLLECTION CONFIGURE {word('collection', name)}{options(values)}")

    def storage_stats(self, collection: Optional[str] = None) -> Block:
        """Where the vectors of a collection, or of all, are; sizes in bytes."""
        return self._lines("STORAGE STATS" + _optional("collection", collection))

    def storage_mmap(self, **values: Any) -> Block:
        """Changes how collections are mapped (``enable``, ``advise``, ``populate``, ``collection``), or says how they are."""
        return self._lines("STORAGE MMAP" + options(values))

    def storage_compact(self, collection: Optional[str] = None, **values: Any) -> Block:
        """Compacts a collection, or all. It takes as long as there is to rewrite: see ``timeout``."""
        return self._lines("STORAGE COMPACT" + _optional("collection", collection) + options(values))

    # Portable files. Relative paths are below the server's snapshot.dir.

    def dump_save(self, path: Optional[str] = None) -> Block:
        """Saves a portable file, whole and durable when this returns; without a path, the server names it."""
        return self._lines("DUMP SAVE" + (f" {rest('path', path)}" if path is not None else ""))

    def dump_load(self, path: str) -> Block:
        """Replaces the server's whole state by that of a file."""
        return self._lines(f"DUMP LOAD {rest('path', path)}")

    def dump_verify(self, path: str) -> Block:
        """Reads a file and checks every byte; a ``DamagedError`` when it is not whole."""
        return self._lines(f"DUMP VERIFY {rest('path', path)}")

    def dump_info(self, path: str) -> Block:
        """What a file says about itself."""
        return self._lines(f"DUMP INFO {rest('path', path)}")

    def dump_status(self) -> Block:
        """How the current or last save or load goes; times in seconds since 1970."""
        return self._lines("DUMP STATUS")

    # Snapshots in the server's repository. Each is named by its id or its name.

    def snapshot_create(
        self,
        *,
        name: Optional[str] = None,
        compression: Optional[str] = None,
        description: Optional[str] = None,
        tags: Union[str, Sequence[str]] = (),
        collections: Union[str, Sequence[str]] = (),
        incremental: bool = False,
        base: Optional[str] = None,
        path: Optional[str] = None,
    ) -> Block:
        """Takes a snapshot; its id: ``["id"]``. ``compression`` is zstd, gzip or none. Without ``collections`` it covers all.
        ``incremental`` stores only what changed since the newest one, ``base`` what changed since that one; neither
        needs another to be restored."""
        values: Dict[str, Any] = {"name": name, "compression": compression, "description": description}
        values.update(tags=_listed("tags", tags), collections=_listed("collections", collections))
        values.update(incremental=incremental or None, base=base, path=path)
        return self._lines("SNAPSHOT CREATE" + options(values))

    def snapshot_list(self, **values: Any) -> Block:
        """The snapshots, newest first: ``rows()`` has a dict for each. May be told ``collection`` and ``path``."""
        return self._lines("SNAPSHOT LIST" + options(values))

    def snapshot_info(self, snapshot: str) -> Block:
        """What a snapshot holds; sizes in bytes."""
        return self._lines(f"SNAPSHOT INFO {rest('snapshot', snapshot)}")

    def snapshot_verify(self, snapshot: str) -> Block:
        """Reads every byte of a snapshot (``ALL``: of all) and hashes it; a ``DamagedError`` when it is not whole."""
        return self._lines(f"SNAPSHOT VERIFY {rest('snapshot', snapshot)}")

    def snapshot_restore(self, snapshot: str, **values: Any) -> Block:
        """Replaces the state by a snapshot's, as a new timeline; or brings back one ``collection``, or makes a ``branch=True``.
        ``dry_run=True`` only says what it would do."""
        return self._lines(f"SNAPSHOT RESTORE {word('snapshot', snapshot)}{options(values)}")

    def snapshot_diff(self, snapshot: str, other: str) -> Block:
        """What differs between two snapshots, in numbers: ``rows()`` has a dict for all, and for each collection."""
        return self._lines(f"SNAPSHOT DIFF {word('snapshot', snapshot)} {word('other', other)}")

    def snapshot_delete(self, snapshot: str, *, force: bool = False) -> Block:
        """Deletes a snapshot; one that is pinned only with ``force``."""
        return self._lines(f"SNAPSHOT DELETE{options({'force': force or None})} {rest('snapshot', snapshot)}")

    def snapshot_pin(self, snapshot: str, note: str = "") -> Block:
        """Keeps a snapshot from being pruned and deleted."""
        return self._lines(f"SNAPSHOT PIN{options({'note': note or None})} {rest('snapshot', snapshot)}")

    def snapshot_unpin(self, snapshot: str) -> Block:
        """Takes a snapshot's pin off."""
        return self._lines(f"SNAPSHOT UNPIN {rest('snapshot', snapshot)}")

    def snapshot_prune(self, *, dry_run: bool = False, **rules: Any) -> Block:
        """Removes what no rule keeps: ``keep_last=7``, ``keep_within="48h"``, ``max_age="90d"``, …"""
        return self._lines("SNAPSHOT PRUNE" + (" DRYRUN" if dry_run else "") + options(rules))

    def snapshot_schedule(self) -> Block:
        """The server's schedules: ``rows()`` has a dict for each."""
        return self._lines("SNAPSHOT SCHEDULE")

    def snapshot_status(self) -> Block:
        """How the current or last create or restore goes."""
        return self._lines("SNAPSHOT STATUS")

    # The write-ahead log and the past.

    def wal_status(self) -> Block:
        """How the write-ahead log is kept, and what of it is durable."""
        return self._lines("WAL STATUS")

    def wal_verify(self) -> Block:
        """Reads every record of the log and checks it."""
        return self._lines("WAL VERIFY")

    def wal_sync(self) -> Block:
        """Makes everything acknowledged before durable, whatever the log's mode."""
        return self._lines("WAL SYNC")

    def timeline_list(self) -> Block:
        """The timelines, the live one first: ``rows()`` has a dict for each."""
        return self._lines("TIMELINE LIST")

    def timeline_recover(self, target: Union[str, int], **values: Any) -> Block:
        """Makes a branch of the state at ``latest``, an LSN or a time (RFC 3339); nothing else changes."""
        return self._lines(f"TIMELINE RECOVER {word('target', str(target))}{options(values)}")

    def timeline_compare(self, id: str) -> Block:
        """What differs between a timeline and the live one."""
        return self._lines(f"TIMELINE COMPARE {word('id', id)}")

    def timeline_promote(self, id: str) -> Block:
        """Makes a branch the live state; what it replaces stays."""
        return self._lines(f"TIMELINE PROMOTE {word('id', id)}")

    def timeline_drop(self, id: str, *, dry_run: bool = False) -> Block:
        """Takes a timeline that is not live away."""
        return self._lines(f"TIMELINE DROP {word('id', id)}{options({'dry_run': dry_run or None})}")

    # Topics.

    def topic_create(self, name: str, **values: Any) -> Block:
        """Makes a topic: ``partitions``, ``retention``, ``retention_bytes``, ``compaction``, ``sync_mode``, …"""
        return self._lines(f"TOPIC CREATE {word('topic', name)}{options(values)}")

    def topic_alter(self, name: str, **values: Any) -> Block:
        """Changes a topic's settings; what is not named stays."""
        return self._lines(f"TOPIC ALTER {word('topic', name)}{options(values)}")

    def topic_list(self) -> Block:
        """The topics: ``rows()`` has a dict for each."""
        return self._lines("TOPIC LIST")

    def topic_info(self, name: str) -> Block:
        """How a topic is kept; ``rows()`` has a dict for each partition."""
        return self._lines(f"TOPIC INFO {word('topic', name)}")

    def topic_append(
        self,
        name: str,
        value: Optional[str] = None,
        *,
        key: Optional[str] = None,
        partition: Optional[int] = None,
    ) -> Appended:
        """Appends a record, durable when this returns if the topic's mode is fsync. A key without a value says that the key is
        gone. Never repeated by itself: appended twice it is there twice."""
        if key is None and value is None:
            raise InputError("a record needs a value, a key or both")
        line = f"TOPIC APPEND {word('topic', name)}"
        if partition is not None:
            line += f" partition={_whole('partition', partition)}"
        if key is not None:
            line += f" key={quoted('key', key)}"
        if value is not None:
            line += f" {quoted('value', value)}"
        return self._do(line, lambda reply: replies.appended(reply.block))

    def topic_read(self, name: str, partition: int = 0, offset: int = 0, count: int = 100) -> Fetched:
        """The records of a partition from an offset on, at most ``count`` (up to 10,000) and about 16 MiB."""
        numbers = [_whole(*pair) for pair in (("partition", partition), ("offset", offset), ("count", count))]
        line = "TOPIC READ {} {} {} count={}".format(word("topic", name), *numbers)
        return self._do(line, lambda reply: replies.fetched(reply.block))

    def topic_offset(self, name: str, partition: int, time: str) -> Optional[int]:
        """The offset of the first record that is not earlier than a time (RFC 3339); ``None`` when there is none."""
        line = f"TOPIC OFFSET {word('topic', name)} {_whole('partition', partition)} {word('time', time)}"
        return self._do(line, _offset)

    def topic_compact(self, name: str) -> Block:
        """Compacts a topic by key, now."""
        return self._lines(f"TOPIC COMPACT {word('topic', name)}")

    def topic_delete(self, name: str) -> Block:
        """Takes a topic away with all its records."""
        return self._lines(f"TOPIC DELETE {word('topic', name)}")

    # The cache, the settings, this connection.

    def cache_stats(self) -> Block:
        """What the cache of search results did since the start."""
        return self._lines("CACHE STATS")

    def cache_clear(self) -> None:
        """Empties the cache of search results."""
        return self._do("CACHE CLEAR", _done)

    def cache_enable(self, on: bool = True) -> None:
        """Switches the cache of search results on or off."""
        return self._do("CACHE ENABLE" if on else "CACHE DISABLE", _done)

    def config_help(self, path: Optional[str] = None) -> Block:
        """What the configuration's keys mean: of one key or section, or all."""
        return self._lines("CONFIG HELP" + (f" {rest('path', path)}" if path is not None else ""))

    def config_show(self, path: Optional[str] = None) -> Block:
        """The configuration as it is; passwords are masked."""
        return self._lines("CONFIG SHOW" + (f" {rest('path', path)}" if path is not None else ""))

    def config_verify(self, file: Optional[str] = None) -> Block:
        """Whether a configuration file on the server could be used."""
        return self._lines("CONFIG VERIFY" + (f" {rest('file', file)}" if file is not None else ""))

    def set_variable(self, name: str, value: Any) -> None:
        """Changes a setting until the server stops."""
        text = ("true" if value else "false") if isinstance(value, bool) else str(value)
        return self._do(f"SET {word('name', name)} {rest('value', text)}", _done)

    def get_variable(self, name: str) -> Optional[str]:
        """The value of a setting."""
        return self._do(f"GET {word('name', name)}", lambda reply: _values(reply)[0])

    def show_variables(self, like: Optional[str] = None) -> List[Variable]:
        """The settings whose names match a pattern (``%`` stands for any text), or all."""
        line = "SHOW VARIABLES" + (f" LIKE {word('like', like)}" if like is not None else "")
        return self._do(line, lambda reply: [replies.variable(value or "") for value in _values(reply)])

    def auth(self, password: str) -> None:
        """Says the password, now and on each new connection after a reconnect."""
        return self._do(f"AUTH {rest('password', password)}", _done)

    def debug(self, on: bool = True) -> None:
        """Whether the results of searches have ``debug``: what the server says about the search."""
        return self._do("DEBUG ON" if on else "DEBUG OFF", _done)

    def command(self, line: str) -> Reply:
        """Sends any line (without its end) and gives its reply as it came; a refusal is raised."""
        return self._do(line, lambda reply: reply)


def _search(
    filter: Optional[str],
    min_score: Optional[float],
    ef: Optional[int],
    exact: Optional[bool],
    offset: Optional[int],
) -> str:
    line = f" filter={rest('filter', filter)}" if filter is not None else ""
    return line + options({"min_score": min_score, "ef": ef, "exact": _FLAG[exact], "offset": offset})


def _listed(name: str, values: Union[str, Sequence[str]]) -> Optional[str]:
    """Words between commas; those of a sequence hold none."""
    if isinstance(values, str):
        return values or None
    for value in values:
        if not isinstance(value, str) or "," in value or not value.strip():
            raise InputError(f"{name}: expected words without a comma, got {value!r}")
    return ",".join(values) or None


def _optional(what: str, value: Optional[str]) -> str:
    return f" {word(what, value)}" if value is not None else ""


def _offset(reply: Reply) -> Optional[int]:
    return None if reply.block.get("offset") == "none" else reply.block.number("offset")


def _values(reply: Reply) -> List[Optional[str]]:
    if not reply.values and reply.kind not in ("bulk", "array"):
        raise ProtocolError(f"expected values, got {reply.kind}: {reply.head}")
    return reply.values or []

