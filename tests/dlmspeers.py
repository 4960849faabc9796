"""Strangers that read a DLMS server on loopback: gurux-dlms' client classes and dlms-cosem's client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from metergate.wire.base import Responder

PATIENCE = 20.0
"""Seconds that a stranger waits for an answer."""
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@contextmanager
def served(make: Callable[[], Responder], now: datetime = NOW) -> Iterator[tuple[str, int]]:
    """A server on loopback that gives every connection a responder of its own, with time standing still."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = threading.Event()
    lines: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def answer(line: socket.socket) -> None:
        meter = make()
        with line:
            while data := _heard(line):
                for reply in meter.receive(data, now):
                    line.sendall(reply)

    def accept() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            lines.append(line)
            threads.append(threading.Thread(target=answer, args=(line,), daemon=True))
            threads[-1].start()

    door = threading.Thread(target=accept, daemon=True)
    door.start()
    try:
        yield listener.getsockname()[:2]
    finally:
        running.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for line in lines:
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in (door, *threads):
            thread.join(PATIENCE)


def _heard(line: socket.socket) -> bytes:
    try:
        return line.recv(4096)
    except OSError:
        return b""


class Gurux:
    """gurux-dlms makes and reads the messages; this is the line between them."""

    def __init__(self, client: Any, where: tuple[str, int]) -> None:
        self.client = client
        self.line = socket.create_connection(where, PATIENCE)

    def connect(self) -> None:
        """SNRM (HDLC), AARQ, and the third and fourth pass where there are any."""
        link = self.client.snrmRequest()
        if link:
            self.client.parseUAResponse(self.ask(link).data)
        self.client.parseAareResponse(self.ask(self.client.aarqRequest()).data)
        if self.client.getIsAuthenticationRequired():
            reply = self.ask(self.client.getApplicationAssociationRequest())
            self.client.parseApplicationAssociationResponse(reply.data)

    def close(self) -> None:
        """Release (ciphered ones) and disconnect."""
        for make in (self.client.releaseRequest, self.client.disconnectRequest):
            request = make()
            if request:
                self.ask(request)
        self.line.close()

    def objects(self) -> Any:
        """The association's object list."""
        return self.client.parseObjects(self.ask(self.client.getObjectsRequest()).data, True)

    def read(self, thing: Any, attribute: int) -> Any:
        """An attribute, as gurux-dlms understands it; the object keeps it too."""
        return self.value(thing, attribute, self.client.read(thing, attribute))

    def value(self, thing: Any, attribute: int, request: Any) -> Any:
        """What the answer to `request` says of an attribute."""
        reply = self.ask(request)
        return self.client.updateValue(thing, attribute, reply.value)

    def ask(self, request: Any) -> Any:
        """Send all messages of a request, collect all of the answer."""
        from gurux_dlms import GXReplyData

        reply = GXReplyData()
        for message in request if isinstance(request, list) else [request]:
            reply.clear()
            self._exchange(message, reply)
            while reply.isMoreData():
                self._exchange(None if reply.isStreaming() else self.client.receiverReady(reply), reply)
        if reply.error:
            raise RuntimeError(f"answered with error {reply.error}")
        return reply

    def _exchange(self, message: Any, reply: Any) -> None:
        from gurux_dlms import GXByteBuffer, GXReplyData

        if message:
            self.line.sendall(bytes(message))
        heard, pushed = GXByteBuffer(), GXReplyData()
        while not self.client.getData(heard, reply, pushed):
            data = self.line.recv(4096)
            if not data:
                raise ConnectionError("the meter hung up")
            heard.set(data)


class SocketPort:
    """What dlms-cosem's HDLC transport wants of a serial port, over TCP."""

    def __init__(self, where: tuple[str, int]) -> None:
        self._line = socket.create_connection(where, PATIENCE)
        self._heard = bytearray()

    def write(self, data: bytes) -> None:
        self._line.sendall(data)

    def read_until(self, end: bytes) -> bytes:
        while end not in self._heard:
            data = self._line.recv(4096)
            if not data:
                raise ConnectionError("the meter hung up")
            self._heard += data
        at = self._heard.index(end) + len(end)
        found, self._heard = bytes(self._heard[:at]), self._heard[at:]
        return found

    def close(self) -> None:
        self._line.close()


def cosem_client(where: tuple[str, int], hdlc: bool, client: int, server: int, **settings: Any) -> Any:
    """dlms-cosem's client over HDLC or the wrapper."""
    from dlms_cosem.clients.blocking_tcp_transport import BlockingTcpTransport
    from dlms_cosem.clients.dlms_client import DlmsClient
    from dlms_cosem.clients.hdlc_transport import SerialHdlcTransport

    transport = (
        SerialHdlcTransport(client, server, serial_port="", serial=SocketPort(where))
        if hdlc
        else BlockingTcpTransport(where[0], where[1], client, server, timeout=int(PATIENCE))
    )
    return DlmsClient(client, server, io_interface=transport, **settings)
