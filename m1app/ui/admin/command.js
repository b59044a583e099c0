// Below a form: the command line that does the same, or why there is none yet.
import { copyText, partsOf, say } from "../shell/elements.js";
import { COPY_FAILED } from "./ask_twice.js";

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element }) {
  const part = partsOf(element);
  part("copy").addEventListener("click", () => copyText(part("copy"), part("command").textContent ?? "", COPY_FAILED));

  return (/** @type {{ command?: string, hint?: string }} */ { command, hint }) => {
    say(part("command"), command);
    part("copy").hidden = !command;
    say(part("hint"), hint);
  };
}
