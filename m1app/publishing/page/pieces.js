// A stretch of a thinking in pieces of one kind: who wrote it, and whether somebody marked it. Positions are code points.

/** @typedef {[kind: string, text: string, tokens: number]} Segment */
/** @typedef {[start: number, end: number]} Span */
/** @typedef {{ text: string, kind: string, isMarked: boolean }} Piece */

/**
 * The part of a text between two positions.
 * @param {string} text
 * @param {number} start
 * @param {number} [end]
 */
export function cut(text, start, end) {
  // Only characters of two code units make positions in code points differ from those of the browser.
  return /[\ud800-\udfff]/.test(text) ? [...text].slice(start, end).join("") : text.slice(start, end);
}

/** @param {string} text */
function lengthOf(text) {
  return /[\ud800-\udfff]/.test(text) ? [...text].length : text.length;
}

/**
 * The thinking up to a position.
 * @param {Segment[]} segments
 * @param {number} end
 * @param {Span[]} marks
 * @returns {Piece[]}
 */
export function piecesOf(segments, end, marks) {
  /** @type {Piece[]} */
  const made = [];
  let start = 0;
  for (const [kind, text] of segments) {
    const stop = Math.min(start + lengthOf(text), end);
    if (stop > start) made.push(...divided({ kind, text, start, stop }, marks));
    start += lengthOf(text);
  }
  return made;
}

/**
 * @param {{ kind: string, text: string, start: number, stop: number }} part
 * @param {Span[]} marks
 * @returns {Piece[]}
 */
function divided({ kind, text, start, stop }, marks) {
  const inside = marks.flat().filter((place) => place > start && place < stop);
  const edges = [...new Set([start, ...inside, stop])].sort((one, other) => one - other);
  return edges.slice(1).map((edge, number) => ({
    text: cut(text, edges[number] - start, edge - start),
    kind,
    isMarked: marks.some(([from, to]) => from <= edges[number] && edge <= to),
  }));
}
