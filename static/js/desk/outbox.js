/**
 * What was posted and is not known to have arrived: kept until it is, whatever happens to the tab or the network.
 * Each post has the idempotency key of its first try, so a repetition cannot double it.
 *
 * @typedef {import("./fields.js").Field} Field
 * @typedef {{ key: string, method: string, path: string, body: any, fields?: Field[], refusal?: string }} Post
 *   `fields`: of the form it came from; `refusal`: why the server does not take it.
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

  /** The one that is to be sent next: the oldest that was not refused. @returns {Post | undefined} */
  next() {
    return this.all().find((post) => !post.refusal);
  }

  /** @param {Post} post */
  add(post) {
    this.#write([...this.all(), post]);
  }

  /** @param {string} key */
  remove(key) {
    this.#write(this.all().filter((post) => post.key !== key));
  }

  /** Keeps a post that the server does not take, until its editor does. @param {string} key @param {string} refusal */
  refuse(key, refusal) {
    this.#write(this.all().map((post) => (post.key === key ? { ...post, refusal } : post)));
  }

  /** @param {Post[]} posts */
  #write(posts) {
    this.store.setItem(this.name, JSON.stringify(posts));
  }
}

/** A name for a post that no other has. Also where the page did not come over TLS, unlike `crypto.randomUUID`. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Milliseconds to wait before a try: they double, up to half a minute, with full jitter.
 * @param {number} tries made so far
 * @param {() => number} chance from 0 to 1
 */
export function pause(tries, chance = Math.random) {
  return chance() * Math.min(30_000, 500 * 2 ** Math.min(tries, 10));
}
