"""The addresses of the live service: gifts, comments, snapshots and event streams of rooms.

Owns what each address takes and answers. Must not know sockets or SQL. Invariant: whatever is
refused here was not charged; whatever answers 200 or 201 is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from largesse.gifting import tokens
from largesse.gifting.errors import (
    GiftRetired,
    InsufficientCoins,
    RoomClosed,
    UnknownGift,
    WalletBlocked,
)
from largesse.gifting.rules import (
    MESSAGE_MAX,
    GiftType,
    Pace,
    gift_public_id,
    price_order,
    require_comment,
    streak_public_id,
)
from largesse.gifting.tokens import RoomToken
from largesse.ledger.errors import KeyInUse, KeyReused, StaleKey
from largesse.ledger.gifts import GiftResult
from largesse.ledger.keys import require_fresh
from largesse.live.exchange import Exchange
from largesse.live.fanout import RoomChannel, Viewer
from largesse.live.hall import Hall, comment_public_id
from largesse.live.intake import Accepted, GiftIntake, GiftOrder
from largesse.live.problems import Header, MalformedRequest
from largesse.live.records import Records
from largesse.live.wire import Json, coins, encode, gift_type, stamp, whole_milliseconds
from largesse.money.ids import HolderId, RoomId, keyed_id, public_id, require_uuid7

KEEPALIVE_SECONDS = 15
_COMMENTS = 1
"""The scope that keeps the ids of comments apart from those of gifts."""
_JSON: list[Header] = [(b"content-type", b"application/json")]
_STREAM: list[Header] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """All that answering needs; `public_url` is where the store is.

    `now` is the product's time, `machine_now` the same without a sandbox's offset.
    """

    hall: Hall
    intake: GiftIntake
    records: Records
    key: bytes
    public_url: str
    now: Callable[[], datetime]
    machine_now: Callable[[], datetime]
    gift_pace: Pace
    comment_pace: Pace
    comments_in_use: set[UUID] = field(default_factory=set)
    """Ids of comments that are on their way to the database."""

    # -- Gifts ----------------------------------------------------------------------------------

    async def give(self, exchange: Exchange, room: RoomId) -> None:
        """POST /live/rooms/{room}/gifts: post a gift; 201 with it, 200 when it stood before.

        A key that stands is answered as the replay it is, for ever: however old it is, and
        whatever became of the room, the gift and its price. Only requests that would be refused
        are looked up for that, so a new gift costs one round trip to the database.
        """
        token = self._require_token(exchange, room)
        body = await exchange.json()
        key = _require_key(body)
        channel = await self.hall.room(room)
        at = whole_milliseconds(self.now())
        self.gift_pace.admit(token.holder, at)
        try:
            self._require_fresh(key)
            gift = self._order(channel, token, keyed_id(token.holder, key), body, at)
            accepted = await self.intake.submit(gift)
            if accepted.result.outcome != "posted":
                raise self._refusal(gift, accepted)
        except (StaleKey, RoomClosed, GiftRetired, KeyReused):
            standing = await self._standing_gift(channel, token, key, body)
            if standing is None:
                raise
            await exchange.answer(200, _JSON, encode(standing))
            return
        await self._keep_message(gift, accepted.first_seq)
        await exchange.answer(201, _JSON, encode(self._gift_json(gift, accepted)))

    def _order(
        self, channel: RoomChannel, token: RoomToken, gift_id: UUID, body: Json, at: datetime
    ) -> GiftOrder:
        gift = self._require_gift(body)
        count = body.get("count", 1)
        price = price_order(
            fan=token.holder, room=channel.state.facts.terms, gift=gift, count=count
        )
        return GiftOrder(
            id=gift_id,
            fan=token.holder,
            name=token.name,
            gift=gift,
            count=count,
            coins=price,
            at=at,
            channel=channel,
            message=_message(body),
        )

    def _require_gift(self, body: Json) -> GiftType:
        slug = body.get("gift")
        if not isinstance(slug, str):
            raise MalformedRequest("Name the gift: send its id as the text `gift`.")
        gift = self.hall.gifts_by_slug.get(slug)
        if gift is None:
            raise UnknownGift("The catalogue has no such gift.", gift=slug[:40])
        return gift

    def _require_fresh(self, key: UUID) -> None:
        require_fresh(key, now=self.now(), machine_now=self.machine_now())

    async def _standing_gift(
        self, channel: RoomChannel, token: RoomToken, key: UUID, body: Json
    ) -> Json | None:
        """Return the answer to a gift that stands under the key, or None.

        Raises KeyReused when it stands for another wish. What counts is what the client sent: the
        price may have changed since.
        """
        gift_id = keyed_id(token.holder, key)
        stands = await self.records.gift_by_key(token.holder, gift_id)
        if stands is None:
            return None
        gift, count, message = self._require_gift(body), body.get("count", 1), _message(body)
        room = channel.state.facts.terms.id
        said = await self.records.comment_by_key(gift_id)
        # A crash between a gift's commit and its message's leaves none; the retry brings it.
        is_same = said is None or said[2] == message
        if (stands.room, stands.code, stands.count) != (room, gift.code, count) or not is_same:
            raise _key_reused()
        order = GiftOrder(
            id=gift_id,
            fan=token.holder,
            name=token.name,
            gift=gift,
            count=stands.count,
            coins=stands.coins,
            at=stands.at,
            channel=channel,
            message=message,
        )
        await self._keep_message(order, stands.first_seq)
        balance = await self.records.coins_of(token.holder)
        result = GiftResult("replayed", stands.seq, stands.bonus, balance)
        answer = self._gift_json(order, Accepted(result, stands.first_seq, stands.streak_total))
        return answer | {"policy_version": stands.policy, "replayed": True}

    async def _keep_message(self, gift: GiftOrder, line_seq: int) -> None:
        if gift.message is not None:
            await self.records.add_comment(
                id=gift.id,
                room=gift.channel.state.facts.terms.id,
                holder=gift.fan,
                gift_seq=line_seq,
                text=gift.message,
                at=gift.at,
            )

    def _gift_json(self, gift: GiftOrder, accepted: Accepted) -> Json:
        result, state = accepted.result, gift.channel.state
        streak = None
        if gift.gift.streakable:
            streak_id = streak_public_id(gift.fan, accepted.first_seq)
            streak = {"id": streak_id, "delta": gift.count, "total": accepted.streak_total}
        return {
            "id": gift_public_id(gift.fan, result.seq),
            "room_id": public_id("room", state.facts.terms.id),
            "gift": gift_type(gift.gift),
            "count": gift.count,
            "total": coins(gift.coins),
            "paid": coins(gift.coins - result.bonus),
            "bonus": coins(result.bonus),
            "balance": coins(result.balance),
            "streak": streak,
            "message": gift.message,
            "at": stamp(gift.at),
            "policy_version": state.facts.policy_version,
            "is_test": state.is_test,
            "replayed": False,
        }

    def _refusal(
        self, gift: GiftOrder, accepted: Accepted
    ) -> InsufficientCoins | WalletBlocked | KeyReused:
        result = accepted.result
        if result.outcome == "insufficient":
            shortfall = gift.coins - result.balance
            room = public_id("room", gift.channel.state.facts.terms.id)
            wish = urlencode({"need": shortfall, "gift": gift.gift.slug, "room": room})
            return InsufficientCoins(
                f"{shortfall} coins are missing for {gift.gift.name}.",
                shortfall=coins(shortfall),
                price=coins(gift.coins),
                balance=coins(result.balance),
                store_url=f"{self.public_url}/store/?{wish}",
            )
        if result.outcome == "blocked":
            return WalletBlocked(
                "This wallet cannot spend at the moment. Your balance page says why."
            )
        # Replayed or reused: `give` reads what stands under the key, and that tells which.
        return _key_reused()

    # -- Comments -------------------------------------------------------------------------------

    async def comment(self, exchange: Exchange, room: RoomId) -> None:
        """POST /live/rooms/{room}/comments: say something; 201, or 200 when it was said before."""
        token = self._require_token(exchange, room)
        body = await exchange.json()
        key = _require_key(body)
        text = require_comment(body.get("text"))
        channel = await self.hall.room(room)
        at = whole_milliseconds(self.now())
        self.comment_pace.admit(token.holder, at)
        # A scope of their own: the key of a gift is free for a comment, and the other way round.
        comment_id = keyed_id(token.holder, keyed_id(_COMMENTS, key))
        try:
            self._require_fresh(key)
            if not channel.state.is_open:
                raise RoomClosed("This room is closed; nobody reads comments here any more.")
            is_new = await self._add_comment(comment_id, room, token.holder, text, at)
        except (StaleKey, RoomClosed):
            if await self.records.comment_by_key(comment_id) is None:
                raise
            is_new = False
        if is_new:
            channel.state.see_comment(
                comment_public_id(comment_id), token.holder, token.name, text, at
            )
            channel.touch()
        else:
            at = await self._require_same_comment(comment_id, room, token.holder, text)
        answer = {"id": comment_public_id(comment_id), "text": text, "at": stamp(at)}
        await exchange.answer(201 if is_new else 200, _JSON, encode(answer))

    async def _add_comment(
        self, comment_id: UUID, room: RoomId, holder: HolderId, text: str, at: datetime
    ) -> bool:
        if comment_id in self.comments_in_use:
            raise KeyInUse(
                "The first request with this key is still being written down. "
                "Send the same again in a second; it is said once.",
                retry_after_seconds=1,
            )
        self.comments_in_use.add(comment_id)
        try:
            return await self.records.add_comment(
                id=comment_id, room=room, holder=holder, gift_seq=0, text=text, at=at
            )
        finally:
            self.comments_in_use.discard(comment_id)

    async def _require_same_comment(
        self, comment_id: UUID, room: RoomId, holder: HolderId, text: str
    ) -> datetime:
        stands = await self.records.comment_by_key(comment_id)
        if stands is None or stands[:3] != (room, holder, text):
            raise KeyReused("This key stands for another comment. Make a new UUIDv7 for each.")
        at: datetime = stands[3]
        return at

    # -- Watching -------------------------------------------------------------------------------

    async def show(self, exchange: Exchange, room: RoomId) -> None:
        """GET /live/rooms/{room}: the room as it stands, with the cursor of its stream."""
        channel = await self.hall.room(room)
        await exchange.answer(200, _JSON, channel.snapshot())

    async def stream(self, exchange: Exchange, room: RoomId) -> None:
        """GET /live/rooms/{room}/events: events after `since` (or Last-Event-ID), then live."""
        channel = await self.hall.room(room)
        since = exchange.header(b"last-event-id") or exchange.query("since")
        viewer = channel.join(since)
        # A connection that takes nothing blocks its writer for good: whoever notices first ends it.
        tasks = [
            asyncio.ensure_future(one)
            for one in (_write(exchange, viewer), _wait_for_hang_up(exchange), viewer.dropped())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            channel.leave(viewer)

    def _require_token(self, exchange: Exchange, room: RoomId) -> RoomToken:
        exchange.require_same_family()
        return tokens.verify(self.key, exchange.bearer(), room=room, now=self.now())


def _require_key(body: Json) -> UUID:
    """Return the request's idempotency key; raises MalformedRequest when there is none, BadId."""
    if "key" not in body:
        raise MalformedRequest(
            "Send an idempotency key: as `key`, a new UUIDv7 for every new wish, and the same one "
            "again to repeat it."
        )
    return require_uuid7(body["key"])


def _message(body: Json) -> str | None:
    words = body.get("message")
    return None if words is None else require_comment(words, longest=MESSAGE_MAX)


def _key_reused() -> KeyReused:
    return KeyReused("This key stands for another gift. Make a new UUIDv7 for every new gift.")


def gift_pace() -> Pace:
    """Return how fast one fan may tap: 40 at once, then 20 a second."""
    return Pace(burst=40, interval=timedelta(milliseconds=50))


def comment_pace() -> Pace:
    """Return how fast one person may write: 5 at once, then one in two seconds."""
    return Pace(burst=5, interval=timedelta(seconds=2))


async def _write(exchange: Exchange, viewer: Viewer) -> None:
    await exchange.begin(200, _STREAM)
    await exchange.continue_with(b"retry: 1000\n\n")
    while True:
        chunk = await viewer.next_chunk(patience_seconds=KEEPALIVE_SECONDS)
        await exchange.continue_with(chunk or b": still here\n\n")


async def _wait_for_hang_up(exchange: Exchange) -> None:
    while (await exchange.receive())["type"] != "http.disconnect":
        continue
