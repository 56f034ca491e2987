// Nothing to show is a moment to say what to do next.

import { Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import css from "./Empty.module.css";

interface EmptyProps {
  icon?: ReactNode;
  title: string;
  children?: ReactNode;
  /** Buttons or links: the next step. */
  actions?: ReactNode;
  compact?: boolean;
  /** The level of its heading: 1 where it is the whole page. */
  order?: 1 | 2 | 3;
}

export function Empty({ icon, title, children, actions, compact = false, order = 2 }: EmptyProps) {
  return (
    <Stack className={css.empty} data-compact={compact || undefined} align="center" gap="xs">
      {icon ? (
        <span className={css.icon} aria-hidden>
          {icon}
        </span>
      ) : null}
      <Title order={order} size={compact ? "h5" : "h4"} ta="center">
        {title}
      </Title>
      {children ? (
        <Text c="dimmed" ta="center" maw="34em" component="div">
          {children}
        </Text>
      ) : null}
      {actions ? <div className={css.actions}>{actions}</div> : null}
    </Stack>
  );
}
