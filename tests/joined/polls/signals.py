from typing import Any

from django.db.models.signals import post_save

from tests.joined.polls.models import Choice, Question


def add_abstention(instance: Question, created: bool, **_: Any) -> None:
    if created:
        Choice.objects.create(question=instance, text="No opinion")


def connect() -> None:
    post_save.connect(add_abstention, sender=Question, dispatch_uid="polls.add_abstention")
