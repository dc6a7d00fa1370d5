import assert from "node:assert/strict";
import { test } from "node:test";

import { Held } from "../../static/js/held.js";

/** @typedef {import("../../static/js/story.js").Put} Put */

/**
 * @param {string} key
 * @param {Partial<Put>} [rest]
 * @returns {Put}
 */
const put = (key, rest) => ({ op: "put", key, list: "updates", place: "order", fresh: true, html: key, ...rest });
const all = () => true;

test("counts in words", () => {
  const held = new Held();
  assert.equal(held.summary(all), "");
  held.hold(put("u-1"));
  assert.equal(held.summary(all), "1 new update");
  held.hold(put("u-2", { list: "pinned" }));
  assert.equal(held.summary(all), "2 new updates");
  held.hold(put("card-a", { list: "stream" }));
  assert.equal(held.summary(all), "2 new updates, 1 new story");
  held.hold(put("card-b", { list: "stream" }));
  assert.equal(held.summary((list) => list === "stream"), "2 new stories");
});

test("the newest version waits, once, in order of arrival", () => {
  const held = new Held();
  for (const each of [put("u-1"), put("u-2"), put("u-1", { html: "again" })]) held.hold(each);
  assert.deepEqual(held.release().map((each) => each.html), ["u-2", "again"]);
  assert.deepEqual(held.release(), []);
});

test("a correction goes where its update was to go", () => {
  const held = new Held();
  held.hold(put("u-1"));
  assert.equal(held.revise(put("u-1", { place: "same", html: "corrected" })), true);
  assert.equal(held.revise(put("u-2", { place: "same" })), false);
  assert.deepEqual(held.release(), [put("u-1", { html: "corrected" })]);
});

test("what was withdrawn while it waited is no news", () => {
  const held = new Held();
  held.hold(put("u-1"));
  held.revise(put("u-1", { place: "same", fresh: false }));
  assert.equal(held.summary(all), "");
  assert.equal(held.release().length, 1);
});

test("lists are released apart", () => {
  const held = new Held();
  held.hold(put("u-1"));
  held.hold(put("card-a", { list: "stream" }));
  assert.deepEqual(held.release((list) => list === "stream").map((each) => each.key), ["card-a"]);
  assert.equal(held.isWaitingFor("updates"), true);
  assert.equal(held.isWaitingFor("stream"), false);
  held.forget("u-1");
  assert.equal(held.summary(all), "");
});
