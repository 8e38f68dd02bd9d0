"""Draws every component and every gift in a real browser, and keeps the pictures.

Owns: the design gallery (`docs/screens/design-gallery-*.png`) made from `tools/gallery_pages/`.
Must not know: Django, the database, any page of the product; it reads static files alone.
Protects: that the style sheets and the art were looked at in both widths and both themes.

Run it with `python tools/gallery.py [FOLDER]`; it needs Debian's chromium.
"""

from __future__ import annotations

import html
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "src/largesse/web/static/largesse"
GIFTS = ROOT / "src/largesse/catalog/gifts.json"
PAGES = Path(__file__).resolve().parent / "gallery_pages"
SCREENS = ROOT / "docs/screens"
CHROMIUM = "/usr/bin/chromium"
WIDTHS = {390: 844, 1280: 800}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# A price for show: the gallery has no price book, so it states 0.8325 cents for a coin.
SHOW_CENTS_PER_10000_COINS = 8325


def show_price(coins: int) -> str:
    """The real-money text of a gift, in dollars, rounded up to a cent."""
    cents = -(-coins * SHOW_CENTS_PER_10000_COINS // 10_000)
    return f"${cents // 100:,}.{cents % 100:02d}"


def gift_item(gift: dict[str, str | int]) -> str:
    """One button of the gift tray, as the live room would write it."""
    art = f"/{gift['art']}"
    coins = int(gift["coins"])
    return (
        '<li><button class="gift" type="button" aria-pressed="false"><picture>'
        f'<source media="(prefers-reduced-motion: reduce)" srcset="{art}?still#still">'
        f'<img src="{art}" alt="{html.escape(str(gift["alt"]))}" width="64" height="64"></picture>'
        f'<span class="gift__name">{html.escape(str(gift["name"]))}</span>'
        f'<span class="coins">{coins:,}</span>'
        f'<span class="money">{show_price(coins)}</span></button></li>'
    )


class GalleryServer(ThreadingHTTPServer):
    """A server with room for all the pictures that a browser asks for at once."""

    request_queue_size = 128


class GalleryHandler(SimpleHTTPRequestHandler):
    """Serves the static folder, and the gallery's own pages with the gifts filled in."""

    def do_GET(self) -> None:
        """Answer a page of the gallery, or leave the path to the static folder."""
        page = PAGES / Path(self.path).name
        if not (self.path.endswith(".html") and page.is_file()):
            super().do_GET()
            return
        gifts = "\n".join(map(gift_item, json.loads(GIFTS.read_text("utf-8"))))
        body = page.read_text("utf-8").replace("<!-- gifts -->", gifts).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the parent's name)
        """Say nothing: the pictures are the report."""


@contextmanager
def gallery_server() -> Iterator[str]:
    """The address of a server on a free local port, for as long as the block runs."""
    server = GalleryServer(("127.0.0.1", 0), partial(GalleryHandler, directory=str(STATIC)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def draw_components(browser: Browser, address: str, folder: Path) -> None:
    """All components on one long page, in both widths and both themes."""
    for width, height in WIDTHS.items():
        for scheme in SCHEMES:
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                reduced_motion="reduce",
            )
            page.goto(f"{address}/components.html", wait_until="networkidle")
            # A window as tall as the page: bars that stick to an edge then stand at its end.
            full_height = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size({"width": width, "height": full_height})
            page.screenshot(path=folder / f"design-gallery-components-{width}-{scheme}.png")
            page.close()


def draw_room(browser: Browser, address: str, folder: Path) -> None:
    """The live room, closed and with its gift tray open; it is dark in both themes."""
    for width, height in WIDTHS.items():
        page = browser.new_page(
            viewport={"width": width, "height": height}, reduced_motion="reduce"
        )
        page.goto(f"{address}/room.html", wait_until="networkidle")
        page.screenshot(path=folder / f"design-gallery-room-{width}.png")
        page.evaluate("document.getElementById('tray').showModal()")
        page.screenshot(path=folder / f"design-gallery-room-tray-{width}.png")
        page.close()


def main(arguments: list[str]) -> None:
    """Draw the whole gallery into the folder named, or into `docs/screens`."""
    folder = Path(arguments[0]) if arguments else SCREENS
    folder.mkdir(parents=True, exist_ok=True)
    with gallery_server() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            draw_components(browser, address, folder)
            draw_room(browser, address, folder)
        finally:
            browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
