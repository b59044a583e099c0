// Keys that read the points of a drawing one after the other.

/**
 * The point that a key leads to from the last one read, -1 initially.
 * @param {number} at
 * @param {string} key
 * @param {number} count At least 1.
 * @returns {number | null} Null for other keys.
 */
export function nextPoint(at, key, count) {
  /** @type {Record<string, number>} */
  const places = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: count - 1 };
  return key in places ? Math.max(0, Math.min(count - 1, places[key])) : null;
}
