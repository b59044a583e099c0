import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Server } from "../../../../m1app/ui/shell/server.js";

const LATE = { error: "late" };

/** A server whose questions are kept in `sent`. */
function serverOf() {
  /** @type {any[]} */
  const sent = [];
  /** @type {boolean[]} */
  const busy = [];
  const server = new Server({
    trigger: (_, question) => sent.push(question),
    onBusy: (isBusy) => busy.push(isBusy),
    late: LATE,
    waitMs: 1000,
  });
  return { server, sent, busy };
}
const settled = () => new Promise((done) => setImmediate(done));

test("questions are sent one after the other, each when the one before is answered", async () => {
  const { server, sent } = serverOf();
  const first = server.ask("a", { x: 1 });
  const second = server.ask("b");
  await settled();
  assert.deepEqual(sent, [{ number: 1, action: "a", values: { x: 1 } }]);
  server.settle(1, { ok: 1 });
  assert.deepEqual(await first, { ok: 1 });
  await settled();
  assert.equal(sent[1].action, "b");
  server.settle(2, { ok: 2 });
  assert.deepEqual(await second, { ok: 2 });
});

test("an answer that comes twice, or to no question, is dropped", async () => {
  const { server, busy } = serverOf();
  const answer = server.ask("a");
  await settled();
  server.settle(7, { ok: "other" });
  server.settle(1, { ok: "first" });
  server.settle(1, { ok: "second" });
  assert.deepEqual(await answer, { ok: "first" });
  assert.deepEqual(busy, [true, false]);
});

test("a question without an answer ends with the late one, and the next is sent", async (context) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => mock.timers.reset());
  const { server, sent } = serverOf();
  const first = server.ask("a");
  server.ask("b");
  await settled();
  mock.timers.tick(1000);
  assert.equal(await first, LATE);
  await settled();
  assert.equal(sent.length, 2);
});

test("what goes beside the values is read when the question is sent", async () => {
  const { server, sent } = serverOf();
  let name = "before";
  server.ask("a");
  server.ask("b", {}, () => ({ annotator: name }));
  name = "after";
  await settled();
  server.settle(1, {});
  await settled();
  assert.equal(sent[1].annotator, "after");
});

test("of two questions of a kind only the later one is answered", async () => {
  const { server } = serverOf();
  const [first, second] = [server.askLatest("curves", "curves", {}), server.askLatest("curves", "curves", {})];
  await settled();
  server.settle(1, { ok: 1 });
  await settled();
  server.settle(2, { ok: 2 });
  assert.deepEqual([await first, await second], [null, { ok: 2 }]);
});
