# SPDX-License-Identifier: Apache-2.0
"""The spoken phrases: short commands in six languages, each with its English translation.

Every phrase is a tuple of one string per language, in the order of LANGUAGES; the English one is the
translation of all the others.
"""

LANGUAGES = ("en", "es", "fr", "it", "pt", "de")

_DEVICES = (
    ("light", "la luz", "la lumière", "la luce", "a luz", "das licht"),
    ("radio", "la radio", "la radio", "la radio", "o rádio", "das radio"),
    ("heating", "la calefacción", "le chauffage", "il riscaldamento", "o aquecimento", "die heizung"),
    ("fan", "el ventilador", "le ventilateur", "il ventilatore", "o ventilador", "den ventilator"),
    ("television", "la televisión", "la télévision", "la televisione", "a televisão", "den fernseher"),
)
_SWITCH = (
    ("turn on the {}", "enciende {}", "allume {}", "accendi {}", "liga {}", "schalte {} ein"),
    ("turn off the {}", "apaga {}", "éteins {}", "spegni {}", "desliga {}", "schalte {} aus"),
)
_THINGS = (
    ("door", "la puerta", "la porte", "la porta", "a porta", "die tür"),
    ("window", "la ventana", "la fenêtre", "la finestra", "a janela", "das fenster"),
    ("box", "la caja", "la boîte", "la scatola", "a caixa", "die kiste"),
    ("book", "el libro", "le livre", "il libro", "o livro", "das buch"),
)
_OPEN = (
    ("open the {}", "abre {}", "ouvre {}", "apri {}", "abre {}", "öffne {}"),
    ("close the {}", "cierra {}", "ferme {}", "chiudi {}", "fecha {}", "schließe {}"),
)
# Masculine and feminine forms of the colours, per language; German as weak accusative endings.
_COLOURS = (
    ("red", "rojo/roja", "rouge/rouge", "rosso/rossa", "vermelho/vermelha", "roten/rote"),
    ("blue", "azul/azul", "bleu/bleue", "blu/blu", "azul/azul", "blauen/blaue"),
    ("green", "verde/verde", "vert/verte", "verde/verde", "verde/verde", "grünen/grüne"),
    ("yellow", "amarillo/amarilla", "jaune/jaune", "giallo/gialla", "amarelo/amarela", "gelben/gelbe"),
    ("white", "blanco/blanca", "blanc/blanche", "bianco/bianca", "branco/branca", "weißen/weiße"),
    ("black", "negro/negra", "noir/noire", "nero/nera", "preto/preta", "schwarzen/schwarze"),
)
# Noun with its article and a hole for the colour, and its gender (m or f).
_OBJECTS = (
    (("the {} ball", ""), ("la pelota {}", "f"), ("la balle {}", "f"), ("la palla {}", "f"),
     ("a bola {}", "f"), ("den {} ball", "m")),
    (("the {} cup", ""), ("la taza {}", "f"), ("la tasse {}", "f"), ("la tazza {}", "f"),
     ("a taça {}", "f"), ("die {} tasse", "f")),
    (("the {} hat", ""), ("el sombrero {}", "m"), ("le chapeau {}", "m"), ("il cappello {}", "m"),
     ("o chapéu {}", "m"), ("den {} hut", "m")),
)
_BRING = ("bring {}", "trae {}", "apporte {}", "porta {}", "traz {}", "bring {}")
_NUMBERS = (
    ("two", "dos", "deux", "due", "dois", "zwei"),
    ("three", "tres", "trois", "tre", "três", "drei"),
    ("four", "cuatro", "quatre", "quattro", "quatro", "vier"),
    ("five", "cinco", "cinq", "cinque", "cinco", "fünf"),
    ("six", "seis", "six", "sei", "seis", "sechs"),
    ("seven", "siete", "sept", "sette", "sete", "sieben"),
    ("eight", "ocho", "huit", "otto", "oito", "acht"),
    ("nine", "nueve", "neuf", "nove", "nove", "neun"),
    ("ten", "diez", "dix", "dieci", "dez", "zehn"),
    ("twelve", "doce", "douze", "dodici", "doze", "zwölf"),
    ("twenty", "veinte", "vingt", "venti", "vinte", "zwanzig"),
)
_WAIT = ("wait {} minutes", "espera {} minutos", "attends {} minutes", "aspetta {} minuti",
         "espera {} minutos", "warte {} minuten")
_FIXED = (
    ("good morning", "buenos días", "bonjour", "buongiorno", "bom dia", "guten morgen"),
    ("good night", "buenas noches", "bonne nuit", "buonanotte", "boa noite", "gute nacht"),
    ("thank you very much", "muchas gracias", "merci beaucoup", "grazie mille", "muito obrigado",
     "vielen dank"),
    ("what time is it", "qué hora es", "quelle heure est-il", "che ore sono", "que horas são",
     "wie spät ist es"),
    ("where is the station", "dónde está la estación", "où est la gare", "dov'è la stazione",
     "onde fica a estação", "wo ist der bahnhof"),
    ("play the music", "pon la música", "mets la musique", "metti la musica", "toca a música",
     "spiel die musik"),
    ("stop the music", "para la música", "arrête la musique", "ferma la musica", "para a música",
     "stoppe die musik"),
    ("see you tomorrow", "hasta mañana", "à demain", "a domani", "até amanhã", "bis morgen"),
)


def _colour_object(colour, noun):
    """One phrase "bring the red ball" in every language, the colour agreeing with the noun."""
    words = []
    for language, (form, gender) in enumerate(noun):
        colour_word = colour[language]
        if gender:
            masculine, feminine = colour_word.split("/")
            colour_word = masculine if gender == "m" else feminine
        words.append(_BRING[language].format(form.format(colour_word)))
    return tuple(words)


def all_phrases():
    """Every phrase as a tuple of six strings, in a fixed order."""
    def combine(templates, fillers):
        return [tuple(t.format(f) for t, f in zip(template, filler))
                for template in templates for filler in fillers]

    phrases = combine(_SWITCH, _DEVICES) + combine(_OPEN, _THINGS)
    phrases += [_colour_object(colour, noun) for colour in _COLOURS for noun in _OBJECTS]
    phrases += combine((_WAIT,), _NUMBERS)
    return phrases + list(_FIXED)


# Combinations never heard in training: each of their words is heard in other phrases.
HELD_OUT_ENGLISH = frozenset({
    "turn off the fan", "open the box", "close the book", "bring the blue hat",
    "bring the yellow cup", "bring the black ball", "wait eight minutes",
})
