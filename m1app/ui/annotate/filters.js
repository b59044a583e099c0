// The filters of the queue, as stored in the address.

/** @typedef {Record<string, string>} Filter Values by name; missing ones do not filter. */

export const FILTERS = [
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
