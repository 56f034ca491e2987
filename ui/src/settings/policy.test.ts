import { describe, expect, it } from "vitest";
import type { Policy } from "../api/schema.d.ts";
import { blank, bodyOf, changesOf, draftOf, unreadable } from "./policy.ts";

const POLICY: Policy = {
  name: "secrets",
  on: ["tool.call"],
  when: null,
  then: "redact",
  message: "secrets do not go further",
  what: ["secrets"],
  priority: 0,
  enabled: true,
  source: "built-in",
  changed: [],
};

describe("a policy", () => {
  it("is changed by what is different alone", () => {
    expect(changesOf(draftOf(POLICY), POLICY)).toEqual({});
    expect(changesOf({ ...draftOf(POLICY), enabled: false }, POLICY)).toEqual({ enabled: false });
  });

  it("keeps what the group said of it before", () => {
    const before: Policy = { ...POLICY, message: "no", changed: ["message"] };
    expect(changesOf({ ...draftOf(before), priority: 2 }, before)).toEqual({ message: "no", priority: 2 });
  });

  it("loses its condition where that is emptied", () =>
    expect(changesOf({ ...draftOf(POLICY), when: " " }, { ...POLICY, when: "run.usd > 1" })).toEqual({ when: null }));

  it("that is new says what it needs", () => {
    expect(bodyOf({ ...blank, when: " call.tool == 'x' " })).toEqual({ on: ["tool.call"], then: "require_approval", message: "", priority: 0, enabled: true, when: "call.tool == 'x'" });
    expect(bodyOf({ ...blank, then: "redact", what: ["pii"], when: "true" })).toMatchObject({ what: ["pii"], when: true });
  });

  it("that cannot be read says where", () => {
    expect(unreadable({ policy: "policies", message: "they cannot be read: unexpected the end (in ${{ 1 + }} at character 4, /x/when)" })).toBe("unexpected the end, at character 4");
    expect(unreadable({ policy: "x", message: "the condition cannot be computed" })).toBeNull();
  });
});
