// Sentences that were resampled: what the rollouts of both sides answered.
import { button, isNewFor, link, node, partsOf, say } from "../shell/elements.js";

/**
 * @typedef {object} ResampledRow
 * @property {string} id
 * @property {string} text The sentence.
 * @property {string} letter That the thinking led to.
 * @property {string} state
 * @property {string} state_label
 * @property {boolean} can_stop
 * @property {boolean} can_resume
 * @property {string[]} before Letter of each rollout; empty while it is open, or if it failed.
 * @property {string[]} after
 * @property {string} said
 * @property {string} account
 * @property {string} error
 */

/** @typedef {{ problem?: string, rows?: ResampledRow[] }} ResampledValue */

/**
 * @param {string} name
 * @param {string[]} answers
 * @param {string} letter
 */
function side(name, answers, letter) {
  const line = node("div", "m1-resampled-side");
  const list = node("ol", "m1-dots");
  list.setAttribute("aria-label", `${name}: answers`);
  for (const answer of answers) {
    const dot = node("li", "m1-dot-answer", answer);
    dot.dataset.state = answer ? (answer === letter ? "same" : "other") : "open";
    list.append(dot);
  }
  line.append(node("span", "m1-quiet", name), list);
  return line;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  /** @param {ResampledRow} row */
  const rowOf = (row) => {
    const made = node("li");
    made.dataset.run = row.id;
    const quote = node("q", "", row.text);
    quote.dir = "auto";
    const said = node("p");
    const state = node("span", "m1-state", row.state_label);
    state.dataset.state = row.state;
    said.append(state, node("b", "m1-number", ` ${row.letter}: ${row.said} `), node("span", "m1-quiet", row.account));
    made.append(
      quote,
      side("Before the sentence", row.before, row.letter),
      side("With the sentence", row.after, row.letter),
      said,
    );
    if (row.error) made.append(node("p", "m1-problem", row.error));
    if (row.can_stop) made.append(button("Stop", () => trigger("stop", { id: row.id })));
    else if (row.can_resume) made.append(button("Resume", () => trigger("resume", { id: row.id })));
    const links = node("p", "m1-links");
    for (const format of ["JSON", "CSV"]) {
      const download = link(`Download ${format}`, `/resamplings/${row.id}.${format.toLowerCase()}`);
      download.download = "";
      links.append(download, " ");
    }
    made.append(links);
    return made;
  };
  return (/** @type {ResampledValue} */ { problem, rows }) => {
    if (problem !== undefined) say(part("problem"), problem);
    if (rows) part("section").hidden = rows.length === 0 && !problem;
    if (rows?.length && isNewFor(part("rows"), rows)) part("rows").replaceChildren(...rows.map(rowOf));
  };
}
