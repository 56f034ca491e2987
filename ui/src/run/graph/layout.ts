// Where the nodes of a graph stand: layered by dagre, from left to right. Nothing here touches the page, so that it can run
// beside it.

import { graphlib, layout } from "@dagrejs/dagre";

export interface Box {
  id: string;
  width: number;
  height: number;
}

export interface Asked {
  turn: number;
  nodes: Box[];
  /** source, target, and the width of what is written on it */
  edges: [string, string, number][];
  down: boolean;
}

export interface Placed {
  turn: number;
  at: Record<string, { x: number; y: number }>;
}

/** Upper left corners, by node. */
export function placed({ turn, nodes, edges, down }: Asked): Placed {
  const graph = new graphlib.Graph({ multigraph: false });
  graph.setGraph({ rankdir: down ? "TB" : "LR", nodesep: down ? 24 : 28, ranksep: down ? 48 : 72, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, { width: node.width, height: node.height });
  for (const [source, target, width] of edges) graph.setEdge(source, target, width > 0 ? { width, height: 18, labelpos: "c" } : {});
  layout(graph);
  return {
    turn,
    at: Object.fromEntries(
      nodes.map((node) => {
        const { x, y } = graph.node(node.id) as { x: number; y: number };
        return [node.id, { x: x - node.width / 2, y: y - node.height / 2 }];
      }),
    ),
  };
}
