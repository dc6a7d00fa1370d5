import assert from "node:assert/strict";
import { test } from "node:test";

import { sized } from "../../static/js/embed-styles.js";

test("lengths in rem become multiples of a size of our own", () => {
  assert.equal(sized("p { font: .875rem/1.4 x; }"), "p { font: calc(.875 * var(--size))/1.4 x; }");
  assert.equal(sized("a{width:clamp(1rem, 1.4rem + 2vw, 16rem)}"),
    "a{width:clamp(calc(1 * var(--size)), calc(1.4 * var(--size)) + 2vw, calc(16 * var(--size)))}");
});

test("media queries and other units stay", () => {
  const css = "@media (min-width: 46rem) { a { margin: 1em 2px } } .remark1 { --x: 1remx }";
  assert.equal(sized(css), css);
});
