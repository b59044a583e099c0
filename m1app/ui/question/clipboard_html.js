// What a program has put on the clipboard beside the plain text: its formatting, which the server reads as text. Nothing
// of it is ever shown as HTML.

const MOST_CHARACTERS = 400_000;
const START = "<!--StartFragment-->";
const END = "<!--EndFragment-->";
// Only these have what the plain text loses: letters of a list, columns of a table, Word's own lists.
const USEFUL = /<(?:ol|ul|li|table|td|input|br|p|div)[\s>/]|mso-list/i;

/**
 * The copied part of HTML from a clipboard, without the styles before it; empty if there is none of use, or too much.
 * @param {string} html
 */
export function copiedPart(html) {
  const start = html.indexOf(START);
  const end = html.lastIndexOf(END);
  const part = start >= 0 && end > start ? html.slice(start + START.length, end) : html;
  // What stands before the fragment may be the list that it is in.
  const list = start >= 0 ? openListBefore(html.slice(Math.max(0, start - 2000), start)) : "";
  const whole = `${list}${part}`;
  return whole.length <= MOST_CHARACTERS && USEFUL.test(whole) ? whole : "";
}

/**
 * The tag of a list that is still open at the end of a text; empty if none is.
 * @param {string} before
 */
function openListBefore(before) {
  const found = before.match(/<\/?(?:ol|ul)\b[^<>]{0,500}>/gi) ?? [];
  /** @type {string[]} */
  const open = [];
  for (const tag of found) {
    if (tag.startsWith("</")) open.pop();
    else open.push(tag);
  }
  return open.at(-1) ?? "";
}

/**
 * What a paste brings, as the box will hold it: lines end with "\n".
 * @param {DataTransfer | null} data
 * @returns {{ text: string, html: string }}
 */
export function pasted(data) {
  const html = data?.getData("text/html") ?? "";
  return { text: (data?.getData("text/plain") ?? "").replace(/\r\n?/g, "\n"), html: copiedPart(html) };
}
