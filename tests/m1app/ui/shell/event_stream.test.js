import assert from "node:assert/strict";
import { test } from "node:test";
import { followed, Replies } from "../../../../m1app/ui/shell/event_stream.js";

const CLOSE = { msg: "close_stream" };
/** @param {string} event */
const completed = (event) => ({ msg: "process_completed", event_id: event, output: { data: ["a\n\nb", "\u00e4"] } });
/** @param {string} event */
const accepted = (event) => Promise.resolve(Response.json({ event_id: event }));

/** @param {object[]} messages */
const textOf = (messages) => messages.map((message) => `data: ${JSON.stringify(message)}\n\n`).join("");

/**
 * A stream that comes in pieces of three bytes.
 * @param {object[]} messages
 */
function streamOf(...messages) {
  const bytes = new TextEncoder().encode(textOf(messages));
  let at = 0;
  const body = new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + 3));
      at += 3;
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** A server whose streams are these, one after the other. @param {Response[]} streams */
function serverOf(...streams) {
  let asked = 0;
  const ask = async () => {
    asked += 1;
    return streams.shift() ?? new Response("gone", { status: 404 });
  };
  return { ask, asked: () => asked };
}

test("an event that is accepted while the stream ends gets its reply", async () => {
  const replies = new Replies();
  await replies.expect(accepted("1"));
  const server = serverOf(streamOf(completed("2"), CLOSE));
  await replies.expect(accepted("2"));
  const stream = followed(streamOf(completed("1"), CLOSE), server.ask, replies);
  assert.equal(await stream.text(), textOf([completed("1"), completed("2"), CLOSE]));
  assert.equal(server.asked(), 1);
});

test("the end waits for an event that is being sent", async () => {
  const replies = new Replies();
  await replies.expect(accepted("1"));
  const { promise, resolve } = Promise.withResolvers();
  const sent = replies.expect(promise);
  const server = serverOf(streamOf(completed("2"), CLOSE));
  const reading = followed(streamOf(completed("1"), CLOSE), server.ask, replies).text();
  resolve(Response.json({ event_id: "2" }));
  assert.equal((await (await sent).json()).event_id, "2");
  assert.equal(await reading, textOf([completed("1"), completed("2"), CLOSE]));
});

test("a stream is read to its end and not cancelled, which would drop what the server has for the page", async () => {
  const replies = new Replies();
  await replies.expect(accepted("1"));
  let isCancelled = false;
  const bytes = new TextEncoder().encode(textOf([completed("1"), CLOSE]));
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(bytes),
    pull: (controller) => controller.close(),
    cancel: () => {
      isCancelled = true;
    },
  });
  const stream = followed(new Response(body), serverOf().ask, replies);
  assert.equal(await stream.text(), textOf([completed("1"), CLOSE]));
  assert.equal(isCancelled, false);
});

test("the stream ends if no reply is missing", async () => {
  const replies = new Replies();
  await replies.expect(accepted("1"));
  await replies.expect(Promise.resolve(new Response("no", { status: 503 })));
  const server = serverOf();
  const stream = followed(streamOf({ msg: "estimation" }, completed("1"), CLOSE), server.ask, replies);
  assert.equal(stream.headers.get("content-type"), "text/event-stream");
  assert.equal(await stream.text(), textOf([{ msg: "estimation" }, completed("1"), CLOSE]));
  assert.equal(server.asked(), 0);
});

test("a reply that comes before its event was accepted is not missed afterwards", async () => {
  const replies = new Replies();
  const server = serverOf();
  const stream = followed(streamOf(completed("1"), CLOSE), server.ask, replies);
  assert.equal(await stream.text(), textOf([completed("1"), CLOSE]));
  await replies.expect(accepted("1"));
  assert.equal(await replies.areMissing(), false);
});

test("an event that cannot be sent is not waited for", async () => {
  const replies = new Replies();
  await assert.rejects(replies.expect(Promise.reject(new TypeError("offline"))));
  assert.equal(await replies.areMissing(), false);
});

test("a server that never replies is not asked without end, and one that refuses once", async () => {
  const replies = new Replies();
  await replies.expect(accepted("1"));
  const silent = serverOf(...Array.from({ length: 9 }, () => streamOf(CLOSE)));
  assert.equal(await followed(streamOf(CLOSE), silent.ask, replies).text(), textOf([CLOSE]));
  assert.equal(silent.asked(), 4);
  const refusing = serverOf();
  assert.equal(await followed(streamOf(CLOSE), refusing.ask, replies).text(), textOf([CLOSE]));
  assert.equal(refusing.asked(), 1);
});

test("a stream that was cut off goes on, and a refusal is passed on", async () => {
  const replies = new Replies();
  await replies.expect(accepted("1"));
  const server = serverOf(streamOf(completed("1"), CLOSE));
  assert.equal(await followed(streamOf(), server.ask, replies).text(), textOf([completed("1"), CLOSE]));
  const refused = new Response("no", { status: 404 });
  assert.equal(followed(refused, server.ask, replies), refused);
});
