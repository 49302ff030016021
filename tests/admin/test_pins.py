"""Private names of Django and SQLAlchemy that this room leans on, each pinned.

When one of these fails after an upgrade, the place named beside it has to be looked at.
"""

import contextlib
import inspect
import sqlite3
from typing import Any

import pytest

pytestmark = [pytest.mark.usefixtures("stock"), pytest.mark.anyio]


def test_djangos_auth_keeps_its_user_where_the_takeover_puts_it() -> None:
    """middleware.IdentityMiddleware"""
    from django.contrib.auth import middleware

    assert "request._cached_user" in inspect.getsource(middleware.get_user)
    assert "request._acached_user" in inspect.getsource(middleware.auser)


def test_a_loaded_session_keeps_its_data_where_the_takeover_puts_it() -> None:
    """sessions.SessionSource"""
    from django.contrib.sessions.backends.base import SessionBase

    method: Any = vars(SessionBase)["_get_session"]
    assert "self._session_cache" in inspect.getsource(method)


def test_a_users_permissions_are_kept_where_the_takeover_puts_them() -> None:
    """sessions.SessionSource"""
    from django.contrib.auth.backends import ModelBackend

    assert "_perm_cache" in inspect.getsource(ModelBackend.get_all_permissions)


def test_saving_updates_through_do_update_with_the_values_fourth() -> None:
    """mirror.model.MirrorModel"""
    from django.db.models import Model

    names = list(inspect.signature(Model._do_update).parameters)
    assert names[:5] == ["self", "base_qs", "using", "pk_val", "values"]


def test_a_reference_is_asked_whether_its_target_is_unique() -> None:
    """mirror.row_references.RowReference"""
    from django.db.models import ForeignObject

    assert "self._check_unique_target()" in inspect.getsource(ForeignObject.check)


def test_a_form_validates_its_instance_in_post_clean() -> None:
    """forms.MirrorFormMixin"""
    from django.forms.models import BaseModelForm

    method: Any = vars(BaseModelForm)["_post_clean"]
    assert "construct_instance" in inspect.getsource(method)


def test_a_form_writes_its_members_in_save_m2m() -> None:
    """forms.MirrorFormMixin"""
    from django.forms.models import BaseModelForm

    method: Any = vars(BaseModelForm)["_save_m2m"]
    assert "self.cleaned_data" in inspect.getsource(method)


@pytest.mark.parametrize("name", ["_savepoint", "_savepoint_commit", "_savepoint_rollback"])
def test_the_wrapper_is_called_for_savepoints(name: str) -> None:
    """backends.wrapper.UnitWrapper"""
    from django.db.backends.base.base import BaseDatabaseWrapper

    assert list(inspect.signature(getattr(BaseDatabaseWrapper, name)).parameters) == ["self", "sid"]


def test_the_compilers_execute_what_we_override() -> None:
    """backends.compilers"""
    import django
    from django.db.models.sql import compiler

    for kind in (compiler.SQLInsertCompiler, compiler.SQLUpdateCompiler):
        assert "execute_sql" in vars(kind)
    returning = hasattr(compiler.SQLUpdateCompiler, "execute_returning_sql")
    assert returning == (django.VERSION >= (6, 0))


def test_a_relationship_knows_its_reverse() -> None:
    """mirror.relations"""
    from sqlalchemy import inspect as inspect_mapped

    from tests.admin.stock.models import Item

    relationship = inspect_mapped(Item).relationships["category"]
    assert {reverse.key for reverse in relationship._reverse_property} == {"items"}


def test_an_error_that_doomed_a_transaction_is_raised_at_its_end() -> None:
    """backends.wrapper.UnitWrapper"""
    from django.db import IntegrityError, connection, transaction

    wrapper: Any = connection

    def swallow_and_go_on() -> None:
        with transaction.atomic():
            with contextlib.suppress(IntegrityError), transaction.mark_for_rollback_on_error():
                raise IntegrityError("swallowed")
            wrapper.require_success()

    with pytest.raises(IntegrityError, match="swallowed"):
        swallow_and_go_on()


@pytest.mark.database("sqlite")
def test_a_reader_on_sqlite_does_not_wait_for_a_writer(database_url: str) -> None:
    """backends.sqlite3.base.DatabaseWrapper"""
    from django.db import connection, transaction

    reader: Any = connection
    writer = sqlite3.connect(database_url.removeprefix("sqlite:///"))
    writer.execute("BEGIN IMMEDIATE")
    try:
        reader.read_only = True
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM accounts_user")
            assert cursor.fetchone() == (0,)
    finally:
        reader.read_only = False
        writer.close()


async def test_an_async_view_knows_the_user_without_a_query() -> None:
    """middleware.IdentityMiddleware"""
    from django.contrib.auth.middleware import auser
    from django.contrib.auth.models import AnonymousUser
    from django.http import HttpRequest

    from trivet_admin.middleware import _set_user

    request, user = HttpRequest(), AnonymousUser()
    _set_user(request, user)
    assert await auser(request) is user  # without a session, Django could not even ask
