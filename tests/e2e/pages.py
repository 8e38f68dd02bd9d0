"""The pages of the street as people use them: what can be done on each, and what it then shows.

Owns: labels and selectors, so that the tests read as a story. Must not know: what a test expects.
Protects two things on every page that is opened: it fits its window, and its console is silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, WebError, expect

from running import Product

PHONE = (390, 844)
DESKTOP = (1280, 800)
PASSWORD = "a long and quiet river"
_CODE = re.compile(r"\b\d{4}-\d{4}\b")
_KEY_PRESSES = 60
_REFUSED_GIFT = re.compile(r"/live/rooms/room_\w+/gifts$")


class Window:
    """A browser of somebody's own: its cookies, its size, and every complaint of its console."""

    def __init__(
        self,
        browser: Browser,
        product: Product,
        size: tuple[int, int] = PHONE,
        *,
        still: bool = False,
    ) -> None:
        self.product = product
        self.troubles: list[str] = []
        self._context = browser.new_context(
            base_url=product.url,
            viewport={"width": size[0], "height": size[1]},
            reduced_motion="reduce" if still else "no-preference",
            locale="en-US",
        )
        self._context.set_default_timeout(15_000)
        self._context.on("console", self._hear)
        self._context.on("weberror", self._catch)
        self.page: Page = self._context.new_page()

    def open(self, address: str) -> None:
        """Go to an address of the product."""
        self.page.goto(address)
        self.fits()

    def press(self, name: str) -> None:
        """Press the button of that name in the page's main part."""
        self.page.get_by_role("main").get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        """Follow the link of that name in the page's main part."""
        self.page.get_by_role("main").get_by_role("link", name=name).first.click()

    def fits(self) -> None:
        """Insist that the page is no wider than its window."""
        self.page.wait_for_load_state("load")
        wide, room = self.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= room, f"{self.page.url} is {wide} px wide in a window of {room} px"

    def main_text(self) -> str:
        """Return what the page's main part says."""
        return self.page.get_by_role("main").inner_text()

    def says(self, text: str | re.Pattern[str]) -> None:
        """Wait until the page's main part says this."""
        expect(self.page.get_by_role("main")).to_contain_text(text)

    def sign_up(self, name: str) -> None:
        """Create an account with the code from the mail; its address is name@example.org."""
        email = f"{name}@example.org"
        self.open("/accounts/signup/")
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Send me the code")
        self.page.get_by_label("Code").fill(self._code_for(email))
        self.press("Confirm")
        self.page.get_by_role("link", name="Your profile").wait_for()

    def prove_identity(self) -> None:
        """Be asked for the password before a sensitive page, and give it."""
        self.says("Confirm that it is you")
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Confirm")

    def _code_for(self, email: str) -> str:
        inbox = self._context.new_page()
        inbox.goto("/sandbox/mail/")
        mail = inbox.locator("article", has_text=email).first.inner_text()
        inbox.close()
        code = _CODE.search(mail)
        assert code, mail
        return code.group()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        address = message.location["url"]
        # A browser itself writes down each refusal; that of a gift too dear is a part of the story.
        if "402 (Payment Required)" in message.text and _REFUSED_GIFT.search(address):
            return
        self.troubles.append(f"{message.type} on {address}: {message.text}")

    def _catch(self, error: WebError) -> None:
        self.troubles.append(f"uncaught: {error.error}")


@dataclass(frozen=True, slots=True)
class Store:
    """The store, the hosted checkout behind it, and the order's page."""

    window: Window

    def choose(self, coins: str) -> None:
        """Choose a package by what it says, and go to the checkout with it."""
        page = self.window.page
        self.window.fits()
        page.locator(".package", has_text=re.compile(rf"^\s*{coins} coins")).first.click()
        expect(page.locator("[data-store-total]")).to_have_text(re.compile(r"^\$\d"))
        self.window.press("Continue to payment")
        self._pay_button().wait_for()
        self.window.fits()

    def pay(self) -> None:
        """Pay at the checkout; returns when the coins are there."""
        self._pay_button().click()
        self.wait_credited()

    def pay_later(self, seconds: int) -> None:
        """Agree to pay; the checkout confirms after so many seconds."""
        page = self.window.page
        page.get_by_label("Confirm after (seconds)").fill(str(seconds))
        page.get_by_role("button", name="Pay, but confirm later").click()
        self._order().wait_for()
        self.window.fits()

    def decline(self, reason: str) -> None:
        """Let the checkout decline for a reason; returns when the order says so."""
        self.window.page.get_by_label("Reason").select_option(label=reason)
        self.window.press("Decline")
        self.window.page.locator("#order[data-status=declined]").wait_for()
        self.window.fits()

    def wait_credited(self) -> None:
        """Wait until the order's page says by itself that the coins are there."""
        self.window.page.locator("#order[data-status=credited]").wait_for()
        self.window.fits()

    def status(self) -> str | None:
        """Return the state of the order as its page has it now."""
        return self._order().get_attribute("data-status")

    def _order(self) -> Locator:
        return self.window.page.locator("#order")

    def _pay_button(self) -> Locator:
        return self.window.page.get_by_role("button", name=re.compile(r"^Pay \$"))


@dataclass(frozen=True, slots=True)
class Room:
    """A live room, as a fan or a watcher has it before them."""

    window: Window

    def enter(self, address: str) -> None:
        """Open the room and wait until it stands as the server has it."""
        self.window.open(address)
        expect(self.window.page.locator("[data-total-coins]")).to_have_text(re.compile(r"\d"))

    def total(self, coins: str) -> None:
        """Wait until so many coins have been given in the room."""
        expect(self.window.page.locator("[data-total-coins]")).to_have_text(coins)

    def balance(self, coins: str) -> None:
        """Wait until the fan has so many coins."""
        expect(self.window.page.locator("[data-balance]").first).to_have_text(coins)

    def gift(self, slug: str, taps: int = 1) -> None:
        """Choose a gift in the tray and send it as many times; the tray stays as it is."""
        tray = self.window.page.locator("#tray")
        if not tray.is_visible():
            self.window.page.get_by_role("button", name="Gift", exact=True).click()
        tray.locator(f"[data-gift={slug}]").click()
        for _ in range(taps):
            tray.locator("[data-send]").click()

    def close_tray(self) -> None:
        """Close the gift tray, if it is still open."""
        if self.window.page.locator("#tray").is_visible():
            self.window.page.locator("#tray [data-close]").click()

    def gift_by_keyboard(self) -> None:
        """Send the first gift of the tray without touching anything but the keyboard."""
        keyboard = self.window.page.keyboard
        for _ in range(_KEY_PRESSES):
            if self._focused("matches('[data-open-tray]')"):
                break
            keyboard.press("Tab")
        keyboard.press("Enter")
        assert self._focused("matches('[data-gift]')"), "the tray opens on a gift"
        keyboard.press("Enter")
        keyboard.press("Enter")

    def line(self, text: str) -> Locator:
        """Return the line of the chat that says this."""
        return self.window.page.locator("[data-chat] li", has_text=text)

    def streak(self, state: str) -> Locator:
        """Return the rows of streaks on the stage: growing, or ended."""
        ended = "[data-state=ended]"
        return self.window.page.locator(
            f".streak{ended}" if state == "ended" else f".streak:not({ended})"
        )

    def moment(self) -> Locator:
        """Return the large scene of a dear gift."""
        return self.window.page.locator(".room__moment")

    def pictures(self) -> list[str]:
        """Return the addresses of all gifts' pictures that are shown now."""
        found = self.window.page.evaluate(
            "Array.from(document.querySelectorAll('.room img[src*=\"/gifts/\"]'), i => i.src)"
        )
        return list(found)

    def supporters(self) -> Locator:
        """Return the rows of those who gave most."""
        return self.window.page.locator("[data-supporters] .supporter")

    def shortfall(self) -> Locator:
        """Return the dialog that tells how many coins are missing."""
        return self.window.page.locator("#short")

    def _focused(self, test: str) -> bool:
        return bool(self.window.page.evaluate(f"document.activeElement.{test}"))


@dataclass(frozen=True, slots=True)
class Studio:
    """A creator's studio and payouts."""

    window: Window

    def begin(self) -> None:
        """Become a creator."""
        self.window.open("/me/")
        self.window.press("Become a creator")
        self.window.says("You can receive gifts now")

    def open_room(self, title: str) -> str:
        """Open a room; returns its address."""
        self.window.open("/studio/")
        self.window.page.get_by_label("Title").fill(title)
        self.window.press("Open my room")
        link = self.window.page.get_by_role("link", name="Go to your room")
        address = link.get_attribute("href")
        assert address
        return address

    def figure(self, name: str) -> int:
        """Return a figure of the studio's head, in diamonds, after looking at it afresh."""
        self.window.open("/studio/")
        stat = self.window.page.locator(".stat", has_text=name)
        return int(stat.locator(".diamonds").inner_text().replace(",", ""))

    def prove_identity(self) -> None:
        """Be asked for the password before an account may be added, and give it."""
        self.window.open("/payouts/destinations/add/")
        self.window.prove_identity()
        self.window.says("Add an account")

    def add_account(self, account: str) -> None:
        """Add a sandbox account, and choose it for the next payout."""
        page = self.window.page
        self.window.open("/payouts/destinations/add/")
        page.get_by_label("Kind of account").select_option(label="Sandbox account")
        page.get_by_label("Account number").fill(account)
        self.window.press("Save the account")
        self.window.says("The account is saved.")
        self.window.fits()

    def cash_out(self, diamonds: int) -> None:
        """Ask for so many diamonds to be paid to the account that was added last."""
        page = self.window.page
        page.get_by_label("Diamonds to cash out").fill(str(diamonds))
        self.window.press("Work it out")
        self.window.says(f"{diamonds:,} diamonds")
        page.get_by_role("button", name=re.compile(r"^Send \$")).click()
        page.locator("#payout").wait_for()
        self.window.fits()

    def payout_ends(self, status: str) -> None:
        """Wait until the payout's page says by itself how it ended."""
        self.window.page.locator(f"#payout[data-status={status}]").wait_for(timeout=30_000)

    def statement(self) -> Iterator[tuple[str, int, int]]:
        """Give every entry, oldest first: account, change, balance after it."""
        self.window.open("/studio/statement/")
        rows = self.window.page.locator(".table tbody tr").all()
        for row in reversed(rows):
            account, change, balance = row.locator("td").all_inner_texts()[2:]
            yield account, _signed(change), _signed(balance)


@dataclass(frozen=True, slots=True)
class Console:
    """The operator's console, and the second factor in front of it."""

    window: Window

    def move_clock(self, days: int) -> None:
        """Move the test clock ahead."""
        self.window.open("/console/")
        name = f"{days} day{'s' if days > 1 else ''} ahead"
        self.window.page.get_by_role("button", name=name).click()
        expect(self.window.page.locator("body")).to_contain_text("matured.")
        self.window.fits()

    def ask_for_factor(self) -> None:
        """Be sent from the console to where a second factor is added."""
        self.window.open("/console/")
        self.window.says("The console asks staff for a second factor.")

    def enter(self, code: str) -> None:
        """Open the console with the app's code: this session has not proved the factor yet."""
        self.window.open("/console/")
        self.window.page.get_by_label("Code from your authenticator app").fill(code)
        self.window.press("Confirm")
        self.window.page.get_by_role("searchbox").wait_for()
        self.window.fits()

    def key(self) -> str:
        """Begin to add an authenticator app; returns the key that the page shows."""
        self.window.follow("Authenticator app")
        self.window.prove_identity()
        self.window.page.get_by_text("On this phone?").click()
        self.window.fits()
        return self.window.page.get_by_label("Key", exact=True).input_value()

    def confirm(self, code: str) -> list[str]:
        """Type the app's code; returns the recovery codes that the page shows once."""
        self.window.page.get_by_label("Code from the app").fill(code)
        self.window.press("Turn on")
        codes = self.window.page.locator("#recovery_codes li")
        codes.first.wait_for()
        self.window.fits()
        return codes.all_inner_texts()


def _signed(text: str) -> int:
    """Read a whole number as the pages write it: separators, a sign or a minus of print."""
    return int(re.sub(r"[^\d-]", "", text.replace("−", "-")))
