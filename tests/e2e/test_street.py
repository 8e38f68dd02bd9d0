"""The whole street in a real browser, on the real product: from a sign-up to money at the bank.

The product runs as a stranger starts it, with a database of its own; nothing here reaches behind
its pages and its command.
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, expect

from running import CHROMIUM, Product, chromium, running
from tests.e2e.pages import (
    DESKTOP,
    PASSWORD,
    PHONE,
    Console,
    Room,
    Store,
    Studio,
    Window,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: apt-get install chromium"
    ),
]

CODE_SECONDS = 8
NewWindow = Callable[..., Window]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    data: Path = tmp_path_factory.mktemp("street") / "data"
    with running(["up", "--sandbox"], data) as product:
        yield product


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def window(browser: Browser, product: Product) -> Iterator[NewWindow]:
    """Return a maker of windows; at the end no console of any of them may have complained."""
    windows: list[Window] = []

    def make(size: tuple[int, int] = PHONE, *, still: bool = False) -> Window:
        windows.append(Window(browser, product, size, still=still))
        return windows[-1]

    yield make
    troubles = [trouble for made in windows for trouble in made.troubles]
    for made in windows:
        made.page.context.close()
    assert troubles == []


def become_staff(window: Window, name: str) -> None:
    """Sign up, and be made staff by the command."""
    window.sign_up(name)
    granted = window.product.command("staff", "add", f"{name}@example.org")
    assert granted.returncode == 0, granted.stderr


def enrol(console: Console) -> list[str]:
    """Enter the console with a new authenticator app; returns the recovery codes."""
    console.ask_for_factor()
    app = pyotp.TOTP(console.key())
    recovery = console.confirm(fresh_code(app))
    console.enter(fresh_code(app))
    return recovery


def fresh_code(app: pyotp.TOTP) -> str:
    """Return the app's code, once it has long enough to live for a page or two."""
    left = app.interval - time.time() % app.interval
    if left < CODE_SECONDS:
        time.sleep(left)
    return app.now()


def recharge_by_settings(fan: Window) -> None:
    """Go Settings, Balance, Recharge; be declined with advice once, then pay."""
    store = Store(fan)
    fan.open("/me/")
    fan.follow("Settings")
    fan.follow("Balance")
    fan.says("Nothing has moved yet")
    fan.fits()
    fan.follow("Recharge")
    store.choose("500")
    store.decline("Not enough money")
    fan.says("There was not enough money on the account")
    fan.says("Choose a smaller package, pay another way")
    fan.follow("Back to the store")
    store.choose("500")
    store.pay()
    fan.says("500 coins are yours")


def recharge_by_coin_icon(fan: Window, room: str) -> None:
    """Go from the coin icon of the room to the store, pay, and come back to the room."""
    store = Store(fan)
    fan.page.get_by_role("link", name="Your coins. Get more").first.click()
    store.choose("1,200")
    store.pay()
    fan.follow("Back to the room")
    fan.page.wait_for_url(f"**{room}")
    Room(fan).balance("1,700")


def send_hearts(fan: Room, watched: Room) -> None:
    """Send a streak of seven by taps, and one more by the keyboard alone; both rooms see both."""
    fan.gift("hearts", taps=7)
    watched.streak("growing").wait_for()
    expect(watched.line("sent Hearts")).to_contain_text("×7")
    watched.total("7")
    watched.streak("ended").wait_for()
    fan.balance("1,693")
    fan.window.page.reload()
    fan.gift_by_keyboard()
    watched.total("8")
    fan.balance("1,692")


def send_what_is_too_dear(fan: Window, room: str) -> None:
    """Choose a gift above the balance; see what is missing, pay with a delay, and send it."""
    stage, store = Room(fan), Store(fan)
    stage.close_tray()
    stage.gift("big-wheel")
    sheet = stage.shortfall()
    expect(sheet).to_contain_text("3,307 more coins are needed for Big Wheel.")
    sheet.get_by_role("link", name="Get coins").click()
    fan.says("You need 3,307 more coins to send Big Wheel.")
    store.choose("6,000")
    store.pay_later(2)
    assert store.status() != "credited"
    store.wait_credited()
    fan.follow("Back to the room to send Big Wheel")
    fan.page.wait_for_url(f"**{room}*")
    stage.balance("7,692")
    stage.gift("big-wheel")
    stage.balance("2,693")


def cash_out_twice(creator: Studio) -> None:
    """Cash out to an account that takes the money, and to one whose bank sends it back."""
    creator.prove_identity()
    creator.add_account("mara-at-home")
    creator.cash_out(1_250)
    creator.payout_ends("settled")
    creator.window.says("The money has arrived.")
    creator.add_account("mara-moved-RETURN")
    creator.cash_out(1_253)
    creator.payout_ends("returned")
    creator.window.says(
        "The bank says that the account is closed. Your diamonds are available again."
    )
    creator.window.fits()


def adds_up(creator: Studio) -> dict[str, int]:
    """Add the statement up, entry by entry; returns the last balance of each account."""
    balances: dict[str, int] = defaultdict(int)
    for account, change, balance in creator.statement():
        balances[account] += change
        assert balances[account] == balance, account
    return {account: balance for account, balance in balances.items() if balance}


def test_the_whole_street(window: NewWindow, product: Product) -> None:
    creator, watcher, fan, operator = window(), window(DESKTOP, still=True), window(), window()
    studio, stage, watched = Studio(creator), Room(fan), Room(watcher)
    creator.sign_up("mara")
    studio.begin()
    room = studio.open_room("Songs on request")
    watched.enter(room)
    watched.total("0")

    fan.sign_up("noa")
    recharge_by_settings(fan)
    fan.open("/live/")
    fan.page.locator(".live-card", has_text="Songs on request").click()
    recharge_by_coin_icon(fan, room)
    send_hearts(stage, watched)
    send_what_is_too_dear(fan, room)
    expect(watched.moment()).to_contain_text("sent Big Wheel")
    assert all("still" in picture for picture in watched.pictures())
    assert any("still" not in picture for picture in stage.pictures())
    watched.total("5,007")
    expect(watched.supporters()).to_contain_text(["noa"])
    fan.open("/wallet/history/")

    # 5,007 coins at half: 2,503 diamonds; the half that is left counts towards the next gift.
    assert studio.figure("Pending") == 2_503
    become_staff(operator, "ines")
    enrol(Console(operator))
    Console(operator).move_clock(8)
    assert studio.figure("Pending") == 0
    assert studio.figure("Available to cash out") == 2_503

    cash_out_twice(studio)
    assert adds_up(studio) == {"Available diamonds": 1_253}
    checked = product.command("books", "check", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert json.loads(checked.stdout)["ok"] is True


def test_the_console_asks_staff_for_a_second_factor(window: NewWindow) -> None:
    operator, thief = window(), window(DESKTOP)
    become_staff(operator, "otto")
    recovery = enrol(Console(operator))
    expect(operator.page.locator("body")).to_contain_text("Sound")
    operator.page.get_by_role("link", name="Orders", exact=True).last.click()
    operator.fits()

    thief.open("/console/")
    thief.page.get_by_label("Email").fill("otto@example.org")
    thief.page.get_by_label("Password").fill(PASSWORD)
    thief.press("Sign in")
    thief.page.get_by_label("Code").fill("000000")
    thief.press("Sign in")
    thief.says("Incorrect code")
    thief.open("/console/")
    assert re.search("/accounts/", thief.page.url)
    assert len(recovery) == 10
