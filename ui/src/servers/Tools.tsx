// The tools of a server: what they do, what they want and give, and a place to try one.

import { Accordion, Button, Code, Skeleton, Tabs, Text } from "@mantine/core";
import { IconHeartbeat, IconTool } from "@tabler/icons-react";
import { lazy, Suspense } from "react";
import type { ServerDetail, Tool } from "../api/schema.d.ts";
import { Card } from "../parts/Card.tsx";
import { Empty } from "../parts/Empty.tsx";
import { bytes, duration, plural } from "../parts/format.ts";
import { JsonTree } from "../run/JsonTree.tsx";
import css from "./Servers.module.css";

const TryTool = lazy(() => import("./TryTool.tsx"));

interface ToolsProps {
  server: ServerDetail;
  chosen: string | null;
  onChoose: (tool: string | null) => void;
  onCheck: () => void;
  checking: boolean;
}

export function Tools({ server, chosen, onChoose, onCheck, checking }: ToolsProps) {
  if (server.offers === null)
    return (
      <Card title="Tools">
        {checking ? (
          <Skeleton height={120} radius="md" aria-label="It is being asked" />
        ) : (
          <Empty
            compact
            icon={<IconTool size={26} />}
            title="Its tools are not known yet"
            actions={
              <Button leftSection={<IconHeartbeat size={16} aria-hidden />} onClick={onCheck} disabled={!server.enabled}>
                Ask it
              </Button>
            }
          >
            {server.enabled ? "They are asked for when the server is first needed, or now." : "It is switched off: switch it on first."}
          </Empty>
        )}
      </Card>
    );
  return (
    <Card title={plural(server.offers.length, "tool")} className={css.tools ?? ""}>
      {server.offers.length === 0 ? <Text c="dimmed">It has none.</Text> : null}
      <Accordion variant="default" chevronPosition="left" value={chosen} onChange={onChoose} order={3}>
        {server.offers.map((tool) => (
          <Accordion.Item key={tool.name} value={tool.name}>
            <Accordion.Control>
              <ToolHead tool={tool} />
            </Accordion.Control>
            <Accordion.Panel>{chosen === tool.name ? <ToolBody server={server} tool={tool} /> : null}</Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
    </Card>
  );
}

function ToolHead({ tool }: { tool: Tool }) {
  return (
    <span className={css.tool}>
      <span className={css.toolName}>
        {tool.title || tool.name} {tool.title ? <Code>{tool.name}</Code> : null}
      </span>
      <span className={css.facts}>
        {tool.reads_only ? <span>only reads</span> : null}
        {tool.touches.map((one) => (
          <span key={one}>{TOUCHES[one]}</span>
        ))}
        {tool.calls > 0 ? <span>{plural(tool.calls, "call")}</span> : null}
        {tool.seconds === null ? null : <span>{duration(tool.seconds)}</span>}
        {tool.bytes === null ? null : <span>{bytes(tool.bytes)}</span>}
      </span>
    </span>
  );
}

const TOUCHES: Record<Tool["touches"][number], string> = { private: "sees private data", sends: "sends out", untrusted: "brings in strangers' words" };

function ToolBody({ server, tool }: { server: ServerDetail; tool: Tool }) {
  return (
    <div className={css.body}>
      <Text size="sm" className={css.description ?? ""}>
        {tool.description || "It says nothing of itself."}
      </Text>
      <Tabs defaultValue="try" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="try">Try it</Tabs.Tab>
          <Tabs.Tab value="input">Wants</Tabs.Tab>
          <Tabs.Tab value="output">Gives</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="try" pt="sm">
          <Suspense fallback={<Skeleton height={120} radius="md" />}>
            <TryTool server={server} tool={tool} />
          </Suspense>
        </Tabs.Panel>
        <Tabs.Panel value="input" pt="sm">
          <JsonTree value={tool.input_schema} runId="" label={`What ${tool.name} wants`} />
        </Tabs.Panel>
        <Tabs.Panel value="output" pt="sm">
          {tool.output_schema ? <JsonTree value={tool.output_schema} runId="" label={`What ${tool.name} gives`} /> : <Text c="dimmed">It does not say what it gives.</Text>}
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}
