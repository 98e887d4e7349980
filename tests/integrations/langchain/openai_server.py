"""A server that speaks like OpenAI's, on this machine."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

BAD, GOOD = "That is k1 of you.", "What a day you had. How can I help?"


@contextmanager
def serving() -> Iterator[tuple[str, list[Any]]]:
    """Serve chat completions: the first draft after a claim is refused."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            told = "The draft" in str(body["messages"][0]["content"])
            text = GOOD if told else BAD
            if "response_format" in body:
                text = json.dumps({"text": text})
            message: dict[str, Any] = {"role": "assistant", "content": text}
            if body.get("tool_choice"):
                function = {"name": "Advice", "arguments": json.dumps({"text": text})}
                call = {"id": "c1", "type": "function", "function": function}
                message = {"role": "assistant", "content": None, "tool_calls": [call]}
            self.send_response(200)
            streams = body.get("stream")
            kind = "text/event-stream" if streams else "application/json"
            self.send_header("Content-Type", kind)
            self.end_headers()
            common = {"id": "x", "created": 1, "model": "gpt-4o"}
            if not streams:
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                usage = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
                whole = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
                self.wfile.write(json.dumps(whole).encode())
                return
            for word in text.split(" "):
                delta = {"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}
                part = {**common, "object": "chat.completion.chunk", "choices": [delta]}
                self.wfile.write(f"data: {json.dumps(part)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/v1", asked
        http.shutdown()
        thread.join()
