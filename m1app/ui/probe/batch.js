// Several questions that are asked at once: how far they are, a link to each trace, and a button that stops them.
import { isNewFor, link, node, partsOf, rowOfPlainClick, say, setMeter, setText } from "../shell/elements.js";

/**
 * @typedef {object} BatchRow
 * @property {string} question
 * @property {string} label Verdict or state.
 * @property {string} verdict
 * @property {string} trace Id of its trace; empty before it is asked.
 */

/**
 * @typedef {object} BatchValue
 * @property {string} [id] Empty to show none.
 * @property {string} [summary]
 * @property {number} [share] How much is done, from 0 to 1.
 * @property {BatchRow[]} [rows]
 * @property {boolean} [is_over]
 * @property {number} [left] Questions that an app that has ended has left.
 * @property {boolean} [is_new] It was started here just now.
 * @property {string} [notice]
 */

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  let id = "";
  part("stop").addEventListener("click", () => trigger("stop_batch", { id }));
  part("go-on").addEventListener("click", () => trigger("go_on", { id }));
  part("close").addEventListener("click", () => trigger("put_away", { id }));
  element.addEventListener("click", (click) => {
    const row = rowOfPlainClick(click, "li[data-trace]");
    if (row) trigger("open_trace", { id: row.dataset.trace });
  });

  return (/** @type {BatchValue} */ value) => {
    say(part("notice"), value.notice);
    if (value.id === undefined) return;
    id = value.id;
    part("batch").hidden = !id;
    setText(part("summary"), value.summary);
    setMeter(part("meter"), value.share ?? 0);
    part("meter").hidden = part("stop").hidden = Boolean(value.is_over);
    part("close").hidden = !value.is_over;
    part("go-on").hidden = !value.left;
    setText(part("go-on"), value.left === 1 ? "Ask the remaining one" : `Ask the remaining ${value.left}`);
    const rows = value.rows ?? [];
    if (isNewFor(part("items"), rows)) part("items").replaceChildren(...rows.map(itemOf));
    if (value.is_new) part("batch").scrollIntoView({ block: "nearest" });
  };
}

/** @param {BatchRow} row */
function itemOf(row) {
  const item = node("li");
  const label = node("span", "m1-mark", row.label);
  label.dataset.verdict = row.verdict;
  if (row.trace) {
    item.dataset.trace = row.trace;
    item.append(link(row.question, `/?trace=${row.trace}`));
  } else {
    item.append(node("span", "", row.question));
  }
  item.append(" ", label);
  return item;
}
