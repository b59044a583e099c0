// Two started studies beside each other: their verdicts, and the differences between their answers.
import { link, node, option, say, setText } from "../shell/elements.js";
import { shortTime } from "../shell/words.js";
import { rowOf } from "./outcome.js";

/** @typedef {import("../shell/elements.js").FindPart} FindPart */
/** @typedef {{ id: string, name: string }} Other */
/** @typedef {{ verdict: string, verdict_label: string, found: string }} Side */
/** @typedef {{ id: string, text: string, is_contradiction: boolean, sides: [Side, Side] }} ComparedClaim */

/**
 * @typedef {object} Comparison
 * @property {{ name: string, link: string, started: string, models: string }[]} studies
 * @property {string[]} differences
 * @property {ComparedClaim[]} claims
 * @property {string[][]} cells
 * @property {string} cells_note
 */

const NUMBERS = [2, 3, 6];

/** @param {Side} side */
function sideCell(side) {
  const cell = node("div");
  const verdict = node("span", "m1-verdict-label", side.verdict_label);
  verdict.dataset.verdict = side.verdict;
  cell.append(verdict, node("span", "m1-claim-why", side.found));
  return cell;
}

/** @param {ComparedClaim} claim */
function claimRow(claim) {
  const said = node("div", "", claim.text);
  if (claim.is_contradiction) said.append(node("span", "m1-contradiction", "The two contradict each other."));
  const row = rowOf([said, ...claim.sides.map(sideCell)]);
  row.dataset.compared = claim.id;
  return row;
}

/** @param {string[]} cells */
function cellRow(cells) {
  const row = rowOf(cells);
  for (const place of NUMBERS) row.children[place].classList.add("m1-number");
  return row;
}

/**
 * Offers the studies to compare the open one with.
 * @param {FindPart} part
 * @param {Other[]} others
 */
export function offerOthers(part, others) {
  part("compare-form").hidden = others.length === 0;
  const box = part("other", HTMLSelectElement);
  const chosen = box.value;
  box.replaceChildren(...others.map((each) => option(each.id, each.name)));
  if (others.some((each) => each.id === chosen)) box.value = chosen;
}

/**
 * @param {FindPart} part
 * @param {Comparison & { error?: string }} found
 */
export function showComparison(part, found) {
  part("comparison").hidden = false;
  say(part("comparing"), "");
  say(part("comparison-problem"), found.error);
  part("compared").hidden = Boolean(found.error);
  if (found.error) return;
  const [first, second] = found.studies;
  part("compared-studies").replaceChildren(
    ...found.studies.map((each) => {
      const row = node("li");
      row.append(link(each.name, each.link), `, started ${shortTime(each.started)}; ${each.models}`);
      return row;
    }),
  );
  part("compared-differences").replaceChildren(...found.differences.map((each) => node("li", "", each)));
  part("asked-alike").hidden = found.differences.length > 0;
  setText(part("first-head"), first.name);
  setText(part("second-head"), second.name);
  part("no-compared-claims").hidden = found.claims.length > 0;
  part("compared-claims-frame").hidden = found.claims.length === 0;
  part("compared-claims").replaceChildren(...found.claims.map(claimRow));
  setText(part("cells-note"), found.cells_note);
  part("no-compared-cells").hidden = found.cells.length > 0;
  part("compared-cells-frame").hidden = found.cells.length === 0;
  part("compared-cells").replaceChildren(...found.cells.map(cellRow));
}
