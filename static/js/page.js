/** The document: what it shows at first, and operations applied to it. */

import { number } from "./feed.js";
import { Held } from "./held.js";
import { parse } from "./html.js";
import { list as listKeyEvent, revise as reviseKeyEvent } from "./key-events.js";
import { morph } from "./morph.js";
import { isInView, keepingPlace } from "./place.js";
import { Shown } from "./story.js";
import { Unread } from "./unread.js";

/**
 * @typedef {import("./announcer.js").Announcer} Announcer
 * @typedef {import("./notice.js").NoticeBar} NoticeBar
 * @typedef {import("./story.js").Operation} Operation
 * @typedef {import("./story.js").Put} Put
 * @typedef {import("./story.js").List} List
 * @typedef {import("./story.js").Slot} Slot
 */

/** Every place that messages change, but for the notice. */
const REGIONS = ["promo", "story", "key-events", "pinned", "updates", "older", "stream"];
/** A page left open for days stays small. */
const MOST_CARDS = 100;

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * What a document shows, from the versions that the server wrote into it.
 * @param {Document} from
 * @param {Shown} [shown] takes it in, where the document is a part of a page
 */
export function shownIn(from, shown = new Shown()) {
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
  #unread = new Unread();
  #notice;
  #announcer;
  #arrivals = document.createElement("button");
  #isStory = document.getElementById("story") !== null;
  /** Newer versions of updates that are further back than the page goes. @type {Map<string, Put>} */
  #beyond = new Map();

  /**
   * @param {NoticeBar} notice
   * @param {Announcer} announcer
   */
  constructor(notice, announcer) {
    this.#notice = notice;
    this.#announcer = announcer;
    this.#arrivals.type = "button";
    this.#arrivals.addEventListener("click", () => this.#showHeld());
    document.addEventListener("scroll", () => this.#releaseInView(), { passive: true });
    document.addEventListener("animationend", ({ target }) => target instanceof Element && target.classList.remove("fresh"));
    number();
  }

  /** @param {Operation} operation */
  apply(operation) {
    switch (operation.op) {
      case "put":
        this.#put(operation);
        break;
      case "remove":
        this.#remove(operation.key);
        break;
      case "fill":
        this.#fill(operation.slot, element(operation.html));
        break;
      case "clear":
        this.#clear(operation.slot);
        break;
      case "withdraw":
        this.#withdraw();
    }
    number();
  }

  /**
   * Shows what a fresh copy of the page shows; its articles are taken out of it.
   * @param {Document} fresh
   */
  replace(fresh) {
    this.#held.release();
    this.#beyond.clear();
    this.#offer();
    keepingPlace(() => {
      for (const id of REGIONS) {
        document.getElementById(id)?.replaceChildren(...(fresh.getElementById(id)?.childNodes ?? []));
      }
    });
    const notice = /** @type {HTMLElement | null} */ (fresh.querySelector("#notice > *"));
    if (notice) this.#notice.show(document.adoptNode(notice));
    else this.#notice.clear();
    number();
  }

  /**
   * Adds older updates below the others.
   * @param {Document} part
   */
  append(part) {
    const list = document.getElementById("updates");
    for (const update of articles(part, "#updates")) {
      const newer = this.#beyond.get(update.id);
      if (!document.getElementById(update.id)) list?.append(newer ? element(newer.html) : document.adoptNode(update));
    }
    document.getElementById("older")?.replaceChildren(...(part.getElementById("older")?.childNodes ?? []));
    number();
  }

  /** @param {Put} put */
  #put(put) {
    const old = document.getElementById(put.key);
    const stays = put.place === "top" && old !== null && old === old.parentElement?.firstElementChild;
    if (put.place === "same" || stays) {
      const waits = this.#held.revise(put);
      if (old) this.#change(old, put);
      else if (!waits) keepingPlace(() => this.#insert(put));
      if (!put.fresh) this.#unread.forget(put.key);
      return this.#offer();
    }
    this.#held.forget(put.key); // an older version, perhaps for another list, must not come after this one
    this.#arrive(put);
    this.#offer();
  }

  /** @param {Put} put */
  #arrive(put) {
    if (put.fresh && this.#counts(put.list)) {
      this.#announcer.arrived(put.key, put.list);
      this.#unread.count(put.key);
    }
    // What comes later must not overtake what waits.
    if (!this.#mayTake(put.list) || this.#held.isWaitingFor(put.list)) return this.#wait(put);
    keepingPlace(() => this.#insert(put, document.hidden));
  }

  /** What is on the page already changes where it is, be it a story's card or a line: only a move waits. @param {Put} put */
  #wait(put) {
    const old = document.getElementById(put.key);
    if (isUpdate(put.list)) keepingPlace(() => reviseKeyEvent(element(put.html)));
    else if (old) this.#change(old, put);
    this.#held.hold(put);
  }

  /** Whether news for a list can be shown now. @param {List} list */
  #mayTake(list) {
    return isInView(list) && !(list === "updates" && isOlderPart());
  }

  /**
   * @param {HTMLElement} old
   * @param {Put} put
   */
  #change(old, put) {
    const article = marked(put);
    article.classList.toggle("unread", old.classList.contains("unread"));
    keepingPlace(() => {
      morph(old, article);
      if (isUpdate(put.list)) listKeyEvent(old);
    });
  }

  /**
   * @param {Put} put
   * @param {boolean} [isUnread]
   */
  #insert(put, isUnread = false) {
    const list = document.getElementById(put.list);
    if (!list) return;
    document.getElementById(put.key)?.remove();
    const article = marked(put);
    if (isUpdate(put.list)) listKeyEvent(article);
    const next = put.place === "top" ? list.firstElementChild : [...list.children].find((each) => rank(each) < rank(article));
    if (put.list === "updates" && !next && document.querySelector("#older a")) {
      this.#beyond.set(put.key, put);
      return;
    }
    list.insertBefore(article, next ?? null);
    if (isUnread && put.fresh) this.#unread.mark(article);
    if (put.list === "stream") [...list.children].slice(MOST_CARDS).forEach((card) => card.remove());
  }

  /** @param {string} key */
  #remove(key) {
    this.#held.forget(key);
    this.#unread.forget(key);
    keepingPlace(() => document.getElementById(key)?.remove());
    this.#offer();
  }

  /**
   * @param {Slot} slot
   * @param {HTMLElement} content
   */
  #fill(slot, content) {
    if (slot === "notice") return this.#notice.show(content);
    const place = document.getElementById(slot);
    const old = place?.firstElementChild;
    keepingPlace(() => (old ? morph(old, content) : place?.append(content)));
  }

  /** @param {Slot} slot */
  #clear(slot) {
    if (slot === "notice") return this.#notice.clear();
    keepingPlace(() => document.getElementById(slot)?.replaceChildren());
  }

  #withdraw() {
    this.#held.release(isUpdate);
    this.#offer();
    const notice = document.createElement("p");
    notice.className = "withdrawn-story";
    notice.setAttribute("role", "status");
    notice.textContent = "This story was withdrawn.";
    document.getElementById("story")?.replaceChildren(notice);
    for (const id of ["key-events", "pinned", "updates", "older"]) document.getElementById(id)?.replaceChildren();
  }

  #showHeld() {
    if (isOlderPart() && this.#held.isWaitingFor("updates")) return location.assign(location.pathname);
    const puts = this.#held.release();
    for (const put of puts) this.#insert(put, true);
    number();
    this.#offer();
    const shown = puts.filter((put) => put.fresh && this.#counts(put.list)).map((put) => document.getElementById(put.key));
    const first = shown.reduce((one, other) => (other && (!one || isAbove(other, one)) ? other : one), null);
    first?.focus({ preventScroll: true });
    first?.scrollIntoView({ block: "start", behavior: calm.matches ? "auto" : "smooth" });
  }

  #releaseInView() {
    const puts = this.#held.release((list) => this.#mayTake(list));
    if (!puts.length) return;
    keepingPlace(() => puts.forEach((put) => this.#insert(put, true)));
    number();
    this.#offer();
  }

  /** To who reads a story, other stories are not worth a button. @param {List} list */
  #counts(list) {
    return isUpdate(list) || !this.#isStory;
  }

  /** Offers to show what waits. */
  #offer() {
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

/** Whether this page of a story begins further back than with its newest update. */
function isOlderPart() {
  return document.getElementById("updates")?.dataset.part === "older";
}

/**
 * @param {Element} one
 * @param {Element} other
 */
function isAbove(one, other) {
  return (one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0;
}

/**
 * @param {Document} from
 * @param {string} list
 */
function articles(from, list) {
  return /** @type {NodeListOf<HTMLElement>} */ (from.querySelectorAll(`${list} > article`));
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
  return /** @type {HTMLElement} */ (document.adoptNode(parsed));
}

/** @param {Put} put */
function marked(put) {
  const article = element(put.html);
  article.classList.toggle("fresh", put.fresh);
  return article;
}
