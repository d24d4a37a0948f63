"""The Python client of CairnDB.

>>> from cairndb import Client            # doctest: +SKIP
>>> client = Client("127.0.0.1", 11017)   # doctest: +SKIP
>>> client.vecset("tea", [1, 0, 0])       # doctest: +SKIP
"""

from .client import Client, Pipeline, Reconnect
from .errors import (
    AuthError,
    BadRequest,
    BusyError,
    CairnError,
    ConnectionFailed,
    DamagedError,
    ExistsError,
    FateUnknown,
    InputError,
    LimitError,
    NotFoundError,
    ProtocolError,
    Refused,
    ReplyTimeout,
    SlowDownError,
    UnavailableError,
    UnknownOutcome,
)
from .replies import Appended, Arrays, Block, Debug, Fetched, Hit, Hits, Record, Reply, Variable

__version__ = "0.1.0"

__all__ = [
    "Appended",
    "Arrays",
    "AuthError",
    "BadRequest",
    "Block",
    "BusyError",
    "CairnError",
    "Client",
    "ConnectionFailed",
    "DamagedError",
    "Debug",
    "ExistsError",
    "FateUnknown",
    "Fetched",
    "Hit",
    "Hits",
    "InputError",
    "LimitError",
    "NotFoundError",
    "Pipeline",
    "ProtocolError",
    "Reconnect",
    "Record",
    "Refused",
    "Reply",
    "ReplyTimeout",
    "SlowDownError",
    "UnavailableError",
    "UnknownOutcome",
    "Variable",
]
