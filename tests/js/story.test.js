import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Shown } from "../../static/js/story.js";

/**
 * @typedef {import("../../static/js/story.js").Frame} Frame
 * @typedef {import("../../static/js/story.js").Operation} Operation
 * @typedef {import("../../static/js/story.js").Stamp} Stamp
 * @typedef {import("../../static/js/story.js").Place} Place
 *
 * @typedef {object} PageState
 * @property {{ slug: string, version: number } | null} story
 * @property {Record<string, Stamp>} cards
 * @property {Record<string, Place>} updates
 *
 * @typedef {{ name: string, page: PageState, frame: Frame, operations: object[] }} Case
 *   `operations` come without the fragment, which is that of the frame
 */

/** @type {Case[]} */
const cases = JSON.parse(readFileSync(new URL("../contract/frames.json", import.meta.url), "utf8"));
const ID = "01kapvf1nvabcdef";
const SLOTS = ["notice", "promo"];

/** @param {PageState} state */
function shownOn({ story, cards, updates }) {
  const shown = new Shown();
  shown.story = story && { ...story };
  shown.cards = new Map(Object.entries(cards));
  shown.updates = new Map(Object.entries(updates));
  return shown;
}

/** A page of the story "storm", its first version. */
const storyPage = () => shownOn({ story: { slug: "storm", version: 1 }, cards: {}, updates: {} });

/** @param {Case} each */
function expected({ frame, operations }) {
  const carries = (/** @type {any} */ { op }) => op === "put" || op === "fill";
  return operations.map((operation) => (carries(operation) ? { ...operation, html: frame.html } : operation));
}

/**
 * @param {string} name
 * @returns {Frame}
 */
function golden(name) {
  const found = cases.find((each) => each.name === name);
  if (!found) throw new Error(`no golden frame is called ${name}`);
  return found.frame;
}

for (const each of cases) {
  test(`${each.name}: does to its page what it should, once`, () => {
    const shown = shownOn(each.page);
    assert.deepEqual(shown.take(each.frame), expected(each));
    const again = SLOTS.includes(each.frame.type) ? expected(each) : [];
    assert.deepEqual(shown.take(each.frame), again);
  });
}

test("a replay of everything changes nothing but the slots", () => {
  const shown = storyPage();
  for (const { frame } of cases) shown.take(frame);
  for (const { name, frame } of cases) {
    if (!SLOTS.includes(frame.type)) assert.deepEqual(shown.take(frame), [], name);
  }
});

test("types and members that are not known are ignored", () => {
  assert.deepEqual(storyPage().take({ type: "poll", id: "1-0", topic: "front", html: "<p>no</p>" }), []);
  const frame = { ...golden("pinned update"), colour: "red" };
  assert.equal(storyPage().take(frame).length, 1);
});

test("a late older version of an update does not replace a newer one", () => {
  const shown = storyPage();
  shown.take(golden("retraction"));
  assert.deepEqual(shown.take(golden("update, first half of its entry")), []);
  assert.deepEqual(shown.take(golden("correction")), []);
});

test("a correction that comes without its update is put where it belongs", () => {
  const [operation] = storyPage().take(golden("correction"));
  assert.equal(operation?.op === "put" && operation.place, "order");
});

test("a retraction that comes without its update says what was withdrawn", () => {
  const [operation] = storyPage().take(golden("retraction"));
  assert.equal(operation?.op === "put" && operation.list, "updates");
  assert.equal(operation?.op === "put" && operation.fresh, false);
});

test("an update that gets pinned moves", () => {
  const shown = storyPage();
  const update = golden("update, first half of its entry");
  shown.take(update);
  const [operation] = shown.take({ ...update, version: 2, pinned: true });
  assert.equal(operation?.op === "put" && operation.list, "pinned");
  assert.equal(operation?.op === "put" && operation.place, "order");
  assert.equal(shown.updates.get(ID)?.list, "pinned");
});

test("a retracted pinned update stays retracted where it is", () => {
  const shown = storyPage();
  shown.take(golden("pinned update"));
  const [operation] = shown.take(golden("retraction of the pinned update"));
  assert.equal(operation?.op === "put" && operation.list, "pinned");
  assert.equal(operation?.op === "put" && operation.place, "same");
  assert.deepEqual(shown.take(golden("pinned update")), []);
});

test("an update of another story is none of this page's business", () => {
  assert.deepEqual(storyPage().take({ ...golden("pinned update"), story: "vote" }), []);
  assert.deepEqual(new Shown().take(golden("pinned update")), []);
});

test("another story's text is none of this page's business", () => {
  const frame = { ...golden("story on its own page"), story: "vote", topic: "story/vote" };
  assert.deepEqual(storyPage().take(frame), []);
  assert.deepEqual(new Shown().take(frame), []);
});

test("of two cards of one version the later one counts", () => {
  const shown = new Shown();
  const card = golden("card on the front page");
  assert.equal(shown.take(card).length, 1);
  assert.equal(shown.take({ ...card, at: "2026-11-22T20:25:00.000Z" }).length, 0);
  assert.equal(shown.take({ ...card, at: "2026-11-22T20:27:00.000Z" }).length, 1);
  assert.equal(shown.take({ ...card, at: "2026-11-22T20:20:00.000Z", version: 2 }).length, 1);
  assert.equal(shown.take({ ...card, at: "2026-11-22T20:40:00.000Z" }).length, 0);
});

test("the page's own story has no card, and none to remove", () => {
  const shown = storyPage();
  assert.deepEqual(shown.take({ ...golden("card withdrawn"), story: "storm" }), []);
  assert.equal(shown.story?.version, 1);
});

test("a withdrawn card that was not shown needs no removal, and stays away until it is published anew", () => {
  const shown = new Shown();
  const card = golden("card on the front page");
  assert.deepEqual(shown.take(golden("card withdrawn")), []);
  assert.deepEqual(shown.take(card), []);
  assert.equal(shown.take({ ...card, version: 3 }).length, 1);
});

test("a withdrawn story comes back in a later version", () => {
  const shown = storyPage();
  shown.take(golden("story withdrawn on its own page"));
  assert.deepEqual(shown.take(golden("story on its own page")), []);
  assert.equal(shown.take({ ...golden("story on its own page"), version: 4 }).length, 1);
});

test("an older notice does not replace the newer one that overtook it", () => {
  const shown = new Shown();
  const notice = { type: "notice", topic: "breaking", html: "<aside></aside>" };
  assert.equal(shown.take({ ...notice, id: "1000-10" }).length, 1);
  assert.deepEqual(shown.take({ ...notice, id: "1000-9" }), []);
  assert.deepEqual(shown.take({ ...notice, id: "999-11" }), []);
  assert.equal(shown.take({ ...notice, id: "1000-10" }).length, 1);
});
