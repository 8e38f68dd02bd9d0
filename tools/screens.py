"""Takes every page of the running product in a real browser, for `docs/screens/`.

Owns: which pages are taken, as whom, and what has to happen first so that they have something to
show. Must not know: Django or the database; it uses the demo as a visitor does. Protects: each
page was looked at in both widths and both themes, by one command that anyone can run.

Run it with `make screens`, or `make screens ARGS=FOLDER`; it needs Debian's chromium.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyotp
from playwright.sync_api import Browser, Page, StorageState

from largesse.money.ids import public_id
from largesse.simulator.cast import HOSTS, SignIn, sign_ins
from running import Product, chromium, running

SCREENS = Path(__file__).resolve().parent.parent / "docs/screens"
WIDTHS = {390: 844, 1280: 800}
ROOM_NAMES = {390: "room-phone", 1280: "room-desktop"}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LARGEST_BYTES = 400_000
GIFTS_MS = 120_000
"""How long the room may be quiet before a streak, and then a dear gift, must have come."""
SETTLE_MS = 250
"""How long a page takes to settle in a window of another size."""

Role = str
"""Whose sign-in a page needs, as the demo calls it: Fan, Creator, Staff; or nobody."""
PAGES: dict[str, tuple[Role, str]] = {
    "landing": ("nobody", "/"),
    "live": ("nobody", "/live/"),
    "sign-in": ("nobody", "/accounts/login/"),
    "sign-up": ("nobody", "/accounts/signup/"),
    "settings": ("Fan", "/settings/"),
    "store": ("Fan", "/store/"),
    "wallet": ("Fan", "/wallet/"),
    "history": ("Fan", "/wallet/history/"),
    "studio": ("Creator", "/studio/"),
    "statement": ("Creator", "/studio/statement/"),
    "payouts": ("Creator", "/payouts/"),
    "console": ("Staff", "/console/"),
}


@dataclass(frozen=True, slots=True)
class Studio:
    """The browser, the demo in front of it, and who is signed in how."""

    browser: Browser
    product: Product
    states: Mapping[Role, StorageState]
    folder: Path

    @contextmanager
    def page(self, role: Role, width: int = 1280) -> Iterator[Page]:
        """Open a page as somebody, in a window of this width."""
        context = self.browser.new_context(
            base_url=self.product.url,
            viewport={"width": width, "height": WIDTHS[width]},
            locale="en-US",
            timezone_id="UTC",
            storage_state=self.states.get(role),
        )
        try:
            yield context.new_page()
        finally:
            context.close()

    def take(self, page: Page, name: str) -> None:
        """Keep what the window shows; a picture that is too large for a repository is refused."""
        picture = page.screenshot(path=self.folder / f"{name}.png")
        if len(picture) > LARGEST_BYTES:
            raise SystemExit(f"{name}.png has {len(picture):,} bytes, more than {LARGEST_BYTES:,}")


def main(arguments: list[str]) -> None:
    """Take everything into the folder named, or into `docs/screens`."""
    folder = Path(arguments[0]) if arguments else SCREENS
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="largesse-screens-") as data,
        running(["demo"], Path(data)) as product,
        chromium() as browser,
    ):
        secret = (product.data / "secret").read_text(encoding="utf-8").strip()
        people = {one.role: one for one in sign_ins(secret)}
        states = {role: sign_in(browser, product, people[role]) for role in people}
        studio = Studio(browser, product, states, folder)
        pages = dict(PAGES)
        pages["checkout"] = ("nobody", begin_checkout(studio))
        take_pages(studio, {"checkout": pages.pop("checkout")})
        pages["order"] = ("Fan", pay(studio))
        pages["payout"] = ("Creator", first_link(studio, "Creator", "/payouts/", "/payouts/pay_"))
        take_rooms(studio)
        take_pages(studio, pages)


def sign_in(browser: Browser, product: Product, person: SignIn) -> StorageState:
    """Sign in by password, and by the second factor where there is one; returns the cookies."""
    context = browser.new_context(base_url=product.url)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(person.email)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    if person.totp_secret:
        page.get_by_label("Code").fill(pyotp.TOTP(person.totp_secret).now())
        page.get_by_role("main").get_by_role("button").first.click()
    page.get_by_role("link", name="Your profile").wait_for()
    state = context.storage_state()
    context.close()
    return state


def begin_checkout(studio: Studio) -> str:
    """Order a package as the fan; returns the address of the hosted checkout."""
    with studio.page("Fan") as page:
        page.goto("/store/")
        page.locator(".package").nth(1).click()
        page.get_by_role("button", name="Continue to payment").click()
        page.get_by_role("button", name=re.compile("^Pay .")).first.wait_for()
        return page.url


def pay(studio: Studio) -> str:
    """Pay what the fan ordered last; returns the address of the order, credited by then."""
    with studio.page("Fan") as page:
        page.goto("/wallet/")
        page.get_by_role("link", name="See the order").click()
        page.get_by_role("button", name="Continue to payment").click()
        page.get_by_role("button", name=re.compile("^Pay .")).first.click()
        page.locator("#order[data-status=credited]").wait_for()
        return page.url


def first_link(studio: Studio, role: Role, address: str, beginning: str) -> str:
    """Return the first address on a page that begins like that."""
    with studio.page(role) as page:
        page.goto(address)
        link = page.locator(f'a[href^="{beginning}"]').first.get_attribute("href")
        assert link is not None, "the selector asks for one"
        return link


def take_rooms(studio: Studio) -> None:
    """Take the live room, which is dark in both themes, while gifts fly; the tray on a phone."""
    address = f"/live/{public_id('room', HOSTS[0].room)}/"
    for width, name in ROOM_NAMES.items():
        with studio.page("Fan", width) as page:
            page.goto(address)
            page.locator(".streak").first.wait_for(timeout=GIFTS_MS)
            page.locator(".room__moment").wait_for(timeout=GIFTS_MS)
            page.wait_for_timeout(700)
            studio.take(page, name)
            if width < 1000:
                page.get_by_role("button", name="Gift", exact=True).click()
                page.locator("[data-gift=panda]").click()
                page.wait_for_timeout(500)
                studio.take(page, f"{name}-tray")


def take_pages(studio: Studio, pages: Mapping[str, tuple[Role, str]]) -> None:
    """Take each page in both widths and both themes."""
    for name, (role, address) in pages.items():
        with studio.page(role) as page:
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                page.goto(address)
                for width, height in WIDTHS.items():
                    page.set_viewport_size({"width": width, "height": height})
                    page.wait_for_timeout(SETTLE_MS)
                    studio.take(page, f"{name}-{width}-{scheme}")


if __name__ == "__main__":
    main(sys.argv[1:])
