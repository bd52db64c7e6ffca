"""A bot on LangChain, instrumented by OpenInference. Its model answers in streams."""

import sys

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


@tool
def find_order(number: int) -> dict[str, str]:
    """Find an order by its number."""
    return {"status": "sent"}


def main(model_url: str, questions: list[str]) -> None:
    """Answer the questions; LangChain names the thread in the metadata of its runs."""
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    LangChainInstrumentor().instrument(tracer_provider=tracers)
    model = ChatOpenAI(
        model="stand-in", base_url=model_url, api_key="none", streaming=True, stream_usage=True
    )
    agent = create_agent(model, [find_order], system_prompt="Be brief.", name="order_desk")
    messages: list[object] = []
    for question in questions:
        messages.append({"role": "user", "content": question})
        state = agent.invoke(
            {"messages": messages}, config={"metadata": {"thread_id": "langchain-chat"}}
        )
        messages = state["messages"]
    tracers.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
