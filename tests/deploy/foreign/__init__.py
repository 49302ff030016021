"""What a team might bring along: one small application of each of five frameworks, and one raw.

Each answers the same routes, and says on stdout when it starts and stops.

* `/who/{name}`: the identity, the name from the path, and the URL of this very route with the name
  `x`, as the framework itself builds it;
* `/`: `{"home": true}`;
* POST `/length`: how many bytes the body has;
* `/taken`: lets a refusal of the domain out.
"""

import sys
from typing import Any, NoReturn

from trivet.errors import Conflict


def said(app: str, event: str) -> None:
    sys.stdout.write(f"{app} {event}\n")
    sys.stdout.flush()


def who(scope: Any, name: str, url: object) -> dict[str, object]:
    return {"user": scope["user"].username, "name": name, "url": str(url)}


def refuse() -> NoReturn:
    raise Conflict("taken", "Somebody has this one already.")
