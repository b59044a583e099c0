// The list of sweeps.
import { linkedRow } from "../shell/elements.js";
import { mountHistory } from "../shell/history.js";
import { number, shortTime } from "../shell/words.js";

/**
 * @typedef {object} SweepRow
 * @property {string} id
 * @property {string} name
 * @property {string[]} tags
 * @property {number | null} share How much of it is done, if it runs.
 * @property {boolean} may_change Whether this person may name and delete it.
 * @property {string} begun In ISO 8601.
 * @property {string} stem
 * @property {string} models
 * @property {string} budgets
 * @property {string} rounds
 * @property {number} passes
 * @property {number} tokens
 * @property {string} state
 */

/** @param {SweepRow} sweep */
function rowOf(sweep) {
  const row = linkedRow(`/compare/?sweep=${sweep.id}`, [
    [shortTime(sweep.begun), "m1-number"],
    [sweep.stem, "m1-stem"],
    [sweep.models],
    [sweep.budgets],
    [sweep.rounds],
    [number(sweep.passes), "m1-number"],
    [number(sweep.tokens), "m1-number"],
    [sweep.state],
  ]);
  row.dataset.sweep = sweep.id;
  return row;
}

/** @param {import("../shell/elements.js").Host} host */
export const mount = (host) => mountHistory(host, { key: "sweep", event: "open_sweep", rowOf });
