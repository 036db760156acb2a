"""Whole batch runs over TLS, with certificates made here: one that is not trusted is refused with a word, one that deep.ca_file or the environment names is not."""
import json
import os
import shutil
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_llm  # noqa: E402
from test_llm import support  # noqa: E402

HTTP2 = """
const http2 = require('http2'), fs = require('fs');
const seen = {requests: 0, http2: 0, sessions: 0};
const answer = JSON.stringify({model: 'scripted-1', choices: [{finish_reason: 'stop', message: {role: 'assistant', content: JSON.stringify(
    {category: 'billing', confidence: 9, sentiment: 0, keywords: ['a'], summary: 'x'})}}], usage: {prompt_tokens: 10, completion_tokens: 5}});
const server = http2.createSecureServer({key: fs.readFileSync(process.argv[2]), cert: fs.readFileSync(process.argv[3]), allowHTTP1: true}, (request, response) => {
  request.on('data', () => {});
  request.on('end', () => {
    seen.requests++;
    seen.http2 += request.httpVersion === '2.0';
    setTimeout(() => { response.writeHead(200, {'content-type': 'application/json'}); response.end(answer); }, 20);
  });
});
server.on('session', () => seen.sessions++);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('data', () => { console.log(JSON.stringify(seen)); process.exit(); });
"""


@unittest.skipUnless(shutil.which("openssl"), "no openssl to make a certificate with")
class TlsCase(test_llm.LlmRuns):
    def setUp(self):
        super().setUp()
        self.key, self.cert = os.path.join(self.folder, "key.pem"), os.path.join(self.folder, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.key, "-out", self.cert], check=True, stderr=subprocess.DEVNULL)
        for name in ("CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            self.addCleanup(self.set_env, name, os.environ.get(name))
            self.set_env(name, None)

    def set_env(self, name, value):
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value

    def serve(self):
        """The scripted model, behind TLS from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        self.model.socket = context.wrap_socket(self.model.socket, server_side=True, do_handshake_on_connect=False)
        return "https://127.0.0.1:%d/v1" % self.model.server_port

    def tls_job(self, store, url, **deep):
        return self.llm_job(store, deep={"endpoints": [{"url": url, "model": "small", "concurrency": 4}], "patience": 2, **deep})

    def test_who_is_trusted(self):
        self.write("a.jsonl", self.records(12))
        url = self.serve()
        run = self.tls_job("none", url)
        said = self.batch(run, 1, 0)
        self.assertIn("certificate", said)
        self.assertIn("deep.ca_file", said)
        self.assertEqual(self.report("none")["llm"]["pending"], 12)
        self.assertEqual(self.model.asked, [], "nothing is sent to who is not trusted")
        for store, deep, env in (("file", {"ca_file": "cert.pem"}, {}), ("curl", {}, {"CURL_CA_BUNDLE": self.cert}), ("openssl", {}, {"SSL_CERT_FILE": self.cert})):
            for name, value in env.items():
                self.set_env(name, value)
            self.batch(self.tls_job(store, url, **deep), 1, 0)
            self.assertEqual(self.report(store)["llm"]["answered"], 12, store)
            self.check_answers(self.rows(store))
            for name in env:
                self.set_env(name, None)

    def test_a_file_that_is_not_there_is_told_before_anything_is_asked(self):
        self.write("a.jsonl", self.records(2))
        said = self.batch(self.tls_job("missing", self.serve(), ca_file="nowhere.pem"), 1, 2)
        self.assertIn("deep.ca_file", said)
        self.assertIn("nowhere.pem", said)

    @unittest.skipUnless(shutil.which("node"), "no node, so no server of HTTP/2")
    def test_http2_where_it_is_offered(self):
        script = os.path.join(self.folder, "http2.js")
        with open(script, "w") as file:
            file.write(HTTP2)
        self.write("a.jsonl", self.records(60))
        server = subprocess.Popen(["node", script, self.key, self.cert], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            url = "https://127.0.0.1:%s/v1" % server.stdout.readline().strip()
            self.batch(self.tls_job("http2", url, ca_file="cert.pem"), 1, 0)
            self.assertEqual(self.report("http2")["llm"]["answered"], 60)
            server.stdin.write("\n")
            server.stdin.flush()
            seen = json.loads(server.stdout.readline())
        finally:
            server.kill()
            server.communicate()
        self.assertEqual(seen["requests"], 60)
        self.assertEqual(seen["http2"], 60)
        self.assertLess(seen["sessions"], 4, "requests share a connection")


if __name__ == "__main__":
    support.main("__main__", sys.argv[1], sys.argv[2:])
