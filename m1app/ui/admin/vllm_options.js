// The options of the managed vLLM, as its form has them.

/** @typedef {Record<string, string | number | boolean | null>} Options */

const WHOLE = new Set(["context_tokens", "tensor_parallel", "data_parallel"]);

/**
 * What the form says. Text that is no number is passed on as it is: the answer says what is wrong with it.
 * @param {(HTMLInputElement | HTMLSelectElement)[]} boxes
 * @returns {Options}
 */
export function readOptions(boxes) {
  return Object.fromEntries(boxes.map((box) => [box.name, readBox(box)]));
}

/** @param {HTMLInputElement | HTMLSelectElement} box */
function readBox(box) {
  if (box.type === "checkbox") return /** @type {HTMLInputElement} */ (box).checked;
  const text = box.value.trim();
  if (box.name === "context_tokens" && !text) return null;
  if (WHOLE.has(box.name)) return readWhole(text);
  if (box.name === "gpu_memory_share") return readShare(text);
  return text;
}

/** @param {string} text */
export function readWhole(text) {
  const plain = text.replaceAll(/[,\s]/g, "");
  return /^\d{1,9}$/.test(plain) ? Number(plain) : text;
}

/** @param {string} text A share such as "0.9", or "90%". */
export function readShare(text) {
  const found = /^(\d{0,3}(?:\.\d{1,6})?)\s*(%?)$/.exec(text);
  if (!found?.[1]) return text;
  return Number(found[1]) / (found[2] ? 100 : 1);
}
