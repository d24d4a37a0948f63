"""The errors: what can go wrong between a client and its server, and what the caller can do."""

from typing import List, Optional, Tuple, Type


class CairnError(Exception):
    """Whatever went wrong. ``kind`` is one word that says what the caller can do about it."""

    #: retry, slow_down, unknown, input, auth, not_found, exists, limit, damaged, unavailable or protocol
    kind = "input"


class InputError(CairnError, ValueError):
    """The request cannot be sent as it is; nothing was sent."""


class ProtocolError(CairnError):
    """The bytes received are no reply of this protocol: look at the address."""

    kind = "protocol"


class ConnectionFailed(CairnError, ConnectionError):
    """There is no connection, or it was lost. What was asked only reads, or was certainly not done: it may be sent again."""

    kind = "retry"


class ReplyTimeout(ConnectionFailed, TimeoutError):
    """The server did not answer in time, or could not be connected to in time."""


class FateUnknown(CairnError):
    """A request that changes something was sent, and no answer came: it may have been done or not.

    ``__cause__`` says why no answer came. Look before you send it again.
    """

    kind = "unknown"


class Refused(CairnError):
    """The server refused the request. ``message`` is its own, ``details`` are further lines (of a failed VERIFY)."""

    def __init__(self, message: str, details: Optional[List[str]] = None) -> None:
        self.message = message
        self.details = details or []
        super().__init__("; ".join([message, *self.details]))


class BadRequest(Refused):
    """It would be refused again: fix the request."""


class AuthError(Refused):
    """Say the right password first, or come from an address that is allowed."""

    kind = "auth"


class BusyError(Refused):
    """It was not done; send the same again after a while."""

    kind = "retry"


class SlowDownError(Refused):
    """It was not done; send less often, or over fewer connections."""

    kind = "slow_down"


class UnknownOutcome(Refused, FateUnknown):
    """The server itself does not know whether it was done."""

    kind = "unknown"


class NotFoundError(Refused):
    """What the request names is not there."""

    kind = "not_found"


class ExistsError(Refused):
    """What the request would make is there already."""

    kind = "exists"


class LimitError(Refused):
    """It passes a limit or quota: ask for less, or raise the setting that the message names."""

    kind = "limit"


class DamagedError(Refused):
    """Data is damaged: restore or repair."""

    kind = "damaged"


class UnavailableError(Refused):
    """The server cannot do it until somebody looks after it: a full or failing disk, a state that is served read-only."""

    kind = "unavailable"


# How messages begin. Looked at first: what a message quotes comes later in it.
_BEGINNINGS: Tuple[Tuple[str, Type[Refused]], ...] = (
    ("noauth", AuthError),
    ("invalid password", AuthError),
    ("wrongpass", AuthError),
    ("noperm", AuthError),
    ("loading", BusyError),
    ("cannot save snapshot: read-only mode", BusyError),
    ("readonly", UnavailableError),
    ("permission denied", UnavailableError),
    ("too many connections", SlowDownError),
    ("too many wrong passwords", SlowDownError),
    ("rate limit", SlowDownError),
    ("quota exceeded", LimitError),
    ("request exceeds", LimitError),
    ("query vector not found", NotFoundError),
    ("vector not found", NotFoundError),
    ("collection not found", NotFoundError),
    ("alias not found", NotFoundError),
    ("snapshot not found", NotFoundError),
    ("file not found", NotFoundError),
    ("unknown variable", NotFoundError),
    ("configuration path not found", NotFoundError),
    ("collection exists", ExistsError),
)

# Words inside messages; the first that is found decides.
_WORDS: Tuple[Tuple[str, Type[Refused]], ...] = (
    ("fate is unknown", UnknownOutcome),
    ("(network.allow_cidrs)", AuthError),
    ("try again later", BusyError),
    ("locked by pid", BusyError),
    ("the server is stopping", BusyError),
    ("rate limit", SlowDownError),
    ("restart to recover", UnavailableError),
    ("no space left", UnavailableError),
    ("archive.backlog_max", UnavailableError),
    ("takes no writes since an earlier failure", UnavailableError),
    ("is damaged", DamagedError),
    ("crc mismatch", DamagedError),
    ("sha-256 mismatch", DamagedError),
    ("exceeds maximum allowed", LimitError),
    ("does not exist", NotFoundError),
    ("cannot be recovered", NotFoundError),
    ("not here; there are", NotFoundError),
    ("is not in the log", NotFoundError),
    ("has no partition", NotFoundError),
    ("exists already", ExistsError),
)


def refused(message: str, details: Optional[List[str]] = None) -> Refused:
    """The exception for a server's message, since the wire has no codes; one that is not known is a BadRequest."""
    lower = message.lower()
    for beginning, error in _BEGINNINGS:
        if lower.startswith(beginning):
            return error(message, details)
    for words, error in _WORDS:
        if words in lower:
            return error(message, details)
    return BadRequest(message, details)
