// The workflow that ran, drawn, with what the run made of it: each node in the colour of its state, and with its icon and
// word; taken edges strong, closed ones faint. A node opens its last step.

import { useComputedColorScheme } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconSitemap } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Background, Controls, type Edge, Handle, MarkerType, type Node, type NodeProps, Position, ReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { memo } from "react";
import { api } from "../../api/client.ts";
import { type GraphNode, graphOf } from "../../model/graph.ts";
import { Empty } from "../../parts/Empty.tsx";
import { Problem } from "../../parts/Problem.tsx";
import { lookOf, Status, toneColor } from "../../parts/Status.tsx";
import type { TabProps } from "../RunFrame.tsx";
import { useVersion } from "../store.ts";
import { Waiting } from "../Waiting.tsx";
import css from "./Graph.module.css";
import { useLayout } from "./useLayout.ts";

const WIDTH = 190;
const HEIGHT = 62;
const LETTER = 7; // pixels of a letter on an edge

type FlowNode = Node<{ node: GraphNode; chosen: boolean; down: boolean }, "step">;

export default function Graph({ store, place, move }: TabProps) {
  const { view } = store;
  useVersion(store);
  const scheme = useComputedColorScheme("light");
  const narrow = useMediaQuery("(max-width: 48em)", false, { getInitialValueInEffect: false });
  const { data, error, refetch } = useQuery({
    queryKey: ["workflows", view.workflow, "versions", view.version],
    queryFn: ({ signal }) => api.get("/workflows/{slug}/versions/{number}", { path: { slug: view.workflow, number: view.version }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const graph = data === undefined ? null : graphOf(data.document, view);
  const key = graph === null ? "" : `${narrow}:${graph.nodes.map((node) => node.id).join()}|${graph.edges.map((edge) => `${edge.source}>${edge.target}`).join()}`;
  const at = useLayout(key, () => ({
    nodes: (graph?.nodes ?? []).map((node) => ({ id: node.id, width: WIDTH, height: HEIGHT })),
    edges: (graph?.edges ?? []).map((edge) => [edge.source, edge.target, short(edge.label).length * LETTER]),
    down: narrow,
  }));
  const chosen = place.step?.slice(0, place.step.indexOf("#")) ?? null;
  const nodes =
    graph?.nodes.map((node): FlowNode => ({
      id: node.id, type: "step", position: at?.[node.id] ?? { x: 0, y: 0 }, width: WIDTH, height: HEIGHT, data: { node, chosen: node.id === chosen, down: narrow },
      ariaLabel: `${node.id}, ${node.kind}, ${lookOf(node.status).word}`, draggable: false, connectable: false,
    })) ?? [];
  const edges = (graph?.edges ?? []).map(
    (edge): Edge => ({
        id: edge.id, source: edge.source, target: edge.target, label: short(edge.label), focusable: false, selectable: false,
        className: css[edge.state] ?? "", animated: edge.state === "open" && view.nodes.get(edge.source)?.status === "active",
        markerEnd: { type: MarkerType.ArrowClosed, color: edge.state === "taken" ? "var(--tone-good)" : "var(--mantine-color-dimmed)" },
        labelBgPadding: [5, 2], labelBgBorderRadius: 4,
    }),
  );
  if (error) return <div className={css.pad}><Problem error={error} title="The workflow of this run could not be read" retry={() => void refetch()} /></div>;
  if (graph !== null && graph.nodes.length === 0) return <Empty compact icon={<IconSitemap size={26} />} title="This workflow has no nodes" />;
  if (graph === null || at === null) return <Waiting />;
  return (
    <div className={css.graph} data-testid="run-graph">
      <ReactFlow
        key={key}
        nodes={nodes}
        edges={edges}
        nodeTypes={TYPES}
        colorMode={scheme}
        fitView
        fitViewOptions={{ padding: 0.15, maxZoom: 1.15 }}
        minZoom={0.05}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        deleteKeyCode={null}
        onlyRenderVisibleElements={nodes.length > 150}
        proOptions={{ hideAttribution: true }}
        onNodeClick={(_, node) => open(node.id)}
        onKeyDown={(event) => {
          const id = (event.target as HTMLElement).closest<HTMLElement>(".react-flow__node")?.dataset["id"];
          if (id && (event.key === "Enter" || event.key === " ")) {
            event.preventDefault();
            open(id);
          }
        }}
      >
        <Background gap={22} />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );

  function open(id: string): void {
    const steps = view.nodes.get(id)?.list ?? [];
    const step = steps.findLast((one) => one.status === "failed" || one.status === "paused") ?? steps.at(-1);
    move({ step: step?.id ?? `${id}#1`, part: null });
  }
}

const short = (label: string) => (label.length > 32 ? `${label.slice(0, 31)}…` : label);

const StepNode = memo(function StepNode({ data: { node, chosen, down } }: NodeProps<FlowNode>) {
  const { tone } = lookOf(node.status === "pending" ? "queued" : node.status);
  return (
    <div className={css.node} data-chosen={chosen || undefined} data-pending={node.status === "pending" || undefined} style={{ borderColor: node.status === "pending" ? undefined : toneColor(tone) }}>
      <Handle type="target" position={down ? Position.Top : Position.Left} isConnectable={false} className={css.handle ?? ""} />
      <div className={css.title} title={node.title}>
        {node.title}
      </div>
      <div className={css.state}>
        {node.status === "pending" ? <span className={css.pending}>Not yet</span> : <Status of={node.status} />}
        <span className={css.kind}>{node.total > 1 || node.loops ? `${node.done} of ${node.total}` : node.visit > 1 ? `visit ${node.visit}` : node.kind}</span>
      </div>
      <Handle type="source" position={down ? Position.Bottom : Position.Right} isConnectable={false} className={css.handle ?? ""} />
    </div>
  );
});

const TYPES = { step: StepNode };
