"""Names of attributes and operations, by what they mean, in every dialect."""

from collections.abc import Mapping

from ingest.bots.otlp.observation import Kind

CONVERSATION_IDS = (
    "gen_ai.conversation.id",
    "session.id",
    "thread.id",
    "thread_id",
    "conversation.id",
    "langfuse.session.id",
    "langsmith.trace.session_id",
    "traceloop.association.properties.conversation_id",
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.thread_id",
    "ai.telemetry.metadata.conversationId",
    "ai.telemetry.metadata.sessionId",
    "ai.telemetry.metadata.threadId",
)
METADATA_IDS = ("thread_id", "session_id", "conversation_id")
ID_ENDINGS = (".session_id", ".conversation_id", ".thread_id")
USER_IDS = (
    "enduser.id",
    "user.id",
    "gen_ai.user.id",
    "langfuse.user.id",
    "traceloop.association.properties.user_id",
    "ai.telemetry.metadata.userId",
)
BOT_NAMES = ("gen_ai.agent.name", "gen_ai.agent.id", "agent.name", "ai.telemetry.functionId")
MODELS = (
    "gen_ai.response.model",
    "llm.model_name",
    "ai.response.model",
    "gen_ai.request.model",
    "ai.model.id",
)
PROVIDERS = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
COUNTS: Mapping[str, tuple[str, ...]] = {
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
    ),
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cached_input_tokens",
        "gen_ai.usage.cached_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "llm.token_count.prompt_details.cache_read",
        "ai.usage.cachedInputTokens",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.reasoningTokens",
    ),
}
FINISH_REASONS = (
    "gen_ai.response.finish_reasons",
    "llm.finish_reason",
    "ai.response.finishReason",
)
FIRST_CHUNK_SECONDS = ("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token")
FIRST_CHUNK_EVENTS = frozenset(
    {
        "First Token Stream Event",
        "llm.content.completion.chunk",
        "gen_ai.content.completion.chunk",
        "ai.stream.firstChunk",
    }
)
OPERATIONS: Mapping[str, Kind] = {
    "chat": "model",
    "text_completion": "model",
    "completion": "model",
    "generate_content": "model",
    "invoke_agent": "agent",
    "create_agent": "other",
    "execute_tool": "tool",
    "embeddings": "other",
}
KINDS: Mapping[str, Kind] = {"LLM": "model", "TOOL": "tool", "AGENT": "agent"}
TRACELOOP_KINDS: Mapping[str, Kind] = {"tool": "tool", "agent": "agent"}
VERCEL: Mapping[str, Kind] = {"ai.toolCall": "tool", "ai.embed": "other"}
"""Kinds by what each dialect calls the operation."""
