"""Alembic's migrations: the platform's own and each feature's, as branches of one history.

The platform's revisions lie here, a feature's in its own ``migrations`` folder, so that a feature
contains its schema. Django's tables are known as stubs, and are not changed.
Django's migrations run first (``trivet migrate``), because ours refer to the user table.
"""

from trivet.migrations.adoption import Adoption, adopt, find_feature, plan, tables_of_database
from trivet.migrations.answers import Answers
from trivet.migrations.differences import Difference
from trivet.migrations.history import (
    Compared,
    compare,
    find_difference,
    is_behind,
    pending,
    requires_upgrade,
    run,
    upgrade,
)
from trivet.migrations.lock import one_at_a_time
from trivet.migrations.making import Made, make, require_features
from trivet.migrations.policies import find_security_faults, wanted_policies
from trivet.migrations.steps import Step, Target, find_target, steps, write_sql
from trivet.migrations.unmade import find_missing

__all__ = [
    "Adoption",
    "Answers",
    "Compared",
    "Difference",
    "Made",
    "Step",
    "Target",
    "adopt",
    "compare",
    "find_difference",
    "find_feature",
    "find_missing",
    "find_security_faults",
    "find_target",
    "is_behind",
    "make",
    "one_at_a_time",
    "pending",
    "plan",
    "require_features",
    "requires_upgrade",
    "run",
    "steps",
    "tables_of_database",
    "upgrade",
    "wanted_policies",
    "write_sql",
]
