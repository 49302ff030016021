"""A connection that PostgreSQL refuses has a reason, in whatever language the server speaks.

A stand-in speaks as much of the protocol as a refusal needs: real libpq and psycopg read it.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRWPair

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from trivet.data.errors import explain
from trivet.data.outages import find_outage
from trivet.errors import Unavailable

pytestmark = pytest.mark.once
NO_ENCRYPTION = {80877103, 80877104}
"""The codes by which a client asks for TLS and GSS before it asks for anything else."""


@contextmanager
def refusing(sqlstate: str, sentence: str) -> Iterator[str]:
    """The address of a server that refuses every connection."""
    fields = {"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": sentence}
    payload = b"".join(f"{name}{value}\0".encode() for name, value in fields.items()) + b"\0"
    refusal = b"E" + struct.pack("!I", len(payload) + 4) + payload
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_refuse_all, args=(listener, refusal), daemon=True).start()
        yield f"postgresql+psycopg://somebody@127.0.0.1:{listener.getsockname()[1]}/anything"


def _refuse_all(listener: socket.socket, refusal: bytes) -> None:
    while True:
        try:
            client, _address = listener.accept()
        except OSError:  # the test is over
            return
        with client, client.makefile("rwb") as stream:
            while _code_of(stream) in NO_ENCRYPTION:
                stream.write(b"N")
                stream.flush()
            stream.write(refusal)


def _code_of(stream: BufferedRWPair) -> int:
    """The code of the next message of a client that has not begun a session."""
    (length,) = struct.unpack("!I", stream.read(4))
    code: int = struct.unpack("!I", stream.read(length - 4)[:4])[0]
    return code


@pytest.mark.parametrize(
    ("sqlstate", "sentence", "state"),
    [
        ("57P03", "the database system is starting up", "starting up"),
        ("57P03", "the database system is shutting down", "shutting down"),
        ("57P03", "the database system is not yet accepting connections", "in recovery"),
        ("53300", "sorry, too many clients already", "out of connections"),
        # libpq keeps nothing of a refusal but its sentence: psycopg has no SQLSTATE to give.
        ("57P03", "das Datenbanksystem startet", "does not answer"),
        ("57P03", "データベースシステムは起動しています", "does not answer"),
        ("53300", "désolé, trop de clients sont déjà connectés", "does not answer"),
    ],
)
def test_a_refused_connection_is_an_outage_in_every_language(
    sqlstate: str, sentence: str, state: str
) -> None:
    with refusing(sqlstate, sentence) as address:
        engine = create_engine(address)
        with pytest.raises(OperationalError) as refused, engine.connect():
            pass
    driver = refused.value.orig
    assert isinstance(driver, psycopg.OperationalError)
    assert sentence in str(driver), "the stand-in was understood"
    outage = find_outage(refused.value)
    assert outage is not None
    assert outage.state == state
    answer = explain(refused.value)
    assert isinstance(answer, Unavailable)
    assert answer.retry_after
