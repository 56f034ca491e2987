// What a new node of a kind begins as: what its schema requires, filled with something that works or says what belongs there.

import { initial } from "../../form/schema.ts";
import type { Json, Obj } from "./json.ts";
import type { Kind } from "./types.ts";

const WITH: Record<string, Obj> = {
  agent: { instructions: "Say what is to be done." },
  code: { source: "def main(input):\n    return input\n" },
  crew: { agents: { worker: { role: "Worker" } }, tasks: [{ name: "work", description: "Say what is to be done.", agent: "worker" }] },
  http: { url: "https://example.org/" },
  human: { title: "May this go on?" },
  plan: { rules: [], default: [] },
  render: { name: "result.md", template: "# Result\n" },
  tool: { capabilities: [], arguments: {} },
  wait: { seconds: 10 },
};

/** The `with` of a new node. */
export function starter(kind: Kind): Obj {
  const known = WITH[kind.name];
  if (known) return structuredClone(known);
  const required = Array.isArray(kind.config["required"]) ? (kind.config["required"] as string[]) : [];
  const properties = (kind.config["properties"] ?? {}) as Record<string, unknown>;
  return Object.fromEntries(required.map((key): [string, Json] => [key, initial(properties[key], kind.config) ?? ""]));
}

export const newNode = (kind: Kind): Obj => {
  const config = starter(kind);
  return { kind: kind.name, ...(Object.keys(config).length ? { with: config } : {}) };
};

/** The first sentence about a kind, without the words that all of them begin with. */
export function aboutKind(kind: Kind): string {
  const first = kind.description.replace(/^`\w+`:\s*/, "").replace(/^The kind `\w+`[:.]\s*/, "").split(/(?<=[.!])\s/)[0] ?? "";
  return first.charAt(0).toUpperCase() + first.slice(1);
}
