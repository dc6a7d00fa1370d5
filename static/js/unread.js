/** What the reader has not seen: marked on the page, and counted in the title while the tab is hidden. */

const SEEN_AFTER = 2_000;

export class Unread {
  #title = document.title;
  /** @type {Set<string>} */ #away = new Set();
  #inView = new IntersectionObserver((entries) => entries.forEach((entry) => this.#saw(entry)));

  constructor() {
    document.addEventListener("visibilitychange", () => document.hidden || this.#back());
  }

  /** Takes note of news that came in. @param {string} key */
  count(key) {
    if (!document.hidden) return;
    this.#away.add(key);
    this.#show();
  }

  /** What was withdrawn is no news. @param {string} key */
  forget(key) {
    if (this.#away.delete(key)) this.#show();
  }

  /** Marks what the reader did not see coming, until it has been on the screen for a moment. @param {Element} article */
  mark(article) {
    article.classList.add("unread");
    this.#inView.observe(article);
  }

  /** @param {IntersectionObserverEntry} entry */
  #saw({ target, isIntersecting }) {
    if (!isIntersecting) return;
    this.#inView.unobserve(target);
    setTimeout(() => target.classList.remove("unread"), SEEN_AFTER);
  }

  #back() {
    this.#away.clear();
    this.#show();
  }

  #show() {
    document.title = this.#away.size ? `(${this.#away.size}) ${this.#title}` : this.#title;
  }
}
