"""How an object of a mapped class is shown: in a shell, a log, the output of a test.

By its class and primary key, as they are in memory. No query is made for it and nothing raised, in
whatever state the object is, because it is shown where something else has failed already.
"""

from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState, Mapper
from sqlalchemy.orm.exc import UnmappedInstanceError

from trivet.models.secret_columns import is_secret

_HIDDEN = "…"


def text_of_object(shown: Any) -> str:
    """``<Book id=7>``; a key that is not known yet is None, and one that is secret not told."""
    name = shown.__class__.__name__
    mapper: Mapper[Any] | None = getattr(shown.__class__, "__mapper__", None)
    if mapper is None:  # an abstract class's own
        return f"<{name}>"
    return f"<{name} {' '.join(_parts(shown, mapper))}>"


def _parts(shown: Any, mapper: Mapper[Any]) -> list[str]:
    state: InstanceState[Any] | None = inspect(shown, raiseerr=False)
    parts = []
    for place, column in enumerate(mapper.primary_key):
        name = mapper.get_property_by_column(column).key
        value = _HIDDEN if is_secret(column) else repr(_value(shown, state, name, place))
        parts.append(f"{name}={value}")
    return parts


def _value(shown: Any, state: InstanceState[Any] | None, name: str, place: int) -> Any:
    if state is None:  # it stands in for an object, or no constructor has been called
        try:
            return getattr(shown, name, None)
        except UnmappedInstanceError:
            return None
    # Of an expired object, its identity is known still.
    return state.dict.get(name, state.identity[place] if state.identity else None)
