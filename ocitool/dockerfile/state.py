"""A stage in the making: its config, its history and its layers so far, and words as they read there."""

from collections.abc import Collection, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from ocitool.dockerfile import config_instructions
from ocitool.dockerfile.syntax import instructions
from ocitool.dockerfile.syntax.instructions import Instruction
from ocitool.dockerfile.trace import VariableScope
from ocitool.errors import UsageError
from ocitool.image.options import signal_of
from ocitool.model.platform import Platform
from ocitool.pack.entries import Entry
from ocitool.values import dataclass

if TYPE_CHECKING:
    from ocitool.image.base import BaseImage
    from ocitool.pack.layer import StoredTar
    from ocitool.rootfs.files import Files


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """A line of history; `layer` is the number of the layer it made, None for none."""

    created_by: str
    layer: int | None = None


class StageState:
    """A stage in the making."""

    def __init__(self, platform: Platform, scope: VariableScope) -> None:
        self.platform = platform
        self.scope = scope
        self.stage = 0
        self.base: BaseImage | None = None
        self.files: Files | None = None
        self.settings: dict[str, Any] = {}
        self.author = ""
        self.layers: list[Collection[Entry]] = []
        self.tars: dict[int, StoredTar] = {}
        self.told: list[HistoryLine] = []
        self.has_cmd = False
        self.runs = False

    def fork(self) -> "StageState":
        """The start of a stage that is built upon this one. Raises UsageError where stages hand on too much."""
        state = StageState(self.platform, self.scope.fork())
        state.base, state.files, state.author = self.base, self.files, self.author
        state.settings = {key: copy(value) for key, value in self.settings.items() if key != "OnBuild"}
        state.layers, state.told, state.tars = list(self.layers), list(self.told), dict(self.tars)
        state.runs = self.runs
        sized = (self.layers, self.told, *(one for one in self.settings.values() if isinstance(one, dict | list)))
        self.scope.spend(sum(map(len, sized)))
        return state

    @property
    def config(self) -> dict[str, Any]:
        """The settings with the environment."""
        return {**self.settings, "Env": list(self.scope.env.items)}

    @property
    def reads(self) -> frozenset[str]:
        """What the base was asked for beside its files: variables, and whatever RUN looked at."""
        return frozenset({f"env:{name}" for name in self.scope.asked} | ({"run"} if self.runs else set()))

    def tell(self, line: str, entries: Collection[Entry] = (), tar: "StoredTar | None" = None) -> None:
        """One more line of history, and the layer it made if there is anything in it; `tar` if it is packed."""
        if entries:
            if tar is not None:
                self.tars[len(self.layers)] = tar
            self.layers.append(entries)
        self.told.append(HistoryLine(line, len(self.layers) - 1 if entries else None))

    def merge(self, key: str, more: Mapping[str, Any]) -> None:
        """Add to one of the settings that are tables."""
        there = self.settings.get(key)
        self.settings[key] = there if isinstance(there, dict) else {}
        self.settings[key].update(more)

    # Words

    def text(self, word: str) -> str:
        """The word with its variables. Raises UsageError."""
        return self.scope.text(word)

    def some(self, word: str, otherwise: str) -> str:
        """The same for a word that may not come to nothing; `otherwise` says so."""
        text = self.text(word)
        if not text:
            raise UsageError(otherwise, hint="a variable in it is empty")
        return text

    def pairs(self, pairs: instructions.Pairs) -> list[tuple[str, str]]:
        """Names and values with their variables. Raises UsageError for an empty name."""
        found = [(self.text(key), self.text(value)) for key, value in pairs]
        if not all(key for key, _ in found):
            raise UsageError("a name is empty", hint="a variable in it is empty")
        return found

    # Instructions

    def set(self, instruction: Instruction) -> None:
        """An instruction that changes nothing but the config."""
        settings = self.settings
        match instruction:
            case instructions.Env():
                pairs = self.pairs(instruction.pairs)
                for name, value in pairs:
                    self.scope.set(name, value)
                self.tell(f"ENV {' '.join(f'{key}={value}' for key, value in pairs)}")
            case instructions.Label():
                pairs = self.pairs(instruction.pairs)
                self.merge("Labels", dict(pairs))
                self.tell(f"LABEL {' '.join(f'{key}={value}' for key, value in pairs)}")
            case instructions.User():
                user = self.text(instruction.text)
                settings["User"] = user
                if not user:  # whoever the runtime starts programs as when nothing is said
                    del settings["User"]
                self.tell(f"USER {user}")
            case instructions.Expose():
                words = [word for port in sorted(instruction.ports) for word in self.scope.split(port)]
                ports = [port for word in words for port in self.scope.ports(word)]
                self.merge("ExposedPorts", {port: {} for port in ports})
                self.tell(f"EXPOSE {config_instructions.bare(ports)}")
            case instructions.Volume():
                paths = [self.some(path, "VOLUME names no path") for path in instruction.paths]
                self.merge("Volumes", {path: {} for path in paths})
                self.tell(f"VOLUME {config_instructions.bare(paths)}")
            case instructions.StopSignal():
                signal = signal_of(self.some(instruction.text, "STOPSIGNAL names no signal"))
                settings["StopSignal"] = signal
                self.tell(f"STOPSIGNAL {signal}")
            case instructions.Shell():
                settings["Shell"] = list(instruction.words)
                self.tell(f"SHELL {config_instructions.bare(instruction.words)}")
            case instructions.Cmd():
                words = config_instructions.set_command(
                    settings, "Cmd", instruction.words, is_shell=instruction.is_shell
                )
                settings["ArgsEscaped"] = True
                self.has_cmd = True
                self.tell(f"CMD {config_instructions.quoted(words)}")
            case instructions.Entrypoint():
                words = config_instructions.set_command(
                    settings, "Entrypoint", instruction.words, is_shell=instruction.is_shell
                )
                if not self.has_cmd:
                    settings.pop("Cmd", None)
                self.tell(f"ENTRYPOINT {config_instructions.quoted(words)}")
            case instructions.Healthcheck():
                self.tell(config_instructions.set_health(settings, instruction))
