"""`TRIVET_OBSERVERS`: what it names is called once, and a mistake in it is said at the start."""

from pathlib import Path

import pytest

from tests.platform.bare import bare_platform
from trivet.errors import ConfigurationError
from trivet.observation import Observers, RequestEnded
from trivet_deploy.observers import register_observers

HERE = "tests.deploy.test_observers"
NO_FUNCTION = 7
called: list[Observers] = []


def observe(observers: Observers) -> None:
    called.append(observers)
    observers.add(RequestEnded, lambda _event: None)


def fail(_observers: Observers) -> None:
    raise ZeroDivisionError


def test_each_function_is_called_with_the_observers_of_the_platform(tmp_path: Path) -> None:
    platform = bare_platform(tmp_path, observers=(f"{HERE}:observe", f"{HERE}:observe"))
    called.clear()
    before = platform.observers.active
    register_observers(platform)
    assert called == [platform.observers] * 2
    assert (before, platform.observers.active) == (False, True)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("no_such_module:observe", "No module named 'no_such_module'"),
        (f"{HERE}:no_such_name", "no_such_name"),
        (f"{HERE}:NO_FUNCTION", "is no function"),
    ],
)
def test_a_target_that_is_none_is_said_before_anything_starts(
    tmp_path: Path, target: str, says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        register_observers(bare_platform(tmp_path, observers=(target,)))
    assert caught.value.detail.startswith(f"'{target}' of TRIVET_OBSERVERS")
    assert says in caught.value.detail


def test_what_the_function_raises_keeps_the_application_from_starting(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        register_observers(bare_platform(tmp_path, observers=(f"{HERE}:fail",)))
