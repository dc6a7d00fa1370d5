/** Server time: the device's clock and what it is wrong by. */
export class Clock {
  #offset = 0;
  #device;

  /** @param {() => number} [device] the device's clock, in epoch milliseconds */
  constructor(device = Date.now) {
    this.#device = device;
  }

  /** The time on the server, in epoch milliseconds. */
  now() {
    return this.#device() + this.#offset;
  }

  /**
   * Takes the server's word for what time it is, or was `age` milliseconds ago.
   * @param {number} serverTime
   * @param {number} [age]
   */
  correct(serverTime, age = 0) {
    if (Number.isFinite(serverTime)) this.#offset = serverTime + age - this.#device();
  }
}

/**
 * Sets the clock by the page's own response, whose Server-Timing header has the time it was sent.
 * A page out of the browser's cache (nothing transferred) has the header of that day: it says nothing about now.
 * @param {Clock} clock
 * @param {Performance} performance
 */
export function correctByNavigation(clock, performance) {
  const [page] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  const sent = page?.serverTiming?.find((metric) => metric.name === "now");
  if (page && sent && page.transferSize > 0) clock.correct(sent.duration, performance.now() - page.responseStart);
}
