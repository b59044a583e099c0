// Keeps Gradio's stream of replies open while any is missing.
//
// Gradio's server ends the stream when it has replied to everything, and its page opens another for the next event. If
// an event is accepted while the message about the end is on its way, each believes that the other will: the reply never
// arrives. Here, the page does not see that message while a reply is missing; the stream goes on from a second request.

/** @typedef {Window & { m1FollowsReplies?: boolean }} FollowedWindow */

const END_OF_MESSAGE = "\n\n";
const MOST_REQUESTS_WITHOUT_A_REPLY = 5;

/** The replies that a page waits for. */
export class Replies {
  /** @type {Set<Promise<unknown>>} */
  #sending = new Set();
  /** @type {Set<string>} */
  #missing = new Set();
  /** Arrived before the event's own request was answered. @type {Set<string>} */
  #early = new Set();

  /**
   * Notes the event that a request sends.
   * @param {Promise<Response>} sent
   * @returns {Promise<Response>} The same response.
   */
  async expect(sent) {
    const noted = this.#note(sent);
    this.#sending.add(noted);
    try {
      return await noted;
    } finally {
      this.#sending.delete(noted);
    }
  }

  /** @param {Promise<Response>} sent */
  async #note(sent) {
    const response = await sent;
    const reply = response.ok ? await response.clone().json() : {};
    if (reply.event_id && !this.#early.delete(reply.event_id)) this.#missing.add(reply.event_id);
    return response;
  }

  /** @param {string} event An event whose last reply has arrived. */
  arrived(event) {
    if (!this.#missing.delete(event)) this.#early.add(event);
  }

  /** @returns {Promise<boolean>} Whether a reply is missing, once no event is being sent. */
  async areMissing() {
    while (this.#sending.size) await Promise.allSettled(this.#sending);
    return this.#missing.size > 0;
  }
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<string>} Its whole messages, without the empty lines between them.
 */
async function* messagesOf(body) {
  let rest = "";
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + decoder.decode(value, { stream: true })).split(END_OF_MESSAGE);
      rest = parts.pop() ?? "";
      yield* parts;
    }
  } finally {
    await reader.cancel();
  }
}

/** @param {string} message @returns {{ msg?: string, event_id?: string }} */
function contentOf(message) {
  const isOfInterest = message.includes("close_stream") || message.includes("process_completed");
  return isOfInterest ? JSON.parse(message.slice(message.indexOf("{"))) : {};
}

/**
 * @param {ReadableStream<Uint8Array>} first
 * @param {() => Promise<Response>} ask Opens the stream again.
 * @param {Replies} replies
 * @returns {AsyncGenerator<string>} The messages of as many streams as it takes until no reply is missing.
 */
async function* untilNoneIsMissing(first, ask, replies) {
  /** @type {ReadableStream<Uint8Array> | null} */
  let body = first;
  let fruitless = 0;
  while (body) {
    let end = "";
    fruitless += 1;
    for await (const message of messagesOf(body)) {
      const { msg, event_id } = contentOf(message);
      if (msg === "process_completed" && event_id) {
        replies.arrived(event_id);
        fruitless = 0;
      }
      // Read on until the server has ended: it drops the session of a request that is ended from here.
      if (msg === "close_stream") end = message;
      else yield message;
    }
    body = null;
    if (fruitless < MOST_REQUESTS_WITHOUT_A_REPLY && (await replies.areMissing())) {
      const response = await ask();
      if (response.ok) body = response.body;
    }
    if (!body && end) yield end;
  }
}

/**
 * @param {Response} response A stream of replies.
 * @param {() => Promise<Response>} ask Opens the stream again.
 * @param {Replies} replies
 * @returns {Response} The same, which does not end while a reply is missing.
 */
export function followed(response, ask, replies) {
  if (!response.ok || !response.body) return response;
  const messages = untilNoneIsMissing(response.body, ask, replies);
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    async pull(controller) {
      const { done, value } = await messages.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value + END_OF_MESSAGE));
    },
    async cancel() {
      await messages.return(undefined);
    },
  });
  return new Response(body, { status: response.status, headers: response.headers });
}

/** Follows the replies to this page's events from now on. */
export function followReplies() {
  const window_ = /** @type {FollowedWindow} */ (window);
  if (window_.m1FollowsReplies) return;
  window_.m1FollowsReplies = true;
  const own = window.fetch.bind(window);
  const replies = new Replies();
  window.fetch = async (input, init) => {
    const address = input instanceof Request ? input.url : String(input);
    if (address.includes("/queue/join")) return replies.expect(own(input, init));
    if (!address.includes("/queue/data")) return own(input, init);
    const ask = () => own(input, init);
    return followed(await ask(), ask, replies);
  };
}
