"""Secrets at rest open with the right key and purpose only."""

from __future__ import annotations

import pytest

from largesse.people.sealing import BadSeal, Seal

SECRET = "a secret of the product, long enough"


def test_a_sealed_text_comes_back() -> None:
    seal = Seal(SECRET, "second-factor")
    closed = seal.close("JBSWY3DPEHPK3PXP")
    assert "JBSWY3DPEHPK3PXP" not in closed
    assert closed != seal.close("JBSWY3DPEHPK3PXP")
    assert Seal(SECRET, "second-factor").open(closed) == "JBSWY3DPEHPK3PXP"


@pytest.mark.parametrize(
    ("secret", "purpose"), [(SECRET + "!", "second-factor"), (SECRET, "webhooks")]
)
def test_another_secret_or_purpose_opens_nothing(secret: str, purpose: str) -> None:
    closed = Seal(SECRET, "second-factor").close("text")
    with pytest.raises(BadSeal):
        Seal(secret, purpose).open(closed)


def test_an_altered_seal_is_refused() -> None:
    seal = Seal(SECRET, "second-factor")
    closed = seal.close("text")
    altered = closed[:-4] + ("A" if closed[-4] != "A" else "B") + closed[-3:]
    with pytest.raises(BadSeal):
        seal.open(altered)
