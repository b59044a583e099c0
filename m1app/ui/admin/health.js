// Results of the checks.
import { node, partsOf, say, setText } from "../shell/elements.js";

/** @typedef {[name: string, isGood: boolean, detail: string]} Finding */

/** @param {Finding} finding */
function findingRow([name, isGood, detail]) {
  const item = node("li");
  item.dataset.good = String(isGood);
  item.append(node("b", "", `${isGood ? "✓" : "✗"} ${name}`), node("span", "", detail));
  return item;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  const run = part("run", HTMLButtonElement);
  run.addEventListener("click", () => {
    run.disabled = true;
    setText(run, "Checking…");
    trigger("examine", {});
  });

  return (/** @type {{ error?: string, findings?: Finding[] }} */ value) => {
    run.disabled = false;
    setText(run, "Run checks");
    say(part("error"), value.error);
    part("findings").replaceChildren(...(value.findings || []).map(findingRow));
  };
}
