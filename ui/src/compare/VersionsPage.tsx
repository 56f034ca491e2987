// The versions of a workflow, the newest first: what each brought, and a way to compare, restore and run it.

import { Button, Checkbox, Group, Modal, Skeleton, Stack, Table, Text } from "@mantine/core";
import { IconGitCompare, IconHistory, IconPencil } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { api } from "../api/client.ts";
import { keys, workflowQuery } from "../api/queries.ts";
import type { VersionItem } from "../api/schema.d.ts";
import { Empty } from "../parts/Empty.tsx";
import { ago, dateTime } from "../parts/format.ts";
import { Page } from "../parts/Page.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useTitle } from "../shell/title.ts";
import { toastDone, toastError } from "../shell/toast.tsx";

const PAGE = 50;

export function Component() {
  const { slug = "" } = useParams();
  const navigate = useNavigate();
  useTitle(`Versions of ${slug}`);
  const workflow = useQuery(workflowQuery(slug));
  const [chosen, setChosen] = useState<number[]>([]);
  const [restoring, setRestoring] = useState<VersionItem | null>(null);
  const list = useInfiniteQuery({
    queryKey: [...keys.workflow(slug), "versions", "list"],
    queryFn: ({ pageParam, signal }) => api.get("/workflows/{slug}/versions", { path: { slug }, query: { limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) }, signal }),
    initialPageParam: "",
    getNextPageParam: (page) => page.cursor,
  });
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  const choose = (number: number, yes: boolean) => setChosen((before) => (yes ? [...before, number].slice(-2) : before.filter((one) => one !== number)));
  const compare = () => {
    const [from, to] = chosen.length === 2 ? chosen.toSorted((a, b) => a - b) : [chosen[0], "draft"];
    void navigate(`/workflows/${slug}/compare?from=${from}&to=${to}`);
  };
  return (
    <Page
      title={`Versions of ${String(workflow.data?.document["title"] || slug)}`}
      back={{ to: `/workflows/${slug}/edit`, label: "Editor" }}
      about="Each is what was published, and never changes."
      actions={
        <>
          <Button variant="default" leftSection={<IconGitCompare size={16} />} disabled={chosen.length === 0} onClick={compare}>
            {chosen.length === 2 ? "Compare the two" : "Compare with the draft"}
          </Button>
          <Button component={Link} to={`/workflows/${slug}/edit`} leftSection={<IconPencil size={16} />}>
            Edit the draft
          </Button>
        </>
      }
    >
      {list.error ? <Problem error={list.error} retry={() => void list.refetch()} /> : null}
      {list.isPending ? <Skeleton height={240} radius="md" /> : null}
      {list.data && items.length === 0 ? (
        <Empty icon={<IconHistory size={26} />} title="No version yet" actions={<Button component={Link} to={`/workflows/${slug}/edit`}>To the editor</Button>}>
          Publish the draft, or run it: both make a version.
        </Empty>
      ) : null}
      {items.length ? (
        <Table.ScrollContainer minWidth={560}>
          <Table verticalSpacing="xs" highlightOnHover>
            <Table.Thead>
              <Table.Tr>
                <Table.Th w={40}>
                  <span className="visually-hidden">Compare</span>
                </Table.Th>
                <Table.Th w={90}>Version</Table.Th>
                <Table.Th>What is new</Table.Th>
                <Table.Th w={150}>By</Table.Th>
                <Table.Th w={140}>When</Table.Th>
                <Table.Th w={210}>
                  <span className="visually-hidden">Actions</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {items.map((one) => (
                <Table.Tr key={one.number}>
                  <Table.Td>
                    <Checkbox aria-label={`Compare version ${one.number}`} checked={chosen.includes(one.number)} onChange={(event) => choose(one.number, event.currentTarget.checked)} />
                  </Table.Td>
                  <Table.Td fw={600}>{one.number}</Table.Td>
                  <Table.Td>{one.note || <Text component="span" size="sm" c="dimmed">No note</Text>}</Table.Td>
                  <Table.Td>{one.created_by}</Table.Td>
                  <Table.Td title={dateTime(one.created_at)}>{ago(one.created_at)}</Table.Td>
                  <Table.Td>
                    <Group gap={6} wrap="nowrap" justify="flex-end">
                      <Button size="compact-sm" variant="default" component={Link} to={`/workflows/${slug}/run?version=${one.number}`} aria-label={`Run version ${one.number}`}>
                        Run
                      </Button>
                      <Button size="compact-sm" variant="default" onClick={() => setRestoring(one)} aria-label={`Restore version ${one.number}`}>
                        Restore
                      </Button>
                    </Group>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      ) : null}
      {list.hasNextPage ? (
        <Button mt="md" variant="default" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          Older versions
        </Button>
      ) : null}
      {restoring ? <Restore slug={slug} version={restoring} onClose={() => setRestoring(null)} /> : null}
    </Page>
  );
}

function Restore({ slug, version, onClose }: { slug: string; version: VersionItem; onClose: () => void }) {
  const client = useQueryClient();
  const restore = useMutation({
    mutationFn: () => api.post("/workflows/{slug}/versions/{number}/restore", { path: { slug, number: version.number } }),
    onSuccess: (made) => {
      toastDone(`Version ${version.number} is the draft again${made.number === version.number ? "" : `, and version ${made.number}`}`);
      void client.invalidateQueries({ queryKey: keys.workflows });
      onClose();
    },
    onError: (error) => toastError("Restore", error),
  });
  return (
    <Modal opened onClose={onClose} title={`Restore version ${version.number}?`}>
      <Stack gap="sm">
        <Text size="sm">It becomes the draft, and the newest version. The draft as it is now is replaced; publish it first to keep it.</Text>
        <Group justify="flex-end" gap="xs">
          <Button variant="subtle" color="gray" onClick={onClose}>
            Cancel
          </Button>
          <Button data-autofocus loading={restore.isPending} onClick={() => restore.mutate()}>
            Restore
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
