// Where a claim's interval and the paper's number lie on a bar from the same distance below zero to above it.

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
 * @param {Measured} of
 * @returns {Places | null} Null if nothing was measured.
 */
export function placesOf({ estimate, low, high, paper }) {
  if (estimate === null || low === null || high === null) return null;
  const reach = Math.max(LEAST, ...[low, high, estimate, paper ?? 0].map(Math.abs)) * 1.05;
  const place = (/** @type {number} */ value) => (value / reach + 1) / 2;
  return { low: place(low), high: place(high), at: place(estimate), paper: paper === null ? null : place(paper) };
}
