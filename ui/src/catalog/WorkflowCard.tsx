// One workflow: what it is for, for whom, how long it takes, how it went last, and the way to run it.

import { ActionIcon, Anchor, Button, Group, Paper, Text, Title, Tooltip } from "@mantine/core";
import { IconClock, IconPencil, IconPlayerPlayFilled, IconStairsUp, IconUser } from "@tabler/icons-react";
import { Link } from "react-router";
import type { WorkflowItem } from "../api/schema.d.ts";
import { ago, dateTime } from "../parts/format.ts";
import { Status } from "../parts/Status.tsx";
import { nameOf } from "./filter.ts";
import css from "./WorkflowCard.module.css";

export function WorkflowCard({ workflow, onTag }: { workflow: WorkflowItem; onTag: (tag: string) => void }) {
  const name = nameOf(workflow);
  const last = workflow.last_run;
  return (
    <Paper component="article" className={css.card} withBorder radius="md" aria-label={name}>
      <Title order={2} size="h4" className={css.title}>
        {name}
      </Title>
      <Facts workflow={workflow} />
      <Text size="sm" c="dimmed" className={css.about} title={workflow.description}>
        {workflow.description || "No description."}
      </Text>
      {workflow.tags.length ? (
        <Group gap={4} role="group" aria-label="Tags">
          {workflow.tags.slice(0, 6).map((tag) => (
            <button key={tag} type="button" className={css.tag} onClick={() => onTag(tag)} title={`Show what is tagged ${tag}`}>
              {tag}
            </button>
          ))}
        </Group>
      ) : null}
      <Group justify="space-between" wrap="nowrap" mt="auto" pt="xs">
        {last ? (
          <Anchor component={Link} to={`/runs/${last.run_id}`} className={css.last ?? ""} title={`Last run, ${dateTime(last.created_at)}`}>
            <Status of={last.status} />
            <Text component="span" size="sm" c="dimmed">
              {ago(last.created_at)}
            </Text>
          </Anchor>
        ) : (
          <Text size="sm" c="dimmed">
            Never run
          </Text>
        )}
        <Group gap={6} wrap="nowrap">
          <Tooltip label="Edit">
            <ActionIcon component={Link} to={`/workflows/${workflow.slug}/edit`} variant="default" size={28} aria-label={`Edit ${name}`}>
              <IconPencil size={15} aria-hidden />
            </ActionIcon>
          </Tooltip>
          <Button
            component={Link}
            to={`/workflows/${workflow.slug}/run`}
            size="compact-sm"
            leftSection={<IconPlayerPlayFilled size={12} aria-hidden />}
            aria-label={`Run ${name}`}
          >
            Run
          </Button>
        </Group>
      </Group>
    </Paper>
  );
}

function Facts({ workflow }: { workflow: WorkflowItem }) {
  const facts = [
    { icon: IconUser, what: "For", text: workflow.persona },
    { icon: IconStairsUp, what: "Difficulty", text: workflow.difficulty },
    { icon: IconClock, what: "Takes", text: workflow.minutes === null ? "" : `${workflow.minutes} min` },
  ].filter((one) => one.text);
  if (!facts.length) return null;
  return (
    <Group gap="md" component="ul" className={css.facts ?? ""}>
      {facts.map(({ icon: Icon, what, text }) => (
        <li key={what} title={what}>
          <Icon size={15} aria-hidden />
          <span className="visually-hidden">{what}: </span>
          {text}
        </li>
      ))}
    </Group>
  );
}
