import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isBeginning, questionsWith, shardOf, wordsOf } from "../../../../m1app/publishing/page/words.js";

const SHARDS = 128;
const TABLE = JSON.parse(readFileSync(new URL("../words.json", import.meta.url), "utf-8"));

test("a search has the same words as the questions, and looks for them in the same files", () => {
  for (const { text, words, shards } of TABLE) {
    assert.deepEqual(wordsOf(text), words, text);
    assert.deepEqual(
      wordsOf(text).map((word) => shardOf(word, SHARDS)),
      shards,
      text,
    );
  }
});

test("a word is found whole, or by its beginning", () => {
  /** @type {import("../../../../m1app/publishing/page/words.js").Shard} */
  const shard = [
    ["cough", [0, 3]],
    ["coughing", [5]],
  ];
  assert.deepEqual([...questionsWith(shard, "cough", false)], [0, 3]);
  assert.deepEqual([...questionsWith(shard, "cough", true)], [0, 3, 5]);
  assert.deepEqual([...questionsWith(shard, "fever", true)], []);
});

test("a number finds no ids that happen to begin with it, but a good part of an id does", () => {
  const id = "17ab34cd".repeat(4);
  assert.deepEqual(
    [
      ...questionsWith(
        [
          ["17", [2]],
          [id, [9]],
        ],
        "17",
        true,
      ),
    ],
    [2],
  );
  assert.deepEqual([...questionsWith([[id, [9]]], "17ab34cd", true)], [9]);
  assert.deepEqual([...questionsWith([[id, [9]]], id, false)], [9]);
});

test("the last word is a beginning until a space follows, but a single character never is", () => {
  assert.equal(isBeginning("dry cou", "cou"), true);
  assert.equal(isBeginning("dry cough ", "cough"), false);
  assert.equal(isBeginning("c", "c"), false);
});
