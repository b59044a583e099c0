// The run whose answer was corrected, kept in this tab on the way to the model that learns from it.
const KEY = "m1-asked-again";

/** @param {URLSearchParams} query Of the address that the Annotate page leads to. */
export function keepAskedAgain(query) {
  const run = query.get("again") ?? "";
  if (/^(trace|sweep):[0-9a-f]{32}$/.test(run)) sessionStorage.setItem(KEY, run);
}

/**
 * The address where models are compared: on that run's question, if there is one.
 * @param {string[]} models
 */
export function compareAddress(models) {
  const run = sessionStorage.getItem(KEY);
  const query = new URLSearchParams({ models: models.join(","), ...(run ? { again: run } : {}) });
  return `/compare/?${query}`;
}
