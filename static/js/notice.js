/** The breaking notice: one banner on every page, which who has read it may send away. */

import { keepingPlace } from "./place.js";
import { remember, remembered } from "./storage.js";

/** @typedef {import("./announcer.js").Announcer} Announcer */

const FLASH = "1";
/** Pixels between the banner and what is scrolled to. */
const ROOM = 16;

export class NoticeBar {
  #place = document.getElementById("notice");
  #now;
  #announcer;
  #onnew;
  /** The version of the last notice that there was. */ #known = "";
  /** Whatever is scrolled to comes to stand below the banner. */
  #room = new ResizeObserver(([entry]) => {
    document.documentElement.style.scrollPaddingTop = `${Math.ceil(entry?.contentRect.height ?? 0) + ROOM}px`;
  });

  /**
   * @param {() => number} now the server's time
   * @param {Announcer} announcer
   * @param {(notice: HTMLElement) => void} onnew a notice has come up that was not there when the page was opened
   */
  constructor(now, announcer, onnew) {
    this.#now = now;
    this.#announcer = announcer;
    this.#onnew = onnew;
    const notice = this.#shown;
    if (notice) this.#adopt(notice);
    if (this.#place) this.#room.observe(this.#place);
  }

  get #shown() {
    return /** @type {HTMLElement | null} */ (this.#place?.querySelector("[data-version]") ?? null);
  }

  /**
   * What is read moves down by the banner's height: it is not covered.
   * @param {HTMLElement} notice
   */
  show(notice) {
    const version = notice.dataset.version ?? "";
    const isNew = version !== this.#known;
    // The stream repeats the notice to whoever joins.
    if (!this.#place || (!isNew && (this.#shown || remembered("dismissed") === version))) return;
    const top = scrollY;
    const focused = this.#place.contains(document.activeElement);
    this.#place.replaceChildren(notice);
    this.#adopt(notice);
    if (focused) this.#place.querySelector("button")?.focus({ preventScroll: true });
    scrollTo({ top, behavior: "instant" });
    this.expire();
    if (isNew && notice.isConnected) this.#tell(notice);
  }

  clear() {
    keepingPlace(() => this.#place?.replaceChildren());
  }

  /** Takes down a notice whose time is over. */
  expire() {
    if (Date.parse(this.#shown?.dataset.expires ?? "") <= this.#now()) this.clear();
  }

  /** @param {HTMLElement} notice */
  #adopt(notice) {
    this.#known = notice.dataset.version ?? "";
    if (remembered("dismissed") === this.#known) return this.clear();
    const button = document.createElement("button");
    button.type = "button";
    button.className = "notice-close";
    button.setAttribute("aria-label", "Dismiss this notice");
    button.textContent = "×";
    button.addEventListener("click", () => this.#dismiss());
    notice.querySelector("p")?.append(button);
  }

  #dismiss() {
    remember("dismissed", this.#known);
    this.clear();
    document.getElementById("main")?.focus({ preventScroll: true });
  }

  /** @param {HTMLElement} notice */
  #tell(notice) {
    const text = textOf(notice);
    if (notice.dataset.urgency === FLASH) this.#announcer.interrupt(`Breaking: ${text}`);
    else this.#announcer.say(`Breaking: ${text}`);
    this.#onnew(notice);
  }
}

/** @param {HTMLElement} notice */
export function textOf(notice) {
  return notice.querySelector("a, span")?.textContent ?? "";
}
