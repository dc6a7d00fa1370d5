/** Puts the parts together: the stream's messages change the page, the page's life governs the stream. */

import { Announcer } from "./announcer.js";
import { Clock, correctByNavigation } from "./clock.js";
import { backOff, Connection } from "./connection.js";
import { LiveStatus, LiveTime } from "./elements.js";
import { events } from "./events.js";
import { keys } from "./feed.js";
import { parse } from "./html.js";
import { NoticeBar, textOf } from "./notice.js";
import { Page, shownIn } from "./page.js";
import { poll } from "./poll.js";
import { sharing } from "./share.js";
import { remembered } from "./storage.js";
import { websocket } from "./websocket.js";

/** @typedef {import("./story.js").Frame} Frame */

const { cursor = "", topics = "", stream = "" } = document.body.dataset;
const SECOND = 1_000;
const UPDATE = /^#u-([0-9a-z]{16})$/;

/** Sounds and desktop notifications are for the few who want them: the others do not load them. */
const alerts = () => import("./alerts.js");

const clock = new Clock();
const now = () => clock.now();
correctByNavigation(clock, performance);
LiveTime.run(now);
if (topics) live();

function live() {
  const announcer = new Announcer();
  const notice = new NoticeBar(now, announcer, alert);
  const page = new Page(notice, announcer);
  const status = /** @type {LiveStatus | null} */ (document.querySelector("live-status"));
  let shown = shownIn(document);

  const connection = new Connection({
    transports: [websocket, events, poll],
    late: poll,
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

  /** Shows older updates below the others. @param {HTMLAnchorElement} link */
  async function lengthen(link) {
    const { next } = await import("./older.js");
    const part = await next(link);
    if (!part) return location.assign(link.href);
    const first = part.querySelector("#updates > article")?.id ?? "";
    shownIn(part, shown);
    page.append(part);
    document.getElementById(first)?.focus({ preventScroll: true });
  }

  status?.wait();
  connection.start();
  notice.expire();
  setInterval(() => notice.expire(), SECOND);
  keys();
  sharing((text) => announcer.say(text));

  document.getElementById("older")?.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    void lengthen(link);
  });
  addEventListener("online", () => connection.wake());
  addEventListener("offline", () => connection.doubt());
  addEventListener("pagehide", () => connection.stop());
  // Out of the back-forward cache: as it was when the reader left.
  addEventListener("pageshow", (event) => event.persisted && connection.start());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    LiveTime.refresh();
    connection.wake();
  });
  offerAlerts();
  addEventListener("hashchange", seek);
  void seek();
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

/** @param {HTMLElement} notice */
function alert(notice) {
  if (!remembered("alerts")) return;
  const { urgency, version = "" } = notice.dataset;
  void alerts().then(({ raise }) => raise({ urgency: Number(urgency), version, text: textOf(notice) }));
}

function offerAlerts() {
  if (remembered("alerts")) void alerts().then(({ prepare }) => prepare());
  const button = document.getElementById("alerts-button");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => void import("./alert-settings.js").then(({ open }) => open()));
}

/** An update that the address names may be on another page of the story. */
async function seek() {
  const id = UPDATE.exec(location.hash)?.[1];
  if (id && document.getElementById("updates") && !document.getElementById(`u-${id}`)) {
    (await import("./older.js")).seek(id);
  }
}
