import assert from "node:assert/strict";
import { test } from "node:test";

import { Clock, correctByNavigation } from "../../static/js/clock.js";

/** @param {number} transferSize */
const performanceOf = (transferSize) => /** @type {Performance} */ (/** @type {unknown} */ ({
  now: () => 250,
  getEntriesByType: () => [{ serverTiming: [{ name: "now", duration: 9_000 }], responseStart: 50, transferSize }],
}));

test("runs on the device's clock until corrected, then on the server's", () => {
  let device = 1_000;
  const clock = new Clock(() => device);
  assert.equal(clock.now(), 1_000);
  clock.correct(5_000);
  device += 10;
  assert.equal(clock.now(), 5_010);
  clock.correct(NaN);
  assert.equal(clock.now(), 5_010);
});

test("the page's own response sets it, with the time since then", () => {
  const clock = new Clock(() => 0);
  correctByNavigation(clock, performanceOf(300));
  assert.equal(clock.now(), 9_200);
});

test("a page out of the cache says nothing about now", () => {
  const clock = new Clock(() => 0);
  correctByNavigation(clock, performanceOf(0));
  assert.equal(clock.now(), 0);
});
