// What the paints of the texts mean: severities by colour and by the line below, whose mark it is by the line above.
import { node } from "../shell/elements.js";

/** @param {import("./session.js").Severity[]} severities */
export function legend(severities) {
  const known = severities.map(({ id, definition }) => sample(id, definition, { severity: id }));
  return [
    node("span", "", "Marks by severity:"),
    ...known,
    sample("others' marks", "A line above the words: somebody else has marked them.", { whose: "others" }),
    sample("suggested", "A dashed line above the words: the app suggests a mark.", { whose: "suggested" }),
  ];
}

/**
 * @param {string} text
 * @param {string} title
 * @param {Record<string, string>} data
 */
function sample(text, title, data) {
  const made = node("span", "m1-legend-sample", text);
  made.title = title;
  Object.assign(made.dataset, data);
  return made;
}
