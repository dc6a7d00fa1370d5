/**
 * The stream, kept up for as long as the page is: reconnects by itself and resumes where it was, by the best way that
 * the network lets through. No DOM.
 *
 * @typedef {import("./websocket.js").Transport} Transport
 * @typedef {import("./websocket.js").Link} Link
 * @typedef {import("./story.js").Frame} Frame
 * @typedef {"live" | "reconnecting" | "delayed"} State
 *   `delayed`: news comes late, since it is only asked for now and then, or the server is long out of reach.
 *
 * @typedef {object} Timers
 * @property {() => number} now
 * @property {() => number} wall the time of day: it goes on while the device sleeps, as `now` may not, but may be set
 * @property {(task: () => void, delay: number) => any} set
 * @property {(timer: any) => void} clear
 *
 * @typedef {object} Options
 * @property {Transport[]} transports the best first; each takes the same cursor
 * @property {Transport} [late] the one of them that brings news late
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
const HELLO_WITHIN = 10_000;
/** A link that was cut before it lasted so long proves nothing: some proxies let one up and end it at once. */
const STEADY_AFTER = 5_000;
/** So many links of one kind that were not steady, and the next kind is tried. */
const TRIES = 2;
/** So long a lesser kind of link is put up with before the best is tried again; it doubles each time, up to here. */
const LOOK_UP_AFTER = 30_000;
const LOOK_UP_AT_LAST = 600_000;
/** So long at first, where the better links were never greeted: it may have been the server that was away. */
const LOOK_UP_SOON = 5_000;
/** So long without a link, readers are told that news is late. */
const DELAYED_AFTER = 20_000;
/** Before two ticks have told how often they come: more than the longest interval a server may be set to. */
const SILENCE_AT_FIRST = 330_000;
const TICKS_MISSED = 2.5;
const SHORTEST_SILENCE = 5_000;

/** @type {Timers} */
const BROWSER_TIMERS = {
  now: () => performance.now(),
  wall: Date.now,
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
  /** Which of the transports is in use. */ #kind = 0;
  #attempts = 0;
  /** Links of this kind in a row that were not steady. */ #unsteady = 0;
  #lookUps = 0;
  #resets = 0;
  /** When this link was greeted. @type {number | null} */ #greeted = null;
  /** Whether the link before this one was lost without a greeting. */ #wasRefused = false;
  /** @type {any} */ #lookUp = null;
  /** @type {any} */ #delay = null;
  #heard = 0;
  /** The same by the clock on the wall. */ #heardAt = 0;
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
    this.#timers.clear(this.#delay);
    this.#delay = null;
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

  /** The device is back online, or the page back in view: look now rather than later, and for the best way. */
  wake() {
    const waits = this.#retry !== null && this.#impatient;
    if (!waits && !(this.#link && this.#isSilent())) return;
    this.#lookUps = 0;
    this.#best();
  }

  /** The device says that its network is gone: the link is dead, though nobody closed it. */
  doubt() {
    if (this.#link) this.#lose();
  }

  #open() {
    this.#drop();
    this.#listenFor(HELLO_WITHIN);
    const link = this.#transport(this.#options.address(this.#cursor), {
      text: (text) => this.#link === link && this.#receive(JSON.parse(text)),
      closed: () => this.#link === link && this.#lose(),
    });
    this.#link = link;
  }

  get #transport() {
    return /** @type {Transport} */ (this.#options.transports[this.#kind]);
  }

  /** @param {Frame} frame */
  #receive(frame) {
    this.#hear();
    if (frame.type === "reset") return this.#reset();
    if (frame.type === "reconnect") return this.#reconnect(frame.in ?? 0);
    if (frame.type === "hello") this.#greet();
    if (frame.type === "tick") this.#tick();
    this.#options.onframe(frame);
    if (frame.id && !frame.more) this.#cursor = frame.id;
  }

  #greet() {
    this.#greeted = this.#timers.now();
    this.#lastTick = null;
    this.#listenFor(SILENCE_AT_FIRST);
    this.#enter(this.#transport === this.#options.late ? "delayed" : "live");
    if (this.#kind > 0) this.#stay();
  }

  /** Makes do with a lesser kind of link for a while. */
  #stay() {
    const soon = this.#wasRefused && this.#lookUps === 0;
    const duration = soon ? LOOK_UP_SOON : Math.min(LOOK_UP_AT_LAST, LOOK_UP_AFTER * 2 ** this.#lookUps);
    this.#lookUp = this.#timers.set(() => {
      this.#lookUps += 1;
      this.#best();
    }, duration);
  }

  /** Tries the best kind again: networks change. */
  #best() {
    this.#kind = this.#attempts = this.#unsteady = 0;
    this.#drop();
    this.#enter("reconnecting");
    this.#open();
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
    const steady = this.#greeted !== null && this.#timers.now() - this.#greeted >= STEADY_AFTER;
    this.#wasRefused = this.#greeted === null;
    this.#drop();
    this.#enter("reconnecting");
    if (steady) this.#settle();
    else this.#descend();
    this.#wait(backOff(this.#attempts, this.#random), true);
    this.#attempts += 1;
  }

  /** This kind of link has proved itself. */
  #settle() {
    this.#attempts = this.#unsteady = 0;
    if (this.#kind === 0) this.#lookUps = 0;
  }

  /** After some links of a kind that were not steady, the next kind; after the last, the best. */
  #descend() {
    this.#unsteady += 1;
    if (this.#unsteady < TRIES) return;
    this.#unsteady = 0;
    this.#kind = (this.#kind + 1) % this.#options.transports.length;
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
    this.#timers.clear(this.#lookUp);
    this.#retry = this.#watchdog = this.#lookUp = this.#greeted = null;
  }

  /**
   * A dead network closes nothing: only the ticks that stop coming tell.
   * @param {number} silence
   */
  #listenFor(silence) {
    this.#silence = silence;
    this.#hear();
    this.#watch();
  }

  #hear() {
    this.#heard = this.#timers.now();
    this.#heardAt = this.#timers.wall();
  }

  /** Looks often, since timers stand still while the device sleeps. */
  #watch() {
    this.#timers.clear(this.#watchdog);
    const left = Math.min(SHORTEST_SILENCE, this.#heard + this.#silence - this.#timers.now());
    this.#watchdog = this.#timers.set(() => (this.#isSilent() ? this.#lose() : this.#watch()), left);
  }

  #isSilent() {
    const { now, wall } = this.#timers;
    return Math.max(now() - this.#heard, wall() - this.#heardAt) >= this.#silence;
  }

  /** @param {State} state */
  #enter(state) {
    if (state === "reconnecting" && this.#delay !== null) return;
    this.#timers.clear(this.#delay);
    this.#delay = null;
    if (state === "reconnecting") this.#delay = this.#timers.set(() => this.#tell("delayed"), DELAYED_AFTER);
    this.#tell(state);
  }

  /** @param {State} state */
  #tell(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onstate(state);
  }
}
