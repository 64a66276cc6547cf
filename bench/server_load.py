#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""First-token time and throughput of an OpenAI-compatible server under 1, 2, 4 ... clients at once.

    bench/server_load.py http://127.0.0.1:11434 --clients 1,2,4,8,16 --prompt-words 100 --tokens 64

Each client sends `--requests` chat completions one after another, each a stream, and waits for the last token of one
before it asks the next. Prompts are made-up words, no two alike from their first word on; with `--shared-words N` they
begin with the same N. The tokens that end an answer (`--end-ids`) are held back by their logits, so that each answer has
its full length. Works against this server and llama-server. Standard library only.
"""
import argparse
import base64
import http.client
import json
import pathlib
import random
import threading
import time
import urllib.parse

WORDS = ("river stone bird house green seven window paper music garden yellow bridge summer train coffee market winter "
         "letter ocean forest silver candle mirror pocket thunder village basket ladder kitchen button").split()


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--clients", default="1,2,4,8,16")
    parser.add_argument("--requests", type=int, default=2, help="of each client")
    parser.add_argument("--prompt-words", type=int, default=100)
    parser.add_argument("--shared-words", type=int, default=0, help="with which all prompts begin")
    parser.add_argument("--tokens", type=int, default=64, help="of each answer")
    parser.add_argument("--always-id", help="a token of which answers consist, where weights are random: many of their "
                        "own are no text, and a stream does not tell of those")
    parser.add_argument("--end-ids", default="1,106", help="tokens that end an answer, which are held back")
    parser.add_argument("--picture", type=pathlib.Path,
                        help="one more client asks about it once, a second after the others: look at their longest gap")
    parser.add_argument("--key", default="none")
    parser.add_argument("--seed", type=int, default=1, help="of the prompts; another one: other prompts")
    parser.add_argument("--json", action="store_true", help="a line for each number of clients instead of a table")
    return parser.parse_args()


class Client(threading.Thread):
    def __init__(self, args, place, start):
        super().__init__()
        self.args, self.place, self.start_together = args, place, start
        self.first, self.gaps, self.tokens, self.prompt_tokens, self.cached, self.error = [], [], 0, 0, 0, None

    def run(self):
        try:
            self.start_together.wait()
            for number in range(self.args.requests):
                self.ask(self.prompt(random.Random(f"{self.args.seed} {self.place} {number}")))
        except Exception as error:  # told by the main thread
            self.error = error

    def prompt(self, words):
        shared = random.Random(f"{self.args.seed} shared")
        text = [shared.choice(WORDS) for _ in range(self.args.shared_words)]
        return " ".join(text + [words.choice(WORDS) for _ in range(self.args.prompt_words)])

    def ask(self, content):
        args = self.args
        host = urllib.parse.urlsplit(args.url)
        body = {"messages": [{"role": "user", "content": content}], "stream": True,
                "temperature": 0, "max_tokens": args.tokens, "stream_options": {"include_usage": True},
                "logit_bias": {id: -100 for id in args.end_ids.split(",") if id}}
        if args.always_id:
            body["logit_bias"][args.always_id] = 100
        connection = http.client.HTTPConnection(host.hostname, host.port, timeout=1800)
        begin = time.monotonic()
        connection.request("POST", "/v1/chat/completions", json.dumps(body),
                           {"Content-Type": "application/json", "Authorization": f"Bearer {args.key}"})
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {response.read()[:300]}")
        last = None
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line[6:])
            if "error" in chunk:
                raise RuntimeError(chunk["error"])
            now = time.monotonic()
            if any((choice.get("delta") or {}).get("content") for choice in chunk.get("choices", ())):
                if last is None:
                    self.first.append(now - begin)
                else:
                    self.gaps.append(now - last)
                last = now
            if chunk.get("usage"):
                self.tokens += chunk["usage"]["completion_tokens"]
                self.prompt_tokens += chunk["usage"]["prompt_tokens"]
                details = chunk["usage"].get("prompt_tokens_details") or {}
                self.cached += details.get("cached_tokens") or 0
        connection.close()


class Onlooker(Client):
    """Asks about the picture once the others are answered."""

    def run(self):
        try:
            self.start_together.wait()
            time.sleep(1)
            uri = "data:image/png;base64," + base64.b64encode(self.args.picture.read_bytes()).decode()
            self.ask([{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": "What?"}])
        except Exception as error:
            self.error = error


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def measure(args, count):
    start = threading.Barrier(count + 1 + bool(args.picture))
    clients = [Client(args, f"{count}.{place}", start) for place in range(count)]
    onlookers = [Onlooker(args, "", start)] if args.picture else []
    for client in clients + onlookers:
        client.start()
    start.wait()
    begin = time.monotonic()
    for client in clients:
        client.join()
    seconds = time.monotonic() - begin
    for client in onlookers:
        client.join()
    for client in clients + onlookers:
        if client.error:
            raise client.error
    first = [value for client in clients for value in client.first]
    gaps = [value for client in clients for value in client.gaps]
    tokens = sum(client.tokens for client in clients)
    picture = {"picture_first": round(onlookers[0].first[0], 3)} if onlookers and onlookers[0].first else {}
    return {"clients": count, "requests": count * args.requests, "tokens": tokens, "seconds": round(seconds, 2),
            "tokens_per_second": round(tokens / seconds, 2), "first_p50": round(quantile(first, 0.5), 3),
            "first_p95": round(quantile(first, 0.95), 3), "gap_p50": round(quantile(gaps, 0.5), 4),
            "gap_p95": round(quantile(gaps, 0.95), 4), "gap_most": round(max(gaps, default=0), 3),
            "prompt_tokens": sum(client.prompt_tokens for client in clients),
            "cached_tokens": sum(client.cached for client in clients), **picture}


def main():
    args = parse()
    if not args.json:
        print("| clients | tokens/s of all | first token p50, s | p95, s | between tokens p50, ms | p95, ms | most, ms |")
        print("|---|---|---|---|---|---|---|")
    for count in map(int, args.clients.split(",")):
        found = measure(args, count)
        if args.json:
            print(json.dumps(found), flush=True)
        else:
            print(f"| {count} | {found['tokens_per_second']} | {found['first_p50']:.2f} | {found['first_p95']:.2f} | "
                  f"{found['gap_p50'] * 1000:.0f} | {found['gap_p95'] * 1000:.0f} | {found['gap_most'] * 1000:.0f} |",
                  flush=True)


if __name__ == "__main__":
    main()
