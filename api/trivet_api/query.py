"""Query strings are read by the letter: what nobody asked for, or was said twice, is refused.

FastAPI passes an unknown name by (`?destinaton=BOS` gives the whole list), takes the last of two
values, and Pydantic takes a number for an instant since 1970. A caller who is told learns
of a slip; one who is not gets an answer to another question.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin
from urllib.parse import parse_qsl

from fastapi.dependencies.models import Dependant
from fastapi.params import Param
from pydantic import BaseModel
from starlette.types import Scope

from trivet.errors import InputError, Invalid

UNKNOWN = "there is no parameter of this name"
REPEATED = "give one value; it stands here twice or more"
NO_TIME = "write it as ISO 8601 does, as in 2013-02-04; a number is none"

E = TypeVar("E", bound=Callable[..., Any])
_READS = "__reads_query__"

_TIMES = (dt.date, dt.time, dt.timedelta)
_MANY = (list, tuple, set, frozenset)
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")


def reads_query(endpoint: E) -> E:
    """Mark an endpoint of ours that reads and judges its whole query string itself."""
    setattr(endpoint, _READS, True)
    return endpoint


class QueryReader:
    """Judges the query strings of one route.

    Names are judged only where all of them are known: not for an endpoint, or a dependency of
    somebody's own, that reads the request itself, nor for a model that takes any name.
    """

    def __init__(self, dependant: Dependant) -> None:
        self._is_left = hasattr(dependant.call, _READS)
        self._is_open = _reads_requests(dependant)
        self._many: dict[str, bool] = {}
        self._times: set[str] = set()
        for field in _query_fields(dependant):
            self._learn(field.alias, field.field_info.annotation, field.field_info)

    def _learn(self, name: str, annotation: Any, info: Any) -> None:
        model = _model_of(annotation) if isinstance(info, Param) else None
        if model is not None:
            self._is_open |= model.model_config.get("extra") == "allow"
            for each, inner in model.model_fields.items():
                self._learn(inner.alias or each, inner.annotation, None)
            return
        alias = getattr(info, "validation_alias", None)
        if alias is not None and not isinstance(alias, str):
            self._is_open = True  # several names for one value
        kinds = set(_flatten(annotation))
        name = alias if isinstance(alias, str) else name
        self._many[name] = any(issubclass(kind, _MANY) for kind in kinds)
        if any(issubclass(kind, _TIMES) for kind in kinds):
            self._times.add(name)

    def check(self, scope: Scope) -> None:
        """Raise Invalid for a query string that cannot be meant."""
        query: bytes = scope["query_string"]
        if not query or self._is_left:
            return
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        if faults := list(self._find_faults(pairs)):
            raise Invalid("invalid", "The request does not fit. See errors.", errors=faults)

    def _find_faults(self, pairs: Sequence[tuple[str, str]]) -> Iterator[InputError]:
        seen: dict[str, bool] = {}  # whether it was told already
        for name, value in pairs:
            if name not in self._many:
                if not (self._is_open or seen.setdefault(name, False)):
                    seen[name] = True
                    yield _fault(name, UNKNOWN)
            elif name in seen and not self._many[name]:
                if not seen[name]:
                    seen[name] = True
                    yield _fault(name, REPEATED)
            elif name in self._times and _NUMBER.fullmatch(value):
                seen[name] = True
                yield _fault(name, NO_TIME)
            else:
                seen[name] = False


def _query_fields(dependant: Dependant) -> Iterator[Any]:
    yield from dependant.query_params
    for each in dependant.dependencies:
        yield from _query_fields(each)


_LONGEST = 200
"""In characters; nobody needs more of a name to find it."""


def _fault(name: str, detail: str) -> InputError:
    escaped = name[:_LONGEST].replace("~", "~0").replace("/", "~1")
    return {"in": "query", "pointer": f"/{escaped}", "detail": detail}


def _model_of(annotation: Any) -> type[BaseModel] | None:
    found = [kind for kind in _flatten(annotation) if issubclass(kind, BaseModel)]
    return found[0] if found else None


def _flatten(annotation: Any) -> Iterator[type]:
    """The classes among the alternatives of an annotation."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _flatten(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for each in get_args(annotation):
            yield from _flatten(each)
    elif isinstance(origin or annotation, type):
        yield origin or annotation


def _reads_requests(dependant: Dependant) -> bool:
    """Whether the endpoint or a dependency of it looks into the request by itself."""
    module = getattr(dependant.call, "__module__", "") or ""
    asks = dependant.request_param_name or dependant.http_connection_param_name
    if asks and module.partition(".")[0] not in ("trivet", "trivet_api"):
        return True
    return any(_reads_requests(each) for each in dependant.dependencies)
