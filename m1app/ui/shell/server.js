// Sends requests to the server one at a time. A reply arrives as the component's value with its request's number.

/** @typedef {any} Reply The reply of a Python handler, or `late`. */

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
   * @param {Reply} options.late The result if no reply came in time.
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
   * @param {object | (() => object)} [more] Additional values; a function is called when the request is sent.
   * @returns {Promise<Reply>} Never rejected.
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
   * Like `ask`; null if a later request of the same kind has superseded this one.
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
   * Resolves the matching request; late and duplicate replies are dropped.
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
