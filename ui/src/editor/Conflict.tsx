// Somebody else saved the same draft meanwhile. Both sides are shown; nothing is lost whichever is chosen: what is replaced here can be
// undone, what is replaced there is in this browser.

import { Alert, Button, Group, Loader, Modal, Stack, Text } from "@mantine/core";
import { IconArrowLeft, IconArrowRight, IconGitMerge } from "@tabler/icons-react";
import { lazy, Suspense, useMemo, useState } from "react";
import { dateTime } from "../parts/format.ts";
import { announce } from "../shell/announce.tsx";
import { useEditor } from "./context.ts";
import css from "./Editor.module.css";
import { compare } from "./model/compare.ts";
import type { Theirs } from "./model/saver.ts";
import { parse, print } from "./model/yaml.ts";

const Merge = lazy(() => import("./text/Merge.tsx"));

export function Conflict({ theirs, onClose }: { theirs: Theirs; onClose: () => void }) {
  const { store, saver } = useEditor();
  const [mine] = useState(() => store.get().text);
  const [merged, setMerged] = useState(mine);
  const left = useMemo(() => print(theirs.doc), [theirs]);
  const differ = useMemo(() => {
    const found = compare(theirs.doc, store.doc);
    const some = (verdict: string) => found.nodes.filter((one) => one.verdict === verdict).map((one) => one.name);
    return [
      ["only mine", some("added")], ["only theirs", some("removed")], ["different", some("changed")],
    ].flatMap(([what, names]) => (names?.length ? [`${String(what)}: ${(names as string[]).join(", ")}`] : [])).join(" · ");
  }, [theirs, store]);
  const broken = merged === mine ? undefined : parse(merged).problems[0];
  const keep = async (text: string) => {
    if (text !== mine) store.write(text);
    onClose();
    await saver.keepMine(theirs);
    announce("Your version is saved");
  };
  return (
    <Modal opened onClose={onClose} size="min(72rem, 96vw)" title="Somebody else changed this workflow meanwhile" closeButtonProps={{ "aria-label": "Decide later" }}>
      <Stack gap="sm">
        <Text size="sm">
          {theirs.by} saved it on {dateTime(theirs.at)}. Your changes are kept in this browser until you decide.
          {differ ? ` Nodes ${differ}.` : " The nodes are the same; other things differ."}
        </Text>
        <div className={css.sides} aria-hidden>
          <Text size="sm" fw={600}>Theirs, as it is saved</Text>
          <Text size="sm" fw={600}>Mine, to be edited; the arrows take theirs over</Text>
        </div>
        <div className={css.mergeFrame}>
          <Suspense fallback={<Loader size="sm" m="md" />}>
            <Merge left={left} right={mine} leftLabel="Theirs" rightLabel="Mine" onChange={setMerged} />
          </Suspense>
        </div>
        {broken ? (
          <Alert color="red" variant="light" role="alert">
            Line {broken.line}: {broken.message}
          </Alert>
        ) : null}
        <Group justify="flex-end" gap="xs">
          <Button variant="subtle" color="gray" onClick={onClose}>
            Decide later
          </Button>
          <Button
            variant="default" leftSection={<IconArrowLeft size={16} />}
            onClick={() => {
              saver.takeTheirs(theirs);
              announce("Their version is here now. Undo brings yours back");
              onClose();
            }}
          >
            Take theirs
          </Button>
          {merged === mine ? (
            <Button leftSection={<IconArrowRight size={16} />} onClick={() => void keep(mine)}>
              Keep mine
            </Button>
          ) : (
            <Button leftSection={<IconGitMerge size={16} />} disabled={broken !== undefined} onClick={() => void keep(merged)}>
              Save the merged text
            </Button>
          )}
        </Group>
      </Stack>
    </Modal>
  );
}
