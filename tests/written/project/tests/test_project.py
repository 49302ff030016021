"""The whole application starts, and lets nobody in who has not logged in."""

from trivet.testing import Application


def test_it_starts_and_asks_for_a_login(trivet: Application) -> None:
    with trivet.client() as client:
        assert client.get("/readyz").status_code == 200
        assert client.get("/api/auth/me").status_code == 401
        assert client.get("/admin/", follow_redirects=False).status_code == 302
