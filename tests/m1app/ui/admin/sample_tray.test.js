import assert from "node:assert/strict";
import { test } from "node:test";
import { recipeOf } from "../../../../m1app/ui/admin/sample_asking.js";
import { queryOf } from "../../../../m1app/ui/admin/sample_query.js";
import { changeWords, optionLines, optionsOf, Tray } from "../../../../m1app/ui/admin/sample_tray.js";
import { runsOf } from "../../../../m1app/ui/admin/training_data.js";

/** @typedef {import("../../../../m1app/ui/admin/sample_tray.js").Change} Change */

/** A browser's storage. */
function store() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return {
    kept,
    getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ text) => void kept.set(key, text),
    removeItem: (/** @type {string} */ key) => void kept.delete(key),
  };
}

/** @type {(key: string, reason?: string) => Change} */
const change = (key, reason = "outdated") => ({ kind: "exclude", key, reason });

test("changes are kept by data set and found again", () => {
  const kept = store();
  const tray = new Tray(kept);
  tray.open("exam:v1");
  tray.add(change("a"), "Which gland?");
  tray.add(change("b"), "Which salt?");
  tray.add(change("a", "wrong"), "Which gland?");
  const again = new Tray(kept);
  again.open("exam:v1");
  assert.deepEqual(
    again.all.map((each) => changeWords(each.change)),
    ["Leave out: wrong", "Leave out: outdated"],
  );
  again.open("exam:v2");
  assert.deepEqual(again.all, []);
});

test("what is undone or saved is no longer kept", () => {
  const kept = store();
  const tray = new Tray(kept);
  tray.open("exam:v1");
  tray.add(change("a"), "?");
  tray.add(change("b"), "?");
  tray.remove("a");
  assert.equal(tray.get("a"), undefined);
  tray.clear();
  assert.equal(kept.kept.size, 0);
});

test("a damaged or full storage loses nothing of this page", () => {
  const damaged = store();
  damaged.setItem("m1-sample-changes:exam:v1", "{");
  const tray = new Tray({
    ...damaged,
    setItem: () => {
      throw new Error("full");
    },
  });
  tray.open("exam:v1");
  tray.add(change("a"), "?");
  assert.equal(tray.all.length, 1);
});

test("options are lines, with or without their letters", () => {
  assert.deepEqual(optionsOf("A. Aorta\n\nB) Vein\nE. coli"), { A: "Aorta", B: "Vein", C: "E. coli" });
  assert.equal(optionLines({ A: "Aorta", B: "a\nb" }), "A. Aorta\nB. a b");
  assert.deepEqual(optionsOf(""), {});
});

test("empty boxes set no limit, and all is no domain", () => {
  const values = { text: " a  b ", state: "kept", domain: "*", source: "", order: "file", least: " 1,000 ", most: "" };
  assert.deepEqual(queryOf(values, 25), {
    text: "a  b",
    state: "kept",
    domain: null,
    source: "",
    order: "file",
    least: "1000",
    most: null,
    offset: 25,
  });
});

test("a form's values are the recipe of a job", () => {
  const values = {
    action: "tag",
    model: "m1-7b",
    limit: "1,000",
    questions: "MedQA",
    name: " taught ",
    thinking_tokens: "4096",
    answer_tokens: "few",
  };
  const tags = { action: "tag", source: "questions:MedQA", model: "m1-7b", limit: 1000 };
  assert.deepEqual(recipeOf(values, "exam:v1"), tags);
  assert.deepEqual(recipeOf({ ...values, questions: "" }, "exam:v1"), { ...tags, source: "exam:v1" });
  assert.deepEqual(recipeOf({ ...values, action: "distill", limit: "" }, "exam:v1"), {
    action: "distill",
    source: "questions:MedQA",
    model: "m1-7b",
    limit: null,
    name: "taught",
    thinking_tokens: 4096,
    answer_tokens: "few",
  });
});

test("a confirmed domain is said", () => {
  assert.equal(changeWords({ kind: "domain", key: "a", reason: "", domain: "surgery" }), "Domain: surgery");
});

test("two runs are asked for once each", () => {
  assert.equal(runsOf("", ""), "");
  assert.equal(runsOf("a", "a"), "a");
  assert.equal(runsOf("a", "b:m"), "a, b:m");
  assert.equal(runsOf("", "b"), "b");
});
