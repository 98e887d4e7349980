"""A chat service that streams to a page in the browser, with the guard on.

uvicorn --app-dir examples/langchain chat_service:app
# then open http://127.0.0.1:8000
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, StreamingResponse
from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel, StringConstraints

from corroborator.demonstration import load_demonstration
from corroborator.integrations.langchain import CorroboratorMiddleware
from models import chat_model

app = FastAPI()
agent: Any = create_agent(
    chat_model(),
    system_prompt=load_demonstration().instructions,
    middleware=[CorroboratorMiddleware()],
    checkpointer=InMemorySaver(),
)


class Asked(BaseModel):
    """What the page sends; a real service takes the conversation from its own session."""

    conversation: Annotated[str, StringConstraints(min_length=8, max_length=64)]
    text: Annotated[str, StringConstraints(min_length=1, max_length=4000)]


@app.get("/")
def page() -> FileResponse:
    """Return the page."""
    return FileResponse(Path(__file__).with_name("chat.html"))


@app.post("/chat")
def chat(asked: Asked) -> StreamingResponse:
    """Stream the reply as it may be shown."""
    return StreamingResponse(_words(asked), media_type="text/plain; charset=utf-8")


async def _words(asked: Asked) -> AsyncIterator[str]:
    question = {"messages": [HumanMessage(asked.text)]}
    config = {"configurable": {"thread_id": asked.conversation}}
    async for message, _ in agent.astream(question, config, stream_mode="messages"):
        if isinstance(message, AIMessageChunk):
            yield message.text
