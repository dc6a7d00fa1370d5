/** The document: what it shows at first, and operations applied to it. */

import { Held } from "./held.js";
import { parse } from "./html.js";
import { Shown } from "./story.js";

/**
 * @typedef {import("./story.js").Operation} Operation
 * @typedef {import("./story.js").Put} Put
 * @typedef {import("./story.js").List} List
 * @typedef {import("./story.js").Slot} Slot
 */

/** Every place that messages change. */
const REGIONS = ["promo", "notice", "story", "pinned", "updates", "stream"];
/** A page left open for days stays small. */
const MOST_CARDS = 100;

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * What a document shows, from the versions that the server wrote into it.
 * @param {Document} from
 */
export function shownIn(from) {
  const shown = new Shown();
  const story = /** @type {HTMLElement | null} */ (from.querySelector("#story > .story"));
  if (story) shown.story = { slug: story.id.replace("story-", ""), version: Number(story.dataset.version) };
  for (const card of articles(from, "#stream")) {
    shown.cards.set(card.id.replace("card-", ""), { version: Number(card.dataset.version), at: card.dataset.at ?? "" });
  }
  for (const list of /** @type {const} */ (["pinned", "updates"])) {
    for (const update of articles(from, `#${list}`)) {
      shown.updates.set(update.id.replace("u-", ""), { version: Number(update.dataset.version), list });
    }
  }
  return shown;
}

export class Page {
  #held = new Held();
  #now;
  #arrivals = document.createElement("button");
  #isStory = document.getElementById("story") !== null;

  /** @param {() => number} now the server's time */
  constructor(now) {
    this.#now = now;
    this.#arrivals.type = "button";
    this.#arrivals.addEventListener("click", () => this.#showHeld());
    document.addEventListener("scroll", () => this.#releaseInView(), { passive: true });
  }

  /** @param {Operation} operation */
  apply(operation) {
    switch (operation.op) {
      case "put":
        return this.#put(operation);
      case "remove":
        this.#held.forget(operation.key);
        document.getElementById(operation.key)?.remove();
        return this.#announce();
      case "fill":
        return this.#fill(operation.slot, element(operation.html));
      case "clear":
        return document.getElementById(operation.slot)?.replaceChildren();
      case "withdraw":
        return this.#withdraw();
    }
  }

  /** Takes down a notice whose time is over. */
  expire() {
    const notice = /** @type {HTMLElement | null} */ (document.querySelector("#notice > [data-expires]"));
    const expires = Date.parse(notice?.dataset.expires ?? "");
    if (expires <= this.#now()) notice?.remove();
  }

  /**
   * Shows what a fresh copy of the page shows; its articles are taken out of it.
   * @param {Document} fresh
   */
  replace(fresh) {
    this.#held.release();
    this.#announce();
    const read = [...document.querySelectorAll("article")].find((each) => each.getBoundingClientRect().bottom > 0);
    const top = read?.getBoundingClientRect().top ?? 0;
    for (const id of REGIONS) {
      document.getElementById(id)?.replaceChildren(...(fresh.getElementById(id)?.childNodes ?? []));
    }
    const again = read && document.getElementById(read.id);
    if (again) scrollBy({ top: again.getBoundingClientRect().top - top, behavior: "instant" });
  }

  /** @param {Put} put */
  #put(put) {
    const old = document.getElementById(put.key);
    if (put.place === "same") {
      const waits = this.#held.revise(put);
      if (old) swap(old, marked(put));
      else if (!waits) this.#insert(put);
      return;
    }
    this.#held.forget(put.key); // an older version, perhaps for another list, must not come after this one
    // What comes later must not overtake what waits.
    if (isInView(put.list) && !this.#held.isWaitingFor(put.list)) this.#insert(put);
    else this.#held.hold(put);
    this.#announce();
  }

  /** @param {Put} put */
  #insert(put) {
    const list = document.getElementById(put.list);
    if (!list) return;
    document.getElementById(put.key)?.remove();
    const article = marked(put);
    const next = put.place === "top" ? list.firstElementChild : [...list.children].find((each) => rank(each) < rank(article));
    list.insertBefore(article, next ?? null);
    if (put.list === "stream") [...list.children].slice(MOST_CARDS).forEach((card) => card.remove());
  }

  /**
   * @param {Slot} slot
   * @param {Element} content
   */
  #fill(slot, content) {
    const place = document.getElementById(slot);
    const old = place?.firstElementChild;
    // The stream repeats the notice to whoever joins; screen readers must not.
    if (old?.isEqualNode(content)) return;
    if (old) swap(old, content);
    else place?.append(content);
    this.expire();
  }

  #withdraw() {
    this.#held.release(isUpdate);
    this.#announce();
    const notice = document.createElement("p");
    notice.className = "withdrawn-story";
    notice.setAttribute("role", "status");
    notice.textContent = "This story was withdrawn.";
    document.getElementById("story")?.replaceChildren(notice);
    for (const id of ["pinned", "updates"]) document.getElementById(id)?.replaceChildren();
  }

  #showHeld() {
    const puts = this.#held.release();
    for (const put of puts) this.#insert(put);
    const target = puts.filter((put) => this.#counts(put.list)).at(-1);
    const shown = target && document.getElementById(target.key);
    shown?.scrollIntoView({ block: "start", behavior: calm.matches ? "auto" : "smooth" });
    shown?.setAttribute("tabindex", "-1");
    shown?.focus({ preventScroll: true });
    this.#announce();
  }

  #releaseInView() {
    const puts = this.#held.release(isInView);
    for (const put of puts) this.#insert(put);
    if (puts.length) this.#announce();
  }

  /** To who reads a story, other stories are not worth a button. @param {List} list */
  #counts(list) {
    return isUpdate(list) || !this.#isStory;
  }

  #announce() {
    const place = document.getElementById("arrivals");
    const summary = this.#held.summary((list) => this.#counts(list));
    if (this.#arrivals.textContent !== summary) this.#arrivals.textContent = summary;
    if (!summary) this.#arrivals.remove();
    else if (!this.#arrivals.isConnected) place?.append(this.#arrivals);
  }
}

/** @param {List} list */
function isUpdate(list) {
  return list !== "stream";
}

/**
 * @param {Document} from
 * @param {string} list
 */
function articles(from, list) {
  return /** @type {NodeListOf<HTMLElement>} */ (from.querySelectorAll(`${list} > article`));
}

/** Whether the reader would see something new at the top of the list. @param {List} list */
function isInView(list) {
  const top = document.getElementById(list)?.getBoundingClientRect().top ?? 0;
  return top >= 0 && top < innerHeight;
}

/**
 * Newest first: by the time at which readers got it, which for a draft that was held back is not that of its ID.
 * @param {Element} article
 */
function rank(article) {
  return `${/** @type {HTMLElement} */ (article).dataset.at} ${article.id}`;
}

/** @param {string} html */
function element(html) {
  const parsed = parse(html).body.firstElementChild;
  if (!parsed) throw new TypeError("A fragment has one root element.");
  return document.adoptNode(parsed);
}

/** @param {Put} put */
function marked(put) {
  const article = element(put.html);
  article.classList.toggle("fresh", put.fresh);
  article.addEventListener("animationend", () => article.classList.remove("fresh"), { once: true });
  return article;
}

/**
 * Puts the new in the place of the old, without a flicker of its pictures and without losing the reader's place in it.
 * @param {Element} old
 * @param {Element} replacement
 */
function swap(old, replacement) {
  const pictures = [...old.querySelectorAll("img")];
  for (const picture of replacement.querySelectorAll("img")) {
    const same = pictures.find((each) => each.isEqualNode(picture));
    if (same) picture.replaceWith(same);
  }
  const focused = old.contains(document.activeElement) && document.activeElement?.getAttribute("href");
  old.replaceWith(replacement);
  const links = /** @type {NodeListOf<HTMLElement>} */ (replacement.querySelectorAll("a[href]"));
  if (focused) [...links].find((link) => link.getAttribute("href") === focused)?.focus({ preventScroll: true });
}
