import assert from "node:assert/strict";
import { test } from "node:test";
import { Answering } from "../../../../m1app/ui/shell/answering.js";

/** @param {() => Promise<{ ok: boolean }>} ask */
function watched(ask) {
  const clock = { now: 0, asked: 0 };
  const asking = () => {
    clock.asked += 1;
    return ask();
  };
  return { clock, answering: new Answering({ ask: asking, now: () => clock.now }) };
}

const refused = async () => {
  throw new TypeError("Failed to fetch");
};

test("an app that has just been heard is not asked", async () => {
  const { clock, answering } = watched(refused);
  clock.now = 20_000;
  answering.hear();
  clock.now = 24_000;
  assert.equal(await answering.isSilent(), false);
  assert.equal(clock.asked, 0);
});

test("an app that is down is silent, and so is one whose proxy answers with an error", async () => {
  for (const ask of [refused, async () => ({ ok: false })]) {
    const { clock, answering } = watched(ask);
    clock.now = 6_000;
    assert.equal(await answering.isSilent(), true);
  }
});

test("a slow app that answers when asked is not silent", async () => {
  const { clock, answering } = watched(async () => ({ ok: true }));
  clock.now = 60_000;
  assert.equal(await answering.isSilent(), false);
  assert.equal(clock.asked, 1);
});

test("an app that is heard while it is asked is not silent", async () => {
  const { clock, answering } = watched(async () => {
    answering.hear();
    throw new TypeError("Failed to fetch");
  });
  clock.now = 10_000;
  assert.equal(await answering.isSilent(), false);
});
