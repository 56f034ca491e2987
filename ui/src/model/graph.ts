// A workflow's graph with what a run made of it: each node with its status, each edge taken, closed or still open.

import type { Fields } from "./events.ts";
import type { RunView } from "./view.ts";

export interface GraphNode {
  id: string;
  kind: string;
  title: string;
  /** pending until the run comes to it */
  status: string;
  /** counts by status, of a `for_each` node or one that was visited several times */
  counts: [string, number][];
  done: number;
  total: number;
  visit: number;
  loops: boolean;
}

export interface GraphEdge {
  id: string;
  source: string;
  target: string;
  label: string;
  state: "open" | "taken" | "closed";
}

export interface Graph {
  nodes: GraphNode[];
  edges: GraphEdge[];
}

/** The graph of the document that ran, with the questions that stand on its edges; nodes the journal knows and the document does
 * not are left out. */
export function graphOf(document: Fields, view: RunView): Graph {
  const written = withQuestions(document);
  const nodes = Object.entries(written.nodes).map(([id, node]): GraphNode => {
    const seen = view.nodes.get(id);
    const counts = [...(seen?.steps ?? [])].filter(([, count]) => count > 0);
    const total = node["for_each"] === undefined ? (seen?.list.length ?? 0) : Math.max(seen?.count ?? 0, seen?.list.length ?? 0);
    return {
      id, kind: node["kind"] ?? "", title: node["title"] ?? id, status: statusOf(view, id), counts, visit: seen?.visit ?? 0,
      done: counts.reduce((sum, [status, count]) => sum + (/completed|failed|cancelled/.test(status) ? count : 0), 0),
      total, loops: node["for_each"] !== undefined,
    };
  });
  const known = new Set(nodes.map((node) => node.id));
  const edges = written.edges
    .filter((edge) => known.has(edge["from"]) && known.has(edge["to"]))
    .map((edge, n): GraphEdge => ({
      id: `${n}`, source: edge["from"], target: edge["to"], label: labelOf(edge), state: edgeState(view, edge["from"], edge["to"]),
    }));
  return { nodes, edges };
}

/** A gate or a checkpoint on an edge is a question to a person between its ends, under the name the engine gives it. */
function withQuestions(document: Fields): { nodes: Record<string, Fields>; edges: Fields[] } {
  const nodes: Record<string, Fields> = { ...((document["nodes"] ?? {}) as Record<string, Fields>) };
  const edges = ((document["edges"] ?? []) as Fields[]).flatMap((edge): Fields[] => {
    const what = edge["gate"] ? "gate" : edge["checkpoint"] === true ? "checkpoint" : null;
    if (what === null) return [edge];
    const { gate: _gate, checkpoint: _checkpoint, ...rest } = edge;
    const name = `${what}_${edge["from"]}_${edge["to"]}`;
    nodes[name] = { kind: "human", title: what === "gate" ? `May ${edge["to"]} begin?` : `Look before ${edge["to"]}` };
    return [{ ...rest, to: name }, { from: name, to: edge["to"] }];
  });
  return { nodes, edges };
}

/** What a node is doing: of one that is active, what its step does, if it has but one. */
function statusOf(view: RunView, id: string): string {
  const node = view.nodes.get(id);
  if (node === undefined) return "pending";
  if (node.status !== "active") return node.status;
  const going = [...node.steps].filter(([status, count]) => count > 0 && !/completed|failed|cancelled/.test(status));
  if (going.length === 1) return going[0]![0];
  return going.some(([status]) => status === "running") ? "running" : "active";
}

function labelOf(edge: Fields): string {
  if (edge["default"] === true) return "otherwise";
  if (typeof edge["when"] !== "string") return "";
  return edge["when"].replace(/^\$\{\{\s*|\s*\}\}$/g, "").replaceAll(`nodes.${edge["from"]}.output.`, "");
}

function edgeState(view: RunView, source: string, target: string): GraphEdge["state"] {
  const node = view.nodes.get(source);
  if (node === undefined || node.status === "active") return "open";
  if (node.status === "skipped" || node.status === "cancelled") return "closed";
  const step = node.list.at(-1);
  const taken = node.taken !== undefined ? node.taken : step !== undefined && step.index === null ? step.taken : null;
  if (node.status === "failed" && taken === null) return "closed";
  return taken === null || taken.includes(target) ? "taken" : "closed";
}
