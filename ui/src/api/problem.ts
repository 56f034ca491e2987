// What went wrong, in one class: the server's problem (RFC 9457) or, where there was none to read, what the network said.

import type { Problem, Wrong } from "./schema.d.ts";

export class ApiError extends Error {
  override readonly name = "ApiError";
  /** Stable and dotted, such as `run.not_found`; `network.unreachable` when nobody answered. */
  readonly code: string;
  /** The HTTP status; 0 when nobody answered. */
  readonly status: number;
  /** One sentence for a person. */
  readonly detail: string;
  /** Each place that is wrong, by JSON pointer. */
  readonly errors: readonly Wrong[];
  /** The same request may succeed later. */
  readonly retryable: boolean;
  /** Facts about the failure, such as the limit that was reached. */
  readonly context: unknown;

  constructor(problem: Pick<Problem, "code" | "detail" | "status"> & Partial<Problem>) {
    super(problem.detail);
    this.code = problem.code;
    this.status = problem.status;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
    this.retryable = problem.retryable ?? false;
    this.context = problem.context ?? null;
  }

  static of(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    const detail = error instanceof Error ? error.message : String(error);
    return new ApiError({ code: "face.failed", status: 0, detail });
  }

  static async from(response: Response): Promise<ApiError> {
    const type = response.headers.get("content-type") ?? "";
    if (type.includes("problem+json")) {
      try {
        return new ApiError((await response.json()) as Problem);
      } catch {
        // not the JSON it said it was: told below
      }
    }
    const detail = `The server answered ${response.status} ${response.statusText}`.trim();
    return new ApiError({ code: `http.${response.status}`, status: response.status, detail, retryable: response.status >= 502 });
  }

  static unreachable(): ApiError {
    const detail = "Penstock does not answer. Nothing is lost: runs are kept in the journal.";
    return new ApiError({ code: "network.unreachable", status: 0, detail, retryable: true });
  }
}

/** What a person may do about it, where we know. */
export function advice(error: ApiError): string | null {
  if (error.code === "network.unreachable") return "Start it again with penstock up; this page goes on by itself.";
  if (error.status === 401) return "Open the address that penstock up printed: it carries the key to these pages.";
  if (error.status === 412 || error.status === 409) return "Somebody else was faster: load it again and look.";
  if (error.status === 404) return "It may have been removed, or belong to another group.";
  if (error.retryable) return "Try again in a moment.";
  if (error.status >= 500) return "The server's log tells more.";
  return null;
}
