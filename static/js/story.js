/**
 * What a page shows, and what a message changes about it. No DOM: messages in, operations out.
 * The same message twice, or an old one again, changes nothing: each thing shown has a version.
 *
 * @typedef {object} Frame a message of the stream (docs/protocol.md)
 * @property {string} type
 * @property {string} [id]
 * @property {boolean} [more]
 * @property {string} [topic]
 * @property {string} [at]
 * @property {string} [now]
 * @property {number} [in]
 * @property {string} [story]
 * @property {string} [update]
 * @property {number} [version]
 * @property {boolean} [pinned]
 * @property {boolean} [gone]
 * @property {string} [html]
 *
 * @typedef {"stream" | "updates" | "pinned"} List
 * @typedef {"notice" | "promo" | "story"} Slot
 *
 * @typedef {{ op: "put", key: string, list: List, place: "top" | "order" | "same", fresh: boolean, html: string }} Put
 *   `top`: first in its list. `order`: newest first. `same`: where its predecessor is.
 *   `fresh`: news to the reader, worth a mark.
 * @typedef {Put
 *   | { op: "remove", key: string }
 *   | { op: "fill", slot: Slot, html: string }
 *   | { op: "clear", slot: Slot }
 *   | { op: "withdraw" }} Operation
 *
 * @typedef {{ version: number, at: string }} Stamp
 * @typedef {{ version: number, list: List }} Place
 */

import { isBefore } from "./cursor.js";

/** @param {string} slug */
export const cardKey = (slug) => `card-${slug}`;

/** @param {string} id */
export const updateKey = (id) => `u-${id}`;

export class Shown {
  /** The story of a story's page. @type {{ slug: string, version: number } | null} */
  story = null;
  /** By story; those that went stay, lest an old message brings them back. @type {Map<string, Stamp>} */
  cards = new Map();
  /** @type {Map<string, Place>} */
  updates = new Map();
  /** The cursor of what each slot shows. @type {Map<Slot, string>} */
  #slots = new Map();

  /**
   * What to do on the page for a message; it counts as done.
   * @param {Frame} frame
   * @returns {Operation[]}
   */
  take(frame) {
    switch (frame.type) {
      case "story":
        return frame.topic?.startsWith("story/") ? this.#takeStory(frame) : this.#takeCard(frame);
      case "update":
      case "correction":
      case "retraction":
        return this.#takeUpdate(frame);
      case "notice":
      case "promo":
        return this.#takeSlot(frame.type, frame);
      default:
        return [];
    }
  }

  /**
   * An older one may come after one that overtook it.
   * @param {"notice" | "promo"} name
   * @param {Frame} frame
   * @returns {Operation[]}
   */
  #takeSlot(name, { id = "0-0", html }) {
    if (isBefore(id, this.#slots.get(name) ?? "0-0")) return [];
    this.#slots.set(name, id);
    return [slot(name, html)];
  }

  /**
   * @param {Frame} frame
   * @returns {Operation[]}
   */
  #takeStory({ story, version = 0, gone, html }) {
    if (!this.story || story !== this.story.slug || version <= this.story.version) return [];
    this.story.version = version;
    if (gone) return [{ op: "withdraw" }];
    return html ? [{ op: "fill", slot: "story", html }] : [];
  }

  /**
   * @param {Frame} frame
   * @returns {Operation[]}
   */
  #takeCard({ story = "", version = 0, at = "", gone, html }) {
    if (story === this.story?.slug) return [];
    const known = this.cards.get(story);
    if (known && !isNewer({ version, at }, known)) return [];
    this.cards.set(story, { version, at });
    const key = cardKey(story);
    if (gone) return known ? [{ op: "remove", key }] : [];
    return html ? [{ op: "put", key, list: "stream", place: "top", fresh: true, html }] : [];
  }

  /**
   * @param {Frame} frame
   * @returns {Operation[]}
   */
  #takeUpdate({ type, story, update = "", version = 0, pinned, html }) {
    const known = this.updates.get(update);
    if (story !== this.story?.slug || !html || (known && version <= known.version)) return [];
    const wanted = pinned ? "pinned" : "updates";
    const list = known && type === "retraction" ? known.list : wanted;
    this.updates.set(update, { version, list });
    const place = known?.list === list ? "same" : "order";
    return [{ op: "put", key: updateKey(update), list, place, fresh: type !== "retraction", html }];
  }
}

/**
 * @param {Stamp} stamp
 * @param {Stamp} known
 */
function isNewer(stamp, known) {
  return stamp.version > known.version || (stamp.version === known.version && stamp.at > known.at);
}

/**
 * @param {Slot} name
 * @param {string} [html]
 * @returns {Operation}
 */
function slot(name, html) {
  return html ? { op: "fill", slot: name, html } : { op: "clear", slot: name };
}
