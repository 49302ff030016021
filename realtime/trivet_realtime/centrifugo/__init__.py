"""Centrifugo in front: it has the sockets, and asks here who may do what.

| module | what it is |
|---|---|
| `messages` | what Centrifugo asks (its proxy protocol, JSON over HTTP) |
| `visit` | one question: the client whom it is about, and its identity |
| `answers` | the answers, by the same functions that answer our own sockets |
| `endpoint` | the address, and its secret |
| `telling` | revocations and commands, told to Centrifugo's server API |
| `configuration` | Centrifugo's configuration, from our namespaces and settings |
| `streams`, `outbox` | publications, in the tables that Centrifugo reads |

Nothing here is a second rule: a question becomes a client that has no connection, and is answered
by what answers clients with one. What is said about Centrifugo was read in its version 6.9.1.
"""
