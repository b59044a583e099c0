// Whether the app still answers. A page that hears nothing from it would show its last state for good.

export const CHECK_MS = 2_000;
const SILENT_MS = 6_000;
const PATIENCE_MS = 5_000;

const askTheApp = () => fetch("/healthz/live", { signal: AbortSignal.timeout(PATIENCE_MS) });

/** Asks the app once the page has heard nothing from it for a while. A slow app still answers. */
export class Answering {
  #ask;
  #now;
  #heardAt;

  /**
   * @param {object} [from]
   * @param {() => Promise<{ ok: boolean }>} [from.ask]
   * @param {() => number} [from.now] In milliseconds.
   */
  constructor({ ask = askTheApp, now = Date.now } = {}) {
    this.#ask = ask;
    this.#now = now;
    this.#heardAt = now();
  }

  /** To be called whenever the app has sent something. */
  hear() {
    this.#heardAt = this.#now();
  }

  /** @returns {Promise<boolean>} Whether the app is silent, and does not answer when asked; a proxy's error is no answer. */
  async isSilent() {
    const heardAt = this.#heardAt;
    if (this.#now() - heardAt < SILENT_MS) return false;
    const answers = await this.#ask().then(
      ({ ok }) => ok,
      () => false,
    );
    return !answers && this.#heardAt === heardAt;
  }
}
