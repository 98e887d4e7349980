"""The desk served for others: by TLS of its own, and behind a proxy."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from corroborator.cli import app
from corroborator.review.security import COOKIE
from review.command import serving, token_of
from review.desk import World
from tiny_world import said


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for ``localhost`` that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begins = datetime.now(UTC) - timedelta(hours=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@pytest.fixture
def store(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CORROBORATOR_MASTER_KEY", "A" * 43 + "=")
    world.say(said("age_claim"), "I see.", "c")
    return f"sqlite:///{world.log.store.path}"


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    return number


def test_it_is_served_by_tls_alone(store: str, port: int, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    address = f"https://localhost:{port}"
    options = ("--tls-cert", str(cert), "--tls-key", str(key), "--address", address)
    trusted = ssl.create_default_context(cafile=cert)
    with (
        serving(store, port, *options, "--host", "0.0.0.0") as told,  # noqa: S104 - with TLS
        httpx.Client(base_url=address, verify=trusted) as browser,
    ):
        assert "Sign in" in browser.get("/sign-in").text
        answer = browser.post(
            "/sign-in", data={"token": token_of(told)}, headers={"origin": address}
        )
        assert answer.status_code == 303
        assert "Secure" in answer.headers["set-cookie"]
        assert "What waits" in browser.get("/").text
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://localhost:{port}/sign-in")
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.get(f"{address}/sign-in")
        elsewhere = browser.get("/sign-in", headers={"host": "elsewhere.example.org"})
        assert elsewhere.status_code == 421


def test_behind_a_proxy_it_answers_under_the_stated_name_alone(store: str, port: int) -> None:
    address = "https://review.example.org"
    here = f"http://127.0.0.1:{port}"
    with serving(store, port, "--behind-proxy", "--address", address) as told:
        assert httpx.get(f"{here}/sign-in").status_code == 421
        sent = {"host": "review.example.org", "origin": address}
        answer = httpx.post(f"{here}/sign-in", data={"token": token_of(told)}, headers=sent)
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert COOKIE in cookie
        assert "Secure" in cookie
        assert "HttpOnly" in cookie


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "review.example.org"])  # noqa: S104
def test_without_either_it_starts_on_this_machine_alone(store: str, host: str) -> None:
    done = CliRunner().invoke(app, ["review", "--host", host, "--audit", store])
    assert done.exit_code == 2
    assert "others could read along" in done.output


def test_a_certificate_that_cannot_be_used_is_said_before_anything_starts(
    store: str, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    cert, key = certificate
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate", encoding="utf-8")
    for pair in ((tmp_path / "none.pem", key), (broken, key), (cert, cert)):
        options = ["--tls-cert", str(pair[0]), "--tls-key", str(pair[1])]
        address = ["--address", "https://localhost:8400"]
        done = CliRunner().invoke(app, ["review", "--audit", store, *options, *address])
        assert done.exit_code == 2
        assert "cannot be used" in done.output
