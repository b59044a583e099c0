// What stands in a mark, in words.
const FIELD_NAMES = {
  part: "Text", selector: "Words marked", exact: "Words marked", labels: "Labels", severity: "Severity", comment: "Comment",
  corrected_fact: "Corrected fact", evidence: "Evidence", confidence: "How sure", is_omission: "Kind",
  changed_answer: "Changed the final answer",
};
const evidenceWords = ({ kind, value }) => `${EVIDENCE.find(([id]) => id === kind)?.[1] || kind}: ${value}`;
function fieldWords(field, value) {
  if (field === "labels") return (value || []).map(labelName).join(", ");
  if (field === "evidence") return (value || []).map(evidenceWords).join("; ");
  if (field === "is_omission") return value ? "Something is missing" : "Something is wrong";
  if (field === "changed_answer") return { true: "Yes", false: "No" }[value] || "Not known";
  if (field === "part") return PART_NAMES[value] || value;
  return value === null || value === undefined ? "" : String(value);
}

function stateChip(mark) {
  const chip = node("span", "m1-mark-state", mark.state_label);
  chip.dataset.state = mark.state_key;
  return chip;
}
function labelChips(mark) {
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
// Everything that a mark says, for reading.
function markBody(mark, onJump) {
  const body = node("div", "m1-mark-body");
  const place = button("", () => onJump(mark));
  place.className = "m1-mark-quote";
  place.setAttribute("aria-label", `Show in the text: ${mark.exact || "whole case"}`);
  place.append(node("span", "m1-quiet", `${PART_NAMES[mark.part]} `));
  if (mark.start !== null) place.append(node("q", "", mark.exact));
  body.append(place, labelChips(mark));
  const facts = [
    ["", mark.comment],
    ["Right would be: ", mark.corrected_fact],
    ["", (mark.evidence || []).map(evidenceWords).join("; ")],
    ["How sure: ", mark.confidence],
    ["Changed the final answer: ", { true: "yes", false: "no" }[mark.changed_answer]],
  ];
  facts.filter(([, text]) => text).forEach(([name, text]) => {
    const line = node("p", "m1-mark-text");
    if (name) line.append(node("b", "", name));
    line.append(text);
    body.append(line);
  });
  return body;
}
function historyList(revisions) {
  const list = node("ol", "m1-revisions");
  revisions.forEach((each) => {
    const item = node("li");
    item.append(
      node("b", "", `${each.revision}. ${each.action}`),
      ` by ${each.made_by}, ${new Date(each.made_at).toLocaleString()}`,
      node("div", "m1-mark-text", [each.reason && `Reason: ${each.reason}`, ...each.says].filter(Boolean).join(" · ")),
    );
    list.append(item);
  });
  return list;
}
