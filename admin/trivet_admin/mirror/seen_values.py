"""What only SQLAlchemy knows of a row, for the visitor of a page: association proxies and relations
that Django cannot have bring the rows that the visitor sees.

Methods and properties of a mapped class read whatever they like; here is what a list or a form
shows of the class by itself.
"""

from typing import Any

from sqlalchemy import event, inspect
from sqlalchemy.ext.associationproxy import AssociationProxy
from sqlalchemy.orm import ORMExecuteState, Session, lazyload

from trivet.context import current_context
from trivet.identity import Identity
from trivet.rules.registry import RuleRegistry
from trivet_admin import runtime


def visitor() -> Identity | None:
    """Who sees what is read here; None outside of a request, and where no rule narrows anything."""
    context = current_context()
    return None if context is None or not runtime.capture().rules.narrows else context.identity


def load_only_seen(session: Session, actor: Identity) -> None:
    """Let the relations that `session` loads bring rows that `actor` sees."""
    rules = runtime.capture().rules

    def restrict(state: ORMExecuteState) -> None:
        if not state.is_select:
            return
        # What comes along in the row's own statement could not be told apart.
        statement: Any = state.statement.options(lazyload("*"))
        if state.is_relationship_load:
            target = state.all_mappers[0].class_
            if (condition := rules.visible_condition(target, actor)) is not None:
                statement = statement.where(condition)
        state.statement = statement

    event.listen(session, "do_orm_execute", restrict)


def is_hidden(mapped: type[Any], name: str, actor: Identity) -> bool:
    """Whether an attribute of `mapped` stands for one that `actor` does not see."""
    return _is_hidden(runtime.capture().rules, mapped, name, actor)


def _is_hidden(rules: RuleRegistry, mapped: type[Any], name: str, actor: Identity) -> bool:
    if name in rules.hidden_attributes(mapped, actor):
        return True
    mapper = inspect(mapped)
    own: Any = mapper.all_orm_descriptors.get(name)
    if not isinstance(own, AssociationProxy) or own.target_collection not in mapper.relationships:
        return False
    target = mapper.relationships[own.target_collection].mapper.class_
    return _is_hidden(rules, mapped, own.target_collection, actor) or _is_hidden(
        rules, target, own.value_attr, actor
    )
