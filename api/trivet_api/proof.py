"""The releases of FastAPI on which our short cuts were proved to answer as FastAPI does.

The short cuts are `trivet_api.direct` (plain routes answered directly) and the flat routes of
`trivet_api.include`. They use names that FastAPI does not document. On any other release FastAPI
itself answers: slower, and the same. A release enters `PROVED` once tests/api passes on it, above
all tests/api/test_generated_routes.py.
"""

import fastapi

PROVED = frozenset({"0.165"})
"""Major and minor number: FastAPI changes behaviour in its minor releases."""


def is_proved() -> bool:
    """Whether this process runs a release of FastAPI on which the short cuts were proved."""
    return fastapi.__version__.rpartition(".")[0] in PROVED
