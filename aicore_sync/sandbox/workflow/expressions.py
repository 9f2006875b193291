"""The two small languages of Argo's DAGs: `depends` ("a.Succeeded && !b") and `when` ("3 > 2 && x != y")."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aicore_sync.sandbox.workflow.calls import Outcome, TemplateError

Value = str | bool
_TOKEN = re.compile(r"""\s*(&&|\|\||==|!=|=~|<=|>=|[<>!()]|"[^"]*"|'[^']*'|[^\s()!&|=<>'"]+)""")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass
class _Parser:
    """Recursive descent: or, and, not, comparison, word. `word` gives the value of a bare or quoted word."""

    source: str
    word: Callable[[str], Value]
    tokens: list[str] = field(default_factory=list)

    def parse(self) -> bool:
        text, position = self.source.strip(), 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self.misread(text[position:])
            self.tokens.append(match.group(1))
            position = match.end()
        value = self.either()
        if self.tokens:
            raise self.misread(self.tokens[0])
        return _truth(value)

    def misread(self, found: str) -> TemplateError:
        return TemplateError(f"cannot read the expression {self.source!r} at {found!r}")

    def take(self, *wanted: str) -> str | None:
        return self.tokens.pop(0) if self.tokens and self.tokens[0] in wanted else None

    def either(self) -> Value:
        value = self.both()
        while self.take("||"):
            right = self.both()
            value = _truth(value) or _truth(right)
        return value

    def both(self) -> Value:
        value = self.comparison()
        while self.take("&&"):
            right = self.comparison()
            value = _truth(value) and _truth(right)
        return value

    def comparison(self) -> Value:
        left = self.unit()
        sign = self.take("==", "!=", "=~", *_COMPARE)
        return left if sign is None else _compare(left, sign, self.unit())

    def unit(self) -> Value:
        if self.take("!"):
            return not _truth(self.unit())
        if self.take("("):
            value = self.either()
            if not self.take(")"):
                raise self.misread("its end: a closing parenthesis is missing")
            return value
        if not self.tokens or self.tokens[0] in ("&&", "||", ")", "==", "!=", "=~", *_COMPARE):
            raise self.misread(self.tokens[0] if self.tokens else "its end")
        return self.word(self.tokens.pop(0))


def _truth(value: Value) -> bool:
    return value if isinstance(value, bool) else value.lower() == "true"


def _number(value: Value) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except ValueError:
        return None


def _compare(left: Value, sign: str, right: Value) -> bool:
    if sign == "=~":
        return re.search(str(right), str(left)) is not None
    numbers = _number(left), _number(right)
    if sign in _COMPARE:
        if numbers[0] is None or numbers[1] is None:
            raise TemplateError(f"cannot compare {left!r} {sign} {right!r}: not numbers")
        return _COMPARE[sign](numbers[0], numbers[1])
    same = numbers[0] == numbers[1] if None not in numbers else str(left).lower() == str(right).lower()
    return same if sign == "==" else not same


def when_holds(expression: str) -> bool:
    """Evaluate a `when` whose tags are already replaced. Raises `TemplateError` when it cannot be read."""
    return _Parser(expression, lambda word: word.strip("\"'")).parse()


def depends_names(expression: str) -> set[str]:
    """The tasks that a `depends` names."""
    words: set[str] = set()

    def note(word: str) -> bool:
        words.add(word.partition(".")[0])
        return True

    _Parser(expression, note).parse()
    return words


def depends_holds(expression: str, results: Mapping[str, Outcome]) -> bool:
    """Evaluate a `depends` over the outcomes of the tasks that it names.

    A name alone means Succeeded, Skipped or Daemoned, as in Argo.
    """

    def state(word: str) -> bool:
        name, _, wanted = word.partition(".")
        states = _states(results[name])
        return bool(states & {"Succeeded", "Skipped"}) if not wanted else wanted in states

    return _Parser(expression, state).parse()


def _states(outcome: Outcome) -> set[str]:
    states = {"Errored" if outcome.phase == "Error" else str(outcome.phase)}
    items = outcome.items or ()
    if any(item.phase == "Succeeded" for item in items):
        states.add("AnySucceeded")
    if items and all(item.bad for item in items):
        states.add("AllFailed")
    return states
