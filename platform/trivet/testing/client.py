"""A user of a test, and the client through which one acts: a browser without a screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

from trivet.testing.forms import find_form

PASSWORD = "correct horse battery staple"  # noqa: S105  # of users who live as long as a test


@dataclass(frozen=True, slots=True)
class User:
    """A user who was made for the test.

    Attributes:
        id: The key of the user's row.
        username: The name to log in with.
        password: The password in plain text.
    """

    id: int
    username: str
    password: str = field(default=PASSWORD, repr=False)


class Client(TestClient):
    """Starlette's test client. Its requests and sockets carry the host that the settings name."""

    def log_in(self, user: User) -> None:
        """Log in as a browser does; the cookie stays with this client.

        Args:
            user: A user with the password in plain text.

        Raises:
            AssertionError: The application refuses the login.
        """
        given = {"username": user.username, "password": user.password}
        response = self.post("/api/auth/login", json=given)
        assert response.status_code == 200, response.text

    def submit(
        self, page: str | Response, values: Mapping[str, Any] | None = None, **more: Any
    ) -> Response:
        """Fill in a form of a page and send it, as a browser does: with its token, and with what
        stands in the fields that are not named.

        Args:
            page: The address of the page, or the response that shows the form.
            values: What to write into its fields: texts, numbers, or lists of them; True ticks a
                box, False and None leave it.
            **more: The same, for fields whose names are words of Python.

        Returns:
            The answer to the form, whose redirect is not followed. In the admin 302 says that it
            was taken; 200 shows it again, with what is wrong.

        Raises:
            AssertionError: The page does not open, or has no form with these fields.
        """
        shown = self.get(page) if isinstance(page, str) else page
        assert shown.status_code == 200, f"{shown.url.path} answers {shown.status_code}"
        filled = {**(values or {}), **more}
        form = find_form(shown.text, filled, shown.url.path)
        address = shown.url.join(form.action) if form.action else shown.url
        headers = {"referer": str(shown.url)}  # which Django asks for under https
        sent = form.filled(filled)
        return self.post(address, data=sent, headers=headers, follow_redirects=False)

    def run_action(self, page: str, action: str, keys: Sequence[Any]) -> Response:
        """Run an action of the admin on rows of a list.

        Args:
            page: The address of the list.
            action: The name of the action, such as ``delete_selected``.
            keys: The primary keys of the rows.

        Returns:
            The answer: 302 to the list, or a page that asks again, for `submit`.

        Raises:
            AssertionError: The list does not open, or has no actions for this user.
        """
        return self.submit(page, {"action": action, "_selected_action": list(keys)})
