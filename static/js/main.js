/** Puts the parts together: the stream's messages change the page, the page's life governs the stream. */

import { Clock, correctByNavigation } from "./clock.js";
import { backOff, Connection } from "./connection.js";
import { LiveStatus, LiveTime } from "./elements.js";
import { parse } from "./html.js";
import { Page, shownIn } from "./page.js";
import { websocket } from "./websocket.js";

/** @typedef {import("./story.js").Frame} Frame */

const { cursor = "", topics = "", stream = "" } = document.body.dataset;
const SECOND = 1_000;

const clock = new Clock();
const now = () => clock.now();
correctByNavigation(clock, performance);
LiveTime.run(now);
if (topics) live();

function live() {
  const page = new Page(now);
  const status = /** @type {LiveStatus | null} */ (document.querySelector("live-status"));
  let shown = shownIn(document);

  const connection = new Connection({
    transport: websocket,
    address,
    cursor,
    onframe,
    onstate: (state) => status?.show(state),
    onreset: () => void refresh(),
  });

  /** @param {Frame} frame */
  function onframe(frame) {
    if (frame.now) {
      clock.correct(Date.parse(frame.now));
      LiveTime.refresh();
    }
    for (const operation of shown.take(frame)) page.apply(operation);
  }

  /** Every reader of a site may be told at once to fetch afresh: the first try waits too. */
  async function refresh() {
    for (let attempt = 0; ; attempt += 1) {
      await new Promise((wake) => setTimeout(wake, backOff(attempt, Math.random)));
      const fresh = await fetchPage();
      if (fresh === "gone") return leave();
      if (fresh) return renew(fresh);
    }
  }

  /** @param {Document} fresh */
  function renew(fresh) {
    shown = shownIn(fresh);
    page.replace(fresh);
    connection.resume(fresh.body.dataset.cursor ?? "");
  }

  function leave() {
    page.apply({ op: "withdraw" });
    status?.show(null);
  }

  status?.wait();
  connection.start();
  page.expire();
  setInterval(() => page.expire(), SECOND);

  addEventListener("online", () => connection.wake());
  addEventListener("pagehide", () => connection.stop());
  // Out of the back-forward cache: as it was when the reader left.
  addEventListener("pageshow", (event) => event.persisted && connection.start());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    LiveTime.refresh();
    connection.wake();
  });
}

/** @param {string} after */
function address(after) {
  const url = new URL(stream, location.href);
  url.search = new URLSearchParams({ topics, after, as: "html" }).toString();
  return url.href;
}

/** @returns {Promise<Document | "gone" | null>} null for try again */
async function fetchPage() {
  try {
    const response = await fetch(location.href, { cache: "no-cache" });
    if (response.status === 404 || response.status === 410) return "gone";
    return response.ok ? parse(await response.text()) : null;
  } catch {
    return null;
  }
}
