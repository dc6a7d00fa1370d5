import assert from "node:assert/strict";
import { test } from "node:test";

import { backOff } from "../../static/js/connection.js";
import { World } from "./world.js";

test("the wait is anywhere below a bound that doubles up to 30 s", () => {
  const longest = () => 1;
  assert.deepEqual([0, 1, 2, 3, 4, 5, 60].map((attempt) => backOff(attempt, longest)),
    [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  assert.equal(backOff(4, () => 0), 0);
  assert.equal(backOff(4, () => 0.25), 4_000);
});

test("is live once greeted, and hands on what comes", () => {
  const world = new World();
  world.connection().start();
  assert.equal(world.server.address, "after=1-0");
  assert.deepEqual(world.states, []);
  world.hello();
  world.send({ type: "notice", id: "2-0" });
  assert.deepEqual(world.states, ["live"]);
  assert.deepEqual(world.frames.map((frame) => frame.type), ["hello", "notice"]);
});

test("start while connected does nothing", () => {
  const world = new World();
  const connection = world.connection();
  connection.start();
  connection.start();
  assert.equal(world.ends.length, 1);
});

test("the cursor never stands between the parts of one entry", () => {
  const world = new World();
  const connection = world.connection();
  connection.start();
  world.hello();
  world.send({ type: "update", id: "2-0", more: true });
  assert.equal(connection.cursor, "1-0");
  world.send({ type: "story", id: "2-0" });
  assert.equal(connection.cursor, "2-0");
  world.send({ type: "update", id: "3-0", more: true });
  world.server.events.closed();
  world.pass(1_000);
  assert.equal(world.server.address, "after=2-0");
});

test("backs off further each time, and not any more after a link that held", () => {
  const world = new World();
  world.connection().start();
  for (const wait of [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
    const before = world.ends.length;
    world.server.events.closed();
    world.pass(wait - 1);
    assert.equal(world.ends.length, before);
    world.pass(1);
    assert.equal(world.ends.length, before + 1);
  }
  world.hello();
  world.pass(5_000);
  world.server.events.closed();
  world.pass(500);
  assert.equal(world.ends.length, 9);
  assert.deepEqual(world.states, ["reconnecting", "delayed", "live", "reconnecting"]);
});

/** @param {World} world */
const kinds = (world) => world.ends.map((end) => end.kind);

test("two links that are cut at once, and the next kind is tried, from the same cursor", () => {
  const world = new World();
  world.connection().start();
  world.hello();
  world.send({ type: "notice", id: "2-0" });
  for (const wait of [500, 1_000]) {
    world.pass(200);
    world.server.events.closed();
    world.pass(wait);
    if (world.ends.length < 3) world.hello("2-0");
  }
  assert.deepEqual(kinds(world), ["best", "best", "lesser"]);
  assert.equal(world.server.address, "after=2-0");
  world.hello("2-0");
  assert.equal(world.states.at(-1), "live");
});

test("after the last kind comes the first", () => {
  const world = new World();
  world.connection().start();
  for (const wait of [500, 1_000, 2_000, 4_000, 8_000, 15_000]) {
    world.server.events.closed();
    world.pass(wait);
  }
  assert.deepEqual(kinds(world), ["best", "best", "lesser", "lesser", "late", "late", "best"]);
});

test("a steady link of a lesser kind that ends is made anew; now and then the best is tried again", () => {
  const world = new World();
  world.connection().start();
  for (const wait of [500, 1_000]) {
    world.hello();
    world.server.events.closed();
    world.pass(wait);
  }
  world.hello();
  world.pass(5_000);
  world.server.events.closed();
  world.pass(500);
  assert.deepEqual(kinds(world).slice(2), ["lesser", "lesser"]);
  world.hello();
  world.pass(29_999);
  assert.equal(world.ends.length, 4);
  world.pass(1);
  assert.equal(world.server.kind, "best");
  for (const wait of [500, 1_000]) {
    world.server.events.closed();
    world.pass(wait);
  }
  world.hello();
  world.pass(59_999);
  assert.equal(world.server.kind, "lesser");
  world.pass(1);
  assert.equal(world.server.kind, "best");
});

test("a lesser kind found after refusals is soon left for the best: the server may only have been away", () => {
  const world = new World();
  world.connection().start();
  world.hello();
  for (const wait of [500, 1_000, 2_000, 4_000]) {
    world.server.events.closed();
    world.pass(wait);
  }
  assert.equal(world.server.kind, "late");
  world.hello();
  world.pass(4_999);
  assert.equal(world.server.kind, "late");
  world.pass(1);
  assert.equal(world.server.kind, "best");
  world.hello();
  assert.deepEqual(world.states, ["live", "reconnecting", "delayed", "reconnecting", "live"]);
});

test("a best kind that is refused for good is tried again less and less, until it has held once", () => {
  const world = new World();
  world.connection().start();
  const refuse = () => {
    for (const wait of [500, 1_000]) {
      world.server.events.closed();
      world.pass(wait);
    }
    world.hello();
    assert.equal(world.server.kind, "lesser");
  };
  for (const stay of [5_000, 60_000, 120_000]) {
    refuse();
    world.pass(stay - 1);
    assert.equal(world.server.kind, "lesser");
    world.pass(1);
    assert.equal(world.server.kind, "best");
  }
  world.hello();
  world.pass(5_000);
  world.server.events.closed();
  world.pass(500);
  world.server.events.closed();
  world.pass(1_000);
  world.server.events.closed();
  world.pass(2_000);
  world.hello();
  assert.equal(world.server.kind, "lesser");
  world.pass(5_000);
  assert.equal(world.server.kind, "best");
});

test("says that news is late: when it is only asked for now and then, or nobody answers for long", () => {
  const world = new World();
  world.connection().start();
  for (let cut = 0; cut < 4; cut += 1) {
    world.server.events.closed();
    world.pass(4_000);
  }
  assert.equal(world.server.kind, "late");
  assert.deepEqual(world.states, ["reconnecting"]);
  world.hello();
  assert.deepEqual(world.states, ["reconnecting", "delayed"]);
  world.server.events.closed();
  world.pass(19_999);
  assert.deepEqual(world.states.slice(2), ["reconnecting"]);
  world.pass(1);
  assert.deepEqual(world.states.slice(2), ["reconnecting", "delayed"]);
});

test("a device that loses its network tells so before any link does", () => {
  const world = new World();
  const connection = world.connection();
  connection.start();
  world.hello();
  connection.doubt();
  assert.equal(world.server.open, false);
  assert.deepEqual(world.states, ["live", "reconnecting"]);
  connection.wake();
  assert.equal(world.ends.length, 2);
});

test("a link that was given up is not listened to", () => {
  const world = new World();
  world.connection().start();
  const first = world.server;
  first.events.closed();
  world.pass(500);
  world.hello();
  first.events.closed();
  first.events.text('{"type":"notice","id":"9-0"}');
  assert.equal(world.ends.length, 2);
  assert.equal(world.frames.length, 1);
  assert.deepEqual(world.states, ["reconnecting", "live"]);
});

test("reconnects when the server asks, exactly then, whatever happens", () => {
  const world = new World();
  const connection = world.connection();
  connection.start();
  world.hello();
  world.send({ type: "reconnect", in: 1_500 });
  assert.equal(world.server.open, false);
  connection.wake();
  world.pass(1_499);
  assert.equal(world.ends.length, 1);
  world.pass(1);
  assert.equal(world.ends.length, 2);
});

test("waking up cuts a back-off short", () => {
  const world = new World();
  const connection = world.connection();
  connection.start();
  world.server.events.closed();
  connection.wake();
  assert.equal(world.ends.length, 2);
  world.pass(5_000);
  assert.equal(world.ends.length, 2);
});

test("after a reset it waits for a fresh page, and goes on from its cursor", () => {
  const world = new World();
  const connection = world.connection();
  connection.start();
  world.hello();
  world.send({ type: "reset", id: "8-0" });
  assert.equal(world.resets, 1);
  assert.equal(world.server.open, false);
  assert.equal(connection.cursor, "1-0");
  connection.start();
  connection.wake();
  world.pass(60_000);
  assert.equal(world.ends.length, 1);
  connection.resume("9-0");
  assert.equal(world.server.address, "after=9-0");
  assert.deepEqual(world.states, ["live", "reconnecting", "delayed"]);
});

test("resets one after the other do not make a tight loop", () => {
  const world = new World();
  const connection = world.connection();
  connection.start();
  for (const cursor of ["8-0", "8-0"]) {
    world.hello();
    world.send({ type: "reset", id: cursor });
    connection.resume(cursor);
  }
  assert.equal(world.ends.length, 2);
  world.pass(2_000);
  assert.equal(world.ends.length, 3);
});

test("a tick between resets means that the loop is over", () => {
  const world = new World();
  const connection = world.connection();
  connection.start();
  for (const cursor of ["8-0", "9-0", "10-0"]) {
    world.hello();
    world.send({ type: "tick", id: cursor, now: "2026-11-22T20:26:00.000Z" });
    world.send({ type: "reset", id: cursor });
    connection.resume(cursor);
    assert.equal(world.server.address, `after=${cursor}`);
  }
  assert.equal(world.ends.length, 4);
});

test("a page that left while waiting for a fresh copy goes on from it", () => {
  const world = new World();
  const connection = world.connection();
  connection.start();
  world.hello();
  world.send({ type: "reset", id: "8-0" });
  connection.stop();
  assert.equal(world.pending, 0);
  connection.resume("8-0");
  assert.equal(world.server.address, "after=8-0");
});

test("the wait before connecting again is a matter of chance", () => {
  const world = new World();
  world.connection().start();
  world.chance = 0;
  world.server.events.closed();
  world.pass(0);
  assert.equal(world.ends.length, 2);
  world.chance = 0.999;
  world.server.events.closed();
  world.pass(1_997);
  assert.equal(world.ends.length, 2);
  world.pass(1);
  assert.equal(world.ends.length, 3);
});

test("waking up on a link that has been silent too long leaves it; on another it does nothing", () => {
  const world = new World();
  const connection = world.connection();
  connection.start();
  world.hello();
  world.pass(1_000);
  connection.wake();
  assert.equal(world.server.open, true);
  world.now += 400_000; // the device slept, and its timers with it
  connection.wake();
  assert.deepEqual(world.ends.map((end) => end.open), [false, true]);
  assert.deepEqual(world.states, ["live", "reconnecting"]);
});

test("a link that was silent while the device slept is found out, though its timers stood still", () => {
  for (const wake of [true, false]) {
    const world = new World();
    const connection = world.connection();
    connection.start();
    world.hello();
    world.slept = 400_000;
    if (wake) connection.wake();
    else world.pass(5_000);
    assert.deepEqual(world.states, ["live", "reconnecting"]);
    assert.equal(world.ends[0]?.open, false);
  }
});

test("a clock that is set back hides no silence", () => {
  const world = new World();
  world.connection().start();
  world.slept = -3_600_000;
  world.pass(10_000);
  assert.equal(world.server.open, false);
});

test("any message counts as a sign of life", () => {
  const world = new World();
  world.connection().start();
  world.hello();
  for (const wait of [5_000, 15_000]) {
    world.pass(wait);
    world.send({ type: "tick", id: "1-0", now: "2026-11-22T20:26:00.000Z" });
  }
  world.pass(30_000);
  world.send({ type: "notice", id: "2-0" });
  world.pass(37_499);
  assert.deepEqual(world.states, ["live"]);
  world.pass(1);
  assert.deepEqual(world.states, ["live", "reconnecting"]);
});

test("a server that does not greet is given up", () => {
  const world = new World();
  world.connection().start();
  world.pass(10_000);
  assert.equal(world.server.open, false);
  world.pass(500);
  assert.equal(world.ends.length, 2);
});

test("ticks that stop coming mean a dead network", () => {
  const world = new World();
  world.connection().start();
  world.hello();
  for (const wait of [3_000, 15_000, 15_000]) {
    world.pass(wait);
    world.send({ type: "tick", id: "1-0", now: "2026-11-22T20:26:00.000Z" });
  }
  world.pass(37_000);
  assert.deepEqual(world.states, ["live"]);
  world.pass(500);
  assert.deepEqual(world.states, ["live", "reconnecting"]);
});

test("a slow tick is no reason to leave", () => {
  const world = new World();
  world.connection().start();
  world.hello();
  world.pass(300_000);
  world.send({ type: "tick", id: "1-0", now: "2026-11-22T20:26:00.000Z" });
  world.pass(300_000);
  assert.equal(world.ends.length, 1);
});

test("stop leaves nothing running; start resumes", () => {
  const world = new World();
  const connection = world.connection();
  connection.start();
  world.hello();
  world.send({ type: "notice", id: "2-0" });
  connection.stop();
  assert.equal(world.server.open, false);
  assert.equal(world.pending, 0);
  connection.start();
  assert.equal(world.server.address, "after=2-0");
});
