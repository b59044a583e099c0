// Rows of a file that were left out of an import: the first ones, and all of them as a file.
import { button, node } from "../shell/elements.js";
import { number } from "../shell/words.js";

/** @typedef {{ rows: [where: string, reason: string][], count: number }} BadRows */

const SHOWN = 10;
const KEPT_MS = 60_000;

/**
 * A cell that no spreadsheet program runs as a formula.
 * @param {string} text
 */
const cell = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;

/** @param {[where: string, reason: string][]} rows */
export function badRowsCsv(rows) {
  return [["where", "reason"], ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** @param {[where: string, reason: string][]} rows */
function save(rows) {
  const link = node("a");
  link.href = URL.createObjectURL(new Blob([badRowsCsv(rows)], { type: "text/csv" }));
  link.download = "rows-left-out.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}

/** @param {BadRows} bad */
export function badRowsNode({ rows, count }) {
  const box = node("details", "m1-details");
  const list = node("ul");
  list.append(...rows.slice(0, SHOWN).map(([where, reason]) => node("li", "", `${where}: ${reason}`)));
  if (count > SHOWN) list.append(node("li", "m1-quiet", `… and ${number(count - SHOWN)} more`));
  box.append(
    node("summary", "", "Rows left out"),
    list,
    button("Download as CSV", () => save(rows)),
  );
  return box;
}
