// The content of a mark as text, and the elements that show it.
import { button, node } from "../shell/elements.js";
import { shortTime } from "../shell/words.js";

/** @typedef {import("./session.js").Mark} Mark */
/** @typedef {import("./session.js").SavedMark} SavedMark */
/** @typedef {import("./session.js").Evidence} Evidence */
/** @typedef {(id: string) => string} LabelName */

/**
 * @typedef {object} Revision
 * @property {number} revision
 * @property {string} action
 * @property {string} made_by
 * @property {string} made_at In ISO 8601.
 * @property {string} reason
 * @property {string[]} says
 */

/** @type {[id: string, name: string][]} */
export const EVIDENCE = [
  ["pmid", "PMID"],
  ["doi", "DOI"],
  ["url", "URL"],
  ["guideline", "Guideline"],
  ["quote", "Quote"],
];
/** @type {Record<string, string>} */
export const PART_NAMES = { thinking: "Thinking", answer: "Answer", whole: "Whole case" };
/** @type {Record<string, string>} */
export const FIELD_NAMES = {
  part: "Text",
  selector: "Words marked",
  exact: "Words marked",
  labels: "Labels",
  severity: "Severity",
  comment: "Comment",
  corrected_fact: "Corrected fact",
  evidence: "Evidence",
  confidence: "Confidence",
  is_omission: "Kind",
  changed_answer: "Changed the final answer",
};

/** @param {Evidence} evidence */
const evidenceWords = ({ kind, value }) => `${EVIDENCE.find(([id]) => id === kind)?.[1] || kind}: ${value}`;

/**
 * @param {string} field
 * @param {Partial<Mark>} mark
 * @param {LabelName} labelName
 * @returns {string}
 */
export function fieldWords(field, mark, labelName) {
  switch (field) {
    case "labels":
      return (mark.labels || []).map(labelName).join(", ");
    case "evidence":
      return (mark.evidence || []).map(evidenceWords).join("; ");
    case "is_omission":
      return mark.is_omission ? "Something is missing" : "Something is wrong";
    case "changed_answer":
      return changedWords(mark.changed_answer ?? null) || "Unknown";
    case "part":
      return PART_NAMES[mark.part ?? ""] || mark.part || "";
    default:
      return String(/** @type {Record<string, unknown>} */ (mark)[field] ?? "");
  }
}

/** @param {boolean | null} hasChanged */
const changedWords = (hasChanged) => (hasChanged === null ? "" : hasChanged ? "Yes" : "No");

/** @param {SavedMark} mark */
export function stateChip(mark) {
  const chip = node("span", "m1-mark-state", mark.state_label);
  chip.dataset.state = mark.state_key;
  return chip;
}

/**
 * @param {Mark} mark
 * @param {LabelName} labelName
 */
function labelChips(mark, labelName) {
  const row = node("div", "m1-mark-labels");
  row.append(...mark.labels.map((id) => node("span", "m1-label-tag", labelName(id))));
  if (mark.severity) {
    const severity = node("span", "m1-severity", mark.severity);
    severity.dataset.severity = mark.severity;
    row.append(severity);
  }
  if (mark.is_omission) row.append(node("span", "m1-label-tag is-omission", "missing here"));
  return row;
}

/**
 * A read-only view of a mark.
 * @template {Mark} M
 * @param {M} mark
 * @param {(mark: M) => void} onJump
 * @param {LabelName} labelName
 */
export function markBody(mark, onJump, labelName) {
  const body = node("div", "m1-mark-body");
  const place = button("", () => onJump(mark));
  place.className = "m1-mark-quote";
  place.title = "Show in the text";
  place.append(node("span", "m1-quiet", `${PART_NAMES[mark.part]} `));
  if (mark.start !== null) place.append(node("q", "", mark.exact));
  body.append(place, labelChips(mark, labelName));
  const facts = [
    ["", mark.comment],
    ["Correction: ", mark.corrected_fact],
    ["", (mark.evidence || []).map(evidenceWords).join("; ")],
    ["Confidence: ", mark.confidence],
    ["Changed the final answer: ", changedWords(mark.changed_answer).toLowerCase()],
  ];
  for (const [name, text] of facts) {
    if (!text) continue;
    const line = node("p", "m1-mark-text");
    if (name) line.append(node("b", "", name));
    line.append(text);
    body.append(line);
  }
  return body;
}

/** @param {Revision[]} revisions */
export function historyList(revisions) {
  const list = node("ol", "m1-revisions");
  for (const each of revisions) {
    const item = node("li");
    const says = [each.reason && `Reason: ${each.reason}`, ...each.says].filter(Boolean).join(" · ");
    item.append(
      node("b", "", `${each.revision}. ${each.action}`),
      ` by ${each.made_by}, ${shortTime(each.made_at)}`,
      node("div", "m1-mark-text", says),
    );
    list.append(item);
  }
  return list;
}
