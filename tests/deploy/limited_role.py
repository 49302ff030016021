"""A role of PostgreSQL as hosted databases give it: its rows and tables, and nothing beyond."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from tests.deploy.installation import Installation, execute


@contextmanager
def limited_role(installation: Installation) -> Iterator[Installation]:
    """The same installation as a role that owns nothing that is there and may make tables in the
    schema `public` alone."""
    role = f"limited_{uuid4().hex}"
    execute(installation.url, f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    execute(installation.url, f"GRANT ALL ON SCHEMA public TO {role}")
    for kind in ("TABLES", "SEQUENCES"):
        execute(installation.url, f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {role}")
    _, _, place = installation.url.rpartition("@")
    limited = Installation(f"postgresql://{role}:x@{place}")
    limited.env = {**installation.env, "TRIVET_DATABASE_URL": limited.url}
    yield limited
    execute(installation.url, f"DROP OWNED BY {role}")
    execute(installation.url, f"DROP ROLE {role}")
