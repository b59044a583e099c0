// What a streamed text has more than what is shown of it.

/** @typedef {{ kind: string, text: string }} Segment A kind other than "think" and "answer" stands out as a marker. */

/**
 * A piece to append: to the last segment shown, or as the beginning of the next one.
 * @typedef {{ opens: string | null, text: string }} Piece
 */

/**
 * @param {Segment[]} shown
 * @param {Segment[]} segments
 * @returns {Piece[] | null} Null when `segments` does not begin with what is shown: then all is written anew.
 */
export function piecesToAppend(shown, segments) {
  const isContinuation =
    segments.length >= shown.length &&
    shown.every((old, i) => segments[i].kind === old.kind && segments[i].text.startsWith(old.text));
  // Only the last segment can still grow: text in an earlier one would belong before what stands below it.
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
