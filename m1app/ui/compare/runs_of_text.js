// A prefix of a pass's thinking as runs of one kind, and the choice of columns, for `sweep_columns.js`.

/** @typedef {[start: number, end: number]} Span In UTF-16 code units. */

/**
 * @typedef {object} Run
 * @property {string} text
 * @property {string} kind Class names: `m1-wait`, then `is-shared` or `is-own`, then `is-found`.
 * @property {boolean} beginsWait
 */

/**
 * @param {string} text
 * @param {Span} stretch
 * @param {{ waits: Span[], sharedEnd: number, marked: Span }} marks `sharedEnd`: where the column to the left ends.
 * @returns {Run[]}
 */
export function runsOf(text, [start, end], { waits, sharedEnd, marked }) {
  const edges = [end, sharedEnd, ...marked, ...waits.flat()];
  const runs = [];
  for (let at = start; at < end; ) {
    const from = at;
    const wait = waits.find(([first, last]) => first <= from && from < last);
    const kind = [
      wait ? "m1-wait" : "",
      from < sharedEnd ? "is-shared" : "is-own",
      from >= marked[0] && from < marked[1] ? "is-found" : "",
    ];
    at = Math.min(...edges.filter((edge) => edge > from));
    runs.push({ text: text.slice(from, at), kind: kind.filter(Boolean).join(" "), beginsWait: wait?.[0] === from });
  }
  return runs;
}

/**
 * The cell whose column shows `key`: its own, or one shown already with the same cut.
 * @template {{ key: string, cut: string }} Cell
 * @param {string} key
 * @param {Cell[]} cells
 * @param {Cell[]} shown
 * @returns {Cell | undefined} Undefined when no column shows it.
 */
export function standingFor(key, cells, shown) {
  const wanted = cells.find((cell) => cell.key === key);
  return shown.find((cell) => cell.key === key) ?? shown.find((cell) => cell.cut && cell.cut === wanted?.cut);
}
