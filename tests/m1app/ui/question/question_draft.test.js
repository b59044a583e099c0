import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { keptOf, QuestionDraft } from "../../../../m1app/ui/question/question_draft.js";

/** @typedef {import("../../../../m1app/ui/question/question_change.js").Boxes} Boxes */

/** @type {Boxes} */
const TYPED = ["Why?", "", ""];
/** @type {Boxes} */
const OTHER = ["How?", "A. x\nB. y", "A"];

/** @type {Map<string, string>} */
let stored;
const location = { search: "" };

beforeEach(() => {
  stored = new Map();
  location.search = "";
  Object.assign(globalThis, {
    sessionStorage: {
      getItem: (/** @type {string} */ key) => stored.get(key) ?? null,
      setItem: (/** @type {string} */ key, /** @type {string} */ text) => stored.set(key, text),
      removeItem: (/** @type {string} */ key) => stored.delete(key),
    },
    window: { location },
  });
});

test("what is kept comes back with the address where it was typed", () => {
  location.search = "?trace=1";
  new QuestionDraft("k").keep(TYPED);
  assert.deepEqual(new QuestionDraft("k").kept?.boxes, TYPED);
  assert.equal(new QuestionDraft("k").kept?.at, "?trace=1");
});

test("an edit keeps what was typed before", () => {
  const draft = new QuestionDraft("k");
  draft.keep(TYPED, { earlier: OTHER });
  draft.keep(["Why not?", "", ""]);
  assert.deepEqual(draft.kept?.earlier, OTHER);
});

test("a page that is left with the draft in its boxes shows it again at that address", () => {
  const draft = new QuestionDraft("k");
  draft.keep(TYPED);
  location.search = "?trace=2";
  draft.leave(TYPED);
  assert.equal(draft.kept?.at, "?trace=2");
});

test("a page that is left with something else in its boxes leaves the draft where it was", () => {
  const draft = new QuestionDraft("k");
  draft.keep(TYPED);
  location.search = "?trace=2";
  draft.leave(OTHER);
  assert.equal(draft.kept?.at, "");
});

test("what was run is no longer offered, until it is edited", () => {
  const draft = new QuestionDraft("k");
  draft.keep(TYPED);
  draft.markAsked(TYPED);
  assert.equal(draft.kept?.isAsked, true);
  draft.keep(OTHER);
  assert.equal(draft.kept?.isAsked, false);
});

test("nothing is kept of a draft that is forgotten, or that is not one", () => {
  const draft = new QuestionDraft("k");
  draft.keep(TYPED);
  draft.forget();
  assert.equal(draft.kept, null);
  draft.leave(TYPED);
  assert.equal(draft.kept, null);
  assert.equal(keptOf('["an", "older", "form"]'), null);
});
