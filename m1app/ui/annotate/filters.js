// The filters of the queue, as stored in the address.

/** @typedef {Record<string, string>} Filter Values by name; missing ones do not filter. */

const FILTERS = [
  "order",
  "seed",
  "verdict",
  "model",
  "label",
  "severity",
  "by",
  "words",
  "flipped",
  "disputed",
  "todo",
  "run",
  "budget",
  "rounds",
];
/** Filters without a field of their own, with the text of their chips. @type {Record<string, string>} */
export const CHIPS = { run: "Run", budget: "Budget", rounds: "Rounds" };
const SHORT_ID = 8;
/** What the queue holds in each order. @type {Record<string, (seed: string) => string>} */
const ORDERS = {
  "": () => "Newest first. Rows with ▸ group the answers of one sweep, or the probes of one question.",
  random: (seed) =>
    `A random sample: every matching case, one at a time, in the order of seed ${seed}. The same seed gives everyone the same order.`,
  disagreement: () =>
    "Cases whose annotators chose different labels, and final answers of passes that ended with different letters.",
  flip: () => "Wrong answers whose pass was right at the previous cut.",
};

/** @param {Filter} filter */
export function orderWords({ order = "", seed = "0" }) {
  return (ORDERS[order] ?? ORDERS[""])(seed);
}

/**
 * Whether a filter leaves cases out; an order alone does not.
 * @param {Filter} filter
 */
export function isFiltered(filter) {
  return Object.keys(filter).some((name) => name !== "order" && name !== "seed");
}

/**
 * @param {URLSearchParams} address
 * @returns {Filter}
 */
export function filterOf(address) {
  return Object.fromEntries(FILTERS.flatMap((name) => (address.get(name) ? [[name, address.get(name) ?? ""]] : [])));
}

/**
 * The filters shown as chips.
 * @param {Record<string, unknown>} values
 * @returns {Filter}
 */
export function chipsOf(values) {
  const names = Object.keys(CHIPS).filter((name) => values[name]);
  return Object.fromEntries(names.map((name) => [name, String(values[name])]));
}

/**
 * @param {string} name
 * @param {string} value
 */
export function chipWords(name, value) {
  return `${CHIPS[name]} ${name === "run" ? value.slice(0, SHORT_ID) : value}`;
}

/**
 * The address of what is shown.
 * @param {Filter} filter
 * @param {{ tab: string, caseId: string }} shown
 */
export function addressOf(filter, { tab, caseId }) {
  const more = { ...(tab === "cases" ? {} : { tab }), ...(caseId ? { case: caseId } : {}) };
  return new URLSearchParams({ ...filter, ...more }).toString();
}
