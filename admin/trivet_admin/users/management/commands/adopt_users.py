"""``trivet django adopt_users``: once, on the database of a Django project that joins."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from trivet.errors import ConfigurationError
from trivet_admin.users import adoption


class Command(BaseCommand):
    help = (
        "Make the users of a Django project's database (auth_user) those of every room. Without "
        "--yes it shows what it would do, and changes nothing."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="Do it.")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            statements = adoption.plan()
        except ConfigurationError as error:
            raise CommandError(error.detail) from error
        if options["yes"]:
            adoption.adopt(statements)
            self.stdout.write("The users are adopted. Now run: trivet migrate")
            return
        for sql, _ in statements:
            self.stdout.write(f"{sql};")
        self.stdout.write("Nothing was changed. Make a backup, and run it again with --yes")
