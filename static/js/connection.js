/**
 * The stream, kept up for as long as the page is: reconnects by itself and resumes where it was. No DOM.
 *
 * @typedef {import("./websocket.js").Transport} Transport
 * @typedef {import("./websocket.js").Link} Link
 * @typedef {import("./story.js").Frame} Frame
 * @typedef {"live" | "reconnecting"} State
 *
 * @typedef {object} Timers
 * @property {() => number} now
 * @property {(task: () => void, delay: number) => any} set
 * @property {(timer: any) => void} clear
 *
 * @typedef {object} Options
 * @property {Transport} transport
 * @property {(cursor: string) => string} address where to connect to get what came after the cursor
 * @property {string} cursor
 * @property {(frame: Frame) => void} onframe
 * @property {(state: State) => void} onstate
 * @property {() => void} onreset the cursor is lost: get a fresh page, then call `resume`. The link is down till then.
 * @property {Timers} [timers]
 * @property {() => number} [random]
 */

const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;
const HELLO_WITHIN = 20_000;
/** Before two ticks have told how often they come: more than the longest interval a server may be set to. */
const SILENCE_AT_FIRST = 330_000;
const TICKS_MISSED = 2.5;
const SHORTEST_SILENCE = 5_000;

/** @type {Timers} */
const BROWSER_TIMERS = {
  now: () => performance.now(),
  set: (task, delay) => setTimeout(task, delay),
  clear: (timer) => clearTimeout(timer),
};

/**
 * A random wait up to a bound that doubles: readers who lost the server together do not come back together.
 * @param {number} attempt from 0
 * @param {() => number} random
 */
export function backOff(attempt, random) {
  return random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempt);
}

export class Connection {
  #options;
  #timers;
  #random;
  #cursor;
  /** @type {Link | null} */ #link = null;
  /** @type {any} */ #retry = null;
  /** @type {any} */ #watchdog = null;
  /** Whether the cursor is lost and the fresh page is not here yet. */ #isLost = false;
  /** Whether `wake` may cut the wait short: not when the server asked for it. */ #impatient = false;
  #attempts = 0;
  #resets = 0;
  #heard = 0;
  #silence = HELLO_WITHIN;
  /** @type {number | null} */ #lastTick = null;
  /** @type {State | null} */ #state = null;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#timers = options.timers ?? BROWSER_TIMERS;
    this.#random = options.random ?? Math.random;
    this.#cursor = options.cursor;
  }

  /** The position up to which everything has arrived. */
  get cursor() {
    return this.#cursor;
  }

  /** Connects; does nothing while connected or about to be, nor between a reset and `resume`. */
  start() {
    if (!this.#link && this.#retry === null && !this.#isLost) this.#open();
  }

  /** Disconnects until `start` or `resume`. */
  stop() {
    this.#drop();
    this.#enter("reconnecting");
  }

  /**
   * Goes on from the cursor of a fresh page.
   * A page whose cursor is lost as well (an old copy from some cache) must not make a tight loop.
   * @param {string} cursor
   */
  resume(cursor) {
    this.#cursor = cursor;
    this.#isLost = false;
    this.#drop();
    if (this.#resets > 1) this.#wait(backOff(this.#resets, this.#random), true);
    else this.#open();
  }

  /** The device is back online, or the page back in view: look now rather than later. */
  wake() {
    if (this.#retry !== null && this.#impatient) this.#open();
    else if (this.#link && this.#isSilent()) this.#lose();
  }

  #open() {
    this.#drop();
    this.#listenFor(HELLO_WITHIN);
    const link = this.#options.transport(this.#options.address(this.#cursor), {
      text: (text) => this.#link === link && this.#receive(JSON.parse(text)),
      closed: () => this.#link === link && this.#lose(),
    });
    this.#link = link;
  }

  /** @param {Frame} frame */
  #receive(frame) {
    this.#heard = this.#timers.now();
    if (frame.type === "reset") return this.#reset();
    if (frame.type === "reconnect") return this.#reconnect(frame.in ?? 0);
    if (frame.type === "hello") this.#greet();
    if (frame.type === "tick") this.#tick();
    this.#options.onframe(frame);
    if (frame.id && !frame.more) this.#cursor = frame.id;
  }

  #greet() {
    this.#attempts = 0;
    this.#lastTick = null;
    this.#listenFor(SILENCE_AT_FIRST);
    this.#enter("live");
  }

  #tick() {
    this.#resets = 0;
    if (this.#lastTick !== null) {
      this.#listenFor(Math.max(SHORTEST_SILENCE, TICKS_MISSED * (this.#heard - this.#lastTick)));
    }
    this.#lastTick = this.#heard;
  }

  #reset() {
    this.#resets += 1;
    this.#isLost = true;
    this.#drop();
    this.#enter("reconnecting");
    this.#options.onreset();
  }

  /** @param {number} delay */
  #reconnect(delay) {
    this.#drop();
    this.#enter("reconnecting");
    this.#wait(delay, false);
  }

  #lose() {
    this.#drop();
    this.#enter("reconnecting");
    this.#wait(backOff(this.#attempts, this.#random), true);
    this.#attempts += 1;
  }

  /**
   * @param {number} delay
   * @param {boolean} impatient
   */
  #wait(delay, impatient) {
    this.#impatient = impatient;
    this.#retry = this.#timers.set(() => this.#open(), delay);
  }

  #drop() {
    const link = this.#link;
    this.#link = null;
    link?.close();
    this.#timers.clear(this.#retry);
    this.#timers.clear(this.#watchdog);
    this.#retry = this.#watchdog = null;
  }

  /**
   * A dead network closes nothing: only the ticks that stop coming tell.
   * @param {number} silence
   */
  #listenFor(silence) {
    this.#silence = silence;
    this.#heard = this.#timers.now();
    this.#watch();
  }

  #watch() {
    this.#timers.clear(this.#watchdog);
    const left = this.#heard + this.#silence - this.#timers.now();
    this.#watchdog = this.#timers.set(() => (this.#isSilent() ? this.#lose() : this.#watch()), left);
  }

  #isSilent() {
    return this.#timers.now() - this.#heard >= this.#silence;
  }

  /** @param {State} state */
  #enter(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onstate(state);
  }
}
