from typing import Any

from django.core.management.base import BaseCommand

from tests.joined.polls.models import Question


class Command(BaseCommand):
    help = "Close every question."

    def handle(self, *_args: Any, **_options: Any) -> None:
        count = Question.objects.update(is_open=False)
        self.stdout.write(f"{count} closed")
