"""Lines as the assembler proper sees them: files included, macros expanded, conditions decided.

Source: NASM manual, chapter 4. Deviation: `%if` is decided before there are addresses, so it may use numbers,
`%assign`, `%define` and the `equ` numbers above it, but no labels; single-line macros take no parameters.
"""

from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from typing import Final

from teachvm.isa.assembler import limits
from teachvm.isa.assembler.defines import Defines
from teachvm.isa.assembler.errors import AsmError, Problem, did_you_mean, error_at
from teachvm.isa.assembler.expressions import Scope, UndefinedError, Value, evaluate
from teachvm.isa.assembler.frames import Capture, Condition, Frame, Line
from teachvm.isa.assembler.lexer import Kind, SourceLine, Token, tokenize
from teachvm.isa.assembler.macros import Macro, Tokens, read_header, split_arguments, substitute
from teachvm.isa.assembler.reader import Reader
from teachvm.isa.assembler.resolver import ResolveError, Resolver

_BRANCHES: Final = ("%if", "%ifdef", "%ifndef", "%elif", "%elifdef", "%elifndef", "%else", "%endif")


class Preprocessor:
    """Turns one source and what it includes into lines; `visited` keeps every line of a file in reading order.

    `constants` tells the value of an `equ` above, `reserved` the words no macro may take, `report` takes a problem
    and lets the reading go on.
    """

    def __init__(
        self,
        constants: Callable[[str], Value | None],
        reserved: Container[str],
        resolver: Resolver | None,
        budget: limits.Budget,
        report: Callable[[AsmError], None],
    ) -> None:
        self.visited: list[SourceLine] = []
        self._scope = Scope(constants, None, None)
        self._reserved = reserved
        self._resolver = resolver
        self._budget = budget
        self._report = report
        self._defines = Defines(budget)
        self._macros: dict[str, list[Macro]] = {}
        self._frames: list[Frame] = []
        self._capture: Capture | None = None
        self._uses = 0
        self._lines = 0
        self._directives: dict[str, Callable[[Tokens, Frame], None]] = {
            "%define": self._define,
            "%undef": self._undef,
            "%assign": self._assign,
            "%macro": self._macro,
            "%rep": self._rep,
            "%include": self._include,
            "%error": self._error,
        }

    def lines(self, name: str, text: str) -> Iterator[Line]:
        """Lines of `text` and of all it includes.

        Raises:
            ExhaustedError: The source asks for more lines or tokens than one source may.
        """
        self._open_file(name, text, (), None)
        while self._frames:
            frame = self._frames[-1]
            try:
                row = self._row(frame)
                if row is None:
                    self._close(frame)
                    continue
                line = self._line(row, frame)
            except AsmError as error:
                self._report(trailed(error, frame.trail))
                continue
            if line is not None:
                yield line

    # --- Reading -----------------------------------------------------------------------------------------------

    def _open_file(self, name: str, text: str, trail: tuple[str, ...], place: Token | None) -> None:
        if len(text) > limits.SOURCE_BYTES:
            message = f"'{name}' is longer than {limits.SOURCE_BYTES} characters"
            raise error_at(place, message) if place else AsmError([Problem(name, 1, 1, message)])
        if text.count("\n") > limits.LINES:
            raise limits.ExhaustedError
        rows = text.removeprefix("\ufeff").removesuffix("\n").split("\n")
        self._frames.append(Frame("file", rows, name, trail))

    def _row(self, frame: Frame) -> Tokens | None:
        """Tokens of the next line of a frame, before single-line macros; None at its end."""
        if frame.index >= len(frame.rows):
            return None
        row = frame.rows[frame.index]
        frame.index += 1
        self._lines += 1
        self._budget.spend()
        if self._lines > limits.LINES:
            raise limits.ExhaustedError
        if isinstance(row, list):
            return substitute(row, frame.arguments, frame.given, frame.unique) if frame.kind == "macro" else row
        self._budget.spend(len(row) // limits.CHARACTERS_PER_STEP)
        line = SourceLine(frame.name, frame.index, row.rstrip("\r"))
        self.visited.append(line)
        if frame.skipping and not row.lstrip().startswith("%"):
            return []
        try:
            return tokenize(line)
        except AsmError:
            if frame.skipping:
                return []
            raise

    def _close(self, frame: Frame) -> None:
        """The end of a file, of a macro's body or of one round of a repetition."""
        conditions, frame.conditions = frame.conditions, []
        capture, self._capture = self._capture, None
        frame.rounds -= 1
        if frame.rounds > 0 and not conditions and not capture:
            frame.index = 0
        else:
            self._frames.pop()
        if capture is not None:
            raise error_at(capture.opener, f"{capture.opener.text} without {capture.closers[0]}")
        if conditions:
            raise error_at(conditions[-1].opener, f"{conditions[-1].opener.text} without %endif")

    def _line(self, row: Tokens, frame: Frame) -> Line | None:
        """What a row gives to assemble, if anything."""
        if not row:
            return None
        first = row[0]
        if self._capture is not None:
            self._keep(row)
            return None
        if first.kind is Kind.DIRECTIVE and first.text in _BRANCHES:
            self._condition(row, frame)
            return None
        if frame.skipping:
            return None
        if first.kind is Kind.DIRECTIVE:
            self._directive(row, frame)
            return None
        tokens = self._defines.expanded(row)
        return self._use(tokens, frame) if tokens else None

    def _directive(self, row: Tokens, frame: Frame) -> None:
        first = row[0]
        handler = self._directives.get(first.text)
        if handler is not None:
            handler(row, frame)
        elif first.text in ("%endmacro", "%endm", "%endrep"):
            raise error_at(first, f"{first.text} without {'%rep' if first.text == '%endrep' else '%macro'}")
        else:
            known = (*self._directives, *_BRANCHES, "%endmacro", "%endrep")
            raise error_at(first, f"unknown directive '{first.text}'", did_you_mean(first.text, known))

    def _use(self, tokens: Tokens, frame: Frame) -> Line | None:
        """The line itself, or the start of a macro's expansion."""
        origin = frame.origin or tokens[0].source
        name, label = tokens[0], None
        if len(tokens) > 2 and tokens[1].text == ":" and tokens[2].text in self._macros:
            name, label = tokens[2], Line(tokens[:2], origin, frame.trail)
        if name.text not in self._macros or name.kind is not Kind.NAME:
            return Line(tokens, origin, frame.trail)
        if len(tokens) > 1 and tokens[1].text == ":" and label is None:
            return Line(tokens, origin, frame.trail)
        arguments = list(split_arguments(tokens[3:] if label else tokens[1:]))
        macro = self._chosen(name, len(arguments))
        if sum(other.kind == "macro" for other in self._frames) >= limits.MACRO_DEPTH:
            raise error_at(
                name, f"macro '{name.text}' expands into itself, or nests more than {limits.MACRO_DEPTH} deep"
            )
        self._uses += 1
        step = f"in macro '{name.text}', used at {name.file}:{name.line}"
        filled = macro.filled(arguments)
        self._frames.append(
            Frame("macro", list(macro.body), "", (step, *frame.trail), origin, filled, len(filled), self._uses)
        )
        return label

    def _chosen(self, name: Token, count: int) -> Macro:
        """The definition of that name for that many arguments."""
        definitions = self._macros[name.text]
        for macro in definitions:
            if macro.takes(count):
                return macro
        takes = " or ".join(_range(macro) for macro in definitions)
        plural, are = "" if takes == "1" else "s", "is" if count == 1 else "are"
        raise error_at(name, f"macro '{name.text}' takes {takes} parameter{plural}, and {count} {are} given")

    # --- Single-line macros ------------------------------------------------------------------------------------

    def _named(self, row: Tokens) -> Token:
        """The name a directive is about."""
        if len(row) < 2 or row[1].kind is not Kind.NAME:
            raise error_at(row[0], f"{row[0].text} needs a name")
        return row[1]

    def _define(self, row: Tokens, _frame: Frame) -> None:
        name = self._named(row)
        if len(row) > 2 and row[2].text == "(" and row[2].glued:
            raise error_at(row[2], "%define takes no parameters", "write a %macro")
        self._defines.define(name.text, row[2:])

    def _undef(self, row: Tokens, _frame: Frame) -> None:
        self._defines.forget(self._named(row).text)

    def _assign(self, row: Tokens, _frame: Frame) -> None:
        name = self._named(row)
        number = self._number(name, row[2:])
        self._defines.define(name.text, [name._replace(kind=Kind.NUMBER, text=str(number), number=number)])

    def _number(self, about: Token, tokens: Tokens) -> int:
        """A number that must be known while lines are still being read."""
        expanded = self._defines.expanded(tokens)
        if not expanded:
            raise error_at(about, f"'{about.text}' needs a value")
        reader = Reader(expanded, lambda token: token.text, lambda _: None)
        node = reader.expression()
        reader.finish()
        try:
            return evaluate(node, self._scope).number
        except UndefinedError as unknown:
            raise error_at(
                unknown.token,
                f"'{unknown.name}' has no value here: '{about.text}' is decided before there are addresses",
                "use numbers, %assign or equ above it",
            ) from None

    # --- Blocks ------------------------------------------------------------------------------------------------

    def _keep(self, row: Tokens) -> None:
        """Add a row to the block being kept, or end the block."""
        capture = self._capture
        if capture is None:
            return
        word = row[0].text if row[0].kind is Kind.DIRECTIVE else ""
        if word in capture.closers and not capture.nested:
            self._capture = None
            capture.finish(tuple(capture.body))
            return
        if word == capture.opener.text:
            capture.nested += 1
        elif word in capture.closers:
            capture.nested -= 1
        capture.body.append(row)

    def _macro(self, row: Tokens, _frame: Frame) -> None:
        def finish(body: tuple[Tokens, ...]) -> None:
            name, least, most, defaults = read_header(row)
            if name.word in self._reserved:
                raise error_at(name, f"'{name.text}' is a word of the assembler", "give the macro another name")
            known = self._macros.setdefault(name.text, [])
            for macro in known:
                if macro.least <= most and least <= macro.most:
                    where = f"{macro.name.file}:{macro.name.line}"
                    raise error_at(name, f"macro '{name.text}' is already defined, in {where}")
            known.append(Macro(name, least, most, defaults, body))

        self._capture = Capture(row[0], ("%endmacro", "%endm"), finish)

    def _rep(self, row: Tokens, frame: Frame) -> None:
        count = 0

        def finish(body: tuple[Tokens, ...]) -> None:
            if count and body:
                self._frames.append(Frame("rep", list(body), "", frame.trail, frame.origin, rounds=count))

        # First, so that the block is passed over also where its count is wrong.
        self._capture = Capture(row[0], ("%endrep",), finish)
        wanted = self._number(row[0], row[1:])
        if not 0 <= wanted <= limits.REPETITIONS:
            raise error_at(row[0], f"%rep {wanted} is not between 0 and {limits.REPETITIONS}")
        if sum(other.kind == "rep" for other in self._frames) >= limits.MACRO_DEPTH:
            raise error_at(row[0], f"%rep nests more than {limits.MACRO_DEPTH} deep")
        count = wanted

    def _include(self, row: Tokens, frame: Frame) -> None:
        tokens = self._defines.expanded(row[1:])
        if len(tokens) != 1 or tokens[0].kind is not Kind.STRING:
            raise error_at(row[0], "%include needs one file name in quotes")
        if sum(other.kind == "file" for other in self._frames) >= limits.INCLUDE_DEPTH:
            raise error_at(row[0], f"files include each other more than {limits.INCLUDE_DEPTH} deep")
        data = read_file(self._resolver, tokens[0], limits.SOURCE_BYTES)
        name = tokens[0].data.decode()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise error_at(tokens[0], f"'{name}' is not text in UTF-8") from None
        step = f"in '{name}', included at {row[0].file}:{row[0].line}"
        self._open_file(name, text, (step, *frame.trail), tokens[0])

    def _error(self, row: Tokens, _frame: Frame) -> None:
        words = " ".join(t.data.decode(errors="replace") if t.kind is Kind.STRING else t.text for t in row[1:])
        raise error_at(row[0], words or "%error")

    # --- Conditions --------------------------------------------------------------------------------------------

    def _condition(self, row: Tokens, frame: Frame) -> None:
        word = row[0].text
        if word.startswith("%if"):
            live = not frame.skipping
            condition = Condition(row[0], taking=False, decided=True)
            frame.conditions.append(condition)
            if live:
                condition.decided = condition.taking = self._truth(row)
            return
        if not frame.conditions:
            raise error_at(row[0], f"{word} without %if")
        condition = frame.conditions[-1]
        if word == "%endif":
            frame.conditions.pop()
            return
        if condition.closing:
            raise error_at(row[0], f"{word} after %else")
        condition.closing = word == "%else"
        condition.taking = False
        if not condition.decided:
            condition.decided = condition.taking = word == "%else" or self._truth(row)

    def _truth(self, row: Tokens) -> bool:
        """Whether the condition of an %if or %elif holds."""
        word = row[0].text
        if word.endswith("def"):
            return (self._named(row).text in self._defines) != word.endswith("ndef")
        return self._number(row[0], row[1:]) != 0


def read_file(resolver: Resolver | None, name: Token, limit: int) -> bytes:
    """Contents of the file a string token names.

    Raises:
        AsmError: There is no resolver, or it refuses.
    """
    if resolver is None:
        raise error_at(name, "this source may not read other files")
    wanted = name.data.decode(errors="replace")
    if not wanted.strip() or not wanted.isprintable():
        raise error_at(name, "this is not a file name")
    try:
        return resolver.read(wanted, limit)
    except ResolveError as refusal:
        raise error_at(name, str(refusal)) from None


def trailed(error: AsmError, trail: tuple[str, ...]) -> AsmError:
    """The same problems, with the way they were reached."""
    return AsmError(replace(problem, trail=trail) for problem in error.problems) if trail else error


def _range(macro: Macro) -> str:
    """How many parameters a definition takes, for people."""
    return str(macro.least) if macro.least == macro.most else f"{macro.least} to {macro.most}"
