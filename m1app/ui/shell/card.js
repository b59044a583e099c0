// A card, as the app writes it in Markdown, as elements: headings, paragraphs, lists, tables, code, bold text.
// Only what the app's own cards use; everything is set as text.
import { node } from "./elements.js";

/** @typedef {{ kind: "b" | "code" | "", text: string }} Run Some text of a line. */
/** @typedef {{ kind: "heading" | "p" | "list" | "table" | "code", level: number, lines: string[] }} Block */

/** @param {string} text Escapes of Markdown are taken back. */
const plain = (text) => text.replace(/\\([\\`*[\]<>|!&])/g, "$1");

/**
 * @param {string} text With **bold** and `code`.
 * @returns {Run[]}
 */
export function runsOf(text) {
  return text
    .split(/(\*\*[^*]+\*\*|`[^`]+`)/)
    .filter(Boolean)
    .map((part) => {
      if (/^\*\*[^*]+\*\*$/.test(part)) return { kind: "b", text: plain(part.slice(2, -2)) };
      if (/^`[^`]+`$/.test(part)) return { kind: "code", text: part.slice(1, -1) };
      return { kind: "", text: plain(part) };
    });
}

/**
 * @param {string} line Of a table.
 */
export const cellsOf = (line) =>
  line
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());

/**
 * @param {string[]} lines Without empty ones.
 * @returns {Block}
 */
function blockOf(lines) {
  const heading = /^(#{1,4}) (.*)$/.exec(lines[0]);
  if (heading && lines.length === 1) return { kind: "heading", level: heading[1].length, lines: [heading[2]] };
  if (lines.length > 1 && lines.every((line) => line.startsWith("|"))) return { kind: "table", level: 0, lines };
  if (lines.every((line) => line.startsWith("- "))) {
    return { kind: "list", level: 0, lines: lines.map((line) => line.slice(2)) };
  }
  return { kind: "p", level: 0, lines };
}

/**
 * @param {string} text Markdown.
 * @returns {Block[]}
 */
export function blocksOf(text) {
  /** @type {Block[]} */
  const found = [];
  /** @type {string[]} */
  let lines = [];
  let fence = "";
  const end = (/** @type {boolean} */ isCode) => {
    if (isCode) found.push({ kind: "code", level: 0, lines });
    else if (lines.length) found.push(blockOf(lines));
    lines = [];
  };
  for (const line of text.split("\n")) {
    const opened = fence ? "" : (/^`{3,}/.exec(line)?.[0] ?? "");
    if (opened) end(false);
    else if (fence && line === fence) end(true);
    else if (fence || line.trim()) lines.push(line);
    else end(false);
    fence = opened || (line === fence ? "" : fence);
  }
  end(false);
  return found;
}

/**
 * @template {HTMLElement} T
 * @param {T} target
 * @param {string} text
 */
function filled(target, text) {
  for (const { kind, text: words } of runsOf(text)) target.append(kind ? node(kind, "", words) : words);
  return target;
}

/** @param {string[]} lines With the header and the line below it. */
function tableNode([head, , ...rows]) {
  const line = (/** @type {string} */ text, /** @type {"th" | "td"} */ kind) => {
    const row = node("tr");
    row.append(...cellsOf(text).map((cell) => filled(node(kind), cell)));
    return row;
  };
  const [table, header, body] = [node("table", "m1-table"), node("thead"), node("tbody")];
  header.append(line(head, "th"));
  body.append(...rows.map((each) => line(each, "td")));
  table.append(header, body);
  return table;
}

/** @param {Block} block */
function blockNode({ kind, level, lines }) {
  if (kind === "code") return node("pre", "m1-command", lines.join("\n"));
  if (kind === "table") return tableNode(lines);
  if (kind === "list") {
    const list = node("ul");
    list.append(...lines.map((line) => filled(node("li"), line)));
    return list;
  }
  // The card stands below a heading of the page.
  return filled(node(kind === "p" ? "p" : level < 3 ? "h3" : "h4"), lines.join("\n"));
}

/** @param {string} text Markdown. */
export const cardNodes = (text) => blocksOf(text).map(blockNode);
