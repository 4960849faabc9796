"""The pages in a real browser: WCAG checks of each, light and dark, desk and phone; live values; keyboard; budgets.

With METERGATE_SCREENS=1 the pictures of docs/screens are made anew.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Browser, Page, Response, sync_playwright
from pytest_django.live_server_helper import LiveServer

from metergate.station.archive.models import Meter, Register
from metergate.station.collect.models import Event, Latest, Presence
from metergate.station.jobs import reread
from metergate.station.jobs import services as jobs
from metergate.station.jobs.models import Job
from metergate.station.staff.services import create_operator
from metergate.station.web.templatetags.metergate import DIST
from station import street
from station.conftest import PASSWORD

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SCREENS = Path(__file__).parents[2] / "docs" / "screens"
SIZES = {"desk": (1440, 900), "phone": (390, 844)}
ROOM = "/rooms/E1-B03-U2-F09-0901"
PAGES = {
    "overview": "/",
    "estate": "/estate",
    "rooms": "/estate?view=list",
    "building": "/buildings/E1-B03",
    "building-list": "/buildings/E1-B03?view=list",
    "household": ROOM,
    "household-month": f"{ROOM}?span=month",
    "household-empty": "/rooms/E1-B03-U2-F11-1103",
    "readings": "/readings",
    "readings-filtered": "/readings?medium=gas&text=090&sort=-value&col=room&col=meter&col=value&col=model",
    "missing": "/readings/missing",
    "events": "/events",
    "lines": "/lines",
    "line": "/lines/L1",
    "jobs": "/jobs",
    "new-devices": "/devices/new",
    "telegram": "/tools/telegram?protocol=mgc1&hex=7e0100120502000012cf",
    "search": "/search?q=1GAS",
    "display": "/display/E1-B03-U2-F09-0901",
    "not-found": "/nothing/here",
}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium"),
    pytest.mark.skipif(not (DIST / "manifest.json").exists(), reason="the pages' scripts are not built: npm run build"),
]


@pytest.fixture(scope="module", autouse=True)
def _synchronous_database() -> Iterator[None]:
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    yield
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield found
        found.close()


@pytest.fixture
def server(live_server: LiveServer) -> str:
    """A station with its street, served."""
    street.build(40)
    create_operator("ops", "administrator", password=PASSWORD)
    _jobs()
    return str(live_server.url)


def _jobs() -> None:
    """A job half done, with failures, and a round of reading again."""
    now = timezone.now()
    job = jobs.begin("read-now", Meter.objects.order_by("pk").values_list("pk", flat=True), "Building 3")
    answers: list[jobs.Answer] = []
    for second in range(6):
        sent = jobs.turn(answers, now - timedelta(seconds=12 - 2 * second))
        bad = {3: ("no answer", "no answer within 2 s"), 7: ("unsupported", "this meter speaks by itself")}
        answers = [jobs.Answer("gw-1", row.pk, *bad.get(row.rank % 9, ("done", "3 values"))) for row in sent]
    PAGES["job"] = f"/jobs/{job.pk}"
    reread.look(now)


def _expose(page: Page) -> None:
    """Open what is folded, so that it is looked at too."""
    page.evaluate("document.querySelectorAll('details.choice').forEach((each) => { each.open = true })")


def sign_in(browser: Browser, server: str, theme: str = "light", size: str = "desk") -> Page:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if theme == "dark" else "light"
    )
    page = context.new_page()
    page.goto(f"{server}/sign-in")
    check(page, f"sign-in-{theme}-{size}")
    page.fill("#username", "ops")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    page.wait_for_selector("nav.rail")
    return page


def check(page: Page, name: str) -> None:
    """No violation of WCAG 2.2 A and AA, nothing wider than the window; a picture where wanted."""
    _unroll(page)
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    result = Axe().run(page, options=options)
    assert result.violations_count == 0, f"{name}:\n{result.generate_report()}"
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), f"{name} is wider than the window"
    if os.environ.get("METERGATE_SCREENS") == "1":
        SCREENS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENS / f"{name}.png")


def _unroll(page: Page) -> None:
    """Make a phone's window as high as its page, so that the bottom bar covers nothing while it is checked."""
    size = page.viewport_size
    if size and size["width"] < 500:
        page.set_viewport_size({"width": size["width"], "height": SIZES["phone"][1]})
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": size["width"], "height": max(height, SIZES["phone"][1])})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page(browser: Browser, server: str, theme: str, size: str) -> None:
    page = sign_in(browser, server, theme, size)
    told: list[str] = []
    strangers: list[str] = []
    page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: strangers.append(request.url) if not _own(request.url, server) else None)
    for name, address in PAGES.items():
        page.goto(server + address)
        if "household" in name and "empty" not in name:
            page.wait_for_selector(".uplot canvas")
        check(page, f"{name}-{theme}-{size}")
        if name == "rooms":
            _expose(page)
            check(page, f"rooms-columns-{theme}-{size}")
    assert [text for text in told if "404" not in text] == []
    assert strangers == []
    page.context.close()


def _own(url: str, server: str) -> bool:
    return url.startswith((server, "data:", "blob:"))


def test_a_new_value_appears_by_itself(browser: Browser, server: str) -> None:
    page = sign_in(browser, server)
    with page.expect_response("**/data/live?*"):
        page.goto(server + ROOM)
    power = Register.objects.get(key="1ELE00000000/1-0:16.7.0*255")
    shown = page.locator(f'.medium-card [data-live="{power.pk}"] .num')
    row = Latest.objects.get(register=power)
    Latest.objects.filter(pk=row.pk).update(value=4321, changed_ms=row.changed_ms + 10_000_000)
    shown.get_by_text("4,321").wait_for()
    page.context.close()


def test_an_alarm_lights_the_lamp_by_itself(browser: Browser, server: str) -> None:
    Event.objects.all().delete()
    page = sign_in(browser, server)
    page.wait_for_selector(".alarm-lamp:not(.lit)")
    Event.objects.create(time=street.SINCE, source="L1", code="LINE_DOWN", severity=3)
    page.wait_for_selector(".alarm-lamp.lit")
    page.context.close()


def test_a_line_that_falls_silent_shows_it_without_moving_page_or_focus(browser: Browser, server: str) -> None:
    page = sign_in(browser, server)
    page.set_viewport_size({"width": 700, "height": 320})
    page.goto(f"{server}/lines")
    page.locator(".line h2 a").focus()
    page.evaluate("document.activeElement.marked = true; scrollTo(0, 60)")
    assert page.evaluate("scrollY") == 60
    Presence.objects.filter(kind=Presence.Kind.LINE, code="L1").update(state=Presence.State.DOWN, round_ms=4711)
    page.locator(".line-head .lamp.fault").wait_for()
    page.locator(".line-head").get_by_text("4,711").wait_for()
    assert page.evaluate("document.activeElement.marked")
    assert page.evaluate("scrollY") == 60
    page.context.close()


def test_keyboard_walks_and_steps(browser: Browser, server: str) -> None:
    page = sign_in(browser, server)
    page.goto(f"{server}/readings")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.locator("tr.at").count() == 1
    page.keyboard.press("Enter")
    page.wait_for_url("**/rooms/**")
    today = page.locator(".stepper strong").inner_text()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**day=**")
    assert page.locator(".stepper strong").inner_text() != today
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.context.close()


def test_rows_are_selected_by_key_range_and_all(browser: Browser, server: str) -> None:
    page = sign_in(browser, server)
    page.goto(f"{server}/readings?medium=gas")
    picked = page.locator("[data-picked]")
    boxes = page.locator('input[name="pick"]')
    for key in "jxjjx":
        page.keyboard.press(key)
    assert picked.inner_text() == "2"
    boxes.nth(5).click(modifiers=["Shift"])
    assert picked.inner_text() == "5"
    page.click("[data-pick-all]")
    assert picked.inner_text() == str(boxes.count())
    page.click("[data-pick-all]")
    assert picked.inner_text() == "0"
    boxes.nth(1).check()
    page.get_by_role("button", name="Read now").click()
    page.wait_for_url("**/jobs/*")
    assert Job.objects.order_by("-made")[0].whole == 1
    page.context.close()


def test_the_head_stays_while_rows_scroll(browser: Browser, server: str) -> None:
    page = sign_in(browser, server)
    page.goto(f"{server}/readings")
    box = page.locator(".scroll.tall")
    assert box.evaluate("each => each.scrollHeight > each.clientHeight")
    top = page.locator("thead th").nth(1).evaluate("each => each.getBoundingClientRect().top")
    box.evaluate("each => { each.scrollTop = 400 }")
    assert page.locator("thead th").nth(1).evaluate("each => each.getBoundingClientRect().top") == top
    page.context.close()


def test_a_job_moves_by_itself_and_can_be_cancelled(browser: Browser, server: str) -> None:
    page = sign_in(browser, server)
    page.goto(server + PAGES["job"])
    job = Job.objects.exclude(kind="reread").get()
    shown = page.locator(".job-figures progress")
    before = shown.get_attribute("value")
    ready = [jobs.Answer("gw-1", row.pk, "done", "") for row in job.orders.filter(state="sent")]
    jobs.turn(ready, timezone.now())
    page.wait_for_function(
        "before => document.querySelector('.job-figures progress').value != before", arg=int(before or 0)
    )
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("what is under way is waited for").wait_for()
    page.context.close()


def test_no_page_shifts_at_360_pixels(browser: Browser, server: str) -> None:
    page = sign_in(browser, server)
    page.set_viewport_size({"width": 360, "height": 740})
    for name, address in PAGES.items():
        page.goto(server + address)
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), f"{name} is wider than a phone"
    page.context.close()


def test_a_room_opens_beside_the_plan(browser: Browser, server: str) -> None:
    page = sign_in(browser, server)
    page.goto(f"{server}/buildings/E1-B03")
    page.click("a.cell:has-text('0903')")
    page.locator("#side").get_by_text("Carla Diaz").wait_for()
    assert page.url.endswith("/buildings/E1-B03")
    check(page, "building-side-light-desk")
    page.context.close()


def test_a_field_lights_its_bytes(browser: Browser, server: str) -> None:
    page = sign_in(browser, server)
    page.goto(f"{server}/tools/telegram?protocol=mgc1&hex=7e0100120502000012cf")
    page.locator("[data-spans] tr", has_text="address").focus()
    assert page.locator("[data-hex] .lit").all_inner_texts() == ["00", "12"]
    page.context.close()


def test_dark_stays_dark(browser: Browser, server: str) -> None:
    page = sign_in(browser, server)
    page.click("[data-theme-toggle]")
    page.goto(f"{server}/estate")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.context.close()


@pytest.mark.parametrize("name", ["overview", "household", "telegram", "readings"])
def test_scripts_and_styles_of_a_page_stay_within_their_budgets(browser: Browser, server: str, name: str) -> None:
    page = sign_in(browser, server)
    weights = {"script": 0, "stylesheet": 0}

    def weigh(response: Response) -> None:
        kind = response.request.resource_type
        if kind in weights:
            weights[kind] += len(gzip.compress(response.body()))

    page.on("response", weigh)
    page.goto(server + PAGES[name], wait_until="networkidle")
    assert 0 < weights["script"] <= 120_000
    assert 0 < weights["stylesheet"] <= 40_000
    page.context.close()
