/**
 * What arrived for a part of the page that is not in view, and waits until the reader asks for it. No DOM.
 *
 * @typedef {import("./story.js").Put} Put
 * @typedef {import("./story.js").List} List
 */
export class Held {
  /** In order of arrival, the newest version of each. @type {Map<string, Put>} */
  #puts = new Map();

  /** @param {Put} put */
  hold(put) {
    this.#puts.delete(put.key);
    this.#puts.set(put.key, put);
  }

  /**
   * A later version in the same place goes where the waiting one was to go.
   * @param {Put} put
   * @returns {boolean} whether one was waiting
   */
  revise(put) {
    const waiting = this.#puts.get(put.key);
    if (waiting) this.#puts.set(put.key, { ...waiting, html: put.html, fresh: put.fresh });
    return waiting !== undefined;
  }

  /** @param {string} key */
  forget(key) {
    this.#puts.delete(key);
  }

  /**
   * Those for the lists, which no longer wait.
   * @param {(list: List) => boolean} isWanted
   * @returns {Put[]}
   */
  release(isWanted = () => true) {
    const released = [...this.#puts.values()].filter((put) => isWanted(put.list));
    for (const put of released) this.#puts.delete(put.key);
    return released;
  }

  /** @param {List} list */
  isWaitingFor(list) {
    return [...this.#puts.values()].some((put) => put.list === list);
  }

  /** How much news waits, in words, or nothing: "3 new updates". @param {(list: List) => boolean} counts */
  summary(counts) {
    const news = [...this.#puts.values()].filter((put) => put.fresh && counts(put.list));
    return inWords(news.map((put) => put.list));
  }
}

/**
 * How much news that is, by the lists it is for: "2 new updates, 1 new story"; nothing if it is none.
 * @param {List[]} lists
 */
export function inWords(lists) {
  const stories = lists.filter((list) => list === "stream").length;
  return [count(lists.length - stories, "update", "updates"), count(stories, "story", "stories")]
    .filter(Boolean).join(", ");
}

/**
 * @param {number} number
 * @param {string} one
 * @param {string} many
 */
function count(number, one, many) {
  return number && `${number} new ${number === 1 ? one : many}`;
}
