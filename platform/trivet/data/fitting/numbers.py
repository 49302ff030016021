"""Numbers: width, precision and scale, and nothing that is no number.

A decimal that has more places than its column is refused and not rounded: the one who sends 0.125
for a price should learn that it cannot be kept (docs/decisions/0060). A float is approximate by
its nature, so one for a column of single precision becomes the nearest that such a column holds.
"""

import operator
import struct
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any

from sqlalchemy import BigInteger, Double, Float, Integer, Numeric, SmallInteger
from sqlalchemy.types import REAL

from trivet.data.fitting.fit import Fit, UnfitError

SQLITE_DIGITS = 15
"""SQLite keeps a decimal as a float of 64 bits, which holds so many digits exactly."""
SINGLE_BITS = 24
"""A ``Float`` of at most this precision has 32 bits in PostgreSQL (its manual, 8.1.3)."""
FARTHEST_DIGIT = 300
"""How far a digit of a Numeric without a size may be from the point: as far as in a float, which
it is on SQLite."""
PLAIN_SCALE = 10
"""Places that SQLAlchemy reads of a Numeric without a scale, where the database has floats."""


def fit_whole(kind: Integer) -> Fit:
    bits = 63 if isinstance(kind, BigInteger) else 15 if isinstance(kind, SmallInteger) else 31
    low, high = -(2**bits), 2**bits - 1

    def fit(value: Any) -> Any:
        number = value if type(value) is int else _whole(value)
        if low <= number <= high:
            return number
        raise UnfitError(f"it must lie between {low:,} and {high:,}")

    return fit


def _whole(value: Any) -> int:
    """The whole number that `value` is, whatever its type; a flag is none."""
    if not isinstance(value, bool):
        try:
            if isinstance(value, float | Decimal) and value == (whole := int(value)):
                return whole
            return int(operator.index(value))
        except (TypeError, ValueError, OverflowError):  # NaN and Infinity are the latter two
            pass
    raise UnfitError("it must be a whole number")


def fit_float(kind: Float[Any]) -> Fit:
    """For floats of 64 bits, or of 32."""
    is_short = (kind.precision or 64) <= SINGLE_BITS and not isinstance(kind, Double)
    single = isinstance(kind, REAL) or is_short

    def fit(value: Any) -> Any:
        number = value if type(value) is float else _float(value)
        if not -_LARGEST <= number <= _LARGEST:
            raise UnfitError("it must be a finite number")
        if kind.asdecimal:
            return value
        # Minus zero, which SQLite does not keep, becomes zero.
        fitted = nearest_single(number) if single else number + 0.0
        return value if fitted == value and type(value) is float and number else fitted

    return fit


_LARGEST = struct.unpack(">d", b"\x7f\xef" + b"\xff" * 6)[0]


def _float(value: Any) -> float:
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise UnfitError("it must be a number")
    try:
        return float(value)
    except (OverflowError, ValueError):
        raise UnfitError("it must be a finite number") from None


def nearest_single(number: float) -> float:
    """The float of 32 bits that is nearest to `number`, as PostgreSQL prints it: by the fewest
    digits that tell it from its neighbours."""
    try:
        packed = struct.pack(">f", number)
    except OverflowError:
        raise UnfitError("it is too large for a number of single precision") from None
    (single,) = struct.unpack(">f", packed)
    shortest = (float(f"{single:.{digits}g}") for digits in range(6, 10))
    found: float = next((each for each in shortest if _packs_to(each, packed)), single)
    return found + 0.0


def _packs_to(number: float, packed: bytes) -> bool:
    try:
        return struct.pack(">f", number) == packed
    except OverflowError:  # the shortest form of the largest is larger than it
        return False


def fit_decimal(kind: Numeric[Any], dialect: str) -> Fit:
    """For decimals; `dialect` because SQLite keeps fewer digits than a column may be wide."""
    in_floats = dialect == "sqlite"
    width = None if kind.precision is None else kind.precision - (kind.scale or 0)
    places = (kind.scale or 0) if width is not None else PLAIN_SCALE if in_floats else None
    read_places = (kind.scale if kind.scale is not None else PLAIN_SCALE) if in_floats else places

    def fit(value: Any) -> Any:
        number = value if type(value) is Decimal else _decimal(value)
        if not number.is_finite():
            raise UnfitError("it must be a finite number")
        if number and width is not None and number.adjusted() >= width:
            raise UnfitError(f"at most {_digits(width)} fit before the decimal point")
        if width is None and abs(number.adjusted()) > FARTHEST_DIGIT:
            raise UnfitError("it has too many digits")
        if places is not None:
            number = _with_places(number, places)
        elif number.as_tuple().exponent > 0:  # type: ignore[operator]  # a text if it is no number, and it is one
            number = _with_places(number, 0)
        if in_floats and _significant(number) > SQLITE_DIGITS:
            raise UnfitError(f"at most {SQLITE_DIGITS} digits are kept on SQLite")
        if read_places is not None and read_places != places:
            number = _with_places(number, read_places)
        number = number or number.copy_abs()  # no column holds a minus zero
        if not kind.asdecimal:
            return value if type(value) is float and value == float(number) else float(number)
        return value if type(value) is Decimal and str(value) == str(number) else number

    return fit


_EXACT = Context(prec=2000, traps=[Inexact, InvalidOperation])
"""More digits than PostgreSQL's widest column of a declared precision has (its manual, 8.1.2)."""


def _with_places(number: Decimal, places: int) -> Decimal:
    """`number` with exactly so many places, none of which is made up or lost."""
    try:
        return number.quantize(Decimal(1).scaleb(-places), context=_EXACT)
    except Inexact:
        raise UnfitError(f"at most {_digits(places)} fit after the decimal point") from None
    except InvalidOperation:
        raise UnfitError("it has too many digits") from None


def _digits(count: int) -> str:
    return f"{max(count, 0)} digit{'' if count == 1 else 's'}"


def _significant(number: Decimal) -> int:
    return len("".join(map(str, number.as_tuple().digits)).strip("0"))


def _decimal(value: Any) -> Decimal:
    """The decimal that `value` is written as. A float's is its shortest; a text may be one,
    because JSON has no decimals."""
    if isinstance(value, int | float | Decimal | str) and not isinstance(value, bool):
        try:
            if isinstance(value, int):
                return Decimal(value)
            return Decimal(repr(float(value)) if isinstance(value, float) else value)
        except InvalidOperation:
            pass
    raise UnfitError("it must be a number")
