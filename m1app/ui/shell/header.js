// Engine status: engine, model, tokens per second.
import { all, partsOf, setText, showFacts } from "./elements.js";

/**
 * @typedef {object} HeaderValue
 * @property {string} [state]
 * @property {string} [label]
 * @property {string} [work]
 * @property {string} [message]
 * @property {string} [demo]
 * @property {string} [log]
 * @property {string} [restart] The text of the button.
 * @property {boolean} [can_restart]
 * @property {boolean} [can_stop]
 * @property {[name: string, text: string][]} [facts]
 */

/** @param {import("./elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  const here = window.location.pathname.replace(/\/*$/, "/");
  for (const link of all(element, ".m1-nav a", HTMLAnchorElement)) {
    if (link.getAttribute("href") === here) link.setAttribute("aria-current", "page");
  }
  part("restart").addEventListener("click", () => trigger("restart_engine", {}));
  part("stop").addEventListener("click", () => trigger("stop_engine", {}));

  return (/** @type {HeaderValue} */ value) => {
    part("dot").dataset.state = value.state || "";
    setText(part("engine"), value.label || "Engine");
    for (const name of /** @type {const} */ (["work", "message", "demo", "log", "restart"])) {
      setText(part(name), value[name]);
    }
    part("restart").hidden = !value.can_restart;
    part("stop").hidden = !value.can_stop;
    showFacts(part("facts"), value.facts || []);
  };
}
