"""Read replicas: what a client has written it reads, wherever it reads.

| module | what it has |
|---|---|
| `position` | a place in the write-ahead log of PostgreSQL |
| `client` | the place up to which one client has written; it travels with the client |
| `server` | what a server says about itself |
| `replica` | one replica: its connections, and whether it is used |
| `watch` | the looks at a replica, at intervals and while somebody waits for it |
| `router` | the choice of a replica for a reader; both ORMs ask it |
| `reading` | the way of one unit of work to its connection |

The rule that makes it exact: a connection is read from only after the server behind it has said,
on this very connection and before the transaction began, that it has replayed as far as the client
has written. Everything else (the watch, the order in which replicas are tried) only decides where
that is likely.
"""
