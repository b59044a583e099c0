// The list of runs of strategies.
import { linkedRow } from "../shell/elements.js";
import { mountHistory } from "../shell/history.js";
import { number, shortTime } from "../shell/words.js";

/**
 * @typedef {object} RunRow
 * @property {string} id
 * @property {string} name
 * @property {string[]} tags
 * @property {number | null} share How much of its budgets is spent, if it runs.
 * @property {boolean} may_change Whether this person may name and delete it.
 * @property {string} begun In ISO 8601.
 * @property {string} stem
 * @property {string} strategies
 * @property {string} answers
 * @property {string} target
 * @property {string} model
 * @property {number} budget
 * @property {number} tokens
 * @property {string} state
 */

/** @param {RunRow} run */
function rowOf(run) {
  const row = linkedRow(`/strategies/?run=${run.id}`, [
    [shortTime(run.begun), "m1-number"],
    [run.stem, "m1-stem"],
    [run.strategies, "m1-wide"],
    [run.answers],
    [run.target],
    [run.model],
    [number(run.budget), "m1-number"],
    [number(run.tokens), "m1-number"],
    [run.state],
  ]);
  row.dataset.run = run.id;
  return row;
}

/** @param {import("../shell/elements.js").Host} host */
export const mount = (host) => mountHistory(host, { key: "run", event: "open_run", rowOf, isNamed: false });
