/*
 * How the room's page talks to the live service.
 *
 * Owns: requests, idempotency keys, retries, and the event stream with its reconnects. Must not
 * know: the page. Protects: a gift is sent again with the same key until somebody answers, so it is
 * charged once however often the network fails.
 */

const TRIES = 6;
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Make a UUIDv7 (RFC 9562): 48 bits of time in milliseconds, then random bits. */
export function uuid7(milliseconds) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let time = milliseconds;
  for (let place = 5; place >= 0; place -= 1) {
    bytes[place] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [0, 8, 12, 16, 20].map((from, at, all) => hex.slice(from, all[at + 1])).join("-");
}

/** A refusal of the live service, with its problem document. */
export class Refusal extends Error {
  constructor(problem) {
    super(problem.detail || "");
    this.problem = problem;
  }
}

export class LiveRoom {
  constructor(facts) {
    this.base = `${facts.live}/live/rooms/${facts.room}`;
    this.token = facts.me?.token ?? "";
    this.tokenUrl = facts.token_url;
    // A key whose time is far from the service's begins nothing, and many devices are wrong.
    this.behind = facts.now_ms - Date.now();
  }

  /** Read the room as it stands. */
  async snapshot() {
    const answer = await fetch(this.base);
    if (!answer.ok) throw new Error(`snapshot: ${answer.status}`);
    return answer.json();
  }

  /** Send a gift; resolves with it after its commit. Throws Refusal; onRetry tells of a new try. */
  give(gift, count, onRetry) {
    return this.#post("gifts", { key: this.#key(), gift, count }, onRetry);
  }

  /** Say something. Throws Refusal. */
  say(text) {
    return this.#post("comments", { key: this.#key(), text });
  }

  #key() {
    return uuid7(Date.now() + this.behind);
  }

  async #post(tail, body, onRetry = () => {}) {
    let renewed = false;
    for (let attempt = 1; ; attempt += 1) {
      let answer = null;
      try {
        answer = await fetch(`${this.base}/${tail}`, {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Bearer ${this.token}` },
          body: JSON.stringify(body),
        });
        if (answer.ok) return await answer.json();
      } catch (error) {
        if (attempt >= TRIES) throw error;
      }
      const problem = answer ? await answer.json().catch(() => ({})) : {};
      if (answer?.status === 401 && !renewed) {
        renewed = true;
        await this.#renewToken();
        continue;
      }
      const again = answer === null || problem.retry_helps === true;
      if (!again || attempt >= TRIES) throw new Refusal(problem);
      onRetry();
      await pause((problem.retry_after_seconds ?? 0.3 * 2 ** attempt) * 1000);
    }
  }

  async #renewToken() {
    const answer = await fetch(this.tokenUrl, { headers: { accept: "application/json" } });
    if (answer.ok && !answer.redirected) this.token = (await answer.json()).token;
  }

  /**
   * Follow the room for ever: onSnapshot with each fresh snapshot, onEvent with each event after
   * it, onState with "live" or "away". The browser goes on by cursor; what cannot be continued
   * begins again from a snapshot.
   */
  async follow({ kinds, onSnapshot, onEvent, onState }) {
    for (let failures = 0; ; failures += 1) {
      try {
        const snapshot = await this.snapshot();
        onSnapshot(snapshot);
        onState("live");
        failures = 0;
        await this.#stream(snapshot.cursor, kinds, onEvent, onState);
      } catch {
        onState("away");
      }
      await pause(Math.min(15, 2 ** failures) * (500 + Math.random() * 500));
    }
  }

  #stream(cursor, kinds, onEvent, onState) {
    return new Promise((ended) => {
      const source = new EventSource(`${this.base}/events?since=${encodeURIComponent(cursor)}`);
      const stop = () => {
        source.close();
        ended();
      };
      source.onopen = () => onState("live");
      source.onerror = () => {
        onState("away");
        if (source.readyState === EventSource.CLOSED) stop();
      };
      source.addEventListener("snapshot.required", stop);
      for (const kind of kinds) {
        source.addEventListener(kind, (message) => onEvent(JSON.parse(message.data)));
      }
    });
  }
}
