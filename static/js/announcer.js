/** What screen readers say by themselves: one voice, which does not talk all the time. */

import { inWords } from "./held.js";

/** @typedef {import("./story.js").List} List */

const PAUSE = 5_000;
/** What comes together is said together. */
const GATHER = 400;

export class Announcer {
  #polite = region("status");
  #assertive = region("alert");
  /** @type {string[]} */ #texts = [];
  /** News not told of yet, by key. @type {Map<string, List>} */ #news = new Map();
  #said = -PAUSE;
  /** @type {any} */ #timer = null;

  /** Tells of news in its number only: "3 new updates". @param {string} key @param {List} list */
  arrived(key, list) {
    this.#news.set(key, list);
    this.#plan();
  }

  /** @param {string} text */
  say(text) {
    this.#texts.push(text);
    this.#plan();
  }

  /** Interrupts: for a flash, and for nothing less. @param {string} text */
  interrupt(text) {
    this.#assertive.textContent = text;
  }

  #plan() {
    this.#timer ??= setTimeout(() => this.#speak(), Math.max(GATHER, this.#said + PAUSE - performance.now()));
  }

  #speak() {
    this.#timer = null;
    this.#said = performance.now();
    const text = [...this.#texts, inWords([...this.#news.values()])].filter(Boolean).join(". ");
    this.#texts = [];
    this.#news.clear();
    // The same words again are no change, and would not be said.
    this.#polite.textContent = this.#polite.textContent === text ? `${text}\u00a0` : text;
  }
}

/** @param {"status" | "alert"} role */
function region(role) {
  const element = document.createElement("p");
  element.className = "unseen";
  element.setAttribute("role", role);
  document.body.append(element);
  return element;
}
