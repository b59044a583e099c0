// The trash: what was deleted, with buttons to restore it or to remove it for good.
import { button, isNewFor, node, partsOf, say } from "../shell/elements.js";
import { shortTime } from "../shell/words.js";
import { askTwice } from "./ask_twice.js";
import { labelled } from "./cells.js";

/**
 * @typedef {object} TrashedRow
 * @property {string} id Of the deletion.
 * @property {string} kind
 * @property {string} name
 * @property {string} deleted In ISO 8601.
 * @property {string} by
 * @property {string} until In ISO 8601.
 */

/**
 * @typedef {object} TrashValue
 * @property {TrashedRow[]} [rows]
 * @property {string} [empty]
 * @property {number} [number] Number of the request that this answers.
 * @property {{ error?: string, done?: string }} [reply]
 */

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  let asked = 0;
  const ask = (/** @type {string} */ action, /** @type {string} */ id) => {
    asked += 1;
    say(part("notice"), "");
    say(part("done"), "");
    trigger("ask", { number: asked, action, id });
  };

  /** @param {TrashedRow} item */
  function itemRow(item) {
    const row = node("tr");
    row.dataset.deletion = item.id;
    const actions = node("td", "m1-account-actions");
    const remove = button("Remove for good", () => {}, `Remove ${item.name} for good`);
    remove.classList.add("m1-danger");
    askTwice(remove, "Remove? This cannot be undone.", () => ask("remove", item.id));
    actions.append(
      button("Restore", () => ask("restore", item.id), `Restore ${item.name}`),
      remove,
    );
    row.append(
      node("td", "", item.kind),
      node("td", "m1-trashed-name", item.name),
      labelled("Deleted", node("td", "m1-quiet-cell", shortTime(item.deleted))),
      labelled("by", node("td", "", item.by)),
      labelled("Kept until", node("td", "m1-quiet-cell", shortTime(item.until))),
      actions,
    );
    return row;
  }

  return (/** @type {TrashValue} */ { rows, empty, number: answered, reply = {} }) => {
    if (rows) {
      part("table").hidden = !rows.length;
      say(part("empty"), empty);
      if (isNewFor(part("rows"), rows)) part("rows").replaceChildren(...rows.map(itemRow));
    }
    if (answered === undefined || answered < asked) return;
    if (reply.error) say(part("notice"), reply.error);
    if (reply.done) say(part("done"), reply.done);
  };
}
