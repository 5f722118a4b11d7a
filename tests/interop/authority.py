"""A token endpoint over HTTPS, and the introspection endpoint where Dovecot asks whose token it was given."""

import collections
import http.server
import json
import secrets
import threading
import urllib.parse

TENANT = "11111111-2222-3333-4444-555555555555"
LIFETIME = 3600


class Authority:
    """Each application stands for one mailbox: an opaque token must tell Dovecot whom it opens."""

    def __init__(self, certificates):
        self.applications = {}
        self.tokens = {}
        self.asked = collections.Counter()
        self._endpoint = self._serve(TokenEndpoint)
        self._endpoint.socket = certificates.server().wrap_socket(self._endpoint.socket, server_side=True)
        self._introspection = self._serve(Introspection)
        for server in (self._endpoint, self._introspection):
            threading.Thread(target=server.serve_forever, daemon=True).start()

    @property
    def token_endpoint(self):
        return f"https://localhost:{self._endpoint.server_port}/{TENANT}/oauth2/v2.0/token"

    @property
    def introspection(self):
        return f"http://127.0.0.1:{self._introspection.server_port}/introspect?token="

    def register(self, mailbox):
        """An application for the mailbox: its client id and client secret."""
        client_id, secret = secrets.token_hex(8), secrets.token_urlsafe(24)
        self.applications[client_id] = (secret, mailbox)
        return client_id, secret

    def issue(self, mailbox):
        token = secrets.token_urlsafe(600)
        self.tokens[token] = mailbox
        return token

    def stop(self):
        for server in (self._endpoint, self._introspection):
            server.shutdown()
            server.server_close()

    def _serve(self, handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.authority = self
        return server


class Endpoint(http.server.BaseHTTPRequestHandler):
    def reply(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class TokenEndpoint(Endpoint):
    """The client credentials grant (RFC 6749 section 4.4)."""

    def do_POST(self):
        authority = self.server.authority
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        authority.asked[form.get("client_id")] += 1
        secret, mailbox = authority.applications.get(form.get("client_id"), (None, None))
        if form.get("grant_type") != "client_credentials" or not form.get("scope"):
            self.reply(400, {"error": "invalid_request", "error_description": "client_credentials and a scope"})
        elif secret is None or form.get("client_secret") != secret:
            self.reply(401, {"error": "invalid_client", "error_description": "unknown application or wrong secret"})
        else:
            self.reply(200, {"token_type": "Bearer", "expires_in": LIFETIME, "access_token": authority.issue(mailbox)})


class Introspection(Endpoint):
    """Token introspection (RFC 7662), as a GET with the token at the end of the address."""

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        mailbox = self.server.authority.tokens.get(query.get("token", [""])[0])
        self.reply(200, {"active": mailbox is not None, "email": mailbox or ""})
