"""The sandbox's hosted checkout page.

Owns its words and its content policy. Must not know storage. Invariant: every text that came from
outside is escaped, no script runs, and the page says that no real money moves.
"""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from html import escape
from importlib import resources
from string import Template
from urllib.parse import urlsplit

from babel import Locale
from babel.numbers import format_currency

from largesse.money.assets import asset
from largesse.simulator.sandbox.records import CheckoutRow
from largesse.simulator.sandbox.rules import DECLINE_REASONS, LONGEST_DELAY_SECONDS

_HERE = resources.files(__package__)
STYLE_SHEET = _HERE.joinpath("checkout.css").read_bytes()
_PAGE = Template(_HERE.joinpath("checkout.html").read_text(encoding="utf-8"))

_OPEN = Template("""\
<form method="post">
<button class="pay" name="action" value="pay">Pay $amount</button>
</form>
<form method="post">
<label>Confirm after (seconds)
<input name="delay_seconds" type="number" min="1" max="$longest" value="10" required></label>
<button name="action" value="later">Pay, but confirm later</button>
<p class="note">As a bank transfer does: you come back before the money has.</p>
</form>
<form method="post">
<label>Reason
<select name="decline_code">$reasons</select></label>
<button name="action" value="decline">Decline</button>
</form>""")

_CLOSED = Template("""\
<h2>$words</h2>
<p class="note">Nothing more can happen on this page.</p>
<a class="back" href="$return_url">Back to largesse</a>""")

_WORDS = {
    "pending": "Agreed. The bank has yet to confirm.",
    "captured": "This payment is made.",
    "declined": "This payment was declined.",
    "expired": "This checkout has expired.",
    "refunded": "This payment was given back.",
}


def checkout_page(checkout: CheckoutRow) -> bytes:
    """Return the page of a checkout: choices while it is open, else what became of it."""
    amount = escape(show_amount(checkout.amount_minor, checkout.currency))
    if checkout.status == "open":
        reasons = "".join(
            f'<option value="{code}">{escape(words)}</option>'
            for code, words in DECLINE_REASONS.items()
        )
        actions = _OPEN.substitute(amount=amount, longest=LONGEST_DELAY_SECONDS, reasons=reasons)
    else:
        actions = _CLOSED.substitute(
            words=_WORDS[checkout.status], return_url=escape(checkout.return_url, quote=True)
        )
    page = _PAGE.substitute(
        amount=amount,
        description=escape(checkout.description),
        order=escape(checkout.reference),
        actions=actions,
    )
    return page.encode()


def content_policy(return_url: str) -> str:
    """Return the page's policy; form-action covers redirects too, so it names the way back."""
    parts = urlsplit(return_url)
    target = f"{parts.scheme}://{parts.netloc}"
    return (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action 'self' {target}"
    )


def show_amount(minor: int, currency: str) -> str:
    """Return an amount as readers of English write it, for example $9.99 or ¥1,600."""
    exponent = asset(currency).exponent
    # Every minor unit is shown: the locale data would round some currencies (RSD) to whole units.
    pattern = copy(Locale("en", "US").currency_formats["standard"])
    pattern.frac_prec = (exponent, exponent)
    value = Decimal(minor).scaleb(-exponent)
    return format_currency(value, currency, pattern, "en_US", currency_digits=False)
