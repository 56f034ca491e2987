// Saves by itself, a moment after the last change, and never over somebody else's work: each save names the state it changes, and
// what the server has instead is shown to a person. Until it is saved, a change lies in the backup.

import { ApiError } from "../../api/problem.ts";
import type { Backup } from "./backup.ts";
import type { Doc } from "./document.ts";
import type { Store } from "./store.ts";

export interface Theirs {
  doc: Doc;
  etag: string;
  by: string;
  /** ISO 8601 */
  at: string;
}

export type Saving =
  | { is: "saved" | "unsaved" | "saving" }
  /** The text is no document, so there is nothing to save yet. */
  | { is: "broken" }
  /** Tried again by itself. */
  | { is: "offline"; error: ApiError }
  /** The server does not take it as it is. */
  | { is: "refused"; error: ApiError }
  | { is: "conflict"; theirs: Theirs };

export interface Server {
  /** Saves over the state `etag`; the new ETag. Raises ApiError, 412 when it is another by now. */
  put(doc: Doc, etag: string): Promise<string>;
  draft(): Promise<Theirs>;
}

const PAUSE = 700; // ms after the last change
const PATIENCE = [2_000, 5_000, 15_000, 30_000]; // ms between tries without an answer

export class Saver {
  #state: Saving = { is: "saved" };
  #hearers = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tries = 0;
  #saved: Doc;
  #seen: number;
  #under: Promise<void> | null = null;
  #closed = false;
  readonly #leave: () => void;

  constructor(
    private readonly store: Store,
    private readonly server: Server,
    private readonly backup: Backup,
    public etag: string,
    saved: Doc,
    private readonly pause = PAUSE,
  ) {
    this.#saved = saved;
    this.#seen = store.get().revision;
    this.#leave = store.subscribe(() => this.#changed());
    if (store.doc !== saved) this.#changed(true);
  }

  readonly subscribe = (hear: () => void): (() => void) => {
    this.#hearers.add(hear);
    return () => this.#hearers.delete(hear);
  };

  readonly get = (): Saving => this.#state;

  /** Saves now what is not saved. True when everything is. */
  async flush(): Promise<boolean> {
    clearTimeout(this.#timer);
    await this.#under;
    if (this.#state.is === "unsaved" || this.#state.is === "offline" || this.#state.is === "refused") await this.#save();
    return this.#state.is === "saved";
  }

  /** Ends a conflict with what the store holds now: it is saved over `theirs`. */
  async keepMine(theirs: Theirs): Promise<void> {
    this.etag = theirs.etag;
    this.#set({ is: "unsaved" });
    await this.flush();
  }

  /** Ends a conflict with their document; the store has it as a change that can be undone. */
  takeTheirs(theirs: Theirs): void {
    this.etag = theirs.etag;
    this.#saved = theirs.doc;
    this.#set({ is: "saved" });
    this.store.replace("take their version", theirs.doc);
    this.#set({ is: "saved" });
    this.backup.clear();
  }

  /** Shows a conflict that is known already, such as of what was left from before. */
  disagree(theirs: Theirs): void {
    clearTimeout(this.#timer);
    this.#set({ is: "conflict", theirs });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#leave();
    if (this.#state.is === "unsaved") void this.#save();
  }

  #changed(force = false): void {
    const { revision } = this.store.get();
    if (revision === this.#seen && !force) return; // only the selection
    this.#seen = revision;
    if (this.store.doc === this.#saved && !this.store.broken && this.#state.is !== "conflict") {
      clearTimeout(this.#timer);
      this.backup.clear();
      this.#set({ is: "saved" });
      return;
    }
    this.backup.keep({ etag: this.etag, doc: this.store.doc, text: this.store.broken ? this.store.get().text : null, at: Date.now() });
    if (this.#state.is === "conflict") return;
    if (this.store.broken) {
      clearTimeout(this.#timer);
      this.#set({ is: "broken" });
      return;
    }
    this.#set(this.#under ? { is: "saving" } : { is: "unsaved" });
    this.#later(this.pause);
  }

  #later(wait: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#save(), wait);
  }

  #save(): Promise<void> {
    this.#under ??= this.#put().finally(() => {
      this.#under = null;
    });
    return this.#under;
  }

  async #put(): Promise<void> {
    if (this.#state.is === "conflict" || this.store.broken) return;
    const doc = this.store.doc;
    this.#set({ is: "saving" });
    try {
      this.etag = await this.server.put(doc, this.etag);
      this.#saved = doc;
      this.#tries = 0;
      this.backup.rememberText(this.etag, this.store.get().text);
      if (this.store.doc === doc && !this.store.broken) {
        this.backup.clear();
        this.#set({ is: "saved" });
      } else if (this.store.broken) this.#set({ is: "broken" });
      else {
        this.#set({ is: "unsaved" });
        if (!this.#closed) this.#later(this.pause);
      }
    } catch (caught) {
      await this.#failed(ApiError.of(caught));
    }
  }

  async #failed(error: ApiError): Promise<void> {
    if (error.status === 412) {
      try {
        const theirs = await this.server.draft();
        this.#set({ is: "conflict", theirs });
        return;
      } catch (caught) {
        error = ApiError.of(caught);
      }
    }
    if (!error.retryable) {
      this.#set({ is: "refused", error });
      return;
    }
    this.#set({ is: "offline", error });
    if (!this.#closed) this.#later(PATIENCE[Math.min(this.#tries++, PATIENCE.length - 1)] as number);
  }

  #set(state: Saving): void {
    this.#state = state;
    for (const hear of this.#hearers) hear();
  }
}
