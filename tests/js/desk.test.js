import assert from "node:assert/strict";
import { test } from "node:test";
import { worthRepeating } from "../../static/js/desk/api.js";
import { inserted, toBody } from "../../static/js/desk/fields.js";
import { Outbox, pause } from "../../static/js/desk/outbox.js";
import { inWords } from "../../static/js/desk/receipt.js";

/** @param {string} name @param {string} value @param {string} [kind] */
const field = (name, value, kind = "text") => ({ name, value, kind });

test("a form becomes what the API takes", () => {
  const body = toBody([
    field("headline", " "), field("body", "Text"), field("sections", "World, Sport,", "list"), field("by", "Ada Quill", "bylines"),
    field("urgency", "3", "number"), field("publishAt", "", "time"), { ...field("pinned", "on"), checked: true },
    field("image.src", "/a.jpg"), field("image.alt", "A lock"),
  ]);
  assert.deepEqual(body, {
    headline: null, body: "Text", sections: ["World", "Sport"], by: [{ name: "Ada Quill" }], urgency: 3, publishAt: null,
    pinned: true, image: { src: "/a.jpg", alt: "A lock" },
  });
});

test("a picture without an address is none", () => {
  assert.deepEqual(toBody([field("image.src", ""), field("image.alt", "A lock")]), { image: null });
});

test("a time is told in UTC", () => {
  const { publishAt } = toBody([field("publishAt", "2026-01-31T18:30", "time")]);
  assert.equal(publishAt, new Date("2026-01-31T18:30").toISOString());
});

test("a label begins a paragraph", () => {
  assert.deepEqual(inserted("", 0, 0, "**A:** ", "", true), { text: "**A:** ", caret: 7 });
  assert.deepEqual(inserted("One.", 4, 4, "**A:** ", "", true), { text: "One.\n\n**A:** ", caret: 13 });
  assert.deepEqual(inserted("One.\n", 5, 5, "- ", "", true), { text: "One.\n\n- ", caret: 8 });
});

test("a link takes what is selected", () => {
  assert.deepEqual(inserted("see the gauge", 8, 13, "[", "](https://)", false), { text: "see the [gauge](https://)", caret: 14 });
});

class Memory {
  constructor() {
    /** @type {Map<string, string>} */
    this.kept = new Map();
  }
  /** @param {string} name */
  getItem(name) { return this.kept.get(name) ?? null; }
  /** @param {string} name @param {string} value */
  setItem(name, value) { this.kept.set(name, value); }
  /** @param {string} name */
  removeItem(name) { this.kept.delete(name); }
}

test("the outbox keeps what was posted, in order, until it is taken out", () => {
  const store = new Memory();
  const box = new Outbox(store, "box");
  const posts = ["a", "b"].map((key) => ({ key, method: "POST", path: "/", body: { body: key } }));
  posts.forEach((post) => box.add(post));
  assert.deepEqual(new Outbox(store, "box").all(), posts, "another tab finds them");
  box.remove("a");
  assert.deepEqual(box.all(), [posts[1]]);
  store.setItem("box", "{broken");
  assert.deepEqual(box.all(), []);
});

test("pauses grow, with chance in them, up to half a minute", () => {
  assert.equal(pause(0, () => 1), 500);
  assert.equal(pause(3, () => 0.5), 2000);
  assert.equal(pause(50, () => 1), 30_000);
});

test("what the server refused for good is not sent again", () => {
  const answer = { ok: false, body: null, cursor: "", detail: "", errors: [] };
  for (const [status, again] of /** @type {[number, boolean][]} */ ([[0, true], [429, true], [503, true], [422, false], [403, false], [412, false]])) {
    assert.equal(worthRepeating({ ...answer, status }), again, String(status));
  }
});

test("a receipt in words", () => {
  const receipt = { open: 10_012, confirmed: 9_987, left: 5, missing: 20, sse: 3, final: true, milliseconds: { last: 180.4 } };
  assert.equal(
    inWords(receipt),
    "9,987 of 10,012 open pages in 180 ms; 20 have not answered; 5 left; 3 more by other ways, which cannot confirm.",
  );
  assert.equal(inWords({ ...receipt, left: 0, missing: 0, sse: 0 }), "9,987 of 10,012 open pages in 180 ms.");
});
