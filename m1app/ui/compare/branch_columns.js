// A trace and its branches, a column each, from the place on where they differ.
import { isNewFor, link, node, partsOf, say, setText } from "../shell/elements.js";
import { number } from "../shell/words.js";

/**
 * @typedef {object} BranchColumn
 * @property {string} id
 * @property {string} title
 * @property {string} link
 * @property {string} edit Where it is edited; empty while it runs.
 * @property {string} verdict
 * @property {string} verdict_label
 * @property {string} tokens
 * @property {{ kind: string, text: string }[]} pieces
 * @property {string} answer
 */

/**
 * @typedef {object} BranchColumnsValue
 * @property {string} [problem]
 * @property {string} [question]
 * @property {string[]} [options]
 * @property {string} [again] Where its budgets are compared.
 * @property {string} [prefix]
 * @property {BranchColumn[]} [columns]
 * @property {string} [notice]
 */

/** @param {BranchColumn} column */
function head({ title, link: address, edit, verdict, verdict_label: label, tokens }) {
  const made = node("div", "m1-branch-head");
  const name = node("h3");
  const to = link(title, address);
  to.dir = "auto";
  name.append(to);
  const said = node("p", "m1-column-result");
  const badge = node("span", "m1-verdict", label);
  badge.dataset.verdict = verdict;
  said.append(badge, node("span", "m1-quiet m1-number", tokens));
  made.append(name, said);
  if (edit) made.append(link("Edit and continue", edit, `Edit and continue: ${title}`));
  return made;
}

/** @param {BranchColumn["pieces"]} pieces */
function thinking(pieces) {
  const made = node("p", "m1-branch-text");
  made.dir = "auto";
  for (const { kind, text } of pieces) {
    if (kind === "edit") made.append(node("ins", "", text));
    else made.append(kind === "wait" ? node("span", "m1-wait", text) : text);
  }
  if (!pieces.length) made.append("Nothing after this point.");
  return made;
}

/** @param {BranchColumn} column */
function columnOf(column) {
  const made = node("article", "m1-branch-column");
  made.dataset.branch = column.id;
  made.setAttribute("aria-label", column.title);
  const answer = node("p", "m1-branch-answer", column.answer || "No answer yet.");
  answer.dir = "auto";
  made.append(head(column), thinking(column.pieces), answer);
  return made;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element }) {
  const part = partsOf(element);
  return (/** @type {BranchColumnsValue} */ value) => {
    const { problem, prefix = "", columns = [], notice = "" } = value;
    part("section").hidden = columns.length === 0 && !problem;
    say(part("problem"), problem);
    part("asked").hidden = part("again").hidden = columns.length === 0;
    if (!columns.length || !isNewFor(part("columns"), [prefix, columns])) return;
    setText(part("question"), value.question);
    part("options").replaceChildren(...(value.options ?? []).map((each) => node("li", "", each)));
    part("again", HTMLAnchorElement).href = value.again ?? "/compare/";
    part("common").hidden = !prefix;
    setText(part("common-said"), `Text that all branches share: ${number([...prefix].length)} characters`);
    setText(part("prefix"), prefix);
    part("columns").replaceChildren(...columns.map(columnOf));
    say(part("notice"), notice);
  };
}
