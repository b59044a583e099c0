// Spans of text that are covered by several marks.

/** @typedef {[start: number, end: number]} Span */

const DEPTHS = 3;

/**
 * The spans covered at least once, twice, three times.
 * @param {Span[]} spans
 * @returns {Span[][]}
 */
export function depths(spans) {
  const edges = spans.flatMap(([start, end]) => [
    { at: start, change: 1 },
    { at: end, change: -1 },
  ]);
  edges.sort((a, b) => a.at - b.at || a.change - b.change);
  /** @type {Span[][]} */
  const covered = Array.from({ length: DEPTHS }, () => []);
  const open = new Array(DEPTHS).fill(0);
  let depth = 0;
  for (const { at, change } of edges) {
    const level = change > 0 ? depth : depth - 1;
    depth += change;
    if (level >= DEPTHS) continue;
    if (change > 0) open[level] = at;
    else if (at > open[level]) covered[level].push([open[level], at]);
  }
  return covered;
}

/**
 * The mark that a click opens: first the shortest, then the next one on each click at the same place.
 * @template {{ id: string, start: number | null, end: number | null }} Mark
 * @param {Mark[]} here The marks at that place.
 * @param {string} opened Id of the last opened mark.
 * @returns {Mark | undefined}
 */
export function nextToOpen(here, opened) {
  const length = (/** @type {Mark} */ mark) => (mark.end ?? 0) - (mark.start ?? 0);
  const byLength = here.toSorted((a, b) => length(a) - length(b));
  return byLength[(byLength.findIndex((mark) => mark.id === opened) + 1) % byLength.length];
}
