"""A bot on Pydantic-AI, with the instrumentation that it has itself."""

import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def find_order(number: int) -> dict[str, str]:
    """Find an order by its number."""
    return {"status": "sent"}


def main(model_url: str, questions: list[str]) -> None:
    """Answer the questions, each with the whole chat before it."""
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(tracers)
    Agent.instrument_all()
    model = OpenAIChatModel("stand-in", provider=OpenAIProvider(base_url=model_url, api_key="none"))
    agent = Agent(model, name="order_desk", system_prompt="Be brief.", tools=[find_order])
    history: list[object] = []
    for question in questions:
        with trace.get_tracer("bot").start_as_current_span("turn") as turn:
            turn.set_attribute("session.id", "pydantic-chat")
            history = agent.run_sync(question, message_history=history).all_messages()
    tracers.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
