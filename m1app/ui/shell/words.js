// Numbers, counts and times as the pages write them.

/** @param {number} value */
export const number = (value) => value.toLocaleString("en-US");

/** @param {number} value From 0 to 1. */
export const percent = (value) => `${(value * 100).toFixed(1)}%`;

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many] The plural, if it is not the singular plus "s".
 */
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/**
 * Day and time without the year if it is this year's.
 * @param {string} iso
 * @param {Date} [now]
 */
export function shortTime(iso, now = new Date()) {
  const moment = new Date(iso);
  const year = moment.getFullYear() === now.getFullYear() ? {} : /** @type {const} */ ({ year: "numeric" });
  const form = /** @type {const} */ ({ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  return moment.toLocaleString([], { ...form, ...year });
}
