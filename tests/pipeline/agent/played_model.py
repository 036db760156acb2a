"""A chat model that is played over HTTP, by script, so that what it says is known. Beside it, at /level, a tool of the job's own."""
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Model(ThreadingHTTPServer):
    """Plays a chat model. `script` gives the steps of an agent: (tool, arguments), or text that is no step. It counts and keeps what it was sent.

    Agents of the keys in `hung` get no answer until they are taken out of it; True: all of them."""

    daemon_threads = True

    def __init__(self, script, protocol):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.protocol, self.agent_requests, self.tool_calls, self.authorization, self.status = script, protocol, [], [], [], 200
        self.lock, self.hung, self.changed = threading.Lock(), set(), threading.Condition()
        self.delay = lambda: 0  # seconds before a step is answered
        self.tool_delay = 0  # seconds before the tool answers
        self.task_delay = 0  # seconds before a record's tasks are answered
        self.step_status = 200  # of the answers to agents
        self.usage = (100, 10)  # tokens in and out that each answer counts
        self.fails_at = None  # the step whose answer is a 500
        self.no_tools = None  # (status, body): what a request with tools is answered
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that was killed is no error."""

    def hang(self, keys):
        """These from now on, and no others: a set, or True."""
        with self.changed:
            self.hung = keys
            self.changed.notify_all()

    def asked(self):
        """How often each record's agent began."""
        with self.lock:
            begun = [key_of(request) for request in self.agent_requests if step_of(request) == 0]
        return {key: begun.count(key) for key in begun}


def step_of(request):
    return sum(m["role"] == "assistant" for m in request["messages"])


def key_of(request):
    return json.loads(re.search(r'The record\'s key is ("[^"]*")', request["messages"][1]["content"]).group(1))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:  # who asked is gone
            self.close_connection = True

    def do_GET(self):
        with self.server.lock:
            self.server.tool_calls.append(self.path)
            self.server.authorization.append(self.headers.get("Authorization"))
        time.sleep(self.server.tool_delay)
        self.answer({"level_cm": 812} if self.path.startswith("/level?") else {"secret": "not yours"}, self.server.status)

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "tools" in request and self.server.no_tools:
            status, body = self.server.no_tools
            self.answer(body, status)
            return
        if "step" in json.dumps(request.get("response_format", {})) or "tools" in request:
            message = self.step(request)
            failed = self.server.fails_at is not None and step_of(request) >= self.server.fails_at
            if self.server.step_status != 200 or failed:
                self.answer({"error": {"message": "no"}}, 500 if failed else self.server.step_status)
                return
        else:  # the tasks: the first value that the schema allows
            time.sleep(self.server.task_delay)
            fields = request["response_format"]["json_schema"]["schema"]["properties"]
            message = {"role": "assistant", "content": json.dumps({name: field["enum"][0] for name, field in fields.items()})}
        self.answer({"model": "played-1", "choices": [{"message": message, "finish_reason": "stop"}], "usage": dict(zip(("prompt_tokens", "completion_tokens"), self.server.usage))})

    def step(self, request):
        number, server = step_of(request), self.server
        with server.lock:
            server.agent_requests.append(request)
        time.sleep(server.delay())
        with server.changed:
            server.changed.wait_for(lambda: server.hung is not True and key_of(request) not in server.hung)
        step = self.server.script[min(number, len(self.server.script) - 1)]
        if isinstance(step, str):
            return {"role": "assistant", "content": step}
        name, arguments = step
        if self.server.protocol == "tools" and "tools" in request:
            call = {"id": "c%d" % number, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            return {"role": "assistant", "content": None, "tool_calls": [call]}
        return {"role": "assistant", "content": json.dumps({"step": {"tool": name, "arguments": arguments}})}
