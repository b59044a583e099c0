// Numbers and counts as the pages write them.

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
