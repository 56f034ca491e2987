import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ApiError } from "../../api/problem.ts";
import { Backup, type Shelf } from "./backup.ts";
import { addNode } from "./commands.ts";
import { blank, type Doc } from "./document.ts";
import { Saver, type Server, type Theirs } from "./saver.ts";
import { Store } from "./store.ts";

const DOC = blank("w", "");
const refusedWith = (status: number, retryable = false) => new ApiError({ code: "x.y", status, detail: "no", retryable });

/** A server with one draft, as ours is. */
class Draft implements Server {
  etag = "1";
  doc: Doc = DOC;
  down: ApiError | null = null;
  puts = 0;
  async put(doc: Doc, etag: string): Promise<string> {
    this.puts++;
    if (this.down) throw this.down;
    if (etag !== this.etag) throw refusedWith(412);
    this.doc = doc;
    this.etag = String(Number(this.etag) + 1);
    return this.etag;
  }
  async draft(): Promise<Theirs> {
    return { doc: this.doc, etag: this.etag, by: "ada", at: "2030-01-01T00:00:00Z" };
  }
}

class Memory implements Shelf {
  map = new Map<string, string>();
  get length(): number {
    return this.map.size;
  }
  key = (n: number) => [...this.map.keys()][n] ?? null;
  getItem = (key: string) => this.map.get(key) ?? null;
  setItem = (key: string, value: string) => void this.map.set(key, value);
  removeItem = (key: string) => void this.map.delete(key);
}

const wait = (name: string) => (doc: Doc) => addNode(doc, name, { kind: "wait" }).doc;
let server: Draft, shelf: Memory, store: Store, backup: Backup, saver: Saver;
const unsaved = () => [...shelf.map.keys()].filter((key) => key.startsWith("penstock.unsaved."));

beforeEach(() => {
  vi.useFakeTimers();
  server = new Draft();
  shelf = new Memory();
  store = new Store(DOC);
  backup = new Backup(shelf, "w", "one");
  saver = new Saver(store, server, backup, "1", DOC);
});
afterEach(() => vi.useRealTimers());

describe("saver", () => {
  test("saves a moment after the last change, once, and the backup lasts until then", async () => {
    store.apply("a", wait("a"));
    store.apply("b", wait("b"));
    expect(saver.get().is).toBe("unsaved");
    expect(unsaved()).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect([saver.get().is, server.puts, unsaved().length]).toEqual(["saved", 1, 0]);
    expect(server.doc).toBe(store.doc);
  });
  test("what somebody else saved is met, not overwritten; mine may be kept", async () => {
    server.etag = "7";
    store.apply("a", wait("a"));
    await vi.advanceTimersByTimeAsync(1000);
    const state = saver.get();
    expect(state).toMatchObject({ is: "conflict", theirs: { etag: "7" } });
    expect(server.doc).toBe(DOC);
    store.apply("b", wait("b")); // nothing is sent while it lasts
    await vi.advanceTimersByTimeAsync(60_000);
    expect([server.puts, unsaved().length]).toEqual([1, 1]);
    if (state.is === "conflict") await saver.keepMine(state.theirs);
    expect([saver.get().is, server.doc === store.doc]).toEqual(["saved", true]);
  });
  test("theirs may be taken, and that can be undone", async () => {
    server.etag = "7";
    server.doc = wait("theirs")(DOC);
    store.apply("a", wait("mine"));
    const mine = store.doc;
    await vi.advanceTimersByTimeAsync(1000);
    const state = saver.get();
    if (state.is === "conflict") saver.takeTheirs(state.theirs);
    expect([saver.get().is, store.doc === server.doc, unsaved().length]).toEqual(["saved", true, 0]);
    expect(store.undo()).toBe("take their version");
    expect(store.doc).toBe(mine);
    await vi.advanceTimersByTimeAsync(1000);
    expect([saver.get().is, server.doc === mine]).toEqual(["saved", true]);
  });
  test("without an answer it is tried again; a refusal waits for the next change", async () => {
    server.down = ApiError.unreachable();
    store.apply("a", wait("a"));
    await vi.advanceTimersByTimeAsync(1000);
    expect(saver.get().is).toBe("offline");
    server.down = null;
    await vi.advanceTimersByTimeAsync(2500);
    expect(saver.get().is).toBe("saved");
    server.down = refusedWith(422);
    store.apply("b", wait("b"));
    await vi.advanceTimersByTimeAsync(60_000);
    expect([saver.get().is, unsaved().length]).toEqual(["refused", 1]);
    server.down = null;
    store.apply("c", wait("c"));
    await vi.advanceTimersByTimeAsync(1000);
    expect(saver.get().is).toBe("saved");
  });
  test("a text that is no document is kept and not sent", async () => {
    store.write("penstock: [1");
    await vi.advanceTimersByTimeAsync(5000);
    expect([saver.get().is, server.puts]).toEqual(["broken", 0]);
    expect(new Backup(shelf, "w", "two").adopt(() => false)?.text).toBe("penstock: [1");
  });
  test("a change that was undone needs no saving", async () => {
    store.apply("a", wait("a"));
    store.undo();
    await vi.advanceTimersByTimeAsync(5000);
    expect([saver.get().is, server.puts, unsaved().length]).toEqual(["saved", 0, 0]);
  });
  test("a change during a save is saved by the next", async () => {
    let release = () => {};
    const put = server.put.bind(server);
    server.put = async (doc, etag) => {
      await new Promise<void>((done) => {
        release = done;
      });
      return put(doc, etag);
    };
    store.apply("a", wait("a"));
    await vi.advanceTimersByTimeAsync(800);
    store.apply("b", wait("b"));
    release();
    await vi.advanceTimersByTimeAsync(800);
    release();
    await vi.advanceTimersByTimeAsync(10);
    expect([saver.get().is, server.doc === store.doc, server.puts]).toEqual(["saved", true, 2]);
  });
});

describe("backup", () => {
  test("only what an editor left that is gone is adopted, the newest first", () => {
    new Backup(shelf, "w", "open").keep({ etag: "1", doc: DOC, text: null, at: 9 });
    new Backup(shelf, "w", "old").keep({ etag: "1", doc: DOC, text: null, at: 1 });
    new Backup(shelf, "w", "new").keep({ etag: "2", doc: DOC, text: null, at: 5 });
    new Backup(shelf, "other", "x").keep({ etag: "3", doc: DOC, text: null, at: 8 });
    expect(backup.adopt((id) => id === "open")?.etag).toBe("2");
    expect(unsaved().toSorted()).toEqual(["penstock.unsaved.other.x", "penstock.unsaved.w.old", "penstock.unsaved.w.one", "penstock.unsaved.w.open"]);
  });
  test("how a saved document was written is remembered", () => {
    backup.rememberText("5", "# a comment\npenstock: 1\n");
    expect([backup.textOf("5"), backup.textOf("6")]).toEqual(["# a comment\npenstock: 1\n", null]);
  });
});
