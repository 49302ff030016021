"""Django's management commands, as `trivet django …` runs them."""

import io
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("shelves")


def run(*arguments: str, **options: Any) -> str:
    from django.core.management import call_command

    output = io.StringIO()
    call_command(*arguments, stdout=output, **options)
    return output.getvalue()


def test_check_finds_nothing_also_for_a_deployment_of_the_database() -> None:
    assert "no issues" in run("check")
    assert "no issues" in run("check", databases=["default"])


def test_nothing_is_left_to_migrate() -> None:
    assert "[ ]" not in run("showmigrations")


def test_a_superuser_is_created_by_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.contrib.auth import authenticate

    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse")
    run("createsuperuser", interactive=False, username="root", email="root@example.org")
    user: Any = authenticate(username="root", password="correct horse")
    assert user.is_superuser


def test_the_shell_writes_through_sqlalchemy() -> None:
    from django.apps import apps

    code = (
        "from django.apps import apps\n"
        "item = apps.get_model('stock', 'Item').objects.get(pk=1)\n"
        "item.quantity = 6\n"
        "item.save()"
    )
    run("shell", command=code)
    assert apps.get_model("stock", "Item").objects.get(pk=1).version == 2


def test_data_is_dumped_and_loaded(tmp_path: Any) -> None:
    from django.apps import apps

    path = tmp_path / "stock.json"
    run("dumpdata", "stock.Item", "stock.Tag", output=str(path))
    item: Any = apps.get_model("stock", "Item")
    item.objects.filter(pk=1).update(quantity=50)
    path.write_text(path.read_text().replace('"version": 1', '"version": 2', 1))
    run("loaddata", str(path))
    assert item.objects.get(pk=1).quantity == 5
