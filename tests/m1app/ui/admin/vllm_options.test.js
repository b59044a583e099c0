import assert from "node:assert/strict";
import { test } from "node:test";
import { readOptions, readShare, readWhole } from "../../../../m1app/ui/admin/vllm_options.js";

test("whole numbers may have separators, and other text is passed on", () => {
  assert.equal(readWhole("32,768"), 32768);
  assert.equal(readWhole("4 096"), 4096);
  assert.equal(readWhole("many"), "many");
  assert.equal(readWhole("1.5"), "1.5");
});

test("a share is a number or a percentage", () => {
  assert.equal(readShare("0.9"), 0.9);
  assert.equal(readShare(".5"), 0.5);
  assert.equal(readShare("85%"), 0.85);
  assert.equal(readShare("most"), "most");
  assert.equal(readShare(""), "");
});

test("the form becomes options, and an empty context is the model's own", () => {
  const boxes = /** @type {HTMLInputElement[]} */ ([
    { name: "model", type: "text", value: " m1-7b " },
    { name: "context_tokens", type: "text", value: "" },
    { name: "tensor_parallel", type: "text", value: "2" },
    { name: "gpu_memory_share", type: "text", value: "0.8" },
    { name: "has_lora", type: "checkbox", value: "on", checked: true },
  ]);
  assert.deepEqual(readOptions(boxes), {
    model: "m1-7b",
    context_tokens: null,
    tensor_parallel: 2,
    gpu_memory_share: 0.8,
    has_lora: true,
  });
});
