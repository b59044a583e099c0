// The managed vLLM: options, the command they make, start and stop.
import { all, isNewFor, node, option, partsOf, say, setText } from "../shell/elements.js";
import { askTwice } from "./ask_twice.js";
import { showLog } from "./log.js";
import { readOptions } from "./vllm_options.js";

/**
 * @typedef {object} VllmValue
 * @property {string} [state]
 * @property {string} [badge] How the state looks.
 * @property {string} [about]
 * @property {string} [facts]
 * @property {string} [message]
 * @property {string} [loading]
 * @property {import("./vllm_options.js").Options} [options]
 * @property {Record<string, string>} [fixed] Options that the environment sets, and the variable.
 * @property {string[]} [models]
 * @property {string[]} [notes]
 * @property {string} [which] Whether the command runs or would run.
 * @property {string} [command]
 * @property {string} [start] The text of the button.
 * @property {boolean} [can_start]
 * @property {boolean} [can_stop]
 * @property {string} [log]
 * @property {string} [broken] Why nothing can be shown.
 * @property {number} [number] Number of the request that this answers.
 * @property {{ error?: string, done?: string }} [reply]
 */

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  const form = part("form", HTMLFormElement);
  const boxes = [...all(form, "input", HTMLInputElement), ...all(form, "select", HTMLSelectElement)];
  let asked = 0;
  const ask = (/** @type {string} */ action, said = "") => {
    asked += 1;
    say(part("notice"), "");
    say(part("done"), said);
    trigger("ask", { number: asked, action, options: readOptions(boxes) });
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => ask("choose"));
  part("start").addEventListener("click", () => ask("start", "Checking and starting…"));
  askTwice(part("stop"), "Stop, and end running answers?", () => ask("stop", "Stopping…"));

  /** @param {VllmValue} value */
  function showForm({ options = {}, fixed = {} }) {
    for (const box of boxes) {
      const chosen = options[box.name];
      if (box instanceof HTMLInputElement && box.type === "checkbox") box.checked = Boolean(chosen);
      else box.value = chosen === null || chosen === undefined ? "" : String(chosen);
      box.disabled = box.name in fixed;
      box.title = box.disabled ? `Set by ${fixed[box.name]}` : "";
    }
  }

  return (/** @type {VllmValue} */ value) => {
    if (value.broken) say(part("notice"), value.broken);
    if (value.number !== undefined && value.number >= asked) {
      say(part("notice"), value.reply?.error);
      say(part("done"), value.reply?.done);
    }
    if (value.state) {
      setText(part("state"), value.state);
      part("state").dataset.state = value.badge || "";
      for (const name of /** @type {const} */ (["about", "facts", "which", "command"]))
        setText(part(name), value[name]);
      say(part("message"), value.message);
      say(part("loading"), value.loading);
      if (isNewFor(part("models"), value.models))
        part("models").replaceChildren(...(value.models || []).map((each) => option(each, each)));
      if (isNewFor(part("notes"), value.notes))
        part("notes").replaceChildren(...(value.notes || []).map((note) => node("li", "", note)));
      part("command").hidden = !value.command;
      setText(part("start"), value.start);
      part("start", HTMLButtonElement).disabled = !value.can_start;
      part("stop").hidden = !value.can_stop;
      part("log-box").hidden = !value.log;
      showLog(part("log"), value.log || "");
      // What somebody is typing, and what was refused, stays.
      const isBusy = form.contains(document.activeElement) || !part("notice").hidden;
      if (!isBusy && isNewFor(form, [value.options, value.fixed])) showForm(value);
    }
  };
}
