// The tint of each sentence, by how far it moved the answer's letter.

/** @typedef {{ heat: number, way: "up" | "down" | "" }} Tint */

/** Less than this share of the largest change is not tinted. */
const LEAST = 0.02;

/**
 * How strongly each sentence is tinted, from 0 to 1, and the way that the letter moved.
 * @param {(number | null)[]} changes
 * @returns {Tint[]}
 */
export function heats(changes) {
  const most = Math.max(...changes.map((change) => Math.abs(change ?? 0)), 1e-9);
  return changes.map((change) => {
    const heat = Math.abs(change ?? 0) / most;
    if (!change || heat < LEAST) return { heat: 0, way: "" };
    return { heat, way: change > 0 ? "up" : "down" };
  });
}
