"""The frame of the root's own pages: the way in, and the errors that a browser meets.

The style comes from our own static files and nothing is inline, so that the content security
policy needs no exception. Text that is put into a page is escaped here.
"""

from dataclasses import dataclass
from html import escape
from string import Template

from trivet.asgi.assets import ICON, STYLE

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>$title</title>
  <link rel="icon" href="$logo">
  <link rel="stylesheet" href="$style">
</head>
<body>
  <header><a href="$root/"><img src="$logo" alt="" width="32" height="32">$name</a></header>
  <main>
$body
  </main>
</body>
</html>
""")


@dataclass(frozen=True, slots=True)
class Frame:
    """The parts that all pages share: the product's `name` and `logo` (a path on this site; empty
    for Trivet's)."""

    name: str
    logo: str = ""

    def render(self, root_path: str, title: str, body: str) -> str:
        """A page. `body` is HTML; `root_path` precedes every path of this site."""
        return _PAGE.substitute(
            title=escape(title if title == self.name else f"{title} | {self.name}"),
            name=escape(self.name),
            logo=escape(root_path + (self.logo or ICON)),
            root=escape(root_path),
            style=escape(root_path + STYLE),
            body=body,
        )
