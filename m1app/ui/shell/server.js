// Asking the server one thing at a time. An answer arrives as the component's value and names its question.

/** @typedef {any} Reply What a handler in Python answered, or `late`. */

export class Server {
  #trigger;
  #onBusy;
  #late;
  #waitMs;
  /** @type {Map<number, { done: (reply: Reply) => void, timer: ReturnType<typeof setTimeout> }>} */
  #waiting = new Map();
  /** @type {Promise<Reply>} */
  #line = Promise.resolve();
  #asked = 0;
  /** @type {Record<string, number>} */
  #latest = {};

  /**
   * @param {object} options
   * @param {(event: string, data: object) => void} options.trigger
   * @param {(isBusy: boolean) => void} options.onBusy
   * @param {Reply} options.late The answer where none came in time.
   * @param {number} options.waitMs
   */
  constructor({ trigger, onBusy, late, waitMs }) {
    this.#trigger = trigger;
    this.#onBusy = onBusy;
    this.#late = late;
    this.#waitMs = waitMs;
  }

  get isBusy() {
    return this.#waiting.size > 0;
  }

  /**
   * @param {string} action
   * @param {object} [values]
   * @param {object | (() => object)} [more] What goes beside them; a function is called when the question is sent.
   * @returns {Promise<Reply>} It is never rejected.
   */
  ask(action, values = {}, more = {}) {
    this.#line = this.#line.then(
      () =>
        new Promise((done) => {
          this.#asked += 1;
          const number = this.#asked;
          const timer = setTimeout(() => this.settle(number, this.#late), this.#waitMs);
          this.#waiting.set(number, { done, timer });
          this.#onBusy(true);
          this.#trigger("ask", { number, action, values, ...(typeof more === "function" ? more() : more) });
        }),
    );
    return this.#line;
  }

  /**
   * As `ask`; null when a later question of the same kind has overtaken this one.
   * @param {string} kind
   * @param {string} action
   * @param {object} values
   * @returns {Promise<Reply | null>}
   */
  async askLatest(kind, action, values) {
    const mine = (this.#latest[kind] || 0) + 1;
    this.#latest[kind] = mine;
    const reply = await this.ask(action, values);
    return mine === this.#latest[kind] ? reply : null;
  }

  /**
   * Hands an answer to whoever asked; one that comes too late or twice is dropped.
   * @param {number} number
   * @param {Reply} reply
   */
  settle(number, reply) {
    const question = this.#waiting.get(number);
    if (!question) return;
    this.#waiting.delete(number);
    clearTimeout(question.timer);
    question.done(reply);
    this.#onBusy(this.isBusy);
  }
}
