// The canvas. The document is the truth: what React Flow holds is made from it, and what a hand does here becomes a command.
// Only while something is dragged do places live here alone; they are written down when it is let go.

import { Button, useComputedColorScheme } from "@mantine/core";
import {
  applyNodeChanges, Background, BackgroundVariant, type Connection, Controls, MarkerType, MiniMap, type NodeChange, Panel, ReactFlow, SelectionMode, useConnection, useReactFlow,
} from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { type DragEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { announce } from "../../shell/announce.tsx";
import { useDocument, useEditor } from "../context.ts";
import { moveNodes, removeEdges } from "../model/commands.ts";
import { nodesOf, type Place, placesOf, SIZE, START } from "../model/document.ts";
import { refusal } from "../model/wires.ts";
import css from "./Canvas.module.css";
import { type FlowEdge, flowEdges, type FlowNode as Shape, flowNodes } from "./flow.ts";
import { FlowNode, StartNode } from "./FlowNode.tsx";

const TYPES = { node: FlowNode, start: StartNode };
const EDGE_DEFAULTS = { markerEnd: { type: MarkerType.ArrowClosed, width: 18, height: 18, color: "var(--edge)" } };
const MANY = 80; // nodes from which only what is in view is drawn
const READABLE = 0.75; // a smaller zoom is not where one begins
const FIT = { padding: 0.18, maxZoom: 1.1, minZoom: 0.05 };
export const DRAGGED = "application/x-penstock-kind";

export function Canvas() {
  const editor = useEditor();
  const { doc, selection } = useDocument();
  const { store, problems, places, kinds } = editor;
  const scheme = useComputedColorScheme("light");
  const flow = useReactFlow<Shape, FlowEdge>();
  const frame = useRef<HTMLDivElement>(null);
  const [nodes, setNodes] = useState<Shape[]>(() => flowNodes([], doc, places, problems, selection));
  const [edges, setEdges] = useState<FlowEdge[]>(() => flowEdges([], doc, problems, selection));
  const dragging = useRef(false);

  useEffect(() => {
    if (!dragging.current) setNodes((before) => alike(before, flowNodes(before, doc, places, problems, selection)));
    setEdges((before) => alike(before, flowEdges(before, doc, problems, selection)));
  }, [doc, places, problems, selection]);

  const onNodesChange = useCallback(
    (changes: NodeChange<Shape>[]) => {
      const moves = changes.filter((one) => one.type === "position" || one.type === "dimensions");
      if (moves.length) {
        if (moves.some((one) => one.type === "position" && one.dragging)) dragging.current = true;
        setNodes((before) => applyNodeChanges(moves, before));
        // the arrow keys move a node without a drag
        const keyed = dragging.current ? [] : moves.flatMap((one) => (one.type === "position" && one.position ? [[one.id, one.position] as const] : []));
        if (keyed.length) store.apply("move", (before) => moveNodes(before, Object.fromEntries(keyed)), { key: "move" });
      }
      const chosen = changes.filter((one) => one.type === "select");
      if (chosen.length) {
        const now = new Set(store.get().selection.nodes);
        for (const one of chosen) if (one.selected) now.add(one.id);
        else now.delete(one.id);
        store.select({ nodes: [...now], edges: chosen.some((one) => one.selected) ? [] : store.get().selection.edges });
      }
    },
    [store],
  );

  const drop = useCallback(
    (_: unknown, __: unknown, dragged: Shape[]) => {
      dragging.current = false;
      const moved: Record<string, Place> = {};
      // once one node stands where a person put it, all of them stay where they were seen
      const known = placesOf(store.doc);
      for (const [name] of nodesOf(store.doc)) if (!known[name] && places[name]) moved[name] = places[name];
      for (const node of dragged) moved[node.id] = node.position;
      store.apply(dragged.length > 1 ? "move nodes" : "move", (before) => moveNodes(before, moved));
    },
    [store, places],
  );

  const onConnect = useCallback((wire: Connection) => void editor.link(wire.source, wire.target), [editor]);
  const onReconnect = useCallback(
    (old: FlowEdge, wire: Connection) => {
      const index = old.data?.index;
      if (index === undefined || (old.source === wire.source && old.target === wire.target)) return;
      const without = removeEdges(store.doc, [index]);
      const no = refusal(without, kinds, wire.source, wire.target);
      if (no) {
        editor.link(wire.source, wire.target);
        return;
      }
      store.apply("move the edge", (before) => {
        const list = Array.isArray(before["edges"]) ? [...before["edges"]] : [];
        list[index] = { ...(list[index] as object), from: wire.source, to: wire.target };
        return { ...before, edges: list };
      });
    },
    [editor, kinds, store],
  );

  const turn = editor.reveal.turn;
  useEffect(() => {
    if (turn === 0) return;
    const ids = editor.reveal.names.map((id) => ({ id }));
    const timer = setTimeout(() => void flow.fitView({ ...FIT, ...(ids.length ? { nodes: ids, maxZoom: Math.max(0.9, Math.min(1.1, flow.getZoom())) } : {}), duration: 0 }), 30);
    return () => clearTimeout(timer);
    // oxlint-disable-next-line react/exhaustive-deps -- each turn is one wish
  }, [turn]);

  const over = (event: DragEvent) => {
    if (!event.dataTransfer.types.includes(DRAGGED)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  };
  const dropped = (event: DragEvent) => {
    const kind = event.dataTransfer.getData(DRAGGED);
    if (!kind) return;
    event.preventDefault();
    const { x, y } = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY });
    editor.insert(kind, { at: { x: x - SIZE.width / 2, y: y - SIZE.height / 2 } });
  };

  const empty = nodesOf(doc).length === 0;
  return (
    <div className={css.canvas} ref={frame} onDragOver={over} onDrop={dropped} data-testid="canvas">
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={TYPES}
        defaultEdgeOptions={EDGE_DEFAULTS}
        colorMode={scheme}
        onNodesChange={onNodesChange}
        onNodeDragStop={drop}
        onSelectionDragStop={(_, dragged) => drop(null, null, dragged)}
        onEdgeClick={(_, edge) => edge.data && store.select({ edges: [edge.data.index] })}
        onNodeDoubleClick={() => editor.inspect()}
        onPaneClick={() => store.select({})}
        onConnect={onConnect}
        onReconnect={onReconnect}
        onConnectEnd={(event, state) => {
          if (state.toHandle || state.toNode || state.fromHandle?.type !== "source" || !state.fromNode || !("clientX" in event)) return;
          if (!(event.target as Element).classList.contains("react-flow__pane")) return;
          const at = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY });
          editor.setInserting({ after: state.fromNode.id === START ? null : state.fromNode.id, at: { x: at.x, y: at.y - SIZE.height / 2 } });
        }}
        onKeyDown={(event) => {
          const element = event.target as HTMLElement;
          const edge = element.closest<HTMLElement>(".react-flow__edge")?.dataset["id"];
          if (event.key !== "Enter") return;
          if (edge) {
            const index = edges.find((one) => one.id === edge)?.data?.index;
            if (index !== undefined) store.select({ edges: [index] });
            editor.inspect();
          } else if (element.classList.contains("react-flow__node")) {
            store.select({ nodes: [element.dataset["id"] ?? ""] });
            editor.inspect();
          }
        }}
        connectionRadius={34}
        deleteKeyCode={null}
        multiSelectionKeyCode={["Meta", "Control", "Shift"]}
        selectionKeyCode="Shift"
        selectionMode={SelectionMode.Partial}
        nodeDragThreshold={2}
        minZoom={0.05}
        maxZoom={2}
        onInit={(instance) => {
          // a long flow would be too small to read: it is shown from where it begins
          void instance.fitView(FIT).then(() => {
            const start = instance.getNode(START)?.position;
            const height = frame.current?.clientHeight ?? 0;
            if (start && instance.getZoom() < READABLE) void instance.setViewport({ x: 36 - start.x * READABLE, y: height / 2 - (start.y + 22) * READABLE, zoom: READABLE });
          });
        }}
        onlyRenderVisibleElements={nodes.length > MANY}
        proOptions={{ hideAttribution: true }}
        snapToGrid
        snapGrid={[4, 4]}
        aria-label="Canvas. The outline does the same by keyboard."
      >
        <Background variant={BackgroundVariant.Dots} gap={20} size={1.4} />
        <Controls showInteractive={false} position="bottom-left" />
        {empty ? null : <MiniMap pannable zoomable position="bottom-right" className={css.map ?? ""} ariaLabel="Map of the workflow" nodeColor="var(--map-node)" maskColor="var(--map-mask)" />}
        <Hint />
        {empty ? (
          <Panel position="top-center" className={css.empty ?? ""}>
            <strong>Nothing here yet</strong>
            <span>Drag a node here, or</span>
            <Button size="compact-sm" mt={4} onClick={() => editor.setInserting({ after: null, at: null })}>
              Add the first node
            </Button>
          </Panel>
        ) : null}
      </ReactFlow>
    </div>
  );
}

function alike<T>(before: T[], next: T[]): T[] {
  return before.length === next.length && before.every((one, n) => one === next[n]) ? before : next;
}

/** While a wire is drawn: whether it may be let go here. */
function Hint() {
  const { store, kinds } = useEditor();
  const pair = useConnection((wire) => {
    if (!wire.inProgress || !wire.toNode) return "";
    const [from, to] = wire.fromHandle.type === "source" ? [wire.fromNode.id, wire.toNode.id] : [wire.toNode.id, wire.fromNode.id];
    return `${from}\n${to}`;
  });
  const no = useMemo(() => {
    if (!pair) return null;
    const [from = "", to = ""] = pair.split("\n");
    return refusal(store.doc, kinds, from, to);
  }, [pair, store, kinds]);
  useEffect(() => {
    if (no) announce(no.reason);
  }, [no]);
  if (!no) return null;
  return (
    <Panel position="top-center" className={css.hint ?? ""}>
      {no.reason}
    </Panel>
  );
}
