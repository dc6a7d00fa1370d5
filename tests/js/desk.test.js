import assert from "node:assert/strict";
import { test } from "node:test";
import { worthRepeating } from "../../static/js/desk/api.js";
import { changes, toBody, versions, written } from "../../static/js/desk/fields.js";
import { inserted } from "../../static/js/desk/markup.js";
import { newKey, Outbox, pause } from "../../static/js/desk/outbox.js";
import { inWords } from "../../static/js/desk/receipt.js";

/** @param {string} name @param {string} value @param {string} [kind] */
const field = (name, value, kind = "text") => ({ name, value, kind });

test("a form becomes what the API takes", () => {
  const body = toBody([
    field("headline", " "), field("body", "Text"), field("sections", "World, Sport,", "list"), field("by", "Ada Quill (our woman at sea)\nBo Rill", "bylines"),
    field("related", "How locks work /story/locks", "links"), field("urgency", "3", "number"), field("publishAt", "", "time"), { ...field("pinned", "on"), checked: true },
    field("image.src", "/a.jpg"), field("image.alt", "A lock"),
  ]);
  assert.deepEqual(body, {
    headline: null, body: "Text", sections: ["World", "Sport"], by: [{ name: "Ada Quill", note: "our woman at sea" }, { name: "Bo Rill" }],
    related: [{ headline: "How locks work", url: "/story/locks" }], urgency: 3, publishAt: null,
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

test("a record goes into a form and comes back the same", () => {
  const record = {
    headline: "H", sections: ["World", "Sport"], by: [{ name: "Ada Quill", note: "at sea" }, { name: "Bo" }], urgency: 2,
    publishAt: "2026-01-31T18:30:00.000Z", image: { src: "/a.jpg", alt: "A", caption: null, credit: null, width: 1200 },
    related: [{ headline: "Of locks", url: "/l" }], keyEvent: true,
  };
  const kinds = { sections: "list", by: "bylines", urgency: "number", publishAt: "time", "image.width": "size", related: "links" };
  const names = ["headline", "sections", "by", "urgency", "publishAt", "image.src", "image.alt", "image.caption", "image.credit", "image.width", "related"];
  const fields = names.map((name) => {
    const kind = /** @type {Record<string, string>} */ (kinds)[name] ?? "text";
    return field(name, written(name, kind, record) ?? "", kind);
  });
  assert.deepEqual(toBody(fields), Object.fromEntries(Object.entries(record).filter(([name]) => name !== "keyEvent")));
  assert.equal(written("keyEvent", "text", record), "true");
  assert.equal(written("edNote", "text", record), undefined, "the record says nothing of it");
});

test("only what was changed is sent", () => {
  assert.deepEqual(changes({ a: 1, by: [{ name: "A" }] }, { a: 1, by: [{ name: "B" }] }), { by: [{ name: "B" }] });
});

test("both versions show the fields that differ", () => {
  const record = { headline: "Same", body: "Theirs.", urgency: 5, version: 3 };
  const fields = [field("headline", "Same"), field("body", "Mine."), field("urgency", "5", "number")];
  assert.deepEqual(versions(fields, record), { theirs: "Theirs.", yours: "Mine." });
  fields[2].value = "2";
  assert.deepEqual(versions(fields, record), { theirs: "body: Theirs.\n\nurgency: 5", yours: "body: Mine.\n\nurgency: 2" });
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
  box.refuse("b", "No.");
  assert.equal(box.next(), undefined, "what was refused waits for its editor");
  assert.equal(box.all()[0].refusal, "No.");
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
    "9,987 of 10,012 open pages in 180 ms; 20 (0.2%) have not answered; 5 left; 3 more by other ways, which cannot confirm.",
  );
  assert.equal(inWords({ ...receipt, left: 0, missing: 0, sse: 0 }), "9,987 of 10,012 open pages in 180 ms.");
});

test("each post has a name of its own", () => {
  assert.ok(/^[0-9a-f]{32}$/.test(newKey()));
  assert.ok(newKey() !== newKey());
});
