import assert from "node:assert/strict";
import { test } from "node:test";
import { badRowsCsv } from "../../../../m1app/ui/admin/bad_rows.js";
import { guessMapping } from "../../../../m1app/ui/admin/column_guess.js";

test("columns are guessed by their names, and a number by the first value", () => {
  const guess = guessMapping([
    ["Nr", "1"],
    ["Question", "Why?"],
    ["Option A", "x"],
    ["option_b", "y"],
    ["ending3", "z"],
    ["correct", "0"],
    ["Subject", "Surgery"],
  ]);
  assert.deepEqual(guess, {
    question: "Question",
    options: ["Option A", "option_b", "ending3"],
    answer: "correct",
    answer_base: "0",
    tags: ["Subject"],
  });
});

test("options may be numbered", () => {
  const names = ["Frage", "a1", "a2", "Lsg"].map((name) => /** @type {[string, string]} */ ([name, ""]));
  assert.deepEqual(guessMapping(names).options, ["a1", "a2"]);
});

test("names of columns in other European languages are known", () => {
  const columns = /** @type {[string, string][]} */ ([
    ["Pregunta", "?"],
    ["w1", "x"],
    ["w2", "y"],
    ["Lösung", "2"],
    ["Fach", "Chirurgie"],
  ]);
  const guess = guessMapping(columns);
  assert.deepEqual(guess, {
    question: "Pregunta",
    options: ["w1", "w2"],
    answer: "Lösung",
    answer_base: "1",
    tags: ["Fach"],
  });
});

test("one column may hold all options, and what is unknown is left open", () => {
  const guess = guessMapping([
    ["text", "Why?"],
    ["a1", "x"],
    ["choices", "[]"],
    ["gold", "2"],
  ]);
  assert.deepEqual(guess, { question: "text", options: ["choices"], answer: "gold", answer_base: "1", tags: [] });
  assert.deepEqual(guessMapping([]), { question: "", options: [], answer: "", answer_base: "", tags: [] });
});

test("rows left out become a table that runs no formula", () => {
  assert.equal(badRowsCsv([["line 2", '=1+1 "x"']]), '"where","reason"\r\n"line 2","\'=1+1 ""x"""\r\n');
});
