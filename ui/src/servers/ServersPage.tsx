// The MCP servers there are, how they fare, and what steps can ask for.

import { Button, Group, SegmentedControl, Skeleton, Text } from "@mantine/core";
import { IconFileImport, IconPlus, IconServer2 } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { Link, useSearchParams } from "react-router";
import type { Server } from "../api/schema.d.ts";
import { Empty } from "../parts/Empty.tsx";
import { ago, duration, plural } from "../parts/format.ts";
import { Page } from "../parts/Page.tsx";
import { Problem } from "../parts/Problem.tsx";
import { SearchField } from "../parts/SearchField.tsx";
import { useTitle } from "../shell/title.ts";
import { Capabilities } from "./Capabilities.tsx";
import { Mark } from "./Mark.tsx";
import { liveServersQuery } from "./queries.ts";
import css from "./Servers.module.css";

const AddServer = lazy(() => import("./AddServer.tsx"));
const ImportServers = lazy(() => import("./ImportServers.tsx"));

export function Component() {
  useTitle("Servers and tools");
  const { data, error, refetch } = useQuery(liveServersQuery());
  const [params, setParams] = useSearchParams();
  const [open, setOpen] = useState<"add" | "import" | null>(null);
  const view = params.get("view") === "capabilities" ? "capabilities" : "servers";
  const text = params.get("q") ?? "";
  const put = (name: string, value: string) =>
    setParams(
      (before) => {
        const out = new URLSearchParams(before);
        if (value) out.set(name, value);
        else out.delete(name);
        return out;
      },
      { replace: true },
    );
  const items = data?.items ?? [];
  const wanted = text.trim().toLowerCase();
  const shown = items.filter((one) =>
    [one.name, one.title, one.description, ...(one.tools ?? []), ...Object.keys(one.capabilities)].some((word) => word.toLowerCase().includes(wanted)),
  );
  return (
    <Page
      title="Servers and tools"
      about="MCP servers, what they offer, and how they fare"
      actions={
        <Group gap="xs">
          <Button variant="default" leftSection={<IconFileImport size={16} aria-hidden />} onClick={() => setOpen("import")}>
            Import mcp.json
          </Button>
          <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setOpen("add")}>
            Add a server
          </Button>
        </Group>
      }
    >
      <div className={css.bar}>
        <SegmentedControl
          aria-label="What is shown"
          value={view}
          onChange={(next) => put("view", next === "servers" ? "" : next)}
          data={[
            { value: "servers", label: data ? `Servers (${items.length})` : "Servers" },
            { value: "capabilities", label: "Capabilities" },
          ]}
        />
        <SearchField className={css.search} label="Search servers, tools and capabilities" placeholder="Search" value={text} onChange={(q) => put("q", q)} />
      </div>
      {error && !data ? <Problem error={error} title="The servers could not be read" retry={() => void refetch()} /> : null}
      {!data && !error ? <Skeleton height={180} radius="md" /> : null}
      {view === "capabilities" ? <Capabilities wanted={wanted} /> : null}
      {view === "servers" && data ? (
        shown.length > 0 ? (
          <ul className={css.cards} aria-label="Servers">
            {shown.map((one) => (
              <ServerCard key={one.name} server={one} />
            ))}
          </ul>
        ) : (
          <Empty
            icon={<IconServer2 size={26} />}
            title={items.length > 0 ? "No server matches" : "There is no server yet"}
            actions={
              items.length > 0 ? (
                <Button variant="default" onClick={() => put("q", "")}>
                  Show all
                </Button>
              ) : (
                <Button onClick={() => setOpen("add")}>Add a server</Button>
              )
            }
          >
            {items.length > 0 ? "By name, tool or capability." : "A server is a program or an address that speaks MCP: its tools can be used by agents, crews and tool steps."}
          </Empty>
        )
      ) : null}
      <Suspense>
        {open === "add" ? <AddServer onClose={() => setOpen(null)} /> : null}
        {open === "import" ? <ImportServers onClose={() => setOpen(null)} /> : null}
      </Suspense>
    </Page>
  );
}

function ServerCard({ server }: { server: Server }) {
  const breaker = server.breaker.state;
  return (
    <li className={css.card}>
      <div className={css.top}>
        <Link to={`/servers/${encodeURIComponent(server.name)}`} className={css.name}>
          {server.title || server.name}
        </Link>
        <Mark of={server.enabled ? server.health : "off"} badge />
      </div>
      <Text size="sm" c="dimmed" lineClamp={2}>
        {server.description || (server.title ? server.name : "It says nothing of itself.")}
      </Text>
      {server.error ? <p className={css.wrong}>{server.error}</p> : null}
      <div className={css.facts}>
        <span>{server.tools === null ? "tools not known yet" : plural(server.tools.length, "tool")}</span>
        <span>{TRANSPORTS[server.transport]}</span>
        {server.latency_ms === null ? null : <span title="How long it took to answer lately">{duration(server.latency_ms / 1000)}</span>}
        {server.fallback ? <span>fallback</span> : null}
        {server.weight === "heavy" ? <span>heavy</span> : null}
        {server.under_way > 0 ? <span>{plural(server.under_way, "call")} now</span> : null}
        {server.checked_at ? <span>checked {ago(server.checked_at)}</span> : null}
        {breaker === "closed" ? null : <Mark of={breaker} />}
      </div>
    </li>
  );
}

export const TRANSPORTS: Record<Server["transport"], string> = { stdio: "program", http: "address", worker: "remote worker" };
