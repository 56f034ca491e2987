// Whether what is seen is saved, in a word.

import { Button, Text, Tooltip } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconCloudOff, IconGitMerge, IconLoader2, IconPencil } from "@tabler/icons-react";
import { useSyncExternalStore } from "react";
import { useEditor } from "./context.ts";
import css from "./Editor.module.css";

const LOOKS = {
  saved: [IconCheck, "Saved", "idle"],
  unsaved: [IconPencil, "Unsaved", "idle"],
  saving: [IconLoader2, "Saving…", "idle"],
  broken: [IconAlertTriangle, "Not saved: the YAML has errors", "bad"],
  offline: [IconCloudOff, "Not saved: no answer. Kept in this browser", "warn"],
  refused: [IconAlertTriangle, "Not saved", "bad"],
  conflict: [IconGitMerge, "Conflict", "bad"],
} as const;

export function SaveState({ onConflict }: { onConflict: () => void }) {
  const { saver } = useEditor();
  const state = useSyncExternalStore(saver.subscribe, saver.get);
  const [Icon, word, tone] = LOOKS[state.is];
  const more = state.is === "offline" || state.is === "refused" ? state.error.detail : "";
  if (state.is === "conflict")
    return (
      <Button size="compact-sm" color="red" variant="light" leftSection={<Icon size={15} />} onClick={onConflict}>
        Conflict: resolve
      </Button>
    );
  return (
    <Tooltip label={more} disabled={!more} multiline maw={320}>
      <Text component="span" size="sm" className={css.save ?? ""} data-tone={tone} data-saving={state.is} role="status" tabIndex={more ? 0 : undefined}>
        <Icon size={15} aria-hidden />
        <span>
          {word}
          {state.is === "refused" ? `: ${more}` : ""}
        </span>
      </Text>
    </Tooltip>
  );
}
