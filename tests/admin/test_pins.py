"""Private names of Django and SQLAlchemy that this room leans on, each pinned.

When one of these fails after an upgrade, the place named beside it has to be looked at.
"""

import inspect
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("stock")


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


def test_a_form_validates_its_instance_in_post_clean() -> None:
    """forms.MirrorFormMixin"""
    from django.forms.models import BaseModelForm

    method: Any = vars(BaseModelForm)["_post_clean"]
    assert "construct_instance" in inspect.getsource(method)


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
