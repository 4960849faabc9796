"""First paint of the pages of a station that already serves, in a browser: prints milliseconds as JSON.

python -m bench._station_paint http://127.0.0.1:8080 NAME PASSWORD
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys

from playwright.sync_api import sync_playwright

PAGES = ("/", "/estate", "/readings", "/events", "/lines", "/jobs")
ROUNDS = 3
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PAINTED = """() => new Promise(told => new PerformanceObserver(seen => {
  const first = seen.getEntriesByName("first-contentful-paint")[0];
  if (first) told(first.startTime);
}).observe({type: "paint", buffered: true}))"""


def main(server: str, name: str, password: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        page = browser.new_context().new_page()
        page.goto(f"{server}/sign-in")
        page.fill("#username", name)
        page.fill("#password", password)
        page.click("button.primary")
        page.wait_for_selector("nav.rail")
        found: dict[str, float] = {}
        for address in PAGES:
            times = []
            for _ in range(ROUNDS):
                page.goto(server + address)
                times.append(page.evaluate(PAINTED))
            found[address] = statistics.median(times)
        browser.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
