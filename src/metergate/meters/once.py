"""One meter, once: open the line, listen or ask, close it again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from metergate.errors import ConfigError, NoAnswer
from metergate.links import Link, open_link
from metergate.meters.driver import Line, Listener
from metergate.meters.pollers import POLLERS, Target
from metergate.meters.translate import Translator
from metergate.meters.usual import usual_address
from metergate.wire import protocols
from metergate.wire.base import Found, Telegram


async def read_once(url: str, protocol: str, target: Target, patience: float = 30.0) -> Telegram:
    """The first telegram with values of the target (of any meter, if it has no id), OBIS codes put in.

    ConfigError: no such protocol or address. LinkError. NoAnswer after `patience` seconds. DecodeError.
    """
    if protocol not in protocols():
        raise ConfigError(f"unknown protocol {protocol!r}: there are {', '.join(protocols())}")
    link = await open_link(usual_address(url, protocol))
    try:
        async with asyncio.timeout(patience):
            telegram = await (_ask if protocol in POLLERS else _listen)(link, protocol, target)
    except TimeoutError:
        raise NoAnswer(f"{url}: no {protocol} meter was heard within {patience:g} s") from None
    finally:
        await link.close()
    return replace(telegram, readings=Translator()(telegram))


async def _ask(link: Link, protocol: str, target: Target) -> Telegram:
    line = Line(link)
    try:
        return await line.ask(POLLERS[protocol]({}).read(target))
    finally:
        await line.close()


async def _listen(link: Link, protocol: str, target: Target) -> Telegram:
    heard: asyncio.Future[Telegram] = asyncio.get_running_loop().create_future()

    def take(item: Found) -> None:
        if heard.done() or not isinstance(item, Telegram) or not item.readings:
            return
        if item.meter and target.id in ("", item.meter.id):
            heard.set_result(item)

    receiver = protocols()[protocol].receiver({"key": target.key} if target.key else {}, {})
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
