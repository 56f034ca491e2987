// What is chosen, to be edited: a node, an edge, several nodes, or the workflow itself.

import { Button, Group, Stack, Text } from "@mantine/core";
import { IconCopyPlus, IconTrash } from "@tabler/icons-react";
import { useDocument, useEditor } from "../context.ts";
import { nodeOf, START, wiresOf } from "../model/document.ts";
import { EdgePanel } from "./EdgePanel.tsx";
import css from "./Inspector.module.css";
import { NodePanel } from "./NodePanel.tsx";
import { WorkflowPanel } from "./WorkflowPanel.tsx";

export function Inspector() {
  const { doc, selection } = useDocument();
  return (
    <section className={css.inspector} aria-label="Inspector" data-inspector>
      <Chosen doc={doc} selection={selection} />
    </section>
  );
}

function Chosen({ doc, selection }: Pick<ReturnType<typeof useDocument>, "doc" | "selection">) {
  const editor = useEditor();
  const nodes = selection.nodes.filter((name) => name !== START);
  if (nodes.length > 1)
    return (
      <Stack gap="sm">
        <h2 className={css.headTitle}>{nodes.length} nodes</h2>
        <Text size="sm">{nodes.join(", ")}</Text>
        <Group gap="xs">
          <Button size="compact-sm" variant="default" leftSection={<IconCopyPlus size={15} />} onClick={() => editor.duplicate(nodes)}>
            Duplicate
          </Button>
          <Button size="compact-sm" variant="light" color="red" leftSection={<IconTrash size={15} />} onClick={() => editor.remove({ nodes, edges: [] })}>
            Delete
          </Button>
        </Group>
      </Stack>
    );
  const node = nodes[0] === undefined ? undefined : nodeOf(doc, nodes[0]);
  if (node && nodes[0] !== undefined) return <NodePanel key={nodes[0]} name={nodes[0]} node={node} />;
  const wire = selection.edges.length === 1 ? wiresOf(doc).find((one) => one.index === selection.edges[0]) : undefined;
  if (wire) return <EdgePanel key={`${wire.from}>${wire.to}`} wire={wire} />;
  return <WorkflowPanel />;
}
