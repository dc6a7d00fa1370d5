/**
 * What was posted and is not known to have arrived: kept until it is, whatever happens to the tab or the network.
 * Each post has the idempotency key of its first try, so a repetition cannot double it.
 *
 * @typedef {{ key: string, method: string, path: string, body: any }} Post
 * @typedef {Pick<Storage, "getItem" | "setItem" | "removeItem">} Store
 */

export class Outbox {
  /**
   * @param {Store} store
   * @param {string} name of this editor's box
   */
  constructor(store, name) {
    this.store = store;
    this.name = name;
  }

  /** @returns {Post[]} the oldest first */
  all() {
    try {
      return JSON.parse(this.store.getItem(this.name) ?? "[]");
    } catch {
      return [];
    }
  }

  /** @param {Post} post */
  add(post) {
    this.store.setItem(this.name, JSON.stringify([...this.all(), post]));
  }

  /** @param {string} key */
  remove(key) {
    this.store.setItem(this.name, JSON.stringify(this.all().filter((post) => post.key !== key)));
  }
}

/**
 * Milliseconds to wait before a try: they double, up to half a minute, with full jitter.
 * @param {number} tries made so far
 * @param {() => number} chance from 0 to 1
 */
export function pause(tries, chance = Math.random) {
  return chance() * Math.min(30_000, 500 * 2 ** Math.min(tries, 10));
}
