import { expect, it } from "vitest";
import { todoOf } from "./advice.ts";

it.each([
  ["model.no_key", "/secrets"],
  ["model.unavailable", "/secrets"],
  ["tool.unavailable", "/servers"],
  ["tool.bad_arguments", undefined],
  ["limit.usd", "/settings/budgets"],
  ["policy.denied", "/settings/policies"],
  ["code.raised", undefined],
])("%s is mended at %s", (code, to) => expect(todoOf({ code }, true).link?.to).toBe(to));

it("says the same again of what may go right another time", () => {
  expect(todoOf({ code: "step.failed", retryable: true }, true).text).toContain("same input");
  expect(todoOf({}, false).text).toContain("not in a step");
});
