#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands in for gemma3n and writes down what clients ask of `serve`, for tests/cli/recorded_test.py.

    RECORDED_PROGRAM=.../gemma3n RECORD=FILE.jsonl tests/clients/recorder.py serve ...

A client's tests run with this as their program, unchanged (docs/server.md, "Recorded clients"). FILE gets a line for
how the service was started and one for each request: as it came, its answer's status, type and ends, and the names that
the answer gave (of files, responses, uploads), which later requests speak of. Left out are requests whose answer was
not awaited, WebSockets, and refusals for want of a place, which depend on what else is under way.
"""
import asyncio
import base64
import bisect
import ctypes
import itertools
import json
import os
import pathlib
import re
import signal
import sys
import time

# What an answer names for later requests: files, responses, calls, uploads.
NAMES = re.compile(rb"(?:file-|resp_|call_|msg_|files/|upload_id=)[A-Za-z0-9-]{8,}")


def head_of(data):
    """(first line, headers, what follows), or None."""
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    return first, [line.split(": ", 1) for line in lines], rest


def body_of(headers, rest, ended):
    """(body, what follows it), or None while it has not come."""
    headers = {name.lower(): value for name, value in headers}
    if headers.get("transfer-encoding") != "chunked":
        size = int(headers.get("content-length", 0 if not ended else len(rest)))
        return (rest[:size], rest[size:]) if len(rest) >= size else None
    body = b""
    while True:
        line, found, rest = rest.partition(b"\r\n")
        if not found:
            return None
        size = int(line, 16)
        if len(rest) < size + 2:
            return None
        body, rest = body + rest[:size], rest[size + 2:]
        if size == 0:
            return body, rest


def shape_of(kind, body):
    """What an answer of the same kind has, too."""
    if kind.startswith("application/json") and body:
        value = json.loads(body)
        return sorted(value) if isinstance(value, dict) else type(value).__name__
    return "done" if body.rstrip().endswith(b"data: [DONE]") else None


class Recorder:
    def __init__(self):
        self.connections = {}

    def exchanges(self):
        whole = [timed for of_one in self.connections.values() for timed in of_one]
        return [one for _, one in sorted(whole, key=lambda timed: timed[0])]

    def take(self, connection, sent, came):
        """What has gone over a connection, both ways: (when, bytes)."""
        exchanges = self.connections[connection] = []
        begins = list(itertools.accumulate((len(data) for _, data in sent), initial=0))
        times = [when for when, _ in sent]
        sent, came = (b"".join(data for _, data in one) for one in (sent, came))
        size = len(sent)
        while True:
            when = times[bisect.bisect_right(begins, size - len(sent)) - 1] if sent else 0
            asked = head_of(sent)
            said = head_of(came)
            while said and said[0].split()[1] == "100":
                said = head_of(said[2])
            if not asked or not said:
                return
            first, headers, rest = asked
            body = body_of(headers, rest, False)
            status, kind = int(said[0].split()[1]), dict((k.lower(), v) for k, v in said[1]).get("content-type", "")
            answer = (b"", said[2]) if first.startswith("HEAD ") or status == 204 else body_of(said[1], said[2], False)
            if body is None or answer is None or status == 101:
                return
            sent, came = body[1], answer[1]
            if status == 429:
                continue
            method, path, _ = first.split(" ", 2)
            names = list(dict.fromkeys(NAMES.findall(repr(said[1]).encode() + answer[0])))
            exchanges.append((when, {
                "method": method, "path": path, "body": base64.b64encode(body[0]).decode(),
                "headers": [[k, v] for k, v in headers if k.lower() not in
                            ("host", "connection", "content-length", "transfer-encoding", "expect")],
                "status": status, "type": kind.split(";")[0], "shape": shape_of(kind, answer[0]),
                "names": [name.decode() for name in names]}))


def ends_with_us():
    """Tests end their servers by force."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


async def serve(program, arguments, record):
    process = await asyncio.create_subprocess_exec(program, *arguments, stdout=asyncio.subprocess.PIPE,
                                                   preexec_fn=ends_with_us)
    greeting = b""
    while b"Ctrl-C" not in greeting:
        line = await process.stdout.readline()
        if not line:
            return await process.wait()
        greeting += line
    port = int(re.search(rb"127\.0\.0\.1:(\d+)", greeting)[1])
    recorder, numbers = Recorder(), itertools.count()
    before = ("-m", "--port", "--api-key-file")
    started = {"arguments": [one for at, one in enumerate(arguments) if at > 0 and one not in before
                             and arguments[at - 1] not in before],
               "keys": [pathlib.Path(arguments[at + 1]).read_text() for at, one in enumerate(arguments)
                        if one == "--api-key-file"]}

    def write():
        lines = [started, *recorder.exchanges()]
        pathlib.Path(record).write_text("".join(json.dumps(line) + "\n" for line in lines))

    async def pass_on(reader, writer, kept, taken=lambda: None):
        try:
            while data := await reader.read(1 << 16):
                kept.append((time.monotonic(), data))
                taken()  # before the client has it, and may be content and end all of this
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def connected(reader, writer):
        sent, came = [], []
        connection = next(numbers)
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)

        def taken():
            before = len(recorder.connections.get(connection, ()))
            recorder.take(connection, sent, came)
            if len(recorder.connections[connection]) > before:
                write()

        await asyncio.gather(pass_on(reader, up_writer, sent), pass_on(up_reader, writer, came, taken))

    proxy = await asyncio.start_server(connected, "127.0.0.1", 0)
    ours = proxy.sockets[0].getsockname()[1]
    sys.stdout.buffer.write(greeting.replace(b":%d" % port, b":%d" % ours))
    sys.stdout.buffer.flush()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.send_signal, number)
    return await process.wait()


def main():
    program, record = os.environ["RECORDED_PROGRAM"], os.environ["RECORD"]
    if sys.argv[1:2] != ["serve"] or "--tls" in sys.argv:
        os.execv(program, [program, *sys.argv[1:]])
    sys.exit(asyncio.run(serve(program, sys.argv[1:], record)))


if __name__ == "__main__":
    main()
