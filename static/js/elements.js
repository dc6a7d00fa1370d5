/** The custom elements. Light DOM: without JavaScript the page shows what the server wrote in them. */

import { words } from "./time-words.js";

/** @typedef {import("./connection.js").State} State */

const SECOND = 1_000;
const STATES = { live: "Live", reconnecting: "Reconnecting…", delayed: "Updates delayed" };

/** `<live-time><time datetime="...">`: how long ago, on server time. All on one timer. */
export class LiveTime extends HTMLElement {
  /** @type {Set<LiveTime>} */
  static #all = new Set();
  static #now = Date.now;

  /**
   * Starts the one timer.
   * @param {() => number} now the server's time
   */
  static run(now) {
    LiveTime.#now = now;
    LiveTime.refresh();
    setInterval(() => document.hidden || LiveTime.refresh(), SECOND);
  }

  static refresh() {
    for (const each of LiveTime.#all) each.#show();
  }

  connectedCallback() {
    LiveTime.#all.add(this);
    this.#show();
  }

  disconnectedCallback() {
    LiveTime.#all.delete(this);
  }

  #show() {
    const time = this.querySelector("time");
    const moment = Date.parse(time?.dateTime ?? "");
    if (!time || Number.isNaN(moment)) return;
    const text = words(moment, LiveTime.#now(), { language: /** @type {HTMLElement} */ (this.closest("[lang]"))?.lang });
    if (time.textContent !== text) time.textContent = text;
  }
}

/** `<live-status>`: whether what the page shows is up to date. Hidden without JavaScript. */
export class LiveStatus extends HTMLElement {
  /** @param {State | null} state null where nothing more will come */
  show(state) {
    this.hidden = state === null;
    this.dataset.state = state ?? "";
    this.textContent = state && STATES[state];
  }

  /** Before the first connection. */
  wait() {
    this.hidden = false;
    this.textContent = "Connecting…";
  }
}

customElements.define("live-time", LiveTime);
customElements.define("live-status", LiveStatus);
