from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trivet.events import Change, Publication, feed


@dataclass(frozen=True)
class QuestionChanged:
    kind: str
    text: str
    old: dict[str, Any]
    actor: str


@dataclass(frozen=True)
class VotesChanged:
    choice: str
    votes: int


@feed("polls.Question")
def question_changed(change: Change[Any]) -> Iterator[Publication]:
    question = change.instance
    old = {name: str(value) for name, value in change.old.items()}
    actor = change.actor.username if change.actor is not None else ""
    event = QuestionChanged(change.kind, question.text, old, actor or "")
    yield Publication("live:questions", event)


@feed("polls.Choice")
def votes_changed(change: Change[Any]) -> Iterator[Publication]:
    choice = change.instance
    if choice.text == "curious":
        _ = choice.question.text  # a query, which a feed may not make
    if change.changed("votes"):
        yield Publication(f"live:{choice.question_id}", VotesChanged(choice.text, choice.votes))
