"""TCP and TLS lines, as caller and as listener."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from metergate.errors import ConfigError, LinkError
from metergate.links.address import Address
from metergate.links.reasons import reason
from metergate.links.transport import TransportLink

TIMEOUT = 10.0
TCP_SETTINGS = ("timeout",)
TLS_SETTINGS = ("ca", "cert", "key", "name", "timeout")
Accept = Callable[[TransportLink], Awaitable[None]]


async def open_tcp(address: Address) -> TransportLink:
    """Call `tcp://host:port`. LinkError if nobody answers within `timeout` seconds (10)."""
    address.needs(host=True, port=True, example="tcp://host:port")
    return await _call(address, None)


async def open_tls(address: Address) -> TransportLink:
    """Call `tls://host:port`; the certificate must be good for the host's name (or for `name`).

    `ca`: file with the trusted authorities (the system's where absent); `cert`, `key`: our own certificate.
    """
    address.needs(host=True, port=True, example="tls://host:port?ca=ca.pem&cert=me.pem&key=me.key")
    return await _call(address, client_context(address))


async def _call(address: Address, context: ssl.SSLContext | None) -> TransportLink:
    name = address.settings.get("name", address.host) if context else None
    try:
        async with asyncio.timeout(address.number("timeout", TIMEOUT)):
            _, link = await asyncio.get_running_loop().create_connection(
                lambda: TransportLink(address.name), address.host, address.port or 0, ssl=context, server_hostname=name
            )
    except TimeoutError as error:
        raise LinkError(f"{address.name}: nobody answers") from error
    except ssl.SSLCertVerificationError as error:
        raise LinkError(f"{address.name}: the certificate is not trusted: {error.verify_message}") from error
    except OSError as error:
        raise LinkError(f"{address.name}: {reason(error)}") from error
    return link


def client_context(address: Address) -> ssl.SSLContext:
    """TLS 1.2 or later, the other side's certificate and name checked. ConfigError if a file cannot be used."""
    settings = address.settings
    if "key" in settings and "cert" not in settings:
        raise ConfigError(f"{address.name}: key without cert")
    try:
        context = ssl.create_default_context(cafile=settings.get("ca"))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if "cert" in settings:
            context.load_cert_chain(settings["cert"], settings.get("key"))
    except OSError as error:
        raise ConfigError(f"{address.name}: a certificate or key file cannot be used: {error}") from error
    return context


def server_context(cert: str, key: str, client_ca: str | None = None) -> ssl.SSLContext:
    """The listener's side; with `client_ca` only callers with a certificate of that authority come in."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class _Accepted(TransportLink):
    def __init__(self, accept: Accept, running: set[asyncio.Task[None]]) -> None:
        super().__init__("tcp://")
        self._accept = accept
        self._running = running

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        host, port = transport.get_extra_info("peername")[:2]
        self.name = f"tcp://{host}:{port}"
        task = asyncio.ensure_future(self._serve())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self) -> None:
        try:
            await self._accept(self)
        finally:
            await self.close()


class Listener:
    """An open listening port; `port` is the real one where 0 was asked for."""

    def __init__(self, server: asyncio.Server, running: set[asyncio.Task[None]]) -> None:
        self._server = server
        self._running = running
        self.port: int = server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and hang up on everybody."""
        self._server.close()
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


async def listen(host: str, port: int, accept: Accept, context: ssl.SSLContext | None = None) -> Listener:
    """Give every caller's line to `accept`, which owns it; it is closed when `accept` ends. LinkError if in use."""
    running: set[asyncio.Task[None]] = set()
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Accepted(accept, running), host, port, ssl=context
        )
    except OSError as error:
        raise LinkError(f"tcp://{host}:{port}: {reason(error)}") from error
    return Listener(server, running)
