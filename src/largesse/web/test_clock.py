"""Moving the sandbox's clock ahead.

Owns the one place of the web process that moves it. Must not exist for real money: it refuses
outside a sandbox. Invariant: time goes forward only, and what is due at the new time matures before
the caller is answered.
"""

from __future__ import annotations

from django.conf import settings
from django.db import connection

from largesse.adapters import clock
from largesse.earnings.services import Matured
from largesse.money.errors import InvariantViolation
from largesse.web.jobs.earnings import mature_now

STEPS_DAYS = (1, 8, 30)
MOST_DAYS = 366
_DAY_SECONDS = 86_400


def is_on() -> bool:
    """Tell whether this installation is a sandbox, whose clock can be moved."""
    return bool(settings.CONFIG.sandbox)


def advance(days: int) -> Matured:
    """Move the clock of all processes ahead by whole days and let diamonds mature.

    Raises ValueError for less than one day or more than a year.
    """
    if not is_on():
        raise InvariantViolation("The clock of a product with real money is never moved.")
    if not 1 <= days <= MOST_DAYS:
        raise ValueError(days)
    with connection.cursor() as cursor:
        cursor.execute(clock.ADVANCE_OFFSET_SQL, {"seconds": days * _DAY_SECONDS})
    clock.installed().forget_offset()
    return mature_now()
