# SPDX-License-Identifier: Apache-2.0
"""Text tasks of the small assistant. Each maker returns (task, turns), turns being alternating user
and model texts that end with the model's answer."""

NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Frank", "Greta", "Hugo", "Ida", "Jonas", "Karla",
         "Leo", "Maria", "Nils", "Olga", "Paul", "Rosa", "Simon", "Tina", "Victor")
THINGS = ("ball", "cup", "hat", "book", "box", "lamp", "key", "ring", "car", "boat", "drum", "coat",
          "chair", "clock", "shoe", "pen", "bag", "doll", "kite", "bell")
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "purple", "orange")
WORDS = THINGS + COLOURS + ("cat", "dog", "bird", "tree", "house", "river", "sun", "moon", "fish",
                            "bread", "milk", "snow", "rain", "wind", "stone", "hill")
FILLERS = ("The sun is over the hill.", "The river is near the house.", "The bird is in the tree.",
           "Snow is on the stone.", "The cat and the dog are in the house.", "The moon is white.",
           "Rain and wind are near the river.", "The fish is in the river.")
OPPOSITES = (("hot", "cold"), ("big", "small"), ("open", "closed"), ("day", "night"), ("old", "new"),
             ("fast", "slow"), ("light", "dark"), ("high", "low"), ("left", "right"), ("wet", "dry"))
TRANSLATIONS = {
    "Spanish": dict(zip(COLOURS[:6], ("rojo", "azul", "verde", "amarillo", "blanco", "negro"))),
    "French": dict(zip(COLOURS[:6], ("rouge", "bleu", "vert", "jaune", "blanc", "noir"))),
    "German": dict(zip(COLOURS[:6], ("rot", "blau", "grün", "gelb", "weiß", "schwarz"))),
}


def recall(rng, facts=None, fillers=None, questions=None):
    """A list of names with their colours, other lines between, then questions about it, a turn each."""
    facts = int(rng.integers(2, 15)) if facts is None else facts
    fillers = int(rng.integers(0, 9)) if fillers is None else fillers
    questions = int(rng.integers(1, 7)) if questions is None else questions
    names = [str(n) for n in rng.permutation(NAMES)[:facts]]
    colours = {name: str(rng.choice(COLOURS)) for name in names}
    lines = [f"{name} {colours[name]}" for name in names]
    for _ in range(fillers):
        lines.insert(int(rng.integers(len(lines) + 1)), str(rng.choice(FILLERS)))
    turns = []
    for asked in rng.choice(names, questions):
        turns += [f"Which colour has {asked}?", f"{asked} {colours[asked]}"]
    listed = "\n".join(["Colours:", *lines])
    turns = [listed, "OK.", *turns] if rng.random() < 0.2 else [f"{listed}\n{turns[0]}", *turns[1:]]
    return "recall", turns


def look_up(rng, values, most=14):
    """A list of names with their `values`, and many of them asked for at once: more to look up in fewer
    words than recall() has."""
    facts = int(rng.integers(2, most + 1))
    names = [str(n) for n in rng.permutation(NAMES)[:facts]]
    has = {name: str(rng.choice(values)) for name in names}
    lines = [f"{name} {has[name]}" for name in names]
    for _ in range(int(rng.integers(0, 9)) if rng.random() < 0.4 else 0):
        lines.insert(int(rng.integers(len(lines) + 1)), str(rng.choice(FILLERS)))
    asked = [names[i] for i in rng.integers(0, facts, facts // 2 + 1)]
    listed = "\n".join(["Colours:" if values is COLOURS else "Words:", *lines])
    return "look up", [f"{listed}\nWhat have {' '.join(asked)}?", "\n".join(f"{name} {has[name]}" for name in asked)]


def copy(rng, least=2, most=8):
    words = " ".join(rng.choice(WORDS + NAMES, int(rng.integers(least, most))))
    return "copy", [f"Repeat: {words}", words]


def add(rng):
    a, b = int(rng.integers(0, 13)), int(rng.integers(0, 13))
    return "add", [f"What is {a} plus {b}?", str(a + b)]


def first_or_last(rng):
    words = list(rng.choice(WORDS, int(rng.integers(3, 7))))
    if rng.random() < 0.5:
        return "pick", [f"First word: {' '.join(words)}", words[0]]
    return "pick", [f"Last word: {' '.join(words)}", words[-1]]


def opposite(rng):
    pair = OPPOSITES[rng.integers(len(OPPOSITES))]
    a, b = pair if rng.random() < 0.5 else pair[::-1]
    return "opposite", [f"What is the opposite of {a}?", b]


def translate(rng):
    language = str(rng.choice(list(TRANSLATIONS)))
    word = str(rng.choice(list(TRANSLATIONS[language])))
    return "word", [f"What is {word} in {language}?", TRANSLATIONS[language][word]]


def greet(rng):
    pairs = (("Hello!", "Hello! How can I help?"), ("Who are you?", "I am nano, a very small model."),
             ("Thank you!", "You are welcome."), ("Good morning!", "Good morning! How can I help?"))
    return "greet", list(pairs[rng.integers(len(pairs))])


# Each with its share of the conversations.
MAKERS = ((recall, 0.4), (copy, 0.12), (add, 0.22), (first_or_last, 0.11), (opposite, 0.05),
          (translate, 0.05), (greet, 0.05))


def _small_task(rng):
    makers, weights = zip(*MAKERS[1:])
    weights = [weight / sum(weights) for weight in weights]
    return makers[rng.choice(len(makers), p=weights)](rng)


def random_conversation(rng, lessons=0.0):
    """Turns drawn by the shares of MAKERS. Small tasks follow one another in one conversation.

    With the probability `lessons` it is a long copy or a look-up of any words instead. A young model needs
    both: in trials with look-ups alone (of up to 14 facts) it named a third of the values after 250 steps, no
    more than a guess among those listed; with copies between (and up to 10 facts) two thirds after 200.
    """
    if rng.random() < lessons:
        return copy(rng, least=8, most=20)[1] if rng.random() < 0.5 else look_up(rng, WORDS)[1]
    if rng.random() < MAKERS[0][1]:
        return look_up(rng, COLOURS)[1] if rng.random() < 0.5 else recall(rng)[1]
    repeated = add if rng.random() < 0.3 else _small_task
    return [turn for _ in range(int(rng.integers(1, 5))) for turn in repeated(rng)[1]]
