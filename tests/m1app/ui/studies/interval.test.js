import assert from "node:assert/strict";
import { test } from "node:test";
import { placesOf, reachOf } from "../../../../m1app/ui/studies/interval.js";

test("zero is in the middle, and the farthest of all numbers is near an end", () => {
  const claim = { estimate: 0.1, low: 0, high: 0.2, paper: -0.4 };
  const places = placesOf(claim, reachOf([claim]));
  assert.equal(places?.low, 0.5);
  assert.ok(places && places.paper !== null && places.paper > 0 && places.paper < 0.05);
  assert.ok(places.at > 0.5 && places.at < places.high && places.high < 1);
});

test("a claim that was not measured has no places", () => {
  assert.equal(placesOf({ estimate: null, low: null, high: null, paper: 0.1 }, 1), null);
});

test("a narrow interval does not fill the bar", () => {
  const claim = { estimate: 0, low: -0.001, high: 0.001, paper: null };
  const places = placesOf(claim, reachOf([claim]));
  assert.ok(places && places.high - places.low < 0.1);
  assert.equal(places.paper, null);
});

test("bars have one scale, so that a wide interval is longer than a narrow one", () => {
  const [wide, narrow] = [0.5, 0.1].map((half) => ({ estimate: 0, low: -half, high: half, paper: null }));
  const length = (/** @type {typeof wide} */ claim) => {
    const places = placesOf(claim, reachOf([wide, narrow]));
    return places ? places.high - places.low : 0;
  };
  assert.ok(Math.abs(length(wide) / length(narrow) - 5) < 1e-9);
});
