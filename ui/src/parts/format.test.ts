import { describe, expect, it } from "vitest";
import { ago, bytes, duration, plural, shortId, usd } from "./format.ts";

it.each([
  [0, "0 ms"],
  [0.0304, "30 ms"],
  [0.9999, "1.00 s"],
  [9.996, "10.0 s"],
  [59.97, "1 min"],
  [200, "3 min 20 s"],
  [3600, "1 h"],
  [90_000, "1 d 1 h"],
  [-1, "0 ms"],
  [null, "–"],
])("%s seconds are %s", (seconds, text) => expect(duration(seconds)).toBe(text));

it.each([
  ["0", "$0"],
  ["0.00001", "<$0.0001"],
  [0.00234, "$0.0023"],
  ["0.5", "$0.500"],
  [12.345, "$12.35"],
  [-2, "−$2.00"],
  [null, "–"],
  ["x", "–"],
])("%s dollars are %s", (amount, text) => expect(usd(amount)).toBe(text));

it.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 kB"],
  [999_600, "1.0 MB"],
  [5_000_000, "5.0 MB"],
])("%s bytes are %s", (size, text) => expect(bytes(size)).toBe(text));

describe("times", () => {
  const now = Date.parse("2026-01-02T00:00:00Z");
  it("are told from now", () => {
    expect(ago("2026-01-01T23:59:58Z", now)).toBe("just now");
    expect(ago("2026-01-01T23:55:00Z", now)).toContain("5");
    expect(ago(now / 1000 + 7200, now)).toContain("2");
  });
});

it("counts and cuts", () => {
  expect([plural(1, "run"), plural(2, "run"), plural(2, "entry", "entries")]).toEqual(["1 run", "2 runs", "2 entries"]);
  expect([shortId("run_0123456789ab"), shortId("short")]).toEqual(["…456789ab", "short"]);
});
