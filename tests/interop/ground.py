"""What everything stands on: a folder, free ports, certificates and processes that end when the run does."""

import contextlib
import pathlib
import socket
import ssl
import subprocess
import time

# A daemon that has not said a word by then has failed; Postfix on a busy machine needs two seconds.
READY_WITHIN = 30.0
# Longer than any of the daemons' own grace.
STOPPED_WITHIN = 15.0


# Pairs of a title and a function of the world, in the order in which they run.
CASES = []


class Failure(Exception):
    """A case did not go as it must."""


def case(title):
    def register(function):
        CASES.append((title, function))
        return function
    return register


def expect(condition, what):
    if not condition:
        raise Failure(what)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Certificates:
    """An authority of our own and one certificate for localhost."""

    def __init__(self, folder: pathlib.Path):
        self.ca, self.chain, self.key = (folder / name for name in ("ca.pem", "localhost.pem", "localhost.key"))
        ca_key, request, names = (folder / name for name in ("ca.key", "localhost.csr", "localhost.ext"))
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self._openssl("req", "-x509", *new_key, "-days", "2", "-subj", "/CN=gatepost interop authority",
                      "-keyout", ca_key, "-out", self.ca)
        self._openssl("req", *new_key, "-subj", "/CN=localhost", "-keyout", self.key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial",
                      "-days", "2", "-extfile", names, "-out", self.chain)
        self.key.chmod(0o600)

    def server(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context

    def client(self):
        return ssl.create_default_context(cafile=self.ca)

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Daemon(contextlib.AbstractContextManager):
    """A process in the foreground, from the greetings of its ports to its end. Its output goes to a log in the folder.

    `ports` are pairs of a port and the TLS context that its clients use, if any.
    """

    def __init__(self, name, folder, command, ports):
        self.name, self.command, self.ports, self.log = name, command, ports, folder / f"{name}.log"

    def __enter__(self):
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(list(map(str, self.command)), stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT)
        try:
            for port, context in self.ports:
                self._await_greeting(port, context)
        except BaseException:
            self.__exit__()
            raise
        return self

    @contextlib.contextmanager
    def stopped(self):
        """Without it for a while."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _await_greeting(self, port, context):
        """Until the port greets, as mail servers do before the client says anything."""
        deadline = time.monotonic() + READY_WITHIN
        while not greets(port, context):
            expect(self.process.poll() is None, f"{self.name} ended with {self.process.poll()}")
            expect(time.monotonic() < deadline, f"{self.name} is silent on port {port}")
            time.sleep(0.05)


def greets(port, context):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") if context else plain as wire:
                return bool(wire.recv(1))
    except OSError:
        return False
