// The document as React Flow wants it. What did not change is the same object as before, so that only what changed is drawn again.

import type { Edge, Node } from "@xyflow/react";
import { type Doc, kindOf, nodesOf, type Place, rootsOf, SIZE, START, textOf, titleOf, wiresOf } from "../model/document.ts";
import { isObj, type Obj } from "../model/json.ts";
import type { Problems } from "../model/problems.ts";
import type { Selection } from "../model/store.ts";

export interface NodeData extends Record<string, unknown> {
  name: string;
  title: string;
  kind: string;
  /** Short words about how it runs: "each", "3 tries". */
  marks: string;
  errors: number;
  warnings: number;
  /** The first problem, in words. */
  wrong: string;
}

export type FlowNode = Node<NodeData, "node" | "start">;
export type FlowEdge = Edge<{ index: number }>;

/** What stands on a node beside its name. */
export function marksOf(node: Obj): string {
  const marks: string[] = [];
  if (node["for_each"] !== undefined) marks.push("for each");
  if (typeof node["join"] === "number" || (typeof node["join"] === "string" && node["join"] !== "all")) marks.push(`join ${String(node["join"])}`);
  const retry = isObj(node["retry"]) ? node["retry"]["attempts"] : node["retry"];
  if (typeof retry === "number" && retry > 1) marks.push(`${retry} tries`);
  if (typeof node["max_visits"] === "number" && node["max_visits"] > 1) marks.push(`${node["max_visits"]} visits`);
  if (node["route"] === "first") marks.push("first way");
  if (typeof node["on_error"] === "string" && node["on_error"] !== "fail") marks.push(`on error ${node["on_error"]}`);
  return marks.join(" · ");
}

export function flowNodes(before: readonly FlowNode[], doc: Doc, places: Record<string, Place>, problems: Problems, selection: Selection): FlowNode[] {
  const old = new Map(before.map((node) => [node.id, node]));
  const chosen = new Set(selection.nodes);
  const make = (id: string, type: FlowNode["type"], data: NodeData, size: { width: number; height: number }): FlowNode => {
    const position = places[id] ?? { x: 0, y: 0 };
    const was = old.get(id);
    const selected = chosen.has(id);
    const same = was && (Object.keys(data) as (keyof NodeData)[]).every((key) => was.data[key] === data[key]);
    if (same && was.position.x === position.x && was.position.y === position.y && (was.selected ?? false) === selected && was.type === type) return was;
    return {
      ...was, id, type: type ?? "node", position, selected, data: same ? was.data : data, ...size,
      deletable: id !== START,
      ariaLabel: id === START ? "Start: where a run begins" : `${data.title}, ${data.kind}${data.errors ? `, ${data.errors} wrong` : ""}`,
    };
  };
  const start = make(START, "start", { name: START, title: "Start", kind: START, marks: "", errors: 0, warnings: 0, wrong: "" }, { width: 108, height: 44 });
  return [
    start,
    ...nodesOf(doc).map(([name, node]) => {
      const found = problems.nodes.get(name) ?? [];
      const errors = found.filter((one) => one.severity !== "warning").length;
      const data = { name, title: titleOf(name, node), kind: kindOf(node), marks: marksOf(node), errors, warnings: found.length - errors, wrong: found[0]?.message ?? "" };
      return make(name, "node", data, SIZE);
    }),
  ];
}

/** What is written on an edge: its condition, in short. */
export function labelOf(edge: Obj): string {
  const when = textOf(edge["when"]).replace(/^\$\{\{\s*|\s*\}\}$/g, "").replaceAll(`nodes.${textOf(edge["from"])}.output.`, "");
  const parts = [edge["default"] === true ? "otherwise" : when.length > 30 ? `${when.slice(0, 29)}…` : when];
  if (edge["gate"] !== undefined) parts.push("asks a person");
  else if (edge["checkpoint"] === true) parts.push("stops");
  return parts.filter(Boolean).join(" · ");
}

export function flowEdges(before: readonly FlowEdge[], doc: Doc, problems: Problems, selection: Selection): FlowEdge[] {
  const old = new Map(before.map((edge) => [edge.id, edge]));
  const chosen = new Set(selection.edges);
  const names = new Set(nodesOf(doc).map(([name]) => name));
  const make = (edge: FlowEdge): FlowEdge => {
    const was = old.get(edge.id);
    const same = was && was.source === edge.source && was.target === edge.target && was.label === edge.label && was.className === edge.className && was.selected === edge.selected && was.data?.index === edge.data?.index;
    return same ? was : edge;
  };
  const wires = wiresOf(doc).filter((wire) => names.has(wire.from) && names.has(wire.to));
  return [
    ...rootsOf(doc).map((name) =>
      make({ id: `${START}>${name}`, source: START, target: name, className: "starts", selectable: false, focusable: false, deletable: false, reconnectable: false }),
    ),
    ...wires.map(({ index, from, to, edge }) => {
      const wrong = problems.edges.get(index)?.some((one) => one.severity !== "warning");
      const label = labelOf(edge);
      return make({
        id: `${from}>${to}`, source: from, target: to, label: label || undefined, data: { index }, selected: chosen.has(index),
        className: wrong ? "wrong" : "", ariaLabel: `Edge from ${from} to ${to}${label ? `, ${label}` : ""}`, interactionWidth: 22, zIndex: chosen.has(index) ? 1 : 0,
      });
    }),
  ];
}
