import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { words } from "../../static/js/time-words.js";

const contract = JSON.parse(readFileSync(new URL("../contract/time.json", import.meta.url), "utf8"));

for (const { then, now, language = "en", timeZone = "UTC", words: expected } of contract.words) {
  test(`${then} is "${expected}" at ${now} in ${timeZone}, ${language}`, () => {
    assert.equal(words(Date.parse(then), Date.parse(now), { language, timeZone }), expected);
  });
}
