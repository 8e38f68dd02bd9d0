"""The room in a real browser: two windows, a streak, an empty wallet, an outage, hostile words."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.contrib.sessions.models import Session
from django.db import transaction
from django.test import Client
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django import DjangoDbBlocker

from largesse.adapters.postgres.book import DjangoBook
from largesse.ledger.rules import bonus_granted
from largesse.money.ids import HolderId, public_id
from largesse.people.models import User
from largesse.people.services import register_person
from tests.live.world import (
    COMMITTED,
    LiveProcess,
    World,
    environment,
    free_port,
    new_id,
    new_key,
)

pytestmark = [COMMITTED, pytest.mark.browser]
CHROMIUM = "/usr/bin/chromium"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}


class Site:
    """Pages and live service as processes, with two fans who are signed in."""

    def __init__(self, world: World) -> None:
        self.world = world
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        # The pages expect the live service one port above theirs.
        self.live = LiveProcess(port=port + 1, public_url=self.url)
        arguments = ["--interface", "wsgi", "--port", str(port), "--blocking-threads", "2"]
        self._web = subprocess.Popen(
            [sys.executable, "-m", "granian", *arguments, "largesse.web.wsgi:application"],
            env=environment(self.url),
        )
        self._wait()
        self.rich = self._signed_in("Mina", coins=2_000)
        self.poor = self._signed_in("Noa", coins=3)

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/live/").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("the pages did not become ready")

    def _signed_in(self, name: str, *, coins: int) -> str:
        """Register a person with coins; returns the value of a session's cookie."""
        holder, now = HolderId(new_id()), self.world.now
        user = register_person(
            holder_id=holder,
            email=f"{holder}@example.org",
            password=None,
            at=now,
            display_name=name,
            email_verified=True,
        )
        self.world.holders.append(holder)
        with transaction.atomic():
            DjangoBook().post([bonus_granted(new_key(), now, holder, coins, "test")])
        client = Client()
        client.force_login(user)
        return client.cookies["largesse_session"].value

    @property
    def room(self) -> str:
        return f"{self.url}/live/{public_id('room', self.world.room)}/"

    def restart_live(self) -> None:
        self.live = LiveProcess(port=self.live.port, public_url=self.url)

    def stop(self) -> None:
        self.live.stop()
        self._web.terminate()
        self._web.wait(timeout=15)
        Session.objects.all().delete()
        User.objects.filter(pk__in=self.world.holders).delete()


@pytest.fixture(scope="module")
def site(world: World) -> Iterator[Site]:
    """Return the running site; everything in it ends with the module."""
    made = Site(world)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Return a committed world, and remove it afterwards."""
    with django_db_blocker.unblock():
        made = World()
        yield made
        made.clear()


def in_browser(scenario: Callable[[Browser], None]) -> None:
    """Run a scenario in a thread of its own: the driver's loop and the ORM do not mix in one."""

    def run() -> None:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            try:
                scenario(browser)
            finally:
                browser.close()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(run).result()


def watch(
    browser: Browser,
    site: Site,
    session: str = "",
    *,
    host: str = "127.0.0.1",
    script: str = "",
    **options: Any,
) -> Page:
    """Open the room; every script error and every browser dialog fails the test."""
    context = browser.new_context(**{"viewport": DESK, **options})
    context.add_init_script(script)
    url = site.url.replace("127.0.0.1", host)
    if session:
        context.add_cookies([{"name": "largesse_session", "value": session, "url": url}])
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"script error: {error}"))
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    page.goto(site.room.replace(site.url, url))
    expect(page.locator("[data-total-coins]")).not_to_have_text("–")
    return page


def balance(page: Page) -> int:
    return int(page.locator(".topbar [data-balance]").inner_text().replace(",", ""))


def test_a_streak_is_seen_in_a_second_window_and_ended_by_the_server(site: Site):
    def scenario(browser: Browser) -> None:
        mina = watch(browser, site, site.rich)
        stranger = watch(browser, site, viewport=PHONE)
        before = balance(mina)
        mina.locator("[data-gift=panda]").click()
        for _ in range(5):
            mina.locator("[data-send]").click()
        expect(mina.locator("[data-send-streak]")).to_have_text("×5")
        row = stranger.locator(".streak", has_text="Mina")
        expect(row.locator(".streak__count")).to_have_text("×5")
        line = stranger.locator(".chat__line--gift", has_text="Mina")
        expect(line).to_contain_text("sent Panda ×5")
        expect(stranger.locator("[data-total-coins]")).to_have_text("25")
        expect(row).to_contain_text("Panda · 25 coins", timeout=6_000)
        expect(row).to_have_count(0, timeout=6_000)
        assert balance(mina) == before - 25
        expect(stranger.locator(".supporter", has_text="Mina")).to_contain_text("25")
        expect(stranger.locator("[data-summary]")).to_contain_text("25 coins", timeout=8_000)

    in_browser(scenario)


def test_a_dear_gift_can_be_taken_back_before_it_is_charged(site: Site):
    def scenario(browser: Browser) -> None:
        mina = watch(browser, site, site.rich)
        stranger = watch(browser, site)
        before = balance(mina)
        mina.locator("[data-gift=drama-queen]").click()
        mina.locator("[data-send]").click()
        mina.locator("[data-undo-button]").click()
        expect(mina.locator(".toast")).to_contain_text("Nothing was charged")
        mina.wait_for_timeout(3_300)
        assert balance(mina) == before
        mina.locator("[data-send]").click()
        scene = stranger.locator(".room__moment")
        expect(scene).to_contain_text("Mina", timeout=8_000)
        expect(scene.locator("img")).to_have_attribute("alt", re.compile("crowned"))
        assert balance(mina) == before - 499

    in_browser(scenario)


def test_an_empty_wallet_is_led_to_the_store_with_the_exact_need(site: Site):
    def scenario(browser: Browser) -> None:
        noa = watch(browser, site, site.poor, viewport=PHONE)
        noa.locator("[data-open-tray]").click()
        noa.locator("[data-gift=panda]").click()
        noa.locator("[data-send]").click()
        expect(noa.locator("#short")).to_contain_text("2 more coins are needed for Panda")
        link = noa.locator("[data-short-link]")
        room = public_id("room", site.world.room)
        expect(link).to_have_attribute("href", f"/store/?need=2&gift=panda&room={room}")
        assert noa.locator("#short a").count() == 1
        link.click()
        expect(noa.locator("main")).to_contain_text("coins")
        assert balance_of(noa) == "3"

    def balance_of(page: Page) -> str:
        return page.locator(".topbar .coins--pill").inner_text().split()[0]

    in_browser(scenario)


def test_words_stay_words(site: Site):
    hostile = "<img src=x onerror=alert(1)> <b>bold</b> שלום"

    def scenario(browser: Browser) -> None:
        mina = watch(browser, site, site.rich)
        stranger = watch(browser, site)
        mina.fill("#comment", hostile)
        mina.press("#comment", "Enter")
        line = stranger.locator(".chat__line", has_text="onerror")
        expect(line.locator("bdi")).to_have_text(hostile)
        assert line.locator("b, bdi img").count() == 0
        mina.fill("#comment", "turned \u202e round")
        mina.press("#comment", "Enter")
        expect(mina.locator("[data-comment-error]")).to_contain_text("direction-changing")
        expect(mina.locator("#comment")).not_to_have_value("")

    in_browser(scenario)


def test_an_outage_is_told_and_overcome_without_a_reload(site: Site):
    world = site.world
    fan = world.fan("Late")

    def scenario(browser: Browser) -> None:
        page = watch(browser, site)
        before = int(page.locator("[data-total-coins]").inner_text().replace(",", ""))
        site.live.kill()
        expect(page.locator("[data-offline]")).to_be_visible(timeout=8_000)
        site.restart_live()
        site.live.give(world, fan, "tulip", 2)
        expect(page.locator("[data-offline]")).to_be_hidden(timeout=20_000)
        expect(page.locator("[data-total-coins]")).to_have_text(f"{before + 50:,}", timeout=8_000)

    in_browser(scenario)


def test_the_tray_works_by_keyboard_on_a_phone(site: Site):
    def scenario(browser: Browser) -> None:
        mina = watch(browser, site, site.rich, viewport=PHONE)
        before = balance(mina)
        mina.locator("[data-open-tray]").focus()
        mina.keyboard.press("Enter")
        expect(mina.locator("#tray")).to_be_visible()
        expect(mina.locator("[data-gift=hearts]")).to_be_focused()
        mina.keyboard.press("Enter")
        expect(mina.locator("[data-gift=hearts]")).to_have_attribute("aria-pressed", "true")
        mina.locator("[data-send]").focus()
        mina.keyboard.press("Enter")
        mina.keyboard.press("Space")
        expect(mina.locator("[data-send-streak]")).to_have_text("×2")
        expect(mina.locator(".topbar [data-balance]")).to_have_text(f"{before - 2:,}")
        mina.keyboard.press("Escape")
        expect(mina.locator("#tray")).to_be_hidden()

    in_browser(scenario)


def test_whoever_prefers_stills_gets_stills(site: Site):
    world = site.world
    fan = world.fan("Grand")

    def scenario(browser: Browser) -> None:
        page = watch(browser, site, reduced_motion="reduce")
        site.live.give(world, fan, "encore")
        picture = page.locator(".room__moment img")
        expect(picture).to_have_attribute("src", re.compile(r"#still$"))

    in_browser(scenario)


@pytest.mark.parametrize("hours", [-48, 1])
def test_a_device_whose_clock_is_wrong_gives_all_the_same(site: Site, hours: int):
    wrong = f"Date.now = ((right) => () => right() + {hours} * 3600e3)(Date.now)"

    def scenario(browser: Browser) -> None:
        mina = watch(browser, site, site.rich, script=wrong)
        before = balance(mina)
        mina.locator("[data-gift=panda]").click()
        mina.locator("[data-send]").click()
        expect(mina.locator(".topbar [data-balance]")).to_have_text(f"{before - 5:,}")

    in_browser(scenario)


def test_the_room_connects_under_both_names_of_this_machine(site: Site):
    def scenario(browser: Browser) -> None:
        mina = watch(browser, site, site.rich, host="localhost")
        asked: list[str] = []
        mina.on("request", lambda request: asked.append(request.url))
        stranger = watch(browser, site)
        before = balance(mina)
        mina.locator("[data-gift=panda]").click()
        mina.locator("[data-send]").click()
        expect(mina.locator(".topbar [data-balance]")).to_have_text(f"{before - 5:,}")
        expect(stranger.locator(".streak", has_text="Mina")).to_be_visible()
        expect(mina.locator("[data-offline]")).to_be_hidden()
        assert {urlsplit(url).hostname for url in asked} == {"localhost"}

    in_browser(scenario)
