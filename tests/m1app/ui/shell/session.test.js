import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { logOut } from "../../../../m1app/ui/shell/session.js";

const page = /** @type {any} */ (globalThis);
/** @type {string[]} */
let opened = [];

/** @param {() => Promise<{ ok: boolean }>} answer */
const answering = (answer) => {
  page.window.m1OwnFetch = answer;
};

beforeEach(() => {
  opened = [];
  page.window = { location: { assign: (/** @type {string} */ place) => opened.push(place) } };
});
afterEach(() => {
  delete page.window;
});

test("logging out leads to the login once the session has ended", async () => {
  answering(async () => ({ ok: true }));
  assert.equal(await logOut(), true);
  assert.deepEqual(opened, ["/login"]);
});

test("a refusal, or no answer, is no logout", async () => {
  answering(async () => ({ ok: false }));
  assert.equal(await logOut(), false);
  answering(async () => {
    throw new TypeError("Failed to fetch");
  });
  assert.equal(await logOut(), false);
  assert.deepEqual(opened, []);
});
