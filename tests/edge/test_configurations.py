"""The configurations in docs/deployment.md, read by the program that they are for."""

import datetime as dt
import re
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.services.nginx import judge

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"


def certify(directory: Path) -> None:
    """A certificate of its own making, and its key, as the page names them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "board.example.org")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "board.pem").write_bytes(certificate.public_bytes(pem))
    (directory / "board.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


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
    certify(tmp_path)
    code, words = judge(nginx_configuration(tmp_path), tmp_path)
    assert (code, "test is successful" in words) == (0, True), words


@pytest.mark.parametrize("damage", ["proxy_pass", "keepalive"])
def test_nginx_would_have_told_a_mistake_in_it(tmp_path: Path, damage: str) -> None:
    certify(tmp_path)
    code, words = judge(nginx_configuration(tmp_path).replace(damage, "x"), tmp_path)
    assert (code, 'unknown directive "x' in words) == (1, True), words
