// Name and tags of the run that is shown, with buttons that change them and delete the run. On paper also its question,
// which the page has in its form.
import { node, partsOf, say } from "./elements.js";
import { NamingDialog } from "./naming_dialog.js";

/**
 * @typedef {object} StripValue
 * @property {string} [id]
 * @property {string} [name]
 * @property {string[]} [tags]
 * @property {string} [question]
 * @property {string[]} [options]
 * @property {string} [target]
 * @property {boolean} [is_deleted]
 * @property {boolean} [may_change] Whether this person may name and delete it.
 * @property {string} [notice] What came of the last change.
 * @property {string} [undo] Id of the deletion that can be undone.
 */

/** @param {import("./elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  const dialog = new NamingDialog(element, (naming) => trigger("rename", naming));
  /** @type {StripValue} */
  let shown = {};
  part("rename").addEventListener("click", () => {
    dialog.open({ id: shown.id ?? "", name: shown.name ?? "", tags: shown.tags ?? [] });
  });
  part("discard").addEventListener("click", () => trigger("discard", { id: shown.id }));
  part("undo").addEventListener("click", () => trigger("restore", { id: shown.undo }));

  return (/** @type {StripValue} */ value) => {
    shown = value;
    part("strip").hidden = !value.id && !value.notice;
    say(part("name"), value.name);
    part("tags").replaceChildren(...(value.tags ?? []).map((tag) => node("span", "m1-tag", tag)));
    part("discard").hidden = !value.id || !value.may_change || Boolean(value.is_deleted);
    // Runs of strategies have no name.
    part("rename").hidden = part("discard").hidden || value.name === undefined;
    if (value.question !== undefined) {
      say(part("question"), value.question);
      say(part("options"), (value.options ?? []).join("\n"));
      say(part("target"), value.target && `Target: ${value.target}`);
    }
    say(part("notice"), value.notice);
    part("undo").hidden = !value.undo;
  };
}
