// Below the form: the result of a dry run.
import { partsOf, showFacts } from "../shell/elements.js";

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element }) {
  const part = partsOf(element);

  return (/** @type {{ estimate?: [name: string, text: string][] }} */ { estimate = [] }) => {
    part("estimate").hidden = !estimate.length;
    showFacts(part("facts"), estimate);
  };
}
