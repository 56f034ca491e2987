// The head of a page: what it is, what one may do with it, and how to get back.

import { Anchor, Group, Text, Title } from "@mantine/core";
import { IconChevronLeft } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import css from "./Page.module.css";

interface PageProps {
  title: ReactNode;
  /** One line under the title. */
  about?: ReactNode;
  actions?: ReactNode;
  back?: { to: string; label: string };
  /** Uses the whole width; by default a line is kept readable. */
  wide?: boolean;
  children: ReactNode;
}

export function Page({ title, about, actions, back, wide = false, children }: PageProps) {
  return (
    <div className={css.page} data-wide={wide || undefined}>
      <header className={css.head}>
        <div className={css.words}>
          {back ? (
            <Anchor component={Link} to={back.to} size="sm" className={css.back ?? ""}>
              <IconChevronLeft size={14} aria-hidden />
              {back.label}
            </Anchor>
          ) : null}
          <Title order={1}>{title}</Title>
          {about ? (
            <Text c="dimmed" component="div">
              {about}
            </Text>
          ) : null}
        </div>
        {actions ? (
          <Group gap="xs" className={css.actions ?? ""}>
            {actions}
          </Group>
        ) : null}
      </header>
      {children}
    </div>
  );
}
