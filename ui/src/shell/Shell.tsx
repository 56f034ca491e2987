// The frame of every page: where one is, where one can go, and three ways to get there: the links, Cmd-K, and `g` with a
// letter.

import { ActionIcon, AppShell, Burger, Group, Kbd, NavLink, Tooltip, UnstyledButton } from "@mantine/core";
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import { spotlight } from "@mantine/spotlight";
import { IconKeyboard, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useRef } from "react";
import { Link, Outlet, useLocation, useNavigation } from "react-router";
import { approvalsQuery } from "../api/queries.ts";
import { Brand } from "./Brand.tsx";
import { ICONS, type NavLink as Entry } from "./nav.ts";
import { SchemeToggle } from "./SchemeToggle.tsx";
import css from "./Shell.module.css";
import { MOD, useGoKeys } from "./shortcuts.ts";

const Search = lazy(() => import("./Search.tsx"));
const Shortcuts = lazy(() => import("./Shortcuts.tsx"));

export function Shell({ nav }: { nav: Entry[] }) {
  const [menu, { toggle, close }] = useDisclosure(false);
  const [help, helpIs] = useDisclosure(false);
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useHotkeys([["mod+K", () => spotlight.open()]], []); // here rather than in what is loaded when it is first needed
  useHotkeys([["?", helpIs.open]]);
  useGoKeys(nav);
  useEffect(() => {
    close();
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
  }, [pathname, close]);
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 208, breakpoint: "sm", collapsed: { mobile: !menu } }}
      padding={0}
      transitionDuration={0}
    >
      <a className={css.skip} href="#main">
        Skip to the content
      </a>
      <AppShell.Header className={css.header}>
        <Group h="100%" px="md" gap="sm" wrap="nowrap" justify="space-between">
          <Group gap="xs" wrap="nowrap">
            <Burger
              opened={menu}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={menu ? "Close the menu" : "Open the menu"}
              aria-expanded={menu}
            />
            <Brand />
          </Group>
          <UnstyledButton className={css.search} onClick={spotlight.open} title="Search workflows, runs and pages">
            <IconSearch size={16} aria-hidden />
            <span className={css.searchText}>Search or jump to…</span>
            <Kbd className={css.kbd} aria-hidden>
              {MOD} K
            </Kbd>
          </UnstyledButton>
          <Group gap={6} wrap="nowrap">
            <Tooltip label="Keyboard shortcuts (?)">
              <ActionIcon variant="subtle" color="gray" size="lg" onClick={helpIs.open} aria-label="Keyboard shortcuts" visibleFrom="xs">
                <IconKeyboard size={20} />
              </ActionIcon>
            </Tooltip>
            <SchemeToggle />
          </Group>
        </Group>
        <Progress />
      </AppShell.Header>
      <AppShell.Navbar className={css.navbar} p="xs" aria-label="Pages">
        {nav.map((entry) => (
          <Item key={entry.to} entry={entry} active={isAt(pathname, entry.to)} />
        ))}
      </AppShell.Navbar>
      <AppShell.Main id="main" ref={main} tabIndex={-1} className={css.main}>
        <Outlet />
      </AppShell.Main>
      <Suspense>
        <Search nav={nav} />
        {help ? <Shortcuts nav={nav} onClose={helpIs.close} /> : null}
      </Suspense>
    </AppShell>
  );
}

const isAt = (path: string, to: string) =>
  to === "/" ? path === "/" || path.startsWith("/workflows") : path === to || path.startsWith(`${to}/`);

function Item({ entry, active }: { entry: Entry; active: boolean }) {
  const Icon = ICONS[entry.icon];
  return (
    <NavLink
      component={Link}
      to={entry.to}
      label={entry.label}
      active={active}
      aria-current={active ? "page" : undefined}
      leftSection={<Icon size={18} stroke={1.7} aria-hidden />}
      rightSection={entry.badge === "approvals" ? <Waiting /> : null}
      className={css.link ?? ""}
    />
  );
}

/** How many questions are open. */
function Waiting() {
  const { data } = useQuery(approvalsQuery());
  const open = data?.items.length ?? 0;
  if (!open) return null;
  return (
    <span className={css.count}>
      {open}
      <span className="visually-hidden"> open</span>
    </span>
  );
}

/** A thin line while the next page is on its way. */
function Progress() {
  const { state } = useNavigation();
  return state === "idle" ? null : <div className={css.progress} aria-hidden />;
}
