import asyncio
import contextlib
import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from metergate.errors import ConfigError, LinkError
from metergate.links import open_link
from metergate.links.tcp import listen, server_context

pytestmark = pytest.mark.anyio


async def echo(link: Any) -> Any:
    while data := await link.read():
        await link.write(data[::-1])


def issue(folder: Path, name: Any, issuer: Any = None) -> Any:
    """A certificate for `name` in name.pem and its key in name.key; its own issuer, or by `issuer`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = issuer or (subject, key)
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    pem = builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / f"{name}.pem").write_bytes(pem)
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / f"{name}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return subject, key


@pytest.fixture
async def tls(tmp_path: Path) -> Any:
    """A TLS echo that wants client certificates; the folder with ca.pem, localhost.pem, me.pem and other.pem."""
    ca = issue(tmp_path, "ca")
    issue(tmp_path, "localhost", ca)
    issue(tmp_path, "me", ca)
    issue(tmp_path, "other")
    context = server_context(*(str(tmp_path / name) for name in ("localhost.pem", "localhost.key", "ca.pem")))
    listener = await listen("127.0.0.1", 0, echo, context)
    yield tmp_path, listener.port
    await listener.close()


async def test_bytes_pass_both_ways() -> None:
    listener = await listen("127.0.0.1", 0, echo)
    link = await open_link(f"tcp://127.0.0.1:{listener.port}")
    await link.write(b"abc")
    assert await link.read() == b"cba"
    await link.close()
    assert await link.read() == b""
    with pytest.raises(LinkError, match="closed"):
        await link.write(b"x")
    await listener.close()


async def test_a_slow_reader_holds_up_the_writer_and_gets_everything() -> None:
    async def pour(link: Any) -> Any:
        for _ in range(64):
            await link.write(bytes(100_000))

    listener = await listen("127.0.0.1", 0, pour)
    link = await open_link(f"tcp://127.0.0.1:{listener.port}")
    size = 0
    async with asyncio.timeout(20):
        while data := await link.read():
            size += len(data)
            await asyncio.sleep(0)
    assert size == 6_400_000
    await link.close()
    await listener.close()


async def test_hanging_up_ends_reading() -> None:
    async def hang_up(link: Any) -> Any:
        await link.write(b"bye")

    listener = await listen("127.0.0.1", 0, hang_up)
    link = await open_link(f"tcp://127.0.0.1:{listener.port}")
    assert await link.read() == b"bye"
    assert await link.read() == b""
    await link.close()
    await listener.close()


async def test_nobody_there() -> None:
    listener = await listen("127.0.0.1", 0, echo)
    await listener.close()
    with pytest.raises(LinkError, match=r"127\.0\.0\.1"):
        await open_link(f"tcp://127.0.0.1:{listener.port}")


async def test_listening_twice_is_a_link_error() -> None:
    listener = await listen("127.0.0.1", 0, echo)
    with pytest.raises(LinkError):
        await listen("127.0.0.1", listener.port, echo)
    await listener.close()


def url(folder: Path, port: Any, *, ca: Any = "ca", me: Any = "me", name: Any = "localhost") -> Any:
    own = f"&cert={folder}/{me}.pem&key={folder}/{me}.key" if me else ""
    return f"tls://127.0.0.1:{port}?ca={folder}/{ca}.pem{own}&name={name}"


async def test_tls_with_client_certificate(tls: Any) -> None:
    link = await open_link(url(*tls))
    await link.write(b"abc")
    assert await link.read() == b"cba"
    assert "key" not in link.name
    await link.close()


@pytest.mark.parametrize("wrong", [{"ca": "other"}, {"name": "elsewhere"}, {"name": "127.0.0.1"}])
async def test_tls_checks_authority_and_name(tls: Any, wrong: Any) -> None:
    with pytest.raises(LinkError, match="not trusted"):
        await open_link(url(*tls, **wrong))


@pytest.mark.parametrize("me", ["", "other"])
async def test_tls_listener_wants_a_certificate_of_its_authority(tls: Any, me: Any) -> None:
    answer = b""
    with contextlib.suppress(LinkError):
        link = await open_link(url(*tls, me=me))
        await link.write(b"abc")
        answer = await link.read()
    assert answer == b""


async def test_tls_files_that_cannot_be_used(tls: Any) -> None:
    folder, port = tls
    with pytest.raises(ConfigError, match="cannot be used"):
        await open_link(url(folder, port, ca="none"))
    with pytest.raises(ConfigError, match="key without cert"):
        await open_link(f"tls://127.0.0.1:{port}?key={folder}/me.key")
