// Below the form: the equivalent command line, and the result of a dry run.
import { copyText, partsOf, say, showFacts } from "../shell/elements.js";
import { COPY_FAILED } from "./ask_twice.js";

/** @typedef {{ command?: string, hint?: string, estimate?: [name: string, text: string][] }} LaunchValue */

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element }) {
  const part = partsOf(element);
  part("copy").addEventListener("click", () => copyText(part("copy"), part("command").textContent ?? "", COPY_FAILED));

  return (/** @type {LaunchValue} */ value) => {
    say(part("command"), value.command);
    part("copy").hidden = !value.command;
    say(part("hint"), value.hint);
    part("estimate").hidden = !value.estimate?.length;
    showFacts(part("facts"), value.estimate || []);
  };
}
