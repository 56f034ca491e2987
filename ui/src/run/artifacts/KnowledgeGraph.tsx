// A graph of knowledge, drawn with cytoscape. Beside the picture stands the same as a list, which the keyboard and screen
// readers use: choosing a node there finds it in the picture.

import { TextInput, useComputedColorScheme } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import cytoscape, { type Core } from "cytoscape";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Knowledge } from "../../model/artifact.ts";
import css from "./KnowledgeGraph.module.css";

const MOST = 1_500; // nodes that can be laid out while somebody waits
const SHOWN = 200; // names in the list at once
const HUES = [190, 265, 35, 140, 330, 60, 220, 10];

export default function KnowledgeGraph({ graph, label }: { graph: Knowledge; label: string }) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<Core | null>(null);
  const scheme = useComputedColorScheme("light");
  const [chosen, setChosen] = useState<string | null>(null);
  const [search, setSearch] = useState("");
  const kinds = useMemo(() => [...new Set(graph.nodes.map((node) => node.kind))], [graph]);
  const cut = useMemo(() => largest(graph), [graph]);
  useEffect(() => {
    if (box.current === null) return;
    const dark = scheme === "dark";
    const core = cytoscape({
      container: box.current,
      elements: [
        ...cut.nodes.map((node) => ({ data: { id: node.id, label: short(node.label), color: colorOf(kinds.indexOf(node.kind), dark) } })),
        ...cut.edges.map((edge, n) => ({ data: { id: `e${n}`, source: edge.source, target: edge.target, label: edge.label } })),
      ],
      style: [
        { selector: "node", style: { "background-color": "data(color)", label: "data(label)", color: dark ? "#dde2e7" : "#1b2126", "font-size": 12, width: 18, height: 18, "text-valign": "bottom", "text-margin-y": 3, "min-zoomed-font-size": 7 } },
        { selector: "edge", style: { width: 1, "line-color": dark ? "#4a5561" : "#c3cbd2", "target-arrow-color": dark ? "#4a5561" : "#c3cbd2", "target-arrow-shape": "triangle", "arrow-scale": 0.7, "curve-style": "bezier" } },
        { selector: "node:selected", style: { "border-width": 3, "border-color": dark ? "#5fcde0" : "#0b6a7c", width: 26, height: 26 } },
        { selector: "edge.near", style: { label: "data(label)", "font-size": 9, color: dark ? "#a3adb8" : "#545d66", "line-color": dark ? "#5fcde0" : "#0b6a7c", "target-arrow-color": dark ? "#5fcde0" : "#0b6a7c", "text-rotation": "autorotate", "text-background-color": dark ? "#232930" : "#ffffff", "text-background-opacity": 0.85 } },
        { selector: ".far", style: { opacity: 0.25 } },
      ],
      layout: cut.nodes.length > 400 ? { name: "concentric", animate: false } : { name: "cose", animate: false, randomize: false, nodeDimensionsIncludeLabels: true, nodeRepulsion: () => 9000, idealEdgeLength: () => 70, componentSpacing: 40, padding: 20 },
      maxZoom: 3,
      minZoom: 0.05,
    });
    core.on("select", "node", (event) => setChosen(String(event.target.id())));
    core.on("unselect", "node", () => setChosen(null));
    drawn.current = core;
    const watch = new ResizeObserver(() => {
      core.resize();
      core.fit(undefined, 20);
    });
    watch.observe(box.current);
    return () => {
      watch.disconnect();
      core.destroy();
      drawn.current = null;
    };
  }, [cut, kinds, scheme]);
  useEffect(() => {
    const core = drawn.current;
    if (core === null) return;
    core.elements().removeClass("near far");
    if (chosen === null) return;
    const node = core.getElementById(chosen);
    if (node.empty()) return;
    core.elements().not(node.closedNeighborhood()).addClass("far");
    node.connectedEdges().addClass("near");
  }, [chosen, scheme, cut]);
  const pick = (id: string) => {
    const core = drawn.current;
    const node = core?.getElementById(id);
    setChosen(id);
    if (!core || !node || node.empty()) return;
    core.elements().unselect();
    node.select();
    core.animate({ center: { eles: node }, zoom: Math.max(core.zoom(), 1) }, { duration: 150 });
  };
  const needle = search.trim().toLowerCase();
  const found = graph.nodes.filter((node) => !needle || node.label.toLowerCase().includes(needle) || node.kind.toLowerCase().includes(needle));
  const node = chosen === null ? null : (graph.nodes.find((one) => one.id === chosen) ?? null);
  return (
    <div className={css.knowledge}>
      {/* cytoscape adds a style element of its own, which our policy forbids, unless it finds one with this id */}
      <template id="__________cytoscape_stylesheet" />
      <div className={css.picture}>
        <div ref={box} className={css.canvas} role="img" aria-label={`${label}, drawn: the list beside it says the same`} data-testid="knowledge-graph" />
        {cut.nodes.length < graph.nodes.length ? <p className={css.cut}>The {cut.nodes.length} best connected of {graph.nodes.length} nodes</p> : null}
        {kinds.length > 1 ? (
          <ul className={css.kinds} aria-label="Kinds of nodes">
            {kinds.slice(0, 10).map((kind, n) => (
              <li key={kind}>
                <span style={{ background: colorOf(n, scheme === "dark") }} /> {kind || "other"}
              </li>
            ))}
          </ul>
        ) : null}
      </div>
      <div className={css.side}>
        <TextInput size="xs" aria-label="Find a node" placeholder="Find a node" leftSection={<IconSearch size={14} />} value={search} onChange={(event) => setSearch(event.currentTarget.value)} />
        {node !== null ? (
          <div className={css.node}>
            <h3>{node.label}</h3>
            {node.kind ? <p>{node.kind}</p> : null}
            <ul>
              {graph.edges
                .filter((edge) => edge.source === node.id || edge.target === node.id)
                .slice(0, SHOWN)
                .map((edge, n) => {
                  const other = edge.source === node.id ? edge.target : edge.source;
                  return (
                    <li key={n}>
                      <button type="button" onClick={() => pick(other)}>
                        {edge.source === node.id ? `${edge.label || "to"} → ` : `← ${edge.label || "from"} `}
                        {graph.nodes.find((one) => one.id === other)?.label ?? other}
                      </button>
                    </li>
                  );
                })}
            </ul>
          </div>
        ) : null}
        <ul className={css.names} aria-label="Nodes">
          {found.slice(0, SHOWN).map((one) => (
            <li key={one.id}>
              <button type="button" aria-pressed={one.id === chosen} onClick={() => pick(one.id)}>
                {one.label} {one.kind ? <small>{one.kind}</small> : null}
              </button>
            </li>
          ))}
          {found.length > SHOWN ? <li className={css.more}>and {found.length - SHOWN} more: search for them</li> : null}
          {found.length === 0 ? <li className={css.more}>No node is called that.</li> : null}
        </ul>
      </div>
    </div>
  );
}

/** The nodes with most edges, as many as can be drawn, and the edges between them. */
function largest(graph: Knowledge): Knowledge {
  const ids = new Set(graph.nodes.map((node) => node.id));
  const whole = graph.edges.filter((edge) => ids.has(edge.source) && ids.has(edge.target));
  if (graph.nodes.length <= MOST) return { nodes: graph.nodes, edges: whole };
  const degree = new Map<string, number>();
  for (const { source, target } of whole) for (const id of [source, target]) degree.set(id, (degree.get(id) ?? 0) + 1);
  const nodes = graph.nodes.toSorted((a, b) => (degree.get(b.id) ?? 0) - (degree.get(a.id) ?? 0)).slice(0, MOST);
  const kept = new Set(nodes.map((node) => node.id));
  return { nodes, edges: whole.filter((edge) => kept.has(edge.source) && kept.has(edge.target)) };
}

function colorOf(kind: number, dark: boolean): string {
  const hue = HUES[Math.max(0, kind) % HUES.length];
  return dark ? `hsl(${hue}, 50%, 62%)` : `hsl(${hue}, 55%, 40%)`;
}

function short(label: string): string {
  return label.length > 32 ? `…${label.slice(-31)}` : label;
}
