// Finds the part of a streamed text that is not shown yet.

/** @typedef {{ kind: string, text: string }} Segment Kinds other than "think" and "answer" are highlighted as markers.
 */

/**
 * A piece to append to the last shown segment, or to start the next one with.
 * @typedef {{ opens: string | null, text: string }} Piece
 */

/**
 * @param {Segment[]} shown
 * @param {Segment[]} segments
 * @returns {Piece[] | null} Null if `segments` does not start with what is shown and everything must be rewritten.
 */
export function piecesToAppend(shown, segments) {
  const isContinuation =
    segments.length >= shown.length &&
    shown.every((old, i) => segments[i].kind === old.kind && segments[i].text.startsWith(old.text));
  // Only the last segment can still grow: new text in an earlier one would have to be inserted.
  const hasGrownWithin = shown.slice(0, -1).some((old, i) => segments[i]?.text !== old.text);
  if (!isContinuation || hasGrownWithin) return null;
  const pieces = [];
  const last = shown.length - 1;
  if (last >= 0 && segments[last].text.length > shown[last].text.length) {
    pieces.push({ opens: null, text: segments[last].text.slice(shown[last].text.length) });
  }
  for (const { kind, text } of segments.slice(shown.length)) pieces.push({ opens: kind, text });
  return pieces;
}
