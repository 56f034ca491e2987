// Where nothing ran yet: one button to the first result.

import { Button, Group, Paper, Text, Title } from "@mantine/core";
import { IconArrowRight, IconRocket } from "@tabler/icons-react";
import { Link } from "react-router";
import type { WorkflowItem } from "../api/schema.d.ts";
import { nameOf } from "./filter.ts";
import css from "./Starter.module.css";

export function Starter({ workflow }: { workflow: WorkflowItem }) {
  return (
    <Paper component="section" className={css.starter} withBorder radius="md" aria-label="Your first run">
      <span className={css.icon} aria-hidden>
        <IconRocket size={24} />
      </span>
      <div className={css.words}>
        <Title order={2} size="h4">
          Your first run, in under a minute
        </Title>
        <Text size="sm" c="dimmed">
          “{nameOf(workflow)}” is ready to go. Fill in one form, watch it work, read what it found.
        </Text>
      </div>
      <Group>
        <Button component={Link} to={`/workflows/${workflow.slug}/run`} rightSection={<IconArrowRight size={16} aria-hidden />}>
          Start
        </Button>
      </Group>
    </Paper>
  );
}
