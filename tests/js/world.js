/** A clock that moves when told to, and transports whose other end is the test. */

import { Connection } from "../../static/js/connection.js";

/**
 * @typedef {import("../../static/js/story.js").Frame} Frame
 * @typedef {import("../../static/js/connection.js").State} State
 * @typedef {import("../../static/js/websocket.js").LinkEvents} LinkEvents
 * @typedef {import("../../static/js/websocket.js").Transport} Transport
 * @typedef {{ kind: string, address: string, events: LinkEvents, open: boolean }} End
 */

export class World {
  now = 0;
  /** How long the device slept so far: only the clock on the wall went on. */
  slept = 0;
  /** What the dice show, in [0, 1). */
  chance = 0.5;
  /** @type {End[]} */
  ends = [];
  /** @type {Frame[]} */
  frames = [];
  /** @type {State[]} */
  states = [];
  resets = 0;
  /** @type {Map<number, { at: number, task: () => void }>} */
  #timers = new Map();
  #count = 0;

  /** @param {string} cursor */
  connection(cursor = "1-0") {
    const [best, lesser, late] = /** @type {[Transport, Transport, Transport]} */ (
      ["best", "lesser", "late"].map((kind) => this.#transport(kind))
    );
    return new Connection({
      cursor,
      address: (after) => `after=${after}`,
      transports: [best, lesser, late],
      late,
      onframe: (frame) => this.frames.push(frame),
      onstate: (state) => this.states.push(state),
      onreset: () => (this.resets += 1),
      random: () => this.chance,
      timers: {
        now: () => this.now,
        wall: () => this.now + this.slept,
        set: (task, delay) => this.#set(task, delay),
        clear: (timer) => this.#timers.delete(timer),
      },
    });
  }

  /** The latest link's other end. */
  get server() {
    const end = this.ends.at(-1);
    if (!end) throw new Error("nobody connected");
    return end;
  }

  /** @param {Frame} frame */
  send(frame) {
    this.server.events.text(JSON.stringify(frame));
  }

  hello(id = "1-0") {
    this.send({ type: "hello", id, now: "2026-11-22T20:26:00.000Z" });
  }

  /** Lets time pass, with all that was due in it. @param {number} duration */
  pass(duration) {
    const end = this.now + duration;
    for (;;) {
      const [next] = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (!next) break;
      this.#timers.delete(next[0]);
      this.now = next[1].at;
      next[1].task();
    }
    this.now = end;
  }

  /** How many timers are set. */
  get pending() {
    return this.#timers.size;
  }

  /**
   * @param {string} kind
   * @returns {Transport}
   */
  #transport(kind) {
    return (address, events) => {
      const end = { kind, address, events, open: true };
      this.ends.push(end);
      return { close: () => void (end.open = false) };
    };
  }

  /**
   * @param {() => void} task
   * @param {number} delay
   */
  #set(task, delay) {
    this.#count += 1;
    this.#timers.set(this.#count, { at: this.now + delay, task });
    return this.#count;
  }
}
