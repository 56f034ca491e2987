// What a person may do about a step that failed for good: a sentence, and where to do it. By the code of the error.

export interface Todo {
  text: string;
  link?: { to: string; label: string };
}

const BY_CODE: [RegExp, Todo][] = [
  [
    /^(secret\.|http\.secret|provider\.|model\.(no_key|bad_key|no_credit))/,
    { text: "A key or a secret is missing or was not taken. Set it, then redrive with the same input.", link: { to: "/secrets", label: "Providers and secrets" } },
  ],
  [/^tool\.(bad_arguments|error)$/, { text: "The tool refused what it was given. Change the input so that it fits, then redrive." }],
  [/^model\./, { text: "The model could not be asked. See how its provider is, then redrive with the same input.", link: { to: "/secrets", label: "Providers and secrets" } }],
  [/^(tool|server)\./, { text: "A tool or its server failed. See how the server is, or change what the tool is given, then redrive.", link: { to: "/servers", label: "Servers and tools" } }],
  [
    /^limit\./,
    { text: "A limit or a budget was reached. Raise the budget, or run it again with a higher limit, then redrive.", link: { to: "/settings/budgets", label: "Budgets" } },
  ],
  [/^policy\./, { text: "A policy said no. Change the input, or the policy, then redrive.", link: { to: "/settings/policies", label: "Policies" } }],
  [/\.(timeout|timed_out)$/, { text: "It took longer than it may. Redrive when what it waits for is quicker, or with less to do." }],
  [/^expr\./, { text: "An expression of the workflow could not be computed from what it got. Change the input here, or mend the workflow and run it again." }],
];

export function todoOf(error: { [key: string]: unknown }, hasStep: boolean): Todo {
  const code = typeof error["code"] === "string" ? error["code"] : "";
  const known = BY_CODE.find(([pattern]) => pattern.test(code));
  if (known) return known[1];
  if (!hasStep) return { text: "The run failed for itself, not in a step. See its page for what came before." };
  return error["retryable"] === true
    ? { text: "It may well go right another time: redrive with the same input." }
    : { text: "Change the input so that the step can do it, then redrive. Where the step itself is wrong, mend the workflow and run it again." };
}
