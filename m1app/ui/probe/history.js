// The list of traces.
import { linkedRow } from "../shell/elements.js";
import { mountHistory } from "../shell/history.js";
import { number, shortTime } from "../shell/words.js";

/**
 * @typedef {object} TraceRow
 * @property {string} id
 * @property {string} name
 * @property {string[]} tags
 * @property {number | null} share How much of it is done, if it runs.
 * @property {boolean} may_change Whether this person may name and delete it.
 * @property {string} begun In ISO 8601.
 * @property {string} stem
 * @property {string} model
 * @property {number} budget
 * @property {number} rounds
 * @property {number} thinking_tokens
 * @property {string} verdict
 * @property {string} verdict_label
 * @property {string} state_label
 */

/** @param {TraceRow} trace */
function rowOf(trace) {
  const row = linkedRow(`/?trace=${trace.id}`, [
    [shortTime(trace.begun), "m1-number"],
    [trace.stem, "m1-stem"],
    [trace.model],
    [number(trace.budget), "m1-number"],
    [String(trace.rounds), "m1-number"],
    [number(trace.thinking_tokens), "m1-number"],
    [trace.verdict_label, "m1-mark"],
    [trace.state_label],
  ]);
  row.dataset.trace = trace.id;
  const mark = row.querySelector("td.m1-mark");
  if (mark instanceof HTMLElement) mark.dataset.verdict = trace.verdict;
  return row;
}

/** @param {import("../shell/elements.js").Host} host */
export const mount = (host) => mountHistory(host, { key: "trace", event: "open_trace", rowOf });
