// The head of the editor: what is edited, whether it is saved, and what can be done with the whole of it.

import { ActionIcon, Anchor, Button, Group, Menu, SegmentedControl, Title, Tooltip, UnstyledButton } from "@mantine/core";
import {
  IconAlertCircle, IconAlertTriangle, IconArrowBackUp, IconArrowForwardUp, IconChevronLeft, IconCircleCheck, IconDots, IconHistory, IconLayoutDistributeHorizontal, IconPlayerPlayFilled, IconRocket,
} from "@tabler/icons-react";
import { Link, useNavigate } from "react-router";
import { MOD } from "../shell/shortcuts.ts";
import { useDocument, useEditor } from "./context.ts";
import css from "./Editor.module.css";
import { textOf } from "./model/document.ts";
import { SaveState } from "./SaveState.tsx";

export type View = "canvas" | "both" | "yaml";

interface TopBarProps {
  view: View;
  setView: (view: View) => void;
  checking: boolean;
  listed: boolean;
  setListed: (listed: boolean) => void;
  onPublish: () => void;
  onConflict: () => void;
}

export function TopBar({ view, setView, checking, listed, setListed, onPublish, onConflict }: TopBarProps) {
  const { slug, saver, problems, undo, redo, tidy } = useEditor();
  const state = useDocument();
  const navigate = useNavigate();
  const { errors, warnings } = problems;
  const count = errors || warnings;
  const run = async () => {
    if (await saver.flush()) void navigate(`/workflows/${slug}/run`);
    else if (saver.get().is === "conflict") onConflict();
  };
  return (
    <header className={css.bar}>
      <div className={css.name}>
        <Anchor component={Link} to="/" size="sm" className={css.back ?? ""} aria-label="Catalog">
          <IconChevronLeft size={16} aria-hidden />
        </Anchor>
        <Title order={1} size="h4" className={css.title ?? ""} title={slug}>
          {textOf(state.doc["title"]) || slug}
        </Title>
        <SaveState onConflict={onConflict} />
      </div>
      <Group gap={4} wrap="nowrap" className={css.tools ?? ""}>
        <Tooltip label={state.undo ? `Undo: ${state.undo} (${MOD} Z)` : "Nothing to undo"}>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Undo" data-disabled={state.undo === null || undefined} aria-disabled={state.undo === null} onClick={undo}>
            <IconArrowBackUp size={19} />
          </ActionIcon>
        </Tooltip>
        <Tooltip label={state.redo ? `Redo: ${state.redo} (${MOD} Shift Z)` : "Nothing to redo"}>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Redo" data-disabled={state.redo === null || undefined} aria-disabled={state.redo === null} onClick={redo}>
            <IconArrowForwardUp size={19} />
          </ActionIcon>
        </Tooltip>
        <Tooltip label="Tidy up the canvas">
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Tidy up" onClick={tidy} className={css.tidy ?? ""}>
            <IconLayoutDistributeHorizontal size={19} />
          </ActionIcon>
        </Tooltip>
        <SegmentedControl
          size="xs" value={view} onChange={(next) => setView(next as View)} aria-label="View" className={css.views ?? ""}
          data={[{ value: "canvas", label: "Canvas" }, { value: "both", label: "Both" }, { value: "yaml", label: "YAML" }]}
        />
        <UnstyledButton className={css.count} data-tone={errors ? "bad" : warnings ? "warn" : "good"} aria-expanded={listed} onClick={() => setListed(!listed)} aria-live="polite" data-checking={checking || undefined}>
          {errors ? <IconAlertCircle size={16} aria-hidden /> : warnings ? <IconAlertTriangle size={16} aria-hidden /> : <IconCircleCheck size={16} aria-hidden />}
          {count ? `${count} ${errors ? (count === 1 ? "problem" : "problems") : count === 1 ? "warning" : "warnings"}` : "No problems"}
        </UnstyledButton>
      </Group>
      <Group gap={6} wrap="nowrap">
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" size="lg" aria-label="More">
              <IconDots size={19} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconRocket size={16} />} onClick={onPublish}>
              Publish…
            </Menu.Item>
            <Menu.Item component={Link} to={`/workflows/${slug}/versions`} leftSection={<IconHistory size={16} />}>
              Versions
            </Menu.Item>
            <Menu.Item component={Link} to={`/workflows/${slug}/compare?to=draft`} leftSection={<IconHistory size={16} />}>
              Compare with a version
            </Menu.Item>
            <Menu.Item leftSection={<IconLayoutDistributeHorizontal size={16} />} onClick={tidy}>
              Tidy up
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <Button variant="default" size="sm" leftSection={<IconRocket size={16} />} onClick={onPublish} className={css.publish ?? ""}>
          Publish
        </Button>
        <Button size="sm" leftSection={<IconPlayerPlayFilled size={14} />} onClick={() => void run()}>
          Run
        </Button>
      </Group>
    </header>
  );
}
