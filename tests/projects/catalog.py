"""Which projects, of which version, and where their mapped classes are.

A class that checks what it is given, beyond what its columns say, has its valid values in `values`,
by ``Class.attribute``: what a person would know who works with that project.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"


@dataclass(frozen=True, slots=True)
class Project:
    """A project of somebody else.

    Attributes:
        name: Its name at the package index.
        version: The version that its lock file pins.
        modules: Those that have to be imported so that all its classes are mapped.
        about: What kind of classes they are.
        values: What a form is given in place of a made-up value.
    """

    name: str
    version: str
    modules: tuple[str, ...]
    about: str
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def feature(self) -> str:
        """The name of the feature that shows its classes."""
        return self.name.replace("-", "_") + "_rows"

    @property
    def module(self) -> str:
        """The module under which all that it maps is."""
        return self.modules[0].partition(".")[0]

    @property
    def requirements(self) -> Path:
        """What is installed for it, pinned, with hashes and without addresses."""
        return REQUIREMENTS / f"{self.name}.txt"


PROJECTS = (
    Project(
        "celery",
        "5.7.0",
        ("celery.backends.database.models",),
        "results of tasks; a class that inherits",
    ),
    Project(
        "flask-appbuilder",
        "5.3.0",
        ("flask_appbuilder.security.sqla.models",),
        "users, roles and permissions; 1.x columns and many-to-many relations",
    ),
    Project(
        "jupyterhub",
        "6.1.1",
        ("jupyterhub.orm",),
        "users, servers and tokens; decorated types, association classes with composite keys",
    ),
    Project(
        "optuna",
        "5.0.0",
        ("optuna.storages._rdb.models",),
        "studies and trials; enums by name, unique rules over several columns",
    ),
    Project(
        "zenml",
        "0.98.0",
        ("zenml.zen_stores.schemas",),
        "pipelines and artifacts; SQLModel, UUID keys, composite keys",
        # The one or the other, says a CHECK.
        {"StepConfigurationSchema.step_run": ""},
    ),
)
