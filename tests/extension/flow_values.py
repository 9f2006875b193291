"""Values of parameters, and what must arrive of them."""

from __future__ import annotations

from typing import Any

# Forty for the flow `values`; thirty-six of them are the ones that SAP's plugin and Metaflow's own were measured with.
AWKWARD = [
    "two words", "a  b", "tab\there", "it's", "'", '"', 'say "hi"', '"quoted"', "$HOME", "`id`",
    "$(touch /tmp/executed)", "a; touch /tmp/executed", "x && touch /tmp/executed", "*", "~", "#c", "--x=1",
    "007", "true", "null", "", "a!b", "1e3", "1.50", "{a,b}", "(x)", "a|b", "<f", "back\\slash", "\\",
    "line1\nline2", "größe", "日本 語", '{"a": [1, "x y"]}', "[1, 2]", "100%s", "${HOME}", "$(PATH)", "None", "🙂",
]  # fmt: skip

# Of the flow `params`: what it says of its defaults, what is bound, and what it says then.
DEFAULTS: dict[str, Any] = {
    "text": "it's \"quoted\" $HOME `id`", "needed": "given", "nothing": None, "empty": "", "whole": 7, "part": 0.001,
    "on": True, "off": False, "tree": {"a": [1, "x y"]}, "branch": {"b": None}, "dashed": "d", "words": ["a", "b c"],
    "made": "for ParamsFlow",
}  # fmt: skip
BOUND = {"needed": "x", "nothing": "thing", "whole": "-3", "part": "1e-3", "on": "false", "off": "True"}
BOUND |= {"tree": "[1, null]", "with-dash": "--d", "words": "x", "empty": " "}
CHANGED: dict[str, Any] = {
    "needed": "x",
    "nothing": "thing",
    "whole": -3,
    "on": False,
    "off": True,
    "empty": " ",
}
CHANGED |= {"tree": [1, None], "dashed": "--d", "words": ["x"]}
