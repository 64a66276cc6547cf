# SPDX-License-Identifier: Apache-2.0
"""What a field of a request may be and what not, by its kind; and where it stands."""

HUGE = 2**63 - 1


def flag(**more):
    return {"wrong": (1, "true", [], {}), "right": (True, False, None), **more}


def text(*right, **more):
    return {"wrong": (1, True, [], {}), "right": (*right, None), **more}


def number(least, most, **more):
    step = 1e-6
    return {"wrong": ("1", True, [], {}, least - step, most + step, -1e300, 1e300),
            "right": (least, most, None), **more}


def integer(least, most, *right, **more):
    """Also 1.0 is one, where it is in the range."""
    wrong = [least - 1, most + 1 if most < HUGE else 2**63, 2**64 - 1, 0.5, -HUGE - 1]
    return {"wrong": ("1", True, [], {}, *wrong), "right": (least, *right, float(max(1, least)), None),
            **more}


def mapping(**more):
    return {"wrong": (1, True, "x", []), "right": ({}, None), **more}


def items(**more):
    return {"wrong": (1, True, "x", {}), "right": ([], None), **more}


NO_TEXT, NO_OBJECT = (1, True, [], {}), (1, True, "x", [])
HOLE = object()  # where a value stands


def filled(template, value):
    if template is HOLE:
        return value
    if isinstance(template, dict):
        return {name: filled(one, value) for name, one in template.items()}
    return [filled(one, value) for one in template] if isinstance(template, list) else template
