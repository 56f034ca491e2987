// The editor of one workflow: the canvas and the text in the middle, the kinds of node and the outline on the left, the inspector on
// the right. On a narrow screen one of them at a time.

import { Alert, Button, CloseButton, Group, SegmentedControl } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconPlugX } from "@tabler/icons-react";
import { ReactFlowProvider } from "@xyflow/react";
import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { announce } from "../shell/announce.tsx";
import { useActions } from "./actions.ts";
import { Canvas } from "./canvas/Canvas.tsx";
import { Conflict } from "./Conflict.tsx";
import { type Editor as Shared, EditorContext, type Pane } from "./context.ts";
import css from "./Editor.module.css";
import { Insert } from "./Insert.tsx";
import { Inspector } from "./inspector/Inspector.tsx";
import { useKeys } from "./keys.ts";
import { useProblems, useSamples } from "./loading.ts";
import type { Saver } from "./model/saver.ts";
import type { Store } from "./model/store.ts";
import type { Kinds } from "./model/types.ts";
import { Outline } from "./Outline.tsx";
import { Palette } from "./Palette.tsx";
import { usePlaces } from "./places.ts";
import { ProblemList } from "./ProblemList.tsx";
import { Publish } from "./Publish.tsx";
import { YamlView } from "./text/YamlView.tsx";
import { TopBar, type View } from "./TopBar.tsx";

const PANES: { value: Pane; label: string }[] = [
  { value: "canvas", label: "Canvas" },
  { value: "outline", label: "Outline" },
  { value: "inspector", label: "Inspector" },
  { value: "yaml", label: "YAML" },
];
const NOWHERE = {};

export function Editor({ slug, store, saver, kinds }: { slug: string; store: Store; saver: Saver; kinds: Kinds }) {
  const { doc } = useSyncExternalStore(store.subscribe, store.get);
  const saving = useSyncExternalStore(saver.subscribe, saver.get);
  const samples = useSamples(slug);
  const problems = useProblems(slug, doc);
  const placed = usePlaces(doc);
  const places = placed ?? NOWHERE;
  const narrow = useMediaQuery("(max-width: 62em)", false, { getInitialValueInEffect: false });
  const [pane, setPane] = useState<Pane>("canvas");
  const [view, setView] = useState<View>("canvas");
  const [listed, setListed] = useState(false);
  const [publishing, setPublishing] = useState(false);
  const [later, setLater] = useState<unknown>(null); // the conflict that was put off
  const literal = useMemo(() => (kind: string) => kinds.get(kind)?.literal ?? [], [kinds]);
  const actions = useActions({ store, kinds, places, setPane, literal });
  const editor = useMemo<Shared>(
    () => ({ slug, store, saver, kinds, samples, problems, literal, places, pane, setPane, ...actions }),
    [slug, store, saver, kinds, samples, problems, literal, places, pane, actions],
  );
  useKeys(editor);
  const conflict = saving.is === "conflict" ? saving.theirs : null;
  useEffect(() => {
    if (conflict) announce("Somebody else changed this workflow meanwhile");
  }, [conflict]);
  const shows = (one: Pane) => (narrow ? pane === one : true);
  const { refused } = editor;
  const seen = (next: View) => {
    setView(next);
    actions.show([]); // the canvas has another size now
  };
  return (
    <EditorContext value={editor}>
      <div className={css.editor} data-testid="editor" data-narrow={narrow || undefined}>
        <TopBar view={view} setView={seen} checking={problems.checking} listed={listed} setListed={setListed} onPublish={() => setPublishing(true)} onConflict={() => setLater(null)} />
        {narrow ? <SegmentedControl className={css.panes ?? ""} fullWidth size="xs" data={PANES} value={pane} onChange={(next) => setPane(next as Pane)} aria-label="Part of the editor" /> : null}
        {listed && narrow ? <ProblemList preflight={problems.preflight} /> : null}
        <div className={css.body}>
          {shows("outline") ? (
            <aside className={css.left} aria-label="Nodes">
              <h2 className={css.heading}>Add</h2>
              <Palette />
              <Outline />
            </aside>
          ) : null}
          <div className={css.middle} hidden={narrow && pane !== "canvas" && pane !== "yaml"}>
            <div className={css.stage}>
              {(narrow ? pane === "canvas" : view !== "yaml") ? (
                placed ? (
                  <ReactFlowProvider>
                    <Canvas />
                  </ReactFlowProvider>
                ) : (
                  <div className={css.waiting} aria-busy />
                )
              ) : null}
              {(narrow ? pane === "yaml" : view !== "canvas") ? <YamlView /> : null}
            </div>
            {refused ? (
              <Alert className={css.refused ?? ""} color="red" variant="light" role="alert" icon={<IconPlugX size={18} />} title={`${label(refused.from)} cannot lead to ${label(refused.to)}`}>
                <Group justify="space-between" align="flex-start" gap="xs">
                  <span className={css.reason}>{refused.refusal.reason}</span>
                  <Group gap={6} wrap="nowrap">
                    {refused.refusal.visits ? (
                      <Button size="compact-sm" variant="default" onClick={editor.allow}>
                        Allow {refused.refusal.visits} visits
                      </Button>
                    ) : null}
                    <CloseButton size="sm" onClick={editor.dismiss} />
                  </Group>
                </Group>
              </Alert>
            ) : null}
            {listed && !narrow ? <ProblemList preflight={problems.preflight} /> : null}
          </div>
          {shows("inspector") ? (
            <aside className={css.right} aria-label="Settings">
              <Inspector />
            </aside>
          ) : null}
        </div>
        <Insert />
        {publishing ? <Publish onClose={() => setPublishing(false)} /> : null}
        {conflict && later !== conflict ? <Conflict key={conflict.etag} theirs={conflict} onClose={() => setLater(conflict)} /> : null}
      </div>
    </EditorContext>
  );
}

const label = (name: string) => (name === "$start" ? "Start" : name);
