// Both states in one graph: what came, what went, what changed.

import { useComputedColorScheme } from "@mantine/core";
import { Background, Controls, type Edge, Handle, MarkerType, type Node, type NodeProps, Position, ReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { memo, useMemo } from "react";
import { KindIcon } from "../editor/kindIcons.tsx";
import { type Comparison, union, type Verdict as Is } from "../editor/model/compare.ts";
import { type Doc, kindOf, nodesOf, SIZE, titleOf, wiresOf } from "../editor/model/document.ts";
import { usePlaces } from "../editor/places.ts";
import css from "./Compare.module.css";
import { Verdict } from "./Verdict.tsx";

type Part = Node<{ title: string; kind: string; verdict: Is }, "part">;
const COLOUR: Record<Is, string> = { added: "var(--tone-good)", removed: "var(--tone-bad)", changed: "var(--tone-warn)", same: "var(--mantine-color-dimmed)" };
const WORD: Record<Is, string> = { added: "added", removed: "removed", changed: "changed", same: "" };

export function Difference({ old, next, found }: { old: Doc; next: Doc; found: Comparison }) {
  const scheme = useComputedColorScheme("light");
  const both = useMemo(() => union(old, next), [old, next]);
  const places = usePlaces(both);
  if (!places) return <div className={css.graph} aria-busy />;
  const verdict = new Map(found.nodes.map((one) => [one.name, one.verdict]));
  const ends = new Map(found.edges.map((one) => [`${one.from}>${one.to}`, one.verdict]));
  const nodes = nodesOf(both).map(([name, node]): Part => {
    const is = verdict.get(name) ?? "same";
    return { id: name, type: "part", position: places[name] ?? { x: 0, y: 0 }, ...SIZE, data: { title: titleOf(name, node), kind: kindOf(node), verdict: is }, draggable: false, connectable: false, ariaLabel: `${name}, ${WORD[is] || "the same"}` };
  });
  const edges = wiresOf(both).map((wire): Edge => {
    const is = ends.get(`${wire.from}>${wire.to}`) ?? "same";
    return {
      id: `${wire.from}>${wire.to}`, source: wire.from, target: wire.to, label: WORD[is] || undefined, focusable: false, selectable: false,
      style: { stroke: COLOUR[is], strokeWidth: is === "same" ? 1.4 : 2.4, ...(is === "removed" ? { strokeDasharray: "5 4" } : {}) },
      labelStyle: { fill: COLOUR[is], fontSize: 11, fontWeight: 600 }, markerEnd: { type: MarkerType.ArrowClosed, color: COLOUR[is] },
    };
  });
  return (
    <div className={css.graph} data-testid="difference">
      <ReactFlow nodes={nodes} edges={edges} nodeTypes={TYPES} colorMode={scheme} fitView fitViewOptions={{ padding: 0.15, maxZoom: 1.1 }} minZoom={0.05} nodesConnectable={false} edgesFocusable={false} deleteKeyCode={null} onlyRenderVisibleElements={nodes.length > 100} proOptions={{ hideAttribution: true }}>
        <Background gap={20} />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}

const PartNode = memo(function PartNode({ data }: NodeProps<Part>) {
  return (
    <div className={css.node} data-verdict={data.verdict}>
      <Handle type="target" position={Position.Left} isConnectable={false} className={css.handle ?? ""} />
      <KindIcon kind={data.kind} size={18} />
      <span className={css.words}>
        <span className={css.title}>{data.title}</span>
        <Verdict is={data.verdict} />
      </span>
      <Handle type="source" position={Position.Right} isConnectable={false} className={css.handle ?? ""} />
    </div>
  );
});

const TYPES = { part: PartNode };
