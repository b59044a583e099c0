// Which entries of the audit log are shown: pages are added at the end, and a new filter begins anew.

/** @typedef {{ person: string, action: string, subject: string }} AuditFilter */

/**
 * @typedef {object} AuditEntry
 * @property {number} number
 * @property {string} made In ISO 8601.
 * @property {string} who
 * @property {string} action
 * @property {string} subject
 * @property {string} details
 * @property {string} address
 */

export class AuditPages {
  /** @type {AuditEntry[]} */
  entries = [];
  /** @type {number | null} The request for entries after the last page, if there are more. */
  #next = null;

  /** The `before` of the next page; null if there is none. */
  get next() {
    return this.#next;
  }

  /**
   * Takes a reply; entries that are shown already are left out.
   * @param {AuditEntry[]} page Newest first.
   * @param {boolean} hasMore
   * @param {boolean} isFirst Whether it replaces what is shown.
   */
  take(page, hasMore, isFirst) {
    const last = isFirst ? undefined : this.entries.at(-1);
    const fresh = last ? page.filter(({ number }) => number < last.number) : page;
    this.entries = last ? [...this.entries, ...fresh] : fresh;
    this.#next = hasMore ? (this.entries.at(-1)?.number ?? null) : null;
    return fresh;
  }
}

/**
 * A form's filter, without spaces around.
 * @param {FormData} data
 * @returns {AuditFilter}
 */
export function filterOf(data) {
  const text = (/** @type {string} */ name) => String(data.get(name) ?? "").trim();
  return { person: text("person"), action: text("action"), subject: text("subject") };
}
