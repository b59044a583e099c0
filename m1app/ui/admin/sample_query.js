// What the form of the samples tab asks for.

/** The choice of all domains, or of all sources: an empty one is a domain of its own. */
export const ALL = "*";

/**
 * What the form asks for; empty boxes set no limit.
 * @param {Record<string, string>} values
 * @param {number} offset
 */
export function queryOf(values, offset) {
  const chosen = (/** @type {string} */ name) => (values[name] === ALL ? null : values[name]);
  const typed = (/** @type {string} */ name) => values[name].trim().replaceAll(",", "") || null;
  return {
    text: values.text.trim(),
    state: values.state,
    domain: chosen("domain"),
    source: chosen("source"),
    order: values.order,
    least: typed("least"),
    most: typed("most"),
    offset,
  };
}
