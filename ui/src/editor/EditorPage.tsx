// The page of the editor: reads the draft and the kinds, looks for what was left unsaved in this browser, and begins.

import { Button, Skeleton, Stack } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link, useParams } from "react-router";
import { newKey } from "../api/client.ts";
import { keys } from "../api/queries.ts";
import { Problem } from "../parts/Problem.tsx";
import { announce } from "../shell/announce.tsx";
import { useTitle } from "../shell/title.ts";
import { Editor } from "./Editor.tsx";
import { draftQuery, serverOf, useKinds } from "./loading.ts";
import { Backup, type Left } from "./model/backup.ts";
import { textOf } from "./model/document.ts";
import { equal } from "./model/json.ts";
import { Saver, type Theirs } from "./model/saver.ts";
import { Store } from "./model/store.ts";
import type { Kinds } from "./model/types.ts";

export function Component() {
  const { slug = "" } = useParams();
  const { data, error, refetch } = useQuery(draftQuery(slug));
  const kinds = useKinds();
  const title = data ? textOf(data.doc["title"]) || slug : null;
  useTitle(title ? `Edit ${title}` : null);
  if (error)
    return (
      <Stack p="lg">
        <h1>{slug}</h1>
        <Problem error={error} title="This workflow could not be read" retry={() => void refetch()} />
        <div>
          <Button component={Link} to="/" variant="default">
            To the catalog
          </Button>
        </div>
      </Stack>
    );
  if (!data || !kinds) return <Skeleton height="calc(100dvh - 52px)" radius={0} aria-label="Loading" />;
  return <Session key={slug} slug={slug} draft={data} kinds={kinds} />;
}

interface Begun {
  store: Store;
  saver: Saver;
}

/** One sitting: it begins once, with what there is, and ends when the page is left. */
function Session({ slug, draft, kinds }: { slug: string; draft: Theirs; kinds: Kinds }) {
  const client = useQueryClient();
  const [begun, setBegun] = useState<Begun | null>(null);
  useEffect(() => {
    let over = false;
    const id = newKey();
    const release = new AbortController();
    let saver: Saver | null = null;
    void openEditors(id, release.signal).then((open) => {
      if (over) return;
      const backup = new Backup(localStorage, slug, id);
      const left = backup.adopt((other) => open.has(other));
      const store = begin(draft, left, backup);
      saver = new Saver(store, serverOf(slug), backup, draft.etag, draft.doc);
      if (left && left.etag !== draft.etag && !equal(left.doc, draft.doc)) saver.disagree(draft);
      else if (left) announce("What was not saved last time is here again");
      setBegun({ store, saver });
    });
    return () => {
      over = true;
      saver?.close();
      release.abort();
      setBegun(null);
      void client.invalidateQueries({ queryKey: keys.workflows });
    };
  }, [slug, draft, client]);
  return begun ? <Editor slug={slug} store={begun.store} saver={begun.saver} kinds={kinds} /> : null;
}

function begin(draft: Theirs, left: Left | null, backup: Backup): Store {
  if (!left) return new Store(draft.doc, backup.textOf(draft.etag));
  const store = new Store(draft.doc, backup.textOf(draft.etag));
  if (left.text !== null) store.write(left.text);
  else if (!equal(left.doc, draft.doc)) store.replace("what was not saved", left.doc);
  return store;
}

const LOCK = "penstock.editor.";

/** The editors that are open in this browser, other than this one, which is open from now on until the signal. */
async function openEditors(id: string, signal: AbortSignal): Promise<Set<string>> {
  const locks = navigator.locks as LockManager | undefined; // only where the page came over a trusted way
  if (!locks) {
    const last = sessionStorage.getItem(LOCK);
    sessionStorage.setItem(LOCK, id);
    return { has: (other: string) => other !== last } as Set<string>;
  }
  const { held = [] } = await locks.query();
  if (signal.aborted) return new Set();
  const open = new Set(held.flatMap((lock) => (lock.name?.startsWith(LOCK) ? [lock.name.slice(LOCK.length)] : [])));
  void locks.request(LOCK + id, () => new Promise<void>((done) => signal.addEventListener("abort", () => done(), { once: true })));
  return open;
}
