// Values that stand elsewhere: the journal holds their digest, and they are fetched when somebody looks.

import { useQuery } from "@tanstack/react-query";
import { API, send } from "../api/client.ts";
import { isPointer, type Pointer } from "../model/events.ts";

export const MOST = 5_000_000; // bytes that are read without being asked for

export function contentUrl(digest: string, runId: string): string {
  return `${API}/artifacts/${digest}?run=${encodeURIComponent(runId)}`;
}

/** What a pointer points to. Raises ApiError. */
export async function wholeOf(pointer: Pointer, runId: string, signal?: AbortSignal): Promise<unknown> {
  const answer = await send(contentUrl(pointer.$spilled, runId), signal ? { signal } : {});
  return answer.json();
}

/** A value as it is, or what it points to: `value` is undefined until that is here. */
export function useWhole(value: unknown, runId: string, wanted = true) {
  const pointer = isPointer(value) ? value : null;
  const query = useQuery({
    queryKey: ["content", pointer?.$spilled ?? ""],
    queryFn: ({ signal }) => wholeOf(pointer!, runId, signal),
    enabled: pointer !== null && wanted,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  });
  return pointer === null ? { value, error: null, loading: false, pointer } : { value: query.data, error: query.error, loading: query.isLoading, pointer };
}
