"""The bounds of columns, in the flush: what is answered, published and audited is what is stored.

A value that its column cannot hold is refused by the name of its attribute, before anything is
sent. One that would be read back in another form (a decimal without its places, an instant of
another zone, the text of an enum's member) takes that form at once, so nobody needs to read the
row again.

What a function or an expression of SQL gives is looked at after the statement, where it is known.
The session of somebody else's application in the same process is none of this product's, and is
left alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import InstanceState, Mapper, object_session
from sqlalchemy.orm.attributes import instance_state, set_attribute

from trivet.capture.old_values import columns_of, load, read
from trivet.capture.recorder import Recorder
from trivet.data.fitting import Fit, UnfitError, fit_of_column
from trivet.data.fitting.declared import declared_of, within
from trivet.data.fitting.fit import is_expression
from trivet.data.session import TrivetSession
from trivet.errors import Invalid, errors_at
from trivet.models.labels import label_of


@dataclass(frozen=True, slots=True)
class Bounds:
    """The fits of a mapped class's columns by attribute, and the attributes that Python functions
    fill in at an insert and at an update."""

    fits: Mapping[str, Fit]
    made_at_insert: tuple[str, ...]
    made_at_update: tuple[str, ...]


@cache
def bounds_of(mapper: Mapper[Any], dialect: Dialect) -> Bounds:
    """The bounds of the class of `mapper` on the database of `dialect`; worked out once."""
    columns = columns_of(mapper)
    fits = {
        key: within(fit_of_column(column, dialect), declared_of(mapper, key))
        for key, column in columns.items()
    }
    return Bounds(
        {key: fit for key, fit in fits.items() if fit is not None},
        tuple(key for key, column in columns.items() if _is_made(column.default)),
        tuple(key for key, column in columns.items() if _is_made(column.onupdate)),
    )


def _is_made(default: Any) -> bool:
    return default is not None and (default.is_callable or default.is_scalar)


def fit_insert(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    """Fit the values of a new row. A listener of ``before_insert``."""
    session = object_session(target)
    if isinstance(session, TrivetSession):
        state = instance_state(target)
        if not session.recorder.is_as_judged(state, "insert"):
            fit(session.recorder, state, bounds_of(mapper, connection.dialect), list(state.dict))


def fit_update(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    """Fit the changed values of a row. A listener of ``before_update``."""
    session = object_session(target)
    if isinstance(session, TrivetSession):
        state = instance_state(target)
        if not session.recorder.is_as_judged(state, "update"):
            keys = list(state.committed_state)
            fit(session.recorder, state, bounds_of(mapper, connection.dialect), keys)


def fit_pending(session: TrivetSession, state: InstanceState[Any]) -> None:
    """Fit what a flush is about to write of a row, for whoever looks at it before its turn. If
    nothing is set between that and its turn, it is not fitted again."""
    keys = state.dict if state.key is None else state.committed_state
    fit(session.recorder, state, bounds_of(state.mapper, session.dialect), list(keys))


def fit_inserted(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    """Fit what defaults have made of a new row. A listener of ``after_insert``."""
    session = object_session(target)
    if isinstance(session, TrivetSession):
        bounds = bounds_of(mapper, connection.dialect)
        _fit_made(session, connection, instance_state(target), bounds, bounds.made_at_insert)


def fit_updated(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    """The same of ``after_update``."""
    session = object_session(target)
    if isinstance(session, TrivetSession):
        bounds = bounds_of(mapper, connection.dialect)
        _fit_made(session, connection, instance_state(target), bounds, bounds.made_at_update)


def fit(recorder: Recorder, state: InstanceState[Any], bounds: Bounds, keys: Iterable[str]) -> None:
    """Fit the values of the attributes `keys`; `recorder` learns which of them the database works
    out. Raises OutOfBoundsError."""
    values, fits = state.dict, bounds.fits
    faults: dict[str, str] = {}
    for key in keys:
        value = values.get(key)
        fitting = fits.get(key)
        if value is None or fitting is None:
            continue
        try:
            fitted = fitting(value)
        except UnfitError as unfit:
            if is_expression(value):
                recorder.expect(state, key)
            else:
                faults[key] = str(unfit)
        else:
            if fitted is not value:
                _replace(state, key, value, fitted)
    if faults:
        raise refusal(state.mapper, faults)


def _replace(state: InstanceState[Any], key: str, value: Any, fitted: Any) -> None:
    if type(value) in (dict, list) or not isinstance(value, dict | list):
        # As if it had been set so: a validator has seen the value already.
        state.dict[key] = fitted
    else:  # a collection that tells of its changes, and has to be made anew
        set_attribute(state.obj(), key, fitted)


def _fit_made(
    session: TrivetSession,
    connection: Connection,
    state: InstanceState[Any],
    bounds: Bounds,
    made: tuple[str, ...],
) -> None:
    if made:
        fit(session.recorder, state, bounds, made)
    expected = session.recorder.expected(state)
    if not expected:
        return
    identity = state.mapper.primary_key_from_instance(state.obj())
    found = read(connection, state.mapper, expected, identity)
    faults = {}
    for key, value in found.items():
        try:
            if value is not None:
                bounds.fits[key](value)
        except UnfitError as unfit:
            faults[key] = str(unfit)
    if faults:
        raise refusal(state.mapper, faults)
    load(state, found)


class OutOfBoundsError(Invalid):
    """Values that columns cannot hold, told from the refusals of rules: Django's code expects
    another kind of error for them."""


def refusal(mapper: Mapper[Any], faults: Mapping[str, str]) -> OutOfBoundsError:
    """The error for values of attributes of a class, each with a sentence of its own."""
    errors = [error for key, why in faults.items() for error in errors_at([key], why)]
    detail = " ".join(_sentences(columns_of(mapper), faults))
    error = OutOfBoundsError("bad-value", detail, errors=errors)
    error.subject = mapper.class_
    return error


def _sentences(columns: Mapping[str, Any], faults: Mapping[str, str]) -> Iterator[str]:
    for key, why in faults.items():
        sentence = f"{label_of(columns[key])}: {why}."
        yield sentence[:1].upper() + sentence[1:]
