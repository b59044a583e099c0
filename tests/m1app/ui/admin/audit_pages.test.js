import assert from "node:assert/strict";
import { test } from "node:test";
import { AuditPages, filterOf } from "../../../../m1app/ui/admin/audit_pages.js";

/** @param {number[]} numbers */
const entries = (...numbers) =>
  numbers.map((number) => ({ number, made: "", who: "", action: "", subject: "", details: "", address: "" }));
/** @param {AuditPages} pages */
const shown = (pages) => pages.entries.map(({ number }) => number);

test("pages are added at the end, and the next one begins before the last entry", () => {
  const pages = new AuditPages();
  pages.take(entries(9, 8), true, true);
  assert.equal(pages.next, 8);
  pages.take(entries(7, 5), false, false);
  assert.deepEqual(shown(pages), [9, 8, 7, 5]);
  assert.equal(pages.next, null);
});

test("a page that comes twice is shown once", () => {
  const pages = new AuditPages();
  pages.take(entries(9, 8), true, true);
  pages.take(entries(7, 6), true, false);
  assert.deepEqual(pages.take(entries(7, 6), true, false), []);
  assert.deepEqual(shown(pages), [9, 8, 7, 6]);
});

test("a new filter begins anew", () => {
  const pages = new AuditPages();
  pages.take(entries(9, 8), true, true);
  pages.take(entries(4), false, true);
  assert.deepEqual(shown(pages), [4]);
  pages.take([], false, true);
  assert.deepEqual([shown(pages), pages.next], [[], null]);
});

test("a filter has no spaces around, and empty fields", () => {
  const data = new FormData();
  data.set("person", "local");
  data.set("action", "  job. ");
  assert.deepEqual(filterOf(data), { person: "local", action: "job.", subject: "" });
});
