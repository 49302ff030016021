"""The configurations in docs/deployment.md, read by the program that they are for."""

import re
from pathlib import Path

import pytest

from tests.services.certificates import certify
from tests.services.nginx import judge

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"


def certify_board(directory: Path) -> None:
    """A certificate and its key, as the page names them."""
    certify("board.example.org", directory / "board.pem", directory / "board.key")


def nginx_configuration(directory: Path) -> str:
    """The page's, in the frame that every nginx.conf has, with files of `directory`."""
    (block,) = re.findall(r"```nginx\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    inside = block.replace("/etc/ssl/", f"{directory}/").replace("443 ssl", "127.0.0.1:8443 ssl")
    temporary = "".join(
        f"{kind}_temp_path {directory}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"pid {directory}/nginx.pid;\nevents {{}}\nhttp {{\n{temporary}{inside}}}\n"


def test_nginx_takes_the_configuration_of_the_page(tmp_path: Path) -> None:
    certify_board(tmp_path)
    code, words = judge(nginx_configuration(tmp_path), tmp_path)
    assert (code, "test is successful" in words) == (0, True), words


@pytest.mark.parametrize("damage", ["proxy_pass", "keepalive"])
def test_nginx_would_have_told_a_mistake_in_it(tmp_path: Path, damage: str) -> None:
    certify_board(tmp_path)
    code, words = judge(nginx_configuration(tmp_path).replace(damage, "x"), tmp_path)
    assert (code, 'unknown directive "x' in words) == (1, True), words
