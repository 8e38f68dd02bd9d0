"""The gift catalogue's seed, its art, and the colours that text is read in.

Owns: the promises of the design language that a machine can check. Must not know: any page.
Protects: every gift has a picture that is safe, small, in one hand, still on request, and
described in words; text keeps a contrast of 4.5 to 1 in every theme.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TypedDict
from xml.etree import ElementTree as ET

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src/largesse"
STATIC = PACKAGE / "web/static/largesse"
ART = sorted((STATIC / "art").rglob("*.svg"))
TOKENS = (STATIC / "css/tokens.css").read_text("utf-8")
COMPONENTS = (STATIC / "css/components.css").read_text("utf-8")

LONGEST_MOTION_MS = 800
LARGEST_GIFT_BYTES = 6_000
DRAWN = {"svg", "g", "path", "circle", "ellipse", "rect", "style"}
# `filter`, `width` or `d` in a keyframe would repaint at every step; these two are composited.
MOVABLE = {"transform", "opacity"}


class Gift(TypedDict):
    """One row of gifts.json; `coins` is the price of one, `duration_ms` how long it moves."""

    code: int
    slug: str
    name: str
    coins: int
    streakable: bool
    alt: str
    tagline: str
    art: str
    duration_ms: int


GIFTS: list[Gift] = json.loads((PACKAGE / "catalog/gifts.json").read_text("utf-8"))
BY_SLUG = {gift["slug"]: gift for gift in GIFTS}

each_gift = pytest.mark.parametrize("gift", GIFTS, ids=lambda gift: gift["slug"])
each_art = pytest.mark.parametrize("path", ART, ids=lambda path: path.stem)


def art_of(gift: Gift) -> str:
    return (STATIC / gift["art"]).read_text("utf-8")


def motion_ms(animation: str) -> int:
    """How long one `animation` value moves: its delay and all of its runs, in milliseconds."""
    times = [int(ms) for ms in re.findall(r"\b(\d+)ms", animation)]
    runs = re.search(r"ms(?: [a-z-]+)?(?: \d+ms)? (\d+)(?: |$)", animation)
    duration, delay = (*times, 0)[:2]
    return duration * (int(runs[1]) if runs else 1) + delay


def motions(svg: str) -> list[int]:
    values = re.findall(r"animation:([^;}]+)", svg)
    return [motion_ms(value) for value in values if not value.startswith("none")]


# --- The catalogue -------------------------------------------------------------------------------


def test_catalogue_spans_its_whole_price_range() -> None:
    coins = [gift["coins"] for gift in GIFTS]
    assert len(GIFTS) >= 28
    assert min(coins) == 1
    assert max(coins) == 30_000
    assert coins == sorted(coins), "the tray shows the cheapest first"


@pytest.mark.parametrize("field", ["code", "slug", "name", "art", "alt", "tagline"])
def test_no_two_gifts_share(field: str) -> None:
    values = [dict(gift)[field] for gift in GIFTS]
    assert len(set(values)) == len(values)


def test_gifts_that_the_requirements_name_are_there() -> None:
    assert BY_SLUG["hearts"]["coins"] == 1
    assert BY_SLUG["panda"]["coins"] == 5
    assert BY_SLUG["drama-queen"]["name"] == "Drama Queen"
    # Its name collides with the creators' unit on purpose (decision X10).
    assert BY_SLUG["shiny-diamond"]["name"] == "Shiny Diamond"
    assert BY_SLUG["shiny-diamond"]["coins"] == 1_000


def test_cheap_gifts_streak_and_dear_gifts_do_not() -> None:
    dearest_streak = max(gift["coins"] for gift in GIFTS if gift["streakable"])
    cheapest_single = min(gift["coins"] for gift in GIFTS if not gift["streakable"])
    assert dearest_streak < cheapest_single


@each_gift
def test_gift_row_is_complete(gift: Gift) -> None:
    assert set(gift) == set(Gift.__annotations__)
    assert gift["code"] >= 1
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", gift["slug"])
    assert gift["art"] == f"art/gifts/{gift['slug']}.svg"
    assert 4 <= len(gift["alt"].split()) <= 20, "a text alternative is a short sentence"
    assert 1 <= len(gift["tagline"]) <= 40


def test_every_picture_in_the_folder_is_a_gift() -> None:
    drawn = {path.stem for path in (STATIC / "art/gifts").glob("*.svg")}
    assert drawn == set(BY_SLUG)


# --- The art -------------------------------------------------------------------------------------


@each_gift
def test_gift_moves_briefly_and_as_long_as_it_says(gift: Gift) -> None:
    found = motions(art_of(gift))
    assert found, "a gift is animated"
    assert max(found) == gift["duration_ms"] <= LONGEST_MOTION_MS


@each_gift
def test_gift_is_small_and_square(gift: Gift) -> None:
    svg = art_of(gift)
    assert len(svg.encode()) < LARGEST_GIFT_BYTES
    assert ET.fromstring(svg).get("viewBox") == "0 0 64 64"  # noqa: S314 (our own file)


@each_gift
def test_gift_uses_two_tones_and_a_highlight(gift: Gift) -> None:
    fills = set(re.findall(r'fill="(#[0-9a-f]{6})"', art_of(gift)))
    assert len(fills) >= 3


@each_art
def test_art_is_plain_shapes_without_outline_or_script(path: Path) -> None:
    svg = path.read_text("utf-8")
    root = ET.fromstring(svg)  # noqa: S314 (our own file)
    tags = {element.tag.removeprefix("{http://www.w3.org/2000/svg}") for element in root.iter()}
    assert tags <= DRAWN
    assert "stroke" not in svg
    assert not re.search(r"\bon\w+=|href|url\(|@import|data:|<!ENTITY", svg)
    assert svg.count("http") == 1, "the namespace is the only address"


@each_art
def test_art_moves_by_transform_and_opacity_alone(path: Path) -> None:
    svg = path.read_text("utf-8")
    frames = re.findall(r"@keyframes \w+\{((?:[^{}]*\{[^{}]*\})+)\}", svg)
    assert len(frames) == svg.count("@keyframes")
    moved = {name for body in frames for name in re.findall(r"[{;]([a-z-]+):", body)}
    assert moved <= MOVABLE
    assert all(length <= LONGEST_MOTION_MS for length in motions(svg))


@pytest.mark.parametrize(
    "path",
    [path for path in ART if "@keyframes" in path.read_text("utf-8")],
    ids=lambda path: path.stem,
)
def test_moving_art_can_stand_still(path: Path) -> None:
    svg = path.read_text("utf-8")
    assert "@media (prefers-reduced-motion:reduce){*{animation:none!important}}" in svg
    # Browsers hide the preference from an SVG inside <img>; the fragment reaches it.
    assert ET.fromstring(svg).get("id") == "still"  # noqa: S314 (our own file)
    assert ":root:target *{animation:none!important}" in svg


def test_motion_is_read_with_its_delay_and_its_runs() -> None:
    assert motion_ms("bob 400ms ease-in-out 2 both") == 800
    assert motion_ms("rise 400ms ease-out 250ms both") == 650
    assert motion_ms("flick 260ms ease-in-out 20ms 3 both") == 800
    assert motion_ms("pop 500ms ease-out both") == 500


# --- The style sheets ----------------------------------------------------------------------------

THEME_BLOCKS = {
    "light": r"\n:root \{(.*?)\n\}",
    "dark": r"prefers-color-scheme: dark\) \{\n  :root \{(.*?)\n  \}",
    "stage": r"\n\.stage \{(.*?)\n\}",
}
PAIRS = re.findall(r"\* (pair|part): (--[\w-]+) on (--[\w-]+)", TOKENS)


def colours(theme: str) -> dict[str, str]:
    block = re.search(THEME_BLOCKS[theme], TOKENS, re.DOTALL)
    assert block, theme
    return dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", block[1]))


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2, from 0 (black) to 1 (white)."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_agrees_with_known_values() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", THEME_BLOCKS)
@pytest.mark.parametrize(("kind", "front", "back"), PAIRS)
def test_contrast(theme: str, kind: str, front: str, back: str) -> None:
    palette = colours(theme)
    assert contrast(palette[front], palette[back]) >= (4.5 if kind == "pair" else 3)


def test_each_theme_declares_the_same_colours() -> None:
    assert len(PAIRS) > 30
    assert set(colours("light")) == set(colours("dark")) == set(colours("stage"))


def test_every_text_colour_is_in_a_pair() -> None:
    paired = {front for kind, front, _back in PAIRS if kind == "pair"}
    used = set(re.findall(r"(?<![\w-])color: var\((--[\w-]+)\)", COMPONENTS))
    assert used <= paired


def test_components_use_declared_tokens_and_existing_art() -> None:
    declared = set(re.findall(r"^\s*(--[\w-]+):", TOKENS + COMPONENTS, re.MULTILINE))
    assert set(re.findall(r"var\((--[\w-]+)\)", COMPONENTS)) <= declared
    for address in re.findall(r'url\("([^"]+)"\)', COMPONENTS):
        assert (STATIC / "css" / address).resolve().is_file(), address


def test_components_work_from_right_to_left() -> None:
    physical = r"^\s*(?:(?:margin|padding|border)-(?:left|right)|left|right|float)\s*:"
    assert not re.search(physical, COMPONENTS, re.MULTILINE)
    assert not re.search(r"text-align: (?:left|right)", COMPONENTS)
