/**
 * The stream asked for every few seconds: for networks that hold no connection open (docs/protocol.md, Polling).
 *
 * @typedef {import("./story.js").Frame} Frame
 * @typedef {{ from: string, id: string, messages: Frame[] }} Answer
 */

import { isBefore } from "./cursor.js";

const INTERVAL = 4_000;
const ANSWER_WITHIN = 8_000;

/** @type {import("./websocket.js").Transport} */
export function poll(address, { text, closed }) {
  const url = new URL(address);
  const { topics = "", after = "0-0", as = "html" } = Object.fromEntries(url.searchParams);
  url.pathname = "/poll.json";
  url.search = new URLSearchParams({ topics, as }).toString();
  let cursor = after;
  let isFirst = true;
  let isClosed = false;
  /** @type {any} */ let timer = null;

  const send = (/** @type {Frame} */ frame) => isClosed || text(JSON.stringify(frame));

  async function ask() {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN) });
    if (!response.ok) throw new TypeError(`${response.status}`);
    hand(await response.json(), serverTime(response));
  }

  /**
   * Speaks as the stream does: hello first, then what is new, then a tick.
   * @param {Answer} answer
   * @param {string} now
   */
  function hand({ from, id, messages }, now) {
    if (isFirst) send({ type: "hello", id: cursor, now });
    isFirst = false;
    if (isBefore(cursor, from)) return send({ type: "reset", id });
    for (const frame of messages) if (isBefore(cursor, frame.id ?? "")) send(frame);
    if (isBefore(cursor, id)) cursor = id; // else it came from a server that is behind
    send({ type: "tick", id: cursor, now });
  }

  async function go() {
    try {
      await ask();
    } catch {
      return isClosed || closed();
    }
    if (!isClosed) timer = setTimeout(go, INTERVAL * (0.75 + Math.random() / 2)); // not all readers at once
  }

  void go();
  return {
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };

}

/**
 * When the server answered; with an answer out of a cache on the way, the time of that.
 * @param {Response} response
 */
function serverTime(response) {
  const sent = Number(/\bnow;dur=(\d+)/.exec(response.headers.get("server-timing") ?? "")?.[1]);
  return sent ? new Date(sent).toISOString() : "";
}
