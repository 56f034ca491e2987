// The content of an artifact, shown as what it is. Content never changes under its digest, so it is fetched once.

import { Button, SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useMemo, useState } from "react";
import { send } from "../../api/client.ts";
import { readKnowledge, shownAs } from "../../model/artifact.ts";
import { Empty } from "../../parts/Empty.tsx";
import { bytes } from "../../parts/format.ts";
import { Problem } from "../../parts/Problem.tsx";
import { JsonTree } from "../JsonTree.tsx";
import { Scrolling } from "../Scrolling.tsx";
import { MOST } from "../values.ts";
import { Waiting } from "../Waiting.tsx";
import type { Item } from "./Artifacts.tsx";
import css from "./Content.module.css";
import DiffView from "./DiffView.tsx";
import TableView from "./TableView.tsx";

const Markdown = lazy(() => import("../Markdown.tsx"));
const KnowledgeGraph = lazy(() => import("./KnowledgeGraph.tsx"));

export function Content({ item, runId }: { item: Item; runId: string }) {
  const kind = shownAs(item.name, item.mime);
  const [asked, setAsked] = useState(false);
  const small = item.size === null || item.size <= MOST;
  const readable = kind !== "binary" && kind !== "image";
  const { data, error, refetch } = useQuery({
    queryKey: ["content", item.digest ?? `${runId}/${item.name}`],
    queryFn: async ({ signal }) => (await send(item.url, { signal })).text(),
    enabled: readable && (small || asked),
    staleTime: item.digest === null ? 2_000 : Number.POSITIVE_INFINITY,
  });
  if (kind === "image") return <Picture item={item} />;
  if (kind === "binary") {
    return (
      <Empty compact title="This cannot be shown here">
        It is of type {item.mime}. Download it to open it with what it is for.
      </Empty>
    );
  }
  if (error) return <div className={css.pad}><Problem error={error} title="It could not be fetched" retry={() => void refetch()} /></div>;
  if (data === undefined) {
    if (small || asked) return <Waiting />;
    return (
      <Empty compact title={`It is ${bytes(item.size)}`} actions={<Button variant="default" onClick={() => setAsked(true)}>Show it all the same</Button>}>
        Large files are fetched when you ask for them.
      </Empty>
    );
  }
  return (
    <Suspense fallback={<Waiting />}>
      {kind === "json" ? <Json text={data} item={item} runId={runId} /> : null}
      {kind === "markdown" ? <Document text={data} label={item.name} /> : null}
      {kind === "table" ? <TableView text={data} label={item.name} /> : null}
      {kind === "diff" ? <DiffView text={data} label={item.name} /> : null}
      {kind === "text" ? <Plain text={data} label={item.name} /> : null}
    </Suspense>
  );
}

function Json({ text, item, runId }: { text: string; item: Item; runId: string }) {
  const parsed = useMemo(() => {
    try {
      return { value: JSON.parse(text) as unknown };
    } catch {
      return null;
    }
  }, [text]);
  const graph = useMemo(() => (parsed === null ? null : readKnowledge(parsed.value)), [parsed]);
  const [as, setAs] = useState<"graph" | "tree">("graph");
  if (parsed === null) return <Plain text={text} label={item.name} />;
  if (graph === null || graph.nodes.length === 0) return <div className={css.fill}><JsonTree value={parsed.value} runId={runId} label={item.name} fill /></div>;
  return (
    <div className={css.fill}>
      <SegmentedControl
        className={css.as ?? ""}
        size="xs"
        aria-label="Show it as"
        value={as}
        onChange={(to) => setAs(to as "graph" | "tree")}
        data={[
          { value: "graph", label: `Graph (${graph.nodes.length} nodes, ${graph.edges.length} edges)` },
          { value: "tree", label: "JSON" },
        ]}
      />
      {as === "graph" ? <KnowledgeGraph graph={graph} label={item.name} /> : <JsonTree value={parsed.value} runId={runId} label={item.name} fill />}
    </div>
  );
}

function Document({ text, label }: { text: string; label: string }) {
  const [raw, setRaw] = useState(false);
  return (
    <Scrolling className={css.document} label={label}>
      <SegmentedControl className={css.as ?? ""} size="xs" aria-label="Show it as" value={raw ? "raw" : "read"} onChange={(to) => setRaw(to === "raw")} data={[{ value: "read", label: "Read" }, { value: "raw", label: "Source" }]} />
      {raw ? <pre className={css.source}>{text}</pre> : <Markdown text={text} />}
    </Scrolling>
  );
}

function Plain({ text, label }: { text: string; label: string }) {
  return (
    <Scrolling className={css.plain} label={label}>
      <pre>{text || "(empty)"}</pre>
    </Scrolling>
  );
}

function Picture({ item }: { item: Item }) {
  const [failed, setFailed] = useState(false);
  if (failed) {
    return (
      <Empty compact title="This picture cannot be shown">
        The file is no whole {item.mime}. Download it to look closer.
      </Empty>
    );
  }
  return (
    <div className={css.picture}>
      <img src={item.url} alt={item.name} onError={() => setFailed(true)} />
    </div>
  );
}
