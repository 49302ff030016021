"""The command line, `trivet`. One module a command; `program` puts them together."""

from trivet_deploy.cli.program import main

__all__ = ["main"]
