"""The keys of CrewAI's `agents.yaml` and `tasks.yaml`, as its documentation and its loader know them, and what becomes of those
that a document of ours does not say. A key that is in none of these tables is one that CrewAI does not know either."""

from __future__ import annotations

READ_OF_AGENT = frozenset(
    {"role", "goal", "backstory", "llm", "tools", "allow_delegation", "max_iter", "max_tokens", "temperature"}
)
READ_OF_TASK = frozenset(
    {"description", "expected_output", "agent", "context", "tools", "output_file", "human_input", "markdown"}
    | {"guardrail", "guardrails", "guardrail_max_retries", "max_retries", "name", "async_execution"}
)

# Nothing depends on these here: what is seen, and what is done by itself.
IDLE = {
    "verbose": "every call is in the run's journal anyway",
    "cache": "what was called is kept in the journal anyway",
    "create_directory": "artifacts need no folder",
    "use_system_prompt": "providers are told in the way they ask for",
    "respect_context_window": "a conversation that is too long fails with model.too_long",
    "step_callback": "every call is an event of the run, which can be followed",
    "callback": "every task is an event of the run, which can be followed",
    "callbacks": "every task is an event of the run, which can be followed",
    "cache_handler": "what was called is kept in the journal anyway",
    "security_config": "each call has an idempotency key and stands in the journal",
}

# These mean something that has to be said in another way, or cannot be said.
LOST = {
    "max_rpm": "the provider's rate is not limited here; a 429 is waited for",
    "max_execution_time": "give the node a timeout",
    "max_retry_limit": "give the node a retry",
    "function_calling_llm": "tools are called by the agent's own model",
    "system_template": "prompts are not templates here",
    "prompt_template": "prompts are not templates here",
    "response_template": "prompts are not templates here",
    "allow_code_execution": "use a node of the kind code, in its sandbox",
    "allow_unsafe_code_execution": "use a node of the kind code, in its sandbox",
    "code_execution_mode": "use a node of the kind code, in its sandbox",
    "multimodal": "agents read text",
    "reasoning": "choose a model that reasons",
    "max_reasoning_attempts": "choose a model that reasons",
    "planning": "write the plan as tasks",
    "planning_config": "write the plan as tasks",
    "memory": "agents remember nothing between runs; hand things over as inputs",
    "knowledge": "give the agent a tool that looks things up",
    "knowledge_sources": "give the agent a tool that looks things up",
    "knowledge_storage": "give the agent a tool that looks things up",
    "knowledge_config": "give the agent a tool that looks things up",
    "knowledge_search_query": "give the agent a tool that looks things up",
    "agent_knowledge_context": "give the agent a tool that looks things up",
    "crew_knowledge_context": "give the agent a tool that looks things up",
    "embedder": "give the agent a tool that looks things up",
    "inject_date": "write the date into the task as an input",
    "date_format": "write the date into the task as an input",
    "from_repository": "write the agent out",
    "apps": "name an MCP server that offers it",
    "mcps": "name an MCP server under tools: {server: NAME}",
    "a2a": "call the other agent as a tool",
    "skills": "write what it needs to know into its backstory",
    "type": "classes of one's own are not read; write the agent or task out",
    "settings": "write the keys beside role and goal",
    "executor_class": "classes of one's own are not read",
    "output_json": "declare the JSON Schema of the result under output",
    "output_pydantic": "declare the JSON Schema of the result under output",
    "response_model": "declare the JSON Schema of the result under output",
    "converter_cls": "declare the JSON Schema of the result under output",
    "input_files": "hand files over as inputs",
    "config": "write its keys beside description",
    "condition": "split the crew in two nodes, with the condition on the edge between them",
    "allow_crewai_trigger_context": "runs are begun with inputs; name the payload as one",
}

PROVIDERS = {
    "openai": "openai",
    "azure": "azure",
    "azure_openai": "azure",
    "anthropic": "anthropic",
    "claude": "anthropic",
    "gemini": "google",
    "google": "google",
    "mistral": "mistral",
    "groq": "groq",
    "deepseek": "deepseek",
    "openrouter": "openrouter",
    "ollama": "ollama",
    "ollama_chat": "ollama",
    "bedrock": "bedrock",
}
BY_NAME = (
    ("gpt", "openai"),
    ("chatgpt", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("claude", "anthropic"),
    ("gemini", "google"),
    ("mistral", "mistral"),
    ("magistral", "mistral"),
    ("deepseek", "deepseek"),
)


def model_of(llm: str) -> str | None:
    """`provider:name` of a model as CrewAI writes it: provider/name, or a name that tells its provider. None for others."""
    provider, slash, name = llm.partition("/")
    if slash and name:
        known = PROVIDERS.get(provider.lower())
        return f"{known}:{name}" if known else None
    return next((f"{provider}:{llm}" for start, provider in BY_NAME if llm.lower().startswith(start)), None)
