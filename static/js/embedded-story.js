/** One story in a shadow root, kept up to date by the stream. */

import { Clock } from "./clock.js";
import { backOff, Connection } from "./connection.js";
import { stylesheets } from "./embed-styles.js";
import { events } from "./events.js";
import { Held } from "./held.js";
import { parse } from "./html.js";
import { shownIn } from "./page.js";
import { words } from "./time-words.js";
import { websocket } from "./websocket.js";

/**
 * @typedef {import("./connection.js").State} State
 * @typedef {import("./story.js").Frame} Frame
 * @typedef {import("./story.js").List} List
 * @typedef {import("./story.js").Operation} Operation
 * @typedef {import("./story.js").Put} Put
 *
 * @typedef {{ cursor: string, topics: string, name: string, language: string, html: string }} Content
 *   what `/story/<slug>/embed.json` answers
 */

const SECOND = 1_000;

export class EmbeddedStory {
  #root;
  #address;
  #clock = new Clock();
  #held = new Held();
  #shown = shownIn(document.implementation.createHTMLDocument());
  /** @type {Connection | null} */ #connection = null;
  /** @type {any} */ #ticker = null;
  #stopped = false;
  #status = document.createElement("span");
  #arrivals = document.createElement("button");
  #onscroll = () => this.#releaseInView();

  /**
   * @param {ShadowRoot} root
   * @param {URL} address of the story's page
   */
  constructor(root, address) {
    this.#root = root;
    this.#address = address;
    this.#status.className = "status";
    this.#status.setAttribute("role", "status");
    this.#arrivals.type = "button";
    this.#arrivals.addEventListener("click", () => this.#showHeld());
  }

  /** Fetches the story, shows it, and follows it. */
  async start() {
    const [content, sheets] = await Promise.all([this.#fetch(), stylesheets()]);
    if (this.#stopped) return;
    if (content === "gone") return this.#withdraw();
    this.#root.adoptedStyleSheets = sheets;
    this.#root.replaceChildren(...this.#frame(content));
    this.#fill(content);
    this.#follow(content);
    this.#ticker = setInterval(() => document.hidden || this.#refreshTimes(), SECOND);
    document.addEventListener("scroll", this.#onscroll, { passive: true });
  }

  /** For good. */
  stop() {
    this.#stopped = true;
    this.#connection?.stop();
    clearInterval(this.#ticker);
    document.removeEventListener("scroll", this.#onscroll);
  }

  /** The device is back online, or the page back in view. */
  wake() {
    this.#refreshTimes();
    this.#connection?.wake();
  }

  /** @param {Content} content */
  #follow({ topics, cursor }) {
    this.#connection = new Connection({
      transports: [websocket, events], // pages of other sites cannot poll
      address: (after) => {
        const url = new URL("/stream", this.#address);
        url.search = new URLSearchParams({ topics, after, as: "html" }).toString();
        return url.href;
      },
      cursor,
      onframe: (frame) => this.#take(frame),
      onstate: (state) => this.#tell(state),
      onreset: () => void this.#renew(),
    });
    this.#connection.start();
  }

  /** @param {Frame} frame */
  #take(frame) {
    if (frame.now) {
      this.#clock.correct(Date.parse(frame.now));
      this.#refreshTimes();
    }
    for (const operation of this.#shown.take(frame)) this.#apply(operation);
  }

  async #renew() {
    const content = await this.#fetch();
    if (this.#stopped) return;
    if (content === "gone") return this.#withdraw();
    this.#fill(content);
    this.#connection?.resume(content.cursor);
  }

  /**
   * As often as it takes: readers of many pages may ask at once, hence not at equal intervals.
   * @returns {Promise<Content | "gone">}
   */
  async #fetch() {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const response = await fetch(`${this.#address.href}/embed.json`, { cache: "no-cache", credentials: "omit" });
        if (response.ok) return await response.json();
        if (response.status === 404 || response.status === 410) return "gone";
      } catch {
        // No network, or the site does not allow this page: it may later.
      }
      await new Promise((wake) => setTimeout(wake, backOff(attempt + 1, Math.random)));
      if (this.#stopped) return "gone";
    }
  }

  /**
   * What stands around the story.
   * @param {Content} content
   */
  #frame({ name, language }) {
    const main = document.createElement("div");
    main.className = "embed";
    main.lang = language;
    const foot = document.createElement("p");
    foot.className = "embed-foot";
    const link = document.createElement("a");
    link.href = this.#address.href;
    link.textContent = `Read on at ${name}`;
    foot.append(this.#status, link);
    const arrivals = document.createElement("div");
    arrivals.className = "arrivals";
    arrivals.setAttribute("aria-live", "polite");
    return [main, foot, arrivals];
  }

  /** @param {Content} content */
  #fill({ html }) {
    const parsed = parse(html);
    this.#held.release();
    this.#announce();
    this.#shown = shownIn(parsed);
    this.#one(".embed")?.replaceChildren(...[...parsed.body.children].map((each) => this.#adopted(each)));
    this.#refreshTimes();
  }

  /** @param {State} state */
  #tell(state) {
    this.#status.dataset.state = state;
    this.#status.textContent = state === "live" ? "Live" : state === "delayed" ? "Updates delayed" : "Reconnecting…";
  }

  /** @param {Operation} operation */
  #apply(operation) {
    if (operation.op === "put") this.#put(operation);
    if (operation.op === "fill") this.#one(`#${operation.slot}`)?.replaceChildren(this.#element(operation.html));
    if (operation.op === "withdraw") this.#withdraw();
    this.#refreshTimes();
  }

  /** @param {Put} put */
  #put(put) {
    const old = this.#one(`#${put.key}`);
    if (put.place === "same") {
      const waits = this.#held.revise(put);
      if (old) old.replaceWith(this.#element(put.html));
      else if (!waits) this.#insert(put);
      return;
    }
    this.#held.forget(put.key);
    // Nothing moves under the reader's eyes, and what comes later must not overtake what waits.
    if (this.#isAbove(put.list) || this.#held.isWaitingFor(put.list)) this.#held.hold(put);
    else this.#insert(put);
    this.#announce();
  }

  /** @param {Put} put */
  #insert(put) {
    const list = this.#one(`#${put.list}`);
    if (!list) return;
    this.#one(`#${put.key}`)?.remove();
    const article = this.#element(put.html);
    list.insertBefore(article, [...list.children].find((each) => rank(each) < rank(article)) ?? null);
  }

  #showHeld() {
    const puts = this.#held.release();
    for (const put of puts) this.#insert(put);
    this.#announce();
    this.#refreshTimes();
    const newest = puts.at(-1);
    if (newest) this.#one(`#${newest.key}`)?.scrollIntoView({ block: "start" });
  }

  #releaseInView() {
    const puts = this.#held.release((list) => !this.#isAbove(list));
    for (const put of puts) this.#insert(put);
    if (puts.length) this.#announce();
  }

  /** Whether the reader is past the top of the list. @param {List} list */
  #isAbove(list) {
    return (this.#one(`#${list}`)?.getBoundingClientRect().top ?? 0) < 0;
  }

  #announce() {
    const summary = this.#held.summary(() => true);
    this.#arrivals.textContent = summary;
    if (!summary) this.#arrivals.remove();
    else if (!this.#arrivals.isConnected) this.#one(".arrivals")?.append(this.#arrivals);
  }

  #withdraw() {
    this.stop();
    const notice = document.createElement("p");
    notice.className = "withdrawn-story";
    notice.setAttribute("role", "status");
    notice.textContent = "This story was withdrawn.";
    this.#root.replaceChildren(notice);
  }

  #refreshTimes() {
    for (const time of /** @type {NodeListOf<HTMLTimeElement>} */ (this.#root.querySelectorAll("live-time > time"))) {
      const moment = Date.parse(time.dateTime);
      const text = Number.isNaN(moment) ? time.textContent : words(moment, this.#clock.now(), { language: /** @type {HTMLElement} */ (time.closest("[lang]"))?.lang });
      if (time.textContent !== text) time.textContent = text;
    }
  }

  /** @param {string} html a fragment, which has one root element */
  #element(html) {
    const parsed = parse(html).body.firstElementChild;
    if (!parsed) throw new TypeError("A fragment has one root element.");
    return this.#adopted(parsed);
  }

  /**
   * For this page, with the addresses that were paths of the story's site.
   * @param {Element} element
   */
  #adopted(element) {
    for (const name of ["href", "src"]) {
      for (const each of element.querySelectorAll(`[${name}]`)) {
        each.setAttribute(name, new URL(each.getAttribute(name) ?? "", this.#address).href);
      }
    }
    return document.adoptNode(element);
  }

  /** @param {string} selector */
  #one(selector) {
    return this.#root.querySelector(selector);
  }
}

/** Newest first. @param {Element} article */
function rank(article) {
  return `${/** @type {HTMLElement} */ (article).dataset.at} ${article.id}`;
}
