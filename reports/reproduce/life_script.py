"""Write the script that performs a life with the framework alone.

It goes action by action, prints the number that is wrong next to the expected one, and then `diverges` or `conforms`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import singledispatchmethod
from typing import Any, Final, TypeAlias

from ...impl.adapters.registry import SubjectName
from ...oracles.life.wording import describe
from ...oracles.verdict import Divergence, Quantity
from ...reference.features import Call
from ...reference.life import (
    AddGroup,
    Construct,
    Container,
    Copy,
    CopyMethod,
    Drop,
    GradientSpec,
    GroupSpec,
    Life,
    Load,
    Memory,
    Number,
    NumberKind,
    Options,
    ParameterSpec,
    Refusal,
    Refuse,
    Run,
    Save,
    SetCount,
    SetLr,
    SetOption,
    Step,
    Watched,
)
from ...reference.values import Values
from ..escape import one_line
from .life_cut import only_parameter, repeat_element
from .life_syntax import LifeSyntax, life_syntax
from .snippets import Dialect

LONGEST: Final = 16_000
"""The most characters of a script; a longer life is cut to the parameter that diverges, and then to the
numbers of its element."""

LifeLines: TypeAlias = tuple[tuple[str, ...], list[str]]
"""Imports, and the lines that follow them."""

_WITH_COUNT: Final = (
    "def with_count(x, old, new):",
    "    if isinstance(x, dict):",
    '        return {k: v if k == "params" else with_count(v, old, new) for k, v in x.items()}',
    "    if isinstance(x, (list, tuple)):",
    "        return type(x)(with_count(value, old, new) for value in x)",
    "    if isinstance(x, int) and not isinstance(x, bool):",
    "        return new if x == old else x",
    '    if getattr(x, "ndim", None) == 0 and float(x) == old:',
    "        x = copy.deepcopy(x)",
    "        x[...] = new",
    "    return x",
)
"""The number of steps in a checkpoint, wherever it is, replaced by another."""

_CONTENT: Final = (
    "def content(groups):",
    '    return [{k: list(map(id, v)) if k == "params" else repr(v) for k, v in g.items()} for g in groups]',
)
"""Keys and numbers of groups by value, parameters by identity."""


def life_lines(
    life: Life, divergence: Divergence, dialect: Dialect, named: SubjectName, device: str
) -> LifeLines | None:
    """Write the lines that perform a life; None if a script cannot.

    Args:
        life: up to the action that goes wrong.
        divergence: its evidence.
        dialect: of the subject.
        named: the subject.
        device: that it runs on.
    """
    syntax = life_syntax(named, device)
    if syntax is None or not life.actions:
        return None
    for shorter, note, parameter, element in _candidates(life, divergence):
        try:
            writer = _Writer(shorter, divergence, dialect, syntax, named, (parameter, element))
            imports, lines = writer.lines(note)
        except _NotWritableError:
            return None
        if sum(map(len, lines)) + len(lines) <= LONGEST:
            return imports, lines
    return None


class _NotWritableError(Exception):
    """A script cannot do what an action does."""


def _candidates(
    life: Life, divergence: Divergence
) -> Iterator[tuple[Life, tuple[str, ...], int | None, tuple[int, ...] | None]]:
    """The life, and shorter ones: what was left out, and where the divergence is then."""
    parameter, element = divergence.parameter, divergence.element
    yield life, (), parameter, element
    shorter = None if parameter is None or element is None else only_parameter(life, parameter)
    if shorter is None or parameter is None or element is None:
        return
    note: tuple[str, ...] = (f"# The other parameters are left out; this is parameter {parameter}.",)
    yield shorter, note, 0, element
    index = _flat_index(shorter, element)
    note = (*note, f"# Every element has the numbers of element {list(element)}.")
    yield repeat_element(shorter, index), note, 0, element


def _flat_index(life: Life, element: tuple[int, ...]) -> int:
    specs = (
        group.parameters
        for action in life.actions
        for group in (
            action.groups if isinstance(action, Construct) else
            (action.group,) if isinstance(action, AddGroup) else ()
        )
    )  # fmt: skip
    shape = next(spec.values.shape for members in specs for spec in members)
    index = 0
    for size, i in zip(shape, element, strict=True):
        index = index * size + i
    return index


class _Writer:
    """Writes the script of one life."""

    def __init__(
        self,
        life: Life,
        divergence: Divergence,
        dialect: Dialect,
        syntax: LifeSyntax,
        named: SubjectName,
        location: tuple[int | None, tuple[int, ...] | None],
    ) -> None:
        self._life, self._divergence = life, divergence
        self._dialect, self._syntax, self._named = dialect, syntax, named
        self._parameter, self._element = location
        self._several = sum(isinstance(a, Construct | Copy) for a in life.actions) > 1
        self._specs: dict[int, list[ParameterSpec]] = {}
        self._groups: dict[int, list[GroupSpec]] = {}
        self._constructed: dict[int, Construct] = {}
        self._steps: dict[int, int] = {}
        self._saved: dict[int, tuple[int, list[GroupSpec], int, bool]] = {}
        self._helpers: dict[str, tuple[str, ...]] = {}
        self._imports: set[str] = set()

    def lines(self, note: Sequence[str]) -> LifeLines:
        """The imports, and the script after them."""
        self._imports.add("math")
        body = []
        last = len(self._life.actions) - 1
        for index, action in enumerate(self._life.actions):
            done = list(self._act(action))
            if index == last:
                done = self._last(action, done)
            body += [f"# {index + 1}. {one_line(describe(action), 140)}", *done]
        compared = self._comparison()
        return tuple(f"import {name}" for name in sorted(self._imports)), [
            *note,
            *self._array_function(),
            "",
            "def step(optimizer, parameters, gradients):",
            *(f"    {line}" for line in self._syntax.step),
            "",
            *(line for lines in self._helpers.values() for line in (*lines, "")),
            *body,
            *compared,
        ]

    def _array_function(self) -> list[str]:
        return [
            f"def array(pattern, shape, exceptions={{}}, dtype={self._life.dtype!r}):",
            "    size = math.prod(shape)",
            "    values = (pattern * (size // max(len(pattern), 1) + 1))[:size]  # the pattern, repeated",
            "    for index, value in exceptions.items():",
            "        values[index] = value",
            f"    return {self._syntax.array}",
        ]

    # Names ---------------------------------------------------------------------------------------------------

    def _optimizer(self, number: int) -> str:
        return f"optimizer_{number}" if self._several else "optimizer"

    def _parameters(self, number: int) -> str:
        return f"parameters_{number}" if self._several else "parameters"

    def _renamed(self, text: str, number: int) -> str:
        """A line of the dialect, for an optimizer of this number."""
        text = re.sub(r"\boptimizer\b(?=[.\[])", self._optimizer(number), text)
        return re.sub(r"\bparameters\b", self._parameters(number), text)

    # Values --------------------------------------------------------------------------------------------------

    def _array(self, values: Values, dtype: str | None, memory: Memory = Memory.CONTIGUOUS) -> str:
        further = "".join(
            [
                f", {dict(values.exceptions)!r}" if values.exceptions else "",
                "" if dtype is None else f", dtype={dtype!r}",
            ]
        )
        if memory is Memory.BROADCAST:
            one = f"array({list(values.pattern[:1])!r}, (){further})"
            return (
                self._syntax.broadcast.format(one, values.shape)
                if values.size
                else f"array([], {values.shape})"
            )
        if memory not in self._syntax.memory and memory.is_special:
            raise _NotWritableError(memory)
        template = self._syntax.memory.get(memory, "{}")
        for name, lines in self._syntax.helpers.items():
            if f"{name}(" in template:
                self._helpers[name] = lines
        return template.format(f"array({list(values.pattern)!r}, {values.shape}{further})")

    def _number(self, number: Number) -> str:
        match number.kind:
            case NumberKind.INT:
                return repr(int(number.value))
            case NumberKind.ARRAY:
                format_ = "float32" if self._life.dtype == "float32" else "float64"
                return self._syntax.lr_array.format(repr(float(number.value)), format_)
            case NumberKind.FLOAT:
                return repr(float(number.value))
        raise _NotWritableError(number.kind)

    def _options(self, options: Options) -> list[str]:
        parts = []
        for name, value in options.passed().items():
            text = self._number(value) if isinstance(value, Number) else repr(value)
            if name == "lr" and self._named.mode == "tensor-lr":
                text = f"torch.tensor({float(value.value)!r}, dtype=torch.float64)"
            parts.append(f"{name}={text}")
        return parts

    # Actions -------------------------------------------------------------------------------------------------

    @singledispatchmethod
    def _act(self, action: Any) -> Iterator[str]:
        raise _NotWritableError(action)

    @_act.register
    def _(self, action: Construct) -> Iterator[str]:
        number = action.optimizer
        self._constructed[number] = action
        self._groups[number] = list(action.groups)
        self._specs[number] = specs = [spec for group in action.groups for spec in group.parameters]
        self._steps[number] = 0
        parameters = self._parameters(number)
        neighbours = bool(specs) and all(spec.memory is Memory.NEIGHBOURS for spec in specs)
        made = [
            self._array(spec.values, spec.dtype, Memory.CONTIGUOUS if neighbours else spec.memory)
            for spec in specs
        ]
        yield f"{parameters} = ["
        yield from (f"    {each}," for each in made)
        yield "]"
        if neighbours:
            yield from (line.format(parameters) for line in self._syntax.block)
        yield from self._construction(number, action.groups, action.container)

    def _construction(self, number: int, groups: Sequence[GroupSpec], container: Container) -> Iterator[str]:
        """Construct an optimizer over the parameters that there are."""
        action, parameters = self._constructed[number], self._parameters(number)
        match container:
            case Container.NAMED:
                raise _NotWritableError(container)
            case Container.LIST:
                passed = f"list({parameters})"
            case Container.TUPLE:
                passed = f"tuple({parameters})" if self._syntax.passes_gradients else f"list({parameters})"
            case Container.GENERATOR:
                passed = f"iter({parameters})"
            case Container.DICTS | Container.GENERATOR_OF_DICTS:
                yield "groups = ["
                yield from (f"    {each}," for each in self._dicts(groups, parameters))
                yield "]"
                passed = "groups" if container is Container.DICTS else "iter(groups)"
        arguments = ", ".join([passed, *self._options(action.options)])
        yield f"{self._optimizer(number)} = {self._template().format(arguments)}"

    def _template(self) -> str:
        """The call of the constructor, with the life's switches."""
        template, switches = self._dialect.optimizer, self._life.switches
        if not switches:
            return template
        call, _, own = template.partition("{}")
        if not all(name.isidentifier() for name in switches):
            raise _NotWritableError(switches)
        values = {**dict(re.findall(r"(\w+)=(\w+)", own)), **{name: repr(x) for name, x in switches.items()}}
        return f"{call}{{}}{''.join(f', {name}={value}' for name, value in values.items())})"

    def _dicts(self, groups: Sequence[GroupSpec], parameters: str) -> Iterator[str]:
        start = 0
        for group in groups:
            stop = start + len(group.parameters)
            yield f"dict({', '.join([f'params={parameters}[{start}:{stop}]', *self._options(group.options)])})"
            start = stop

    @_act.register
    def _(self, action: Step) -> Iterator[str]:
        if action.call != Call():
            raise _NotWritableError(action.call)
        self._steps[action.optimizer] += 1
        parameters = self._parameters(action.optimizer)
        yield "gradients = ["
        yield from (
            f"    {self._gradient(spec, own)},"
            for spec, own in self._with_specs(action.optimizer, action.gradients)
        )
        yield "]"
        for index, spec in enumerate(action.gradients):
            if spec.same_as is not None:
                yield f"gradients[{index}] = gradients[{spec.same_as}]"
            elif spec.parameter is not None:
                yield (
                    f"gradients[{index}] = {parameters}[{spec.parameter}]"
                    f".reshape({parameters}[{index}].shape)"
                    + ("" if self._syntax.passes_gradients else ".detach()")
                )
        yield f"step({self._optimizer(action.optimizer)}, {parameters}, gradients)"

    def _with_specs(
        self, number: int, gradients: Sequence[GradientSpec]
    ) -> Iterator[tuple[GradientSpec, ParameterSpec]]:
        return zip(gradients, self._specs[number], strict=True)

    def _gradient(self, spec: GradientSpec, own: ParameterSpec) -> str:
        return (
            "None" if spec.values is None else self._array(spec.values, spec.dtype or own.dtype, spec.memory)
        )

    @_act.register
    def _(self, action: Run) -> Iterator[str]:
        self._steps[action.optimizer] += action.steps
        yield "cycle = ["
        for gradients in action.gradients:
            specs = self._specs[action.optimizer]
            made = (self._array(values, own.dtype) for values, own in zip(gradients, specs, strict=True))
            yield f"    [{', '.join(made)}],"
        yield "]"
        yield f"for t in range({action.steps}):"
        named = f"{self._optimizer(action.optimizer)}, {self._parameters(action.optimizer)}"
        yield f"    step({named}, cycle[t % {len(action.gradients)}])"

    @_act.register
    def _(self, action: SetLr) -> Iterator[str]:
        yield f"group, lr = {self._optimizer(action.optimizer)}.param_groups[{action.group}], {self._number(action.lr)}"
        yield self._dialect.set_lr

    @_act.register
    def _(self, action: SetOption) -> Iterator[str]:
        group = f"{self._optimizer(action.optimizer)}.param_groups[{action.group}]"
        yield f"{group}[{action.name!r}] = {action.value!r}"

    @_act.register
    def _(self, action: AddGroup) -> Iterator[str]:
        number, parameters = action.optimizer, self._parameters(action.optimizer)
        start = len(self._specs[number])
        made = (self._array(spec.values, spec.dtype, spec.memory) for spec in action.group.parameters)
        yield f"{parameters} += [{', '.join(made)}]"
        self._specs[number] = [*self._specs[number], *action.group.parameters]
        self._groups[number] = [*self._groups[number], action.group]
        parts = [f"params={parameters}[{start}:]", *self._options(action.group.options)]
        yield f"{self._optimizer(number)}.add_param_group(dict({', '.join(parts)}))"

    @_act.register
    def _(self, action: Save) -> Iterator[str]:
        number = action.optimizer
        self._saved[action.checkpoint] = (number, self._groups[number], self._steps[number], action.copied)
        saved = f"{self._optimizer(number)}.state_dict()"
        yield f"checkpoint_{action.checkpoint} = {self._copied(saved) if action.copied else saved}"

    def _copied(self, text: str) -> str:
        self._imports.add("copy")
        return f"copy.deepcopy({text})"

    @_act.register
    def _(self, action: SetCount) -> Iterator[str]:
        self._imports.add("copy")
        self._helpers["with_count"] = _WITH_COUNT
        number, groups, steps, copied = self._saved[action.checkpoint]
        self._saved[action.checkpoint] = (number, groups, action.count, copied)
        name = f"checkpoint_{action.checkpoint}"
        yield f"{name} = with_count({name}, {steps}, {action.count})"

    @_act.register
    def _(self, action: Load) -> Iterator[str]:
        number = action.optimizer
        _, groups, self._steps[number], copied = self._saved[action.checkpoint]
        if action.fresh:
            count = sum(len(group.parameters) for group in groups)
            if count < len(self._specs[number]):
                yield f"{self._parameters(number)} = {self._parameters(number)}[:{count}]"
            self._specs[number], self._groups[number] = self._specs[number][:count], groups
            container = self._constructed[number].container
            several = container.is_plain and len(groups) > 1
            yield from self._construction(number, groups, Container.DICTS if several else container)
        loaded = f"checkpoint_{action.checkpoint}"
        yield f"{self._optimizer(number)}.load_state_dict({self._copied(loaded) if copied else loaded})"

    @_act.register
    def _(self, action: Copy) -> Iterator[str]:
        self._specs[action.copy] = self._specs[action.optimizer]
        self._groups[action.copy] = self._groups[action.optimizer]
        self._constructed[action.copy] = self._constructed[action.optimizer]
        self._steps[action.copy] = self._steps[action.optimizer]
        both = f"({self._optimizer(action.optimizer)}, {self._parameters(action.optimizer)})"
        made = self._copied(both)
        if action.method is CopyMethod.PICKLE:
            self._imports.add("pickle")
            made = f"pickle.loads(pickle.dumps({both}))"
        yield f"{self._optimizer(action.copy)}, {self._parameters(action.copy)} = {made}"

    @_act.register
    def _(self, action: Refuse) -> Iterator[str]:
        number, parameters = action.optimizer, self._parameters(action.optimizer)
        if action.refusal is Refusal.NEGATIVE_LR:
            added = f"dict(params=[{self._array(Values.of([1.0]), None)}], lr=-1.0)"
            call = f"{self._optimizer(number)}.add_param_group({added})"
        else:
            if not self._syntax.passes_gradients:
                raise _NotWritableError(action.refusal)
            dtypes = [spec.dtype or self._life.dtype for spec in self._specs[number]]
            yield f"gradients = [array([1.0], x.shape, dtype=d) for x, d in zip({parameters}, {dtypes!r})]"
            yield {
                Refusal.TOO_FEW_GRADIENTS: "gradients.pop()",
                Refusal.TOO_MANY_GRADIENTS: "gradients.append(gradients[-1])",
                Refusal.WRONG_SHAPE: f"gradients[-1] = array([1.0], (*gradients[-1].shape, 3), dtype={dtypes[-1]!r})",
            }[action.refusal]
            call = f"step({self._optimizer(number)}, {parameters}, gradients)"
        yield from ("try:", f"    {call}", '    print("it was accepted")')
        yield from ("except Exception as error:", '    print("refused:", type(error).__name__, error)')

    @_act.register
    def _(self, action: Drop) -> Iterator[str]:
        yield f"del {self._optimizer(action.optimizer)}"

    # The divergence ------------------------------------------------------------------------------------------

    def _last(self, action: object, done: list[str]) -> list[str]:
        """The last action, with what a comparison needs of the time before it."""
        if self._divergence.quantity is not Quantity.OUTCOME or "group" in self._divergence.extra:
            return done
        watched = self._divergence.extra.get("watched")
        match watched:
            case None:
                return [
                    "try:",
                    *(f"    {line}" for line in done),
                    '    print("conforms: it does not raise")',
                    "except Exception as error:",
                    '    print("diverges:", type(error).__name__, error)',
                ]
            case Watched.GRADIENT.name if isinstance(action, Step):
                return [*done[:-1], f"before = {self._copied('gradients')}", done[-1]]
            case Watched.PARAMS.name if any(line == "groups = [" for line in done):
                self._helpers["content"] = _CONTENT
                return [*done[:-1], "before = content(groups)", done[-1]]
            case Watched.CHECKPOINT.name if self._saved:
                kept = ", ".join(f"checkpoint_{number}" for number in self._saved)
                return [f"before = repr([{kept}])", *done]
        raise _NotWritableError(watched)

    def _comparison(self) -> list[str]:
        divergence = self._divergence
        where = f"after action {len(self._life.actions)}"
        if "group" in divergence.extra:
            number, group = divergence.extra.get("optimizer", 0), divergence.extra["group"]
            actual = f'float({self._optimizer(int(number))}.param_groups[{int(group)}]["lr"])'
            return self._compared(actual, f"lr of group {int(group)} {where}")
        if divergence.quantity is Quantity.OUTCOME:
            return self._compared_objects()
        parameter, element = self._parameter, self._element
        number = int(divergence.extra.get("optimizer", 0))
        if parameter is None or element is None or divergence.quantity not in self._dialect.read:
            raise _NotWritableError(divergence)
        array = self._renamed(self._dialect.read[divergence.quantity].format(parameter), number)
        index = ", ".join(map(str, element)) or "()"
        name = f"{divergence.quantity.value} of parameter {parameter}, element {list(element)}, {where}"
        return self._compared(self._dialect.number.format(array, index), name)

    def _compared(self, actual: str, name: str) -> list[str]:
        divergence = self._divergence
        lines = [f"actual = {actual}", f'print({self._dialect.version} + ":", {name!r}, "is", actual)']
        if divergence.expected == "infinite or nan":
            wrong = "abs(actual) < math.inf"
            shown = repr(divergence.expected)
        else:
            expected = float(divergence.expected)
            bound = float(divergence.bound or 0)
            shown = repr(expected) if abs(expected) < float("inf") else f"float({str(expected)!r})"
            wrong = f"not abs(actual - expected) <= {bound!r}" if bound else "actual != expected"
            if expected != expected:  # noqa: PLR0124 - NaN
                wrong = "actual == actual"
        return [
            *lines,
            f"expected = {shown}",
            f'print("expected:", expected, "so it", "diverges" if {wrong} else "conforms")',
        ]

    def _compared_objects(self) -> list[str]:
        match self._divergence.extra.get("watched"):
            case Watched.GRADIENT.name:
                return [
                    "for index, (a, b) in enumerate(zip(before, gradients)):",
                    f"    if a is not None and {self._syntax.differs}:",
                    '        print("diverges: gradient", index, "was passed as", a, "and is", b)',
                ]
            case Watched.PARAMS.name:
                return [
                    'print("diverges" if content(groups) != before else "conforms")',
                    "print(before, content(groups), sep='\\n')",
                ]
            case Watched.CHECKPOINT.name:
                kept = ", ".join(f"checkpoint_{number}" for number in self._saved)
                return [
                    f'print("diverges" if repr([{kept}]) != before else "conforms")',
                    f"print(before, [{kept}], sep='\\n')",
                ]
        return []
