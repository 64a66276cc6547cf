# SPDX-License-Identifier: Apache-2.0
"""Random JSON schemas of all kinds that are supported, each with a way to make values of it."""
import datetime
import ipaddress
import json
import re
import string
import uuid


class Schema:
    """A schema, and `make(random)`, which gives one of its values."""

    def __init__(self, text, make):
        self.text, self.make = text, make


WORDS = ["a", "id", "name", "größe", "日本", "x y", 'q"uote', "back\\slash", "tab\t", "🙂", ""]


def word(random):
    return random.choice(WORDS)


def some_text(random, least=0, most=12):
    letters = string.ascii_letters + string.digits + ' "\\/\n\té日🙂\u2028\x7f-_.'
    return "".join(random.choice(letters) for _ in range(random.randint(least, most)))


def pattern(random, depth=0):
    """A regular expression, and a maker of strings that match it as a whole."""
    kind = random.randrange(8 if depth < 3 else 4)
    if kind == 0:
        c = random.choice("abcxyz012-_ é日")
        return re.escape(c) if c in "-. " and c != "-" else c, lambda r: c
    if kind == 1:
        source, letters = random.choice([
            ("[a-f]", "abcdef"), ("\\d", "0123456789"), ("[A-Z0-9_]", "AZ09_"), ("\\w", "aZ_9"),
            ("[^a-z]", "A0 é日🙂\""), (".", "a \"\\é🙂"), ("[\\u00e0-\\u00ff]", "àéÿ"),
            ("[-+.]", "-+."), ("[\\w.-]", "a.-"), ("\\.", "."), ("\\\\", "\\"), ("\\n", "\n")])
        return source, lambda r: r.choice(letters)
    if kind in (2, 3):
        text = "".join(random.choice("abcdefgh") for _ in range(random.randint(1, 4)))
        return text, lambda r: text
    if kind == 4:
        parts = [pattern(random, depth + 1) for _ in range(random.randint(1, 3))]
        return ("".join(p for p, _ in parts),
                lambda r: "".join(make(r) for _, make in parts))
    if kind == 5:
        parts = [pattern(random, depth + 1) for _ in range(random.randint(2, 3))]
        return (random.choice(["(", "(?:"]) + "|".join(p for p, _ in parts) + ")",
                lambda r: r.choice(parts)[1](r))
    inner, make = pattern(random, depth + 1)
    least = random.randint(0, 3)
    most = least + random.randint(0, 3)
    sign, least, most = random.choice([("*", 0, 4), ("+", 1, 4), ("?", 0, 1),
                                       (f"{{{least}}}", least, least), (f"{{{least},}}", least, least + 3),
                                       (f"{{{least},{most}}}", least, most)])
    return f"(?:{inner}){sign}", lambda r: "".join(make(r) for _ in range(r.randint(least, most)))


def anchored(random):
    source, make = pattern(random)
    begin, end = random.choice(["^", ""]), random.choice(["$", ""])
    def around(r):
        before = "" if begin else some_text(r, 0, 3)
        return before + make(r) + ("" if end else some_text(r, 0, 3))
    return begin + f"(?:{source})" + end, around


def formats(random):
    name = random.choice(["date", "time", "date-time", "uuid", "email", "ipv4", "ipv6"])
    def date(r):
        return str(datetime.date.fromordinal(r.randint(1, datetime.date.max.toordinal())))
    def time(r):
        return (f"{r.randrange(24):02}:{r.randrange(60):02}:{r.randrange(60):02}"
                + r.choice(["", ".5", ".123456"]) + r.choice(["Z", "+01:00", "-23:59"]))
    make = {
        "date": date, "time": time, "date-time": lambda r: date(r) + "T" + time(r),
        "uuid": lambda r: str(uuid.UUID(int=r.getrandbits(128))),
        "email": lambda r: r.choice(["a@b.de", "first.last+tag@mail.example.com", "x_y-z@e1.co.uk"]),
        "ipv4": lambda r: str(ipaddress.IPv4Address(r.getrandbits(32))),
        "ipv6": lambda r: str(ipaddress.IPv6Address(
            r.getrandbits(128) & r.choice([~0, 0xffff << 64, 0xffff, 0xffffffff << 48]))),
    }[name]
    return Schema({"type": "string", "format": name}, make)


def strings(random, depth):
    kind = random.randrange(4)
    if kind == 0:
        return Schema({"type": "string"}, some_text)
    if kind == 1:
        least, most = sorted((random.choice([0, 0, 1, 3]), random.randint(0, 40)))
        text = {"type": "string"}
        if random.random() < 0.7:
            text["maxLength"] = most
        if random.random() < 0.7:
            text["minLength"] = least
        return Schema(text, lambda r: some_text(r, least, most))
    if kind == 2:
        return formats(random)
    source, make = anchored(random)
    text = {"type": "string", "pattern": source}
    if random.random() < 0.4:  # around a length that there is
        length = len(make(random))
        kept = random.choice([(length, length), (0, length), (max(0, length - 2), length + 3)])
        text["minLength"], text["maxLength"] = kept
        shape = make
        def of_length(r):
            for _ in range(300):
                found = shape(r)
                if kept[0] <= len(found) <= kept[1]:
                    return found
            return None
        make = of_length
    return Schema(text, make)


def integers(random, depth):
    text, low, high = {"type": "integer"}, -10**6, 10**6
    if random.random() < 0.6:
        low = random.choice([-1000, -17, -1, 0, 1, 5, 99, 12345])
        if random.random() < 0.5:
            text["minimum"] = low
        else:
            text["exclusiveMinimum"] = low - 1
    if random.random() < 0.6:
        high = low + random.choice([0, 1, 9, 100, 5000]) if low > -10**6 else random.choice([-500, 0, 77])
        if random.random() < 0.5:
            text["maximum"] = high
        else:
            text["exclusiveMaximum"] = high + 1
    step = 1
    if random.random() < 0.25 and high - low > 100:
        step = text["multipleOf"] = random.choice([2, 3, 7, 10, 25, 64])
    return Schema(text, lambda r: -(-r.randint(low, high - step + 1) // step) * step)


def numbers(random, depth):
    text, low, high = {"type": "number"}, -1e6, 1e6
    if random.random() < 0.6:
        low = random.choice([-100.5, -1, 0, 0.25, 3.14159, 1000])
        text[random.choice(["minimum", "exclusiveMinimum"])] = low
    if random.random() < 0.6:
        high = low + random.choice([0.5, 1, 99.75]) if low > -1e6 else random.choice([-3.5, 0, 2.5])
        text[random.choice(["maximum", "exclusiveMaximum"])] = high
    return Schema(text, lambda r: round(low + (high - low) * r.uniform(0.1, 0.9), 6))


def constants(random, depth):
    values = [None, True, False, 0, -3, 17, 2.5, "", "a", 'say "é"', "🙂", [1, "b"], {"k": [], "l": 1}]
    chosen = random.sample(values, random.randint(1, 5))
    if len(chosen) == 1 and random.random() < 0.7:
        return Schema({"const": chosen[0]}, lambda r: chosen[0])
    return Schema({"enum": chosen}, lambda r: r.choice(chosen))


def simple(random, depth):
    kind = random.choice(["boolean", "null", "list", "any"])
    if kind == "list":
        return Schema({"type": ["string", "null"], "maxLength": 5},
                      lambda r: r.choice([None, some_text(r, 0, 5)]))
    if kind == "any":
        return Schema(random.choice([True, {}]), lambda r: r.choice([None, 3, "x", [1], {"z": {}}]))
    return Schema({"type": kind}, lambda r: r.choice([True, False]) if kind == "boolean" else None)


def arrays(random, depth):
    prefix = [schema(random, depth + 1) for _ in range(random.choice([0, 0, 1, 2]))]
    text = {"type": "array"}
    if prefix:
        text["prefixItems"] = [p.text for p in prefix]
    rest = schema(random, depth + 1) if random.random() < 0.8 else None
    if rest:
        text["items"] = rest.text
    elif random.random() < 0.5 and prefix:
        text["items"] = False
    least, most = 0, len(prefix) + (3 if rest else 0)
    if random.random() < 0.4:
        least = text["minItems"] = random.randint(0, most)
    if random.random() < 0.4:
        text["maxItems"] = random.randint(least, most + 2)
        most = min(most, text["maxItems"])
    def make(r):
        return [(prefix[i] if i < len(prefix) else rest).make(r)
                for i in range(r.randint(least, most))]
    return Schema(text, make)


def objects(random, depth):
    names = random.sample(WORDS, random.randint(0, 5))
    members = {name: schema(random, depth + 1) for name in names}
    required = [name for name in names if random.random() < 0.5]
    text = {"type": "object", "properties": {n: m.text for n, m in members.items()}}
    if required or random.random() < 0.5:
        text["required"] = random.sample(required, len(required))
    others = None
    if random.random() < 0.4:
        others = schema(random, depth + 1)
        if random.random() < 0.3:
            others = Schema(True, lambda r: r.choice([1, "é", None]))
        text["additionalProperties"] = others.text
    elif random.random() < 0.5:
        text["additionalProperties"] = False
    least, most = 0, len(names)
    if not others and random.random() < 0.3 and names:
        least = random.randint(len(required), len(names))
        most = random.randint(max(least, 1), len(names) + 1)
        text["minProperties"], text["maxProperties"] = least, most
    def make(r):
        optional = [n for n in names if n not in required]
        low, high = max(0, least - len(required)), min(len(optional), most - len(required))
        taken = set(required) | set(r.sample(optional, r.randint(low, high)))
        value = {n: members[n].make(r) for n in names if n in taken}
        if others:
            for i in range(r.randint(0, 2)):
                value[f"other {i}"] = others.make(r)
        return value
    return Schema(text, make)


def choices(random, depth):
    branches = [schema(random, depth + 1) for _ in range(random.randint(2, 4))]
    return Schema({"anyOf": [b.text for b in branches]}, lambda r: r.choice(branches).make(r))


def one_ofs(random, depth):
    if random.random() < 0.5:  # by a constant that all require
        key = random.choice(["kind", "t"])
        branches = []
        for i in range(random.randint(2, 4)):
            inner = schema(random, depth + 1)
            branches.append(Schema(
                {"type": "object", "required": [key, "v"],
                 "properties": {key: {"const": f"k{i}"}, "v": inner.text}},
                lambda r, i=i, inner=inner: {key: f"k{i}", "v": inner.make(r)}))
    else:
        makers = random.sample([strings, integers, arrays, objects], 2)
        branches = [m(random, depth + 1) for m in makers]
    return Schema({"oneOf": [b.text for b in branches]}, lambda r: r.choice(branches).make(r))


def all_ofs(random, depth):
    if random.random() < 0.5:
        low = random.randint(-50, 50)
        high = low + random.randint(0, 60)
        return Schema({"allOf": [{"type": "integer", "minimum": low}, {"type": "number", "maximum": high}]},
                      lambda r: r.randint(low, high))
    a, b = schema(random, depth + 1), schema(random, depth + 1)
    return Schema({"allOf": [{"type": "object", "properties": {"a": a.text}, "required": ["a"]},
                             {"properties": {"b": b.text}}]},
                  lambda r: {"a": a.make(r), **({"b": b.make(r)} if r.random() < 0.5 else {})})


def references(random, depth):
    name = random.choice(["node", "a/b", "t~x", "per%20cent"])
    pointer = name.replace("~", "~0").replace("/", "~1").replace("%", "%25")
    leaf = strings(random, depth)
    def make(r, left=3):
        value = {"v": leaf.make(r)}
        if left and r.random() < 0.6:
            value["next"] = make(r, left - 1)
        return value
    ROOT_DEFINITIONS[name] = {"type": "object", "required": ["v"], "properties": {
        "v": leaf.text, "next": {"$ref": f"#/$defs/{pointer}"}}}
    USED[pointer] = make
    return Schema({"$ref": f"#/$defs/{pointer}"}, lambda r: USED_NOW[pointer](r))


ROOT_DEFINITIONS, USED = {}, {}
USED_NOW = USED


def schema(random, depth=0):
    makers = [strings, strings, integers, numbers, constants, simple]
    if depth < 3:
        makers += [arrays, objects, objects, choices, one_ofs, all_ofs, references]
    return random.choice(makers)(random, depth)


def root(random):
    """A whole schema with its definitions."""
    global ROOT_DEFINITIONS, USED, USED_NOW
    ROOT_DEFINITIONS, USED = {}, {}
    USED_NOW = USED
    used = USED
    found = schema(random)
    text = found.text
    if ROOT_DEFINITIONS:
        text = {"$defs": ROOT_DEFINITIONS, "allOf": [text]} if text is True else {
            **text, "$defs": ROOT_DEFINITIONS}
    def make(r):
        global USED_NOW
        USED_NOW = used
        return found.make(r)
    return Schema(text, make)


def dumps(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
