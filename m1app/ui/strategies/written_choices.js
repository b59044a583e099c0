// Strategies as they are written: "vote:k=8,adaptive-vote:k=8:share=0.75". In a value a colon is written %3A, a comma
// %2C, and a percent sign %25; see m1app/strategies/catalogue.py.

/** @typedef {{ name: string, options: Record<string, string> }} Written */

/**
 * @param {string} text
 * @returns {Written[]} In their order; what cannot be read stands in `name` as it is.
 */
export function readChoices(text) {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean)
    .map(readChoice);
}

/** @param {string} part */
function readChoice(part) {
  const [name = "", ...settings] = part.split(":").map((each) => each.trim());
  /** @type {Record<string, string>} */
  const options = {};
  let last = "";
  for (const setting of settings) {
    const at = setting.indexOf("=");
    if (at >= 1) {
      last = setting.slice(0, at).trim();
      options[last] = unescaped(setting.slice(at + 1).trim());
    } else if (last) {
      options[last] += `:${setting}`; // As in "judge=m1-7B @ 127.0.0.1:8001".
    } else return { name: part, options: {} };
  }
  return { name, options };
}

/** @param {string} value */
function escaped(value) {
  return value.replace(/[%:,]/g, encodeURIComponent);
}

/** @param {string} written */
function unescaped(written) {
  return written.replace(/%(25|3A|2C)/gi, decodeURIComponent);
}

/** @param {Written[]} chosen */
export function writeChoices(chosen) {
  return chosen
    .map(({ name, options }) =>
      [name, ...Object.entries(options).map(([key, value]) => `${key}=${escaped(value)}`)].join(":"),
    )
    .join(",");
}
