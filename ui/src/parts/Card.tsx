// A surface with a border, on which things that belong together stand.

import { Group, Paper, Title } from "@mantine/core";
import type { ReactNode } from "react";
import css from "./Card.module.css";

interface CardProps {
  title?: ReactNode;
  aside?: ReactNode;
  children: ReactNode;
  className?: string;
}

export function Card({ title, aside, children, className }: CardProps) {
  return (
    <Paper component="section" className={[css.card, className].filter(Boolean).join(" ")} withBorder radius="md">
      {title ? (
        <Group justify="space-between" mb="sm" wrap="nowrap">
          <Title order={2} size="h5">
            {title}
          </Title>
          {aside}
        </Group>
      ) : null}
      {children}
    </Paper>
  );
}
