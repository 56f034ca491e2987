// What is not saved yet, kept in the browser until it is: nothing that was typed is lost with a tab, a crash or a connection. Each
// open editor has a place of its own; what an editor that is gone has left is found by the next one.

import type { Doc } from "./document.ts";

export interface Left {
  slug: string;
  /** The ETag of the draft that was changed. */
  etag: string;
  doc: Doc;
  /** As it was typed, comments too; null where nobody wrote text. */
  text: string | null;
  /** Unix ms. */
  at: number;
}

/** The part of Web Storage that is needed. */
export type Shelf = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

const PREFIX = "penstock.unsaved.";
const TEXT = "penstock.text.";

export class Backup {
  readonly #key: string;

  /** `id` names one open editor. */
  constructor(
    private readonly shelf: Shelf,
    private readonly slug: string,
    readonly id: string,
  ) {
    this.#key = `${PREFIX}${slug}.${id}`;
  }

  /** False when there is no room, or no storage. */
  keep(left: Omit<Left, "slug">): boolean {
    try {
      this.shelf.setItem(this.#key, JSON.stringify({ ...left, slug: this.slug }));
      return true;
    } catch {
      return false;
    }
  }

  clear(): void {
    this.#drop(this.#key);
  }

  /** The newest that an editor left which is not open any more; it is this one's from now on. */
  adopt(isOpen: (id: string) => boolean): Left | null {
    let newest: { key: string; left: Left } | null = null;
    const prefix = `${PREFIX}${this.slug}.`;
    for (const key of this.#keys()) {
      if (!key.startsWith(prefix) || key === this.#key || isOpen(key.slice(prefix.length))) continue;
      const left = read(this.shelf.getItem(key));
      if (left && (!newest || left.at > newest.left.at)) newest = { key, left };
    }
    if (!newest) return null;
    this.keep(newest.left);
    this.#drop(newest.key);
    return newest.left;
  }

  /** Remember how the saved document was written: the server keeps what it says, not how. */
  rememberText(etag: string, text: string): void {
    try {
      this.shelf.setItem(TEXT + this.slug, JSON.stringify({ etag, text }));
    } catch {
      // without room the text is printed anew
    }
  }

  textOf(etag: string): string | null {
    try {
      const value = JSON.parse(this.shelf.getItem(TEXT + this.slug) ?? "null") as { etag?: string; text?: string } | null;
      return value?.etag === etag && typeof value.text === "string" ? value.text : null;
    } catch {
      return null;
    }
  }

  #keys(): string[] {
    try {
      return Array.from({ length: this.shelf.length }, (_, n) => this.shelf.key(n) ?? "");
    } catch {
      return [];
    }
  }

  #drop(key: string): void {
    try {
      this.shelf.removeItem(key);
    } catch {
      // nothing to drop where there is no storage
    }
  }
}

function read(text: string | null): Left | null {
  try {
    const value = JSON.parse(text ?? "null") as Left | null;
    return value && typeof value.doc === "object" && typeof value.etag === "string" ? value : null;
  } catch {
    return null;
  }
}
