// How far the pruning of a data set has come, and its end by a button.
import { partsOf, setMeter, setText } from "../shell/elements.js";

/** @typedef {{ name: string, text: string, share: number, is_stopping: boolean }} Progress */
/** @typedef {{ pruning?: Progress | null, broken?: string }} ProgressValue */

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  const stop = part("stop", HTMLButtonElement);
  stop.addEventListener("click", () => {
    stop.disabled = true;
    trigger("stop", {});
  });
  return (/** @type {ProgressValue} */ { pruning }) => {
    part("box").hidden = !pruning;
    if (!pruning) return;
    setText(part("name"), `Pruning ${pruning.name}:`);
    setText(part("text"), pruning.text);
    setMeter(part("meter"), pruning.share);
    stop.disabled = pruning.is_stopping;
    setText(stop, pruning.is_stopping ? "Stopping…" : "Stop");
  };
}
