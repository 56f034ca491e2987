// What every field of one form shares.

import { createContext, useContext } from "react";
import type { Schema } from "./schema.ts";

export interface FormContext {
  root: Schema;
  /** Names of the secrets there are. */
  secrets: readonly string[];
  disabled: boolean;
  /** What is wrong at this place, where it is to be shown. */
  wrong(pointer: string): string | undefined;
  /** Whether anything is wrong at this place or below it. */
  wrongWithin(pointer: string): boolean;
  /** Somebody left the field. */
  touch(pointer: string): void;
}

export const Form = createContext<FormContext | null>(null);

export function useForm(): FormContext {
  const form = useContext(Form);
  if (!form) throw new Error("a field stands outside of a form");
  return form;
}

/** The id of the control at a place, for labels and for moving the focus to the first mistake. */
export const idOf = (pointer: string): string => `field${pointer.replaceAll(/[^A-Za-z0-9_-]/g, "_")}`;
