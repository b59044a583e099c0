// Reads what strategies show. A picture may lack parts that a later or earlier version of the app has: what is missing
// is empty, so that the rest can still be drawn.
import { number } from "../shell/words.js";

/**
 * @param {unknown} value
 * @param {number} [otherwise]
 */
export const numberOf = (value, otherwise = 0) =>
  typeof value === "number" && Number.isFinite(value) ? value : otherwise;

/**
 * @param {unknown} value
 * @returns {number | null}
 */
export const numberOrNull = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

/**
 * @param {unknown} value
 * @param {number} [most] Characters.
 */
export function textOf(value, most = 400) {
  const text = typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/**
 * @param {unknown} value
 * @returns {unknown[]}
 */
export const listOf = (value) => (Array.isArray(value) ? value : []);

/**
 * @param {unknown} value
 * @returns {Record<string, unknown>}
 */
export const recordOf = (value) =>
  value !== null && typeof value === "object" && !Array.isArray(value)
    ? /** @type {Record<string, unknown>} */ (value)
    : {};

/** @param {unknown} value A list of objects. */
export const recordsOf = (value) => listOf(value).map(recordOf);

/** @param {number} value */
export const within = (value) => Math.max(0, Math.min(1, value));

/**
 * Votes as they are, probabilities with two digits.
 * @param {number} value
 */
export const amount = (value) => (Number.isInteger(value) ? number(value) : value.toFixed(2));
