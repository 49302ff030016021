"""The commands' work on users, through Django's own models, as in the admin.

So each change is audited, with the command line as its origin, and ends what it has to end. To be
called once `open_platform_with_django` has configured Django.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from trivet.errors import Invalid, NotFound
from trivet.identity import system
from trivet.origin import Origin, enter_origin
from trivet.suggestion import did_you_mean


def create_user(
    username: str, email: str, password: str, *, is_staff: bool, is_superuser: bool
) -> Any:
    """Create an active user. Raises Invalid with every reason that Django's validators give."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.password_validation import validate_password

    user = get_user_model()(
        username=username, email=email, is_staff=is_staff, is_superuser=is_superuser
    )
    with _saying_reasons():
        validate_password(password, user)
        user.set_password(password)
        user.full_clean()
    return _save(user)


def list_users() -> Sequence[Any]:
    """All users, by name."""
    return list(_users().order_by("username"))


def set_password(username: str, password: str) -> Any:
    """Give a user another password. Raises NotFound, and Invalid as `create_user`."""
    from django.contrib.auth.password_validation import validate_password

    user = _get_user(username)
    with _saying_reasons():
        validate_password(password, user)
    user.set_password(password)
    return _save(user, "password")


def set_active(username: str, *, active: bool) -> Any:
    """Disable or enable a user; a second time changes nothing. Raises NotFound."""
    user = _get_user(username)
    user.is_active = active
    return _save(user, "is_active")


def _save(user: Any, *fields: str) -> Any:
    from django.db import transaction

    enter_origin(Origin(system("cli"), way="cli"))
    with transaction.atomic():
        user.save(update_fields=fields or None)
    return user


@contextmanager
def _saying_reasons() -> Iterator[None]:
    from django.core.exceptions import ValidationError

    try:
        yield
    except ValidationError as error:
        raise Invalid("user", " ".join(error.messages)) from error


def _get_user(username: str) -> Any:
    users = _users()
    user = users.filter(username=username).first()
    if user is None:
        hint = did_you_mean(username, users.values_list("username", flat=True))
        raise NotFound("no-such-user", f"There is no user {username}{hint}")
    return user


def _users() -> Any:
    from django.contrib.auth import get_user_model

    model: Any = get_user_model()
    return model.objects
