"""One meter, once: open the line, listen or ask, close it again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from metergate.errors import ConfigError, NoAnswer, Unsupported
from metergate.links import Link, open_link
from metergate.links.stick import stick_options
from metergate.meters.driver import Line, Listener
from metergate.meters.options import address_options
from metergate.meters.pollers import POLLERS, Poller, Target
from metergate.meters.translate import Translator
from metergate.meters.usual import usual_address
from metergate.wire import protocols
from metergate.wire.base import Dialogue, Found, Options, Telegram

T = TypeVar("T")
NONE: Options = {}


async def read_once(
    url: str, protocol: str, target: Target, patience: float = 30.0, options: Options = NONE
) -> Telegram:
    """The first telegram with values of the target (of any meter, if it has no id), OBIS codes put in.

    ConfigError: no such protocol or address. LinkError. NoAnswer after `patience` seconds. DecodeError.
    """
    _known(protocol)
    if protocol in POLLERS:
        telegram = await ask_once(url, protocol, lambda poller: poller.read(target), patience, options)
    else:
        heard = {**stick_options(url), **options}
        telegram = await _opened(url, protocol, patience, lambda link: _listen(link, protocol, target, heard))
    return replace(telegram, readings=Translator()(telegram))


async def ask_once(
    url: str, protocol: str, work: Callable[[Poller], Dialogue[T]], patience: float = 30.0, options: Options = NONE
) -> T:
    """Hold one dialogue of a poller. As `read_once`; Unsupported for meters that cannot be asked."""
    _known(protocol)
    if protocol not in POLLERS:
        raise Unsupported(f"a meter of {protocol} speaks by itself and cannot be asked")
    poller = POLLERS[protocol]({**address_options(protocol, url), **options})
    return await _opened(url, protocol, patience, lambda link: _ask(link, work(poller)))


def _known(protocol: str) -> None:
    if protocol not in protocols():
        raise ConfigError(f"unknown protocol {protocol!r}: there are {', '.join(protocols())}")


async def _opened(url: str, protocol: str, patience: float, talk: Callable[[Link], Awaitable[T]]) -> T:
    link = await open_link(usual_address(url, protocol))
    try:
        async with asyncio.timeout(patience):
            return await talk(link)
    except TimeoutError:
        raise NoAnswer(f"{url}: no {protocol} meter was heard within {patience:g} s") from None
    finally:
        await link.close()


async def _ask(link: Link, dialogue: Dialogue[T]) -> T:
    line = Line(link)
    try:
        return await line.ask(dialogue)
    finally:
        await line.close()


async def _listen(link: Link, protocol: str, target: Target, options: Options) -> Telegram:
    heard: asyncio.Future[Telegram] = asyncio.get_running_loop().create_future()

    def take(item: Found) -> None:
        if heard.done() or not isinstance(item, Telegram) or not item.readings:
            return
        if item.meter and target.id in ("", item.meter.id):
            heard.set_result(item)

    keys = dict(target.keys) | ({"key": target.key} if target.key else {})
    receiver = protocols()[protocol].receiver(keys, options)
    if greeting := getattr(receiver, "greeting", b""):
        await link.write(greeting)  # a radio stick is told its mode
    running = asyncio.ensure_future(Listener(link, receiver, take).run())
    either: list[asyncio.Future[Any]] = [heard, running]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        running.cancel()
    if heard.done():
        return heard.result()
    await running
    raise NoAnswer(f"{link.name} ended before a {protocol} meter was heard")
