"""A server that swallows uploads as fast as one process can, counts every byte, and answers like S3.

For machines without a C compiler: it has no latency, rates or throttling, and
over https one process of it can be slower than the clients.

Run as a program: ``python -m benchmarks.python_sink [--certificate FILE --key FILE]``. It listens on a
free loopback port, prints that port as its first line, and ends when its
standard input is closed. One process serves one protocol, so that what it
counted for an upload is all that was sent.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import ssl
import sys
from typing import Final

from benchmarks.python_sink.s3_answers import Answer, Exchange, Store

# Measured: larger reads leave the processor's cache and let the TCP window run empty.
_SCRATCH: Final = 64 * 1024
_HEAD_LIMIT: Final = 64 * 1024
_HEAD_END: Final = b"\r\n\r\n"
# One read of a TLS socket is one record of 16 KiB; several per turn save a call of epoll for each.
_READS_PER_TURN_PLAIN: Final = 4
_READS_PER_TURN_TLS: Final = 64
_NOTHING_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Connection:
    """One client's connection: requests come one after the other and are answered when their body has come."""

    def __init__(self, sock: socket.socket, store: Store) -> None:
        self.sock = sock
        self._store = store
        self._reads = _READS_PER_TURN_TLS if isinstance(sock, ssl.SSLSocket) else _READS_PER_TURN_PLAIN
        self._head = bytearray()
        self._exchange: Exchange | None = None

    def read(self, scratch: memoryview) -> bool:
        """Take what has come, up to a fair share; return whether the connection goes on."""
        try:
            for _ in range(self._reads):
                received = self.sock.recv_into(scratch)
                if not received:
                    return False
                self._feed(scratch[:received])
        except _NOTHING_NOW:
            return True
        except OSError:
            return False
        except ValueError as error:
            self._send(Answer(400, str(error).encode()))
            return False
        return True

    def _feed(self, data: memoryview) -> None:
        while data:
            taken = self._feed_head(data) if self._exchange is None else self._exchange.body.feed(data)
            data = data[taken:]
            self._answer_if_done()

    def _feed_head(self, data: memoryview) -> int:
        before = len(self._head)
        self._head += data[:_HEAD_LIMIT]
        end = self._head.find(_HEAD_END)
        if end < 0:
            if len(self._head) >= _HEAD_LIMIT:
                raise ValueError("the head of a request does not end")
            return len(self._head) - before
        self._exchange = Exchange(bytes(self._head[:end]))
        self._head.clear()
        if self._exchange.headers.get("expect", "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return end + len(_HEAD_END) - before

    def _answer_if_done(self) -> None:
        if self._exchange is None or not self._exchange.body.done:
            return
        if isinstance(self.sock, ssl.SSLSocket):
            cipher = self.sock.cipher()
            self._store.tls = f"{self.sock.version()} {cipher[0] if cipher else ''}"
        answer = self._store.answer(self._exchange)
        self._exchange = None
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        # A non-blocking sendall is enough: answers are far smaller than the socket's buffer.
        self.sock.sendall(answer.encode())


class Sink:
    """The loop that serves all connections of one listening socket."""

    def __init__(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        self._listener = listener
        self._context = context
        self._store = Store()
        self._selector = selectors.DefaultSelector()
        self._scratch = memoryview(bytearray(_SCRATCH))

    def serve_until_closed(self, lifeline: int) -> None:
        """Serve until the file descriptor ``lifeline`` becomes readable, which a closed pipe does."""
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(lifeline, selectors.EVENT_READ, data="lifeline")
        while True:
            for key, _ in self._selector.select():
                if key.data == "lifeline":
                    return
                if key.data is None:
                    self._accept()
                elif not key.data.read(self._scratch):
                    self._close(key.data)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        self._store.connections += 1
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        if self._context is not None:
            # The first read does the handshake.
            sock = self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self._selector.register(sock, selectors.EVENT_READ, data=Connection(sock, self._store))

    def _close(self, connection: Connection) -> None:
        self._selector.unregister(connection.sock)
        connection.sock.close()


def main() -> None:
    """Listen, say where, and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    options = parser.parse_args()
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        print(listener.getsockname()[1], flush=True)
        Sink(listener, context).serve_until_closed(sys.stdin.fileno())


if __name__ == "__main__":
    main()
