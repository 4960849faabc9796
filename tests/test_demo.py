"""`metergate demo` as a newcomer meets it: one command, a page, values that move; Ctrl-C; and again."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from metergate.demo.laboratory import GATEWAY
from metergate.demo.plan import GROUP
from metergate.demo.stands import STANDS
from metergate.model import Quality

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "Linden-street-2026"
PATIENCE = 240.0
EVENTS = 100
"""Acknowledgements of the station within which every meter has to be read."""
LIVE = "[data-live]"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists() and not os.environ.get("CI"), reason="Chromium is not installed"),
]


def free_port() -> str:
    """One that nobody has now; should somebody take it, the demo takes another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Running:
    """A demo in a process of its own; what it prints is read until it has told its page."""

    def __init__(self, state: Path) -> None:
        command = [sys.executable, "-m", "metergate.cli", "demo", "--state", str(state), "--days", "5"]
        ports = ["--web", free_port(), "--mqtt", free_port()]
        self.process = subprocess.Popen([*command, *ports], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        self.text = ""
        assert self.process.stdout
        for line in self.process.stdout:
            self.text += line
            if "Ctrl-C" in line:
                break
        timer.cancel()

    def said(self, pattern: str) -> str:
        found = re.search(pattern, self.text)
        assert found, self.text
        return found[1]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        return self.process.returncode


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser.new_page()
        browser.close()


def children(state: Path) -> list[str]:
    """Command lines of processes that still have to do with the demo in `state`."""
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            words = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(state) in words and int(proc.name) != os.getpid():
            found.append(words)
    return found


def test_one_command_shows_a_living_street(state: Path, page: Page) -> None:
    demo = Running(state)
    try:
        page.goto(demo.said(r"page\s+(http://\S+)"))
        page.fill("input[name=username]", demo.said(r"operator\s+(\w+)"))
        page.fill("input[type=password]", demo.said(r"password (\S+)"))
        page.keyboard.press("Enter")
        page.fill("input[name=new_password1]", PASSWORD)
        page.fill("input[name=new_password2]", PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_text("Meters read today")).to_be_visible(timeout=20_000)
        page.goto(page.url.rstrip("/") + "/rooms/E1-B07-U1-F00-7")
        first = page.locator(LIVE).first
        expect(first).not_to_have_text("", timeout=20_000)
        before = page.locator(LIVE).all_inner_texts()
        page.wait_for_function(
            "([before, live]) => [...document.querySelectorAll(live)].some((e, i) => e.innerText !== before[i])",
            arg=[before, LIVE],
            timeout=10_000,
        )
        expect(page.locator(".uplot canvas").first).to_be_visible()
    finally:
        assert demo.stop() == 0
    assert children(state) == []


def sign_in(page: Page, demo: Running) -> str:
    """As the operator who has chosen his password; the station's address."""
    address = demo.said(r"page\s+(http://\S+)/")
    page.goto(f"{address}/")
    page.fill("input[name=username]", "operator")
    page.fill("input[type=password]", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Meters read today")).to_be_visible(timeout=20_000)
    return address


@contextmanager
def stored(demo: Running, state: Path) -> Iterator[Iterator[str]]:
    """A line each time the station has stored what the laboratory's gateway sent, up to `EVENTS` of them."""
    broker = demo.said(r"mqtt://house@(\S+),")
    command = [sys.executable, "-u", "-m", "metergate.cli", "mqtt", "sub", "--url", f"mqtt://station@{broker}"]
    secret = ["--password-file", str(state / "broker" / "secrets" / "station")]
    bounds = ["--count", str(EVENTS), "--seconds", str(PATIENCE)]
    topic = ["-t", f"metergate/{GROUP}/ack/{GATEWAY}"]
    with subprocess.Popen([*command, *secret, *topic, *bounds], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout
        finally:
            process.terminate()


def good(page: Page, address: str, room: str, since: datetime) -> bool:
    """Has the meter of that room a good number at the station, received since then?"""
    points = page.request.get(f"{address}/api/v1/service-points", params={"estate": "E1", "room": room}).json()["items"]
    latest = page.request.get(f"{address}/api/v1/latest", params={"service_point": points[0]["code"]}).json()
    fresh = [one for one in latest if datetime.fromisoformat(one["received"]) >= since]
    return any(one["quality"] == Quality.GOOD and one["value"] is not None for one in fresh)


def test_every_protocol_of_the_laboratory_gives_good_values(state: Path, page: Page) -> None:
    if not (state / "street.json").exists():
        pytest.skip("the first start is missing")
    began, demo = datetime.now(UTC), Running(state)
    try:
        address = sign_in(page, demo)
        waiting = {stand.room for stand in STANDS}
        with stored(demo, state) as events:
            for _ in events:
                waiting -= {room for room in waiting if good(page, address, room, began)}
                if not waiting:
                    break
        assert not waiting
        assert all(stand.short in demo.said(r"laboratory (.*)") for stand in STANDS)
        page.goto(f"{address}/buildings/E1-B09")
        for stand in STANDS:
            expect(page.get_by_text(stand.room, exact=True).first).to_be_visible()
        page.goto(f"{address}/lines")
        for stand in STANDS:
            line = page.locator("article.line", has=page.get_by_role("link", name=stand.name, exact=True))
            expect(line).to_contain_text("Answers")
    finally:
        assert demo.stop() == 0
    assert children(state) == []


def test_the_second_start_goes_on_with_the_same_history(state: Path, page: Page) -> None:
    if not (state / "street.json").exists():
        pytest.skip("the first start is missing")
    created = (state / "street.json").read_text()[:40]
    demo = Running(state)
    try:
        assert "the one you chose" in demo.text
        assert (state / "street.json").read_text()[:40] == created
        sign_in(page, demo)
    finally:
        assert demo.stop() == 0
