// A file as a JSON value: its content, written as the schema asks. There is no other way for one into a run's inputs, so it must
// fit into a request.

import { bytes } from "../parts/format.ts";
import type { Schema } from "./schema.ts";

export const LARGEST = 5_000_000;

export const sizeLimit = (): string => `A file of at most ${bytes(LARGEST)}; it travels with the inputs.`;

/** base64 for `contentEncoding: base64` and `format: byte`, a data URL for `format: data-url`, else the text. Raises Error. */
export async function readFile(file: File, schema: Schema): Promise<string> {
  if (file.size > LARGEST) throw new Error(`${file.name} has ${bytes(file.size)}; ${bytes(LARGEST)} at most`);
  const data = new Uint8Array(await file.arrayBuffer());
  if (schema["format"] === "data-url") return `data:${file.type || "application/octet-stream"};base64,${base64(data)}`;
  if (schema["contentEncoding"] === "base64" || schema["format"] === "byte" || schema["format"] === "binary") return base64(data);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    throw new Error(`${file.name} is no text; a schema takes other files with contentEncoding: base64`);
  }
}

function base64(data: Uint8Array): string {
  const CHUNK = 0x8000;
  const parts: string[] = [];
  for (let from = 0; from < data.length; from += CHUNK) parts.push(String.fromCharCode(...data.subarray(from, from + CHUNK)));
  return btoa(parts.join(""));
}
