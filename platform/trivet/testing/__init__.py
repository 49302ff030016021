"""The tests of a feature get the whole application, each test on a database of its own.

pytest finds the plugin by itself once Trivet is installed. Name the features in the project's
configuration of pytest, and ask for `trivet`::

    [tool.pytest.ini_options]
    trivet_features = ["library"]

    def test_a_book_is_lent_once(trivet):
        ada = trivet.make_user("ada", permissions=["library.add_loan"])
        with trivet.client(user=ada) as client, trivet.socket(user=ada) as socket:
            socket.subscribe("library:loans")
            assert client.post("/api/library/loans", json={"book": 1}).status_code == 201
            assert client.post("/api/library/loans", json={"book": 1}).status_code == 409
            assert socket.next_publication()["type"] == "book_lent"
        assert [entry.kind for entry in trivet.audited("library_loan")] == ["insert"]

| fixture | value |
|---|---|
| `trivet` | the `Application` of this test, started, on a migrated database without rows |
| `trivet_server` | starts processes with other features or settings and another database |
| `trivet_database_url` | the address of that database |
| `trivet_features` | the features, session-wide; override it to name others |
| `trivet_variables` | settings by their names without ``TRIVET_``, session-wide; override it |

The database is SQLite in a temporary directory, or PostgreSQL with
``--trivet-database=postgresql://user:password@host/postgres``: a server on which databases may be
made and dropped. Variables of the developer's shell that begin with ``TRIVET_`` are not read, so
that no test can touch a database that matters.

Django can be configured once in a process. Every test therefore has its database at the same
address, and a process has one list of features. An application with others is a process of its
own, which `trivet_server` starts::

    def test_a_second_installation(trivet, trivet_server):
        server = trivet_server(features=("library", "shop"), session_hours=1)
        assert httpx.get(server.url + "/healthz").status_code == 200
"""

from trivet.testing.application import Application, AuditedChange, Published
from trivet.testing.client import Client, User
from trivet.testing.processes import Server, StartServer
from trivet.testing.socket import ProtocolError, Socket, SocketClosed

__all__ = [
    "Application",
    "AuditedChange",
    "Client",
    "ProtocolError",
    "Published",
    "Server",
    "Socket",
    "SocketClosed",
    "StartServer",
    "User",
]
