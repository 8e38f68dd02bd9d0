"""Which prices a reader sees, and why.

Owns the choice of a price region: the reader's own, else what their browser's language suggests.
Must not know prices. Invariant: the reader is told why, and can choose another region.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from babel.core import get_global
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header

from largesse.catalog.rules import REST_OF_WORLD, region_of_country

CHANNEL = "web"
_SESSION_KEY = "price_region"


@dataclass(frozen=True, slots=True)
class RegionChoice:
    """The region whose prices are shown, its name, and the reason as a sentence."""

    region: str
    name: str
    reason: str


def choose_region(request: HttpRequest, on_sale: Iterable[str]) -> RegionChoice:
    """Return the region in this order: asked for now, chosen before, the browser's, the rest."""
    regions = set(on_sale)
    asked = request.GET.get("region", "")
    if asked in regions:
        request.session[_SESSION_KEY] = asked
    chosen = request.session.get(_SESSION_KEY, "")
    if chosen in regions:
        return RegionChoice(chosen, region_name(chosen), _("You chose these prices."))
    country = _country_of(request.headers.get("Accept-Language", ""))
    region = region_of_country(country) if country else REST_OF_WORLD
    reason = (
        _("Your browser's language points to this region.")
        if country
        else _("Your browser does not say where you are.")
    )
    return RegionChoice(region, region_name(region), reason)


def region_name(region: str) -> str:
    """Return the name of a price region."""
    names = {
        "US": _("United States"),
        "EU": _("Euro area"),
        "JP": _("Japan"),
        REST_OF_WORLD: _("International"),
    }
    return names.get(region, region)


def _country_of(accept_language: str) -> str:
    """Return the country of the browser's first language: named, else the one most speak it in."""
    for language, _quality in parse_accept_lang_header(accept_language.lower()[:500]):
        _language, *rest = language.split("-")
        named = [part.upper() for part in rest if len(part) == 2]
        if named:
            return named[-1]
        likely = get_global("likely_subtags").get(language)
        if likely:
            return str(likely).rsplit("_", 1)[-1]
    return ""
