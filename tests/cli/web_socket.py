# SPDX-License-Identifier: Apache-2.0
"""A WebSocket client (RFC 6455, no extensions) of the standard library, for tests."""
import base64
import json
import os
import socket
import struct
import time

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Closed(Exception):
    def __init__(self, code, reason):
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


class WebSocket:
    """Connected when it is made; `with` closes it."""

    def __init__(self, port, path, headers=(), protocols=(), seconds=60, wrap=None):
        self.seconds = seconds
        self.client = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        if wrap is not None:
            self.client = wrap(self.client)
        self.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket",
                 "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(), *headers]
        if protocols:
            lines.append("Sec-WebSocket-Protocol: " + ", ".join(protocols))
        self.client.sendall("\r\n".join(lines + ["", ""]).encode())
        self.bytes = b""
        while b"\r\n\r\n" not in self.bytes:
            self._receive()
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        self.head = head.decode()
        self.status = int(self.head.split()[1])
        if self.status != 101:
            self.client.close()
            raise Closed(self.status, (self.bytes or b"").decode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def header(self, name):
        for line in self.head.split("\r\n")[1:]:
            key, value = line.split(": ", 1)
            if key.lower() == name.lower():
                return value
        return None

    def _receive(self):
        piece = self.client.recv(1 << 16)
        if not piece:
            raise Closed(1006, "the connection ended")
        self.bytes += piece

    def _take(self, count):
        while len(self.bytes) < count:
            self._receive()
        taken, self.bytes = self.bytes[:count], self.bytes[count:]
        return taken

    def send_frame(self, opcode, payload, last=True):
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([opcode | (128 if last else 0)])
        if size < 126:
            head += bytes([128 | size])
        elif size < 1 << 16:
            head += bytes([128 | 126]) + struct.pack(">H", size)
        else:
            head += bytes([128 | 127]) + struct.pack(">Q", size)
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "little")
        self.client.sendall(head + mask +
                            (int.from_bytes(payload, "little") ^ key).to_bytes(size, "little"))

    def send(self, event, opcode=TEXT):
        text = event if isinstance(event, str) else json.dumps(event)
        self.send_frame(opcode, text.encode())

    def receive(self, seconds=None):
        """The next event; None when none came in time. Raises Closed."""
        end = time.monotonic() + (self.seconds if seconds is None else seconds)
        while True:
            if not self._waits(end):
                if seconds is None:
                    raise TimeoutError("no event came")
                return None
            first, second = self._take(2)
            size = second & 127
            if size >= 126:
                size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
            payload = self._take(size)
            opcode = first & 15
            if opcode == PING:
                self.send_frame(PONG, payload)
            elif opcode == CLOSE:
                code = struct.unpack(">H", payload[:2])[0] if payload else 1005
                raise Closed(code, payload[2:].decode())
            elif opcode == TEXT:
                return json.loads(payload)

    def _waits(self, end):
        """Whether something has come, or comes before `end`."""
        while len(self.bytes) < 2:
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.client.settimeout(left)
            try:
                self._receive()
            except TimeoutError:
                return False
            finally:
                self.client.settimeout(self.seconds)
        return True

    def closed(self):
        """Reads until the server closes: (code, reason)."""
        while True:
            try:
                self.receive()
            except Closed as closed:
                return closed.code, closed.reason
