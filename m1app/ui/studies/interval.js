// Where the claims' intervals and the paper's numbers lie on bars from the same distance below zero to above it.

/**
 * @typedef {object} Measured
 * @property {number | null} estimate
 * @property {number | null} low
 * @property {number | null} high
 * @property {number | null} paper
 */

/** @typedef {{ low: number, high: number, at: number, paper: number | null }} Places 0 to 1 each. */

const LEAST = 0.02;

/**
 * How far the bars of claims reach on each side of zero, so that they can be compared with each other.
 * @param {Measured[]} claims
 */
export function reachOf(claims) {
  const numbers = claims.flatMap(({ estimate, low, high, paper }) => [estimate, low, high, paper]);
  return Math.max(LEAST, ...numbers.map((each) => Math.abs(each ?? 0))) * 1.05;
}

/**
 * @param {Measured} of
 * @param {number} reach See reachOf.
 * @returns {Places | null} Null if nothing was measured.
 */
export function placesOf({ estimate, low, high, paper }, reach) {
  if (estimate === null || low === null || high === null) return null;
  const place = (/** @type {number} */ value) => (value / reach + 1) / 2;
  return { low: place(low), high: place(high), at: place(estimate), paper: paper === null ? null : place(paper) };
}
