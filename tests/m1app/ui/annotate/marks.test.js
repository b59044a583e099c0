import assert from "node:assert/strict";
import { test } from "node:test";
import { missingIn } from "../../../../m1app/ui/annotate/case_view.js";
import { draftToOpen } from "../../../../m1app/ui/annotate/draft.js";
import { depths, nextToOpen } from "../../../../m1app/ui/annotate/overlaps.js";
import { placeOf } from "../../../../m1app/ui/annotate/page.js";
import { fieldWords } from "../../../../m1app/ui/annotate/words.js";

const mark = (/** @type {string} */ id, /** @type {number} */ start, /** @type {number} */ end) => ({ id, start, end });

test("overlapping marks are painted by how many cover a place", () => {
  assert.deepEqual(
    depths([
      [0, 10],
      [2, 6],
      [4, 8],
    ]),
    [[[0, 10]], [[2, 8]], [[4, 6]]],
  );
});

test("marks that touch do not overlap, and a fourth layer looks like the third", () => {
  assert.deepEqual(
    depths([
      [0, 2],
      [2, 4],
    ]),
    [
      [
        [0, 2],
        [2, 4],
      ],
      [],
      [],
    ],
  );
  assert.deepEqual(depths(Array(4).fill([0, 1]))[2], [[0, 1]]);
});

test("a click opens the shortest mark, the next click the next one, and then the first again", () => {
  const here = [mark("long", 0, 9), mark("short", 3, 5), mark("middle", 1, 6)];
  let opened = "";
  const ids = Array.from({ length: 4 }, () => {
    opened = nextToOpen(here, opened)?.id ?? "";
    return opened;
  });
  assert.deepEqual(ids, ["short", "middle", "long", "short"]);
  assert.equal(nextToOpen([], "long"), undefined);
});

test("a mark needs a label and a severity", () => {
  const empty = /** @type {any} */ ({ labels: [], severity: "" });
  assert.equal(missingIn(empty)?.field, "labels");
  assert.equal(missingIn({ ...empty, labels: ["a"] })?.field, "severity");
  assert.equal(missingIn({ ...empty, labels: ["a"], severity: "minor" }), null);
});

test("what this tab still has of a draft comes before what the app keeps", () => {
  assert.deepEqual(draftToOpen('{"part":"answer"}', { part: "thinking" }), { part: "answer" });
  assert.deepEqual(draftToOpen(null, { part: "thinking" }), { part: "thinking" });
});

test("a draft without a place is none", () => {
  assert.equal(draftToOpen(null, { comment: "x" }), null);
  assert.equal(draftToOpen(null, null), null);
});

test("an address marks a place only when its end is after its start", () => {
  const place = (/** @type {string} */ query) => placeOf(new URLSearchParams(query));
  assert.deepEqual(place("start=3&end=9"), { part: "thinking", start: 3, end: 9 });
  assert.deepEqual(place("start=3&end=9&part=answer"), { part: "answer", start: 3, end: 9 });
  assert.deepEqual([place("start=9&end=3"), place("start=x&end=3"), place("")], [null, null, null]);
});

test("fields of a mark are said in words", () => {
  const name = (/** @type {string} */ id) => id.toUpperCase();
  assert.equal(fieldWords("labels", { labels: ["a", "b"] }, name), "A, B");
  assert.equal(fieldWords("evidence", { evidence: [{ kind: "doi", value: "10.1" }] }, name), "DOI: 10.1");
  assert.equal(fieldWords("changed_answer", { changed_answer: false }, name), "No");
  assert.equal(fieldWords("changed_answer", {}, name), "Unknown");
  assert.equal(fieldWords("comment", {}, name), "");
});
