"""Who plays in the demo: three creators, sixty fans, and three people whom a visitor may be.

Owns names, ids and sign-ins. Must not know Django, rooms or money. Invariant: the same name has the
same id for ever, and a sign-in opens with a password that only this installation has.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import quote

from largesse.money.ids import HolderId, RoomId, id_from_name

NAMESPACE = "demo"


@dataclass(frozen=True, slots=True)
class Player:
    """A person of the demo."""

    name: str

    @property
    def id(self) -> HolderId:
        """The holder's id."""
        return HolderId(id_from_name(NAMESPACE, self.name))


@dataclass(frozen=True, slots=True)
class Host:
    """A creator of the demo, and what the open room is called."""

    player: Player
    title: str

    @property
    def room(self) -> RoomId:
        """The id of the room that is open when the demo starts for the first time."""
        return RoomId(id_from_name(NAMESPACE, f"room of {self.player.name}"))


HOSTS = (
    Host(Player("Odile Brass"), "Brass and biscuits, live from the kitchen table"),
    Host(Player("Tarn Okoro"), "Night shift: a pixel lighthouse, day twelve"),
    Host(Player("Wren Hallow"), "Slow pottery, loud opinions"),
)

VISITOR = Player("Juniper Vale")
"""The fan that a visitor signs in as; the traffic never spends for this one."""

OPERATOR = Player("Ines Porter")

_FAN_NAMES = """
Marlo Quince, Tilda Fenn, Ovid Saltmarsh, Kiko Brindle, Perpetua Moss, Dax Umber, Lumi Ahonen,
Bram Hollis, Saffron Oduya, Niko Parsley, Elowen Trask, Yuki Hanamori, Cosmo Bellwether,
Rhea Nazari, Fitz Candler, Mireille Oak, Anouk Sorrel, Taro Kawabe, Pippa Thistle, Jonah Reed,
Zuri Makena, Otis Fairweather, Clementine Ruiz, Bodhi Larkin, Noor Haddad, Silas Wick,
Hana Mizuno, Quill Avery, Marisol Vega, Emeka Dike, Thea Lindqvist, Rufus Penhale, Ayla Demir,
Gus Marrow, Ines Falcao, Leander Voss, Priya Nair, Oskar Blom, Tove Strand,
Milo Castellan, Freya Holt, Samir Kassab,
Beatrix Lumley, Kofi Mensah, Juno Sparks, Arlo Winterbourne, Esme Dufour, Rowan Pike, Lotte Brandt,
Dario Conti, Wilma Thorne, Enzo Marchetti, Sunniva Dahl, Caspian Grey, Oona Byrne, Felix Amari,
Greta Sommer, Ravi Solanki, Mabel Crane, Ludo Finch
"""
FANS = tuple(Player(" ".join(name.split())) for name in _FAN_NAMES.split(","))


@dataclass(frozen=True, slots=True)
class SignIn:
    """How a visitor becomes somebody. `totp_secret` is the second factor, for staff."""

    role: str
    player: Player
    email: str
    password: str
    totp_secret: str = ""

    @property
    def words(self) -> str:
        """What the terminal prints."""
        text = f"{self.email}  password {self.password}"
        if self.totp_secret:
            label = quote(f"largesse:{self.email}")
            text += f"\notpauth://totp/{label}?secret={self.totp_secret}&issuer=largesse"
        return text


def sign_ins(secret: str) -> tuple[SignIn, SignIn, SignIn]:
    """Return the fan, the creator and the operator, with passwords derived from LARGESSE_SECRET."""
    totp = base64.b32encode(_derived(secret, "operator second factor")[:20]).decode()
    return (
        SignIn("Fan", VISITOR, "juniper@example.org", _password(secret, "fan")),
        SignIn("Creator", HOSTS[0].player, "odile@example.org", _password(secret, "creator")),
        SignIn("Staff", OPERATOR, "ines@example.org", _password(secret, "staff"), totp),
    )


def _derived(secret: str, purpose: str) -> bytes:
    return hmac.digest(secret.encode(), f"largesse demo: {purpose}".encode(), hashlib.sha256)


def _password(secret: str, role: str) -> str:
    text = base64.b32encode(_derived(secret, f"password of {role}")).decode().lower()
    return f"{text[:5]}-{text[5:10]}-{text[10:15]}"
