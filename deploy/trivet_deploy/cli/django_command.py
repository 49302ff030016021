"""`trivet django …`: any management command, with Django set up as the house does it."""

import typer

#: Everything after `django` is Django's, options and --help included.
CONTEXT_SETTINGS = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "allow_interspersed_args": False,
    "help_option_names": [],
}


def django(context: typer.Context) -> None:
    """Run a management command of Django, for example `trivet django shell`.

    The exit code is the command's own. Schema changes belong to `trivet migrate`.
    """
    from django.core.management import execute_from_command_line

    from trivet.origin import Origin, enter_origin
    from trivet_deploy.composition import open_platform_with_django
    from trivet_settings import load_settings

    enter_origin(Origin(way="cli"))
    open_platform_with_django(load_settings())
    execute_from_command_line(["trivet django", *context.args])
