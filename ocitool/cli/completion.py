"""Shell completion: the scripts of bash, zsh and fish, and the answers that they ask for.

A script hands over the line up to the cursor, and gets one candidate a line: its kind, the text, what it means.
Candidates hold no character that a shell reads as anything but itself, so none can end a word or start a command.
"""

import os
import re
import shlex
from collections.abc import Iterator
from typing import Final

from click.shell_completion import CompletionItem, ShellComplete, add_completion_class

VARIABLE: Final = "_OCITOOL_COMPLETE"
"""Names the shell and what it wants: `bash_complete` for candidates, `bash_source` for the script."""
LINE: Final = "_OCITOOL_LINE"
"""The command line up to the cursor, as it was typed."""
BREAKS: Final = "_OCITOOL_BREAKS"
"""The characters at which bash begins a word of its own, of which a reference may hold some."""
_HARMLESS: Final = re.compile(r"[A-Za-z0-9_@%+=:,./~-]+")

BASH: Final = """\
_ocitool_completion() {
    local kind text meaning
    COMPREPLY=()
    while IFS=$'\\t' read -r kind text meaning; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            part) compopt -o nospace; COMPREPLY+=("$text") ;;
            plain) COMPREPLY+=("$text") ;;
        esac
    done < <(_OCITOOL_COMPLETE=bash_complete _OCITOOL_LINE="${COMP_LINE:0:COMP_POINT}" \\
        _OCITOOL_BREAKS="$COMP_WORDBREAKS" "$1" 2>/dev/null)
}
complete -o nosort -F _ocitool_completion ocitool
"""
ZSH: Final = """\
#compdef ocitool
_ocitool() {
    local kind text meaning
    local -a plain shown part
    while IFS=$'\\t' read -r kind text meaning; do
        case $kind in
            dir) _path_files -/ ;;
            file) _path_files ;;
            part) part+=("$text") ;;
            plain) plain+=("$text"); shown+=("${text}${meaning:+  -- $meaning}") ;;
        esac
    done < <(_OCITOOL_COMPLETE=zsh_complete _OCITOOL_LINE="${(j: :)words[1,CURRENT]}" "$words[1]" 2>/dev/null)
    (( $#plain )) && compadd -l -V ocitool -d shown -a plain
    (( $#part )) && compadd -V ocitool -S '' -a part
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _ocitool "$@"
else
    compdef _ocitool ocitool
fi
"""
FISH: Final = """\
function _ocitool_completion
    set -lx _OCITOOL_COMPLETE fish_complete
    set -lx _OCITOOL_LINE (commandline -cp | string collect)
    for line in (ocitool 2>/dev/null)
        set -l fields (string split \\t -- $line)
        switch $fields[1]
            case dir
                __fish_complete_directories (commandline -ct)
            case file
                __fish_complete_path (commandline -ct)
            case plain part
                printf '%s\\t%s\\n' $fields[2] $fields[3]
        end
    end
end
complete --no-files --command ocitool --arguments '(_ocitool_completion)'
"""
SCRIPTS: Final = {"bash": BASH, "zsh": ZSH, "fish": FISH}


class _Answers(ShellComplete):
    """What the shells have in common: a script as it stands, and the line as it was typed."""

    _before = ""
    """What stands before each candidate where the shell replaces the whole word: the option that it is for."""
    _cut = ""
    """What a shell keeps of the word that is typed, and is not to be said again."""

    def source(self) -> str:
        """The script."""
        return self.source_template

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is completed, and that one."""
        words, typed = split_line(os.environ.get(LINE, ""))
        option, equals, value = typed.partition("=")
        if not (equals and option.startswith("--")):
            option, value = "", typed
        breaks = "".join(char for char in ":=@" if char in os.environ.get(BREAKS, ""))
        kept = re.sub(f"[^{breaks}]*$", "", typed) if breaks else ""
        self._before = f"{option}=" if option and not kept else ""
        self._cut = kept.removeprefix(f"{option}=") if option else kept
        return [*words[1:], *([option] if option else [])], value

    def format_completion(self, item: CompletionItem) -> str:
        """One candidate; nothing for one that a shell would not take as it is."""
        text = f"{self._before}{item.value.removeprefix(self._cut)}"
        if item.type in {"dir", "file"}:
            return item.type
        if not _HARMLESS.fullmatch(text):
            return ""
        kind = "part" if text.endswith(("/", ":", ",")) else "plain"
        return f"{kind}\t{text}\t{' '.join((item.help or '').split())}"


class _Bash(_Answers):
    name, source_template = "bash", BASH


class _Zsh(_Answers):
    name, source_template = "zsh", ZSH


class _Fish(_Answers):
    name, source_template = "fish", FISH


def register() -> None:
    """Let click answer shells by these classes."""
    for kind in (_Bash, _Zsh, _Fish):
        add_completion_class(kind)


def split_line(line: str) -> tuple[list[str], str]:
    """The words of a command line that is not finished, and the one that the cursor is in."""
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words = list(_words(lexer))
    is_new = not words or (line[-1:].isspace() and not line.endswith("\\ "))
    return (words, "") if is_new else (words[:-1], words[-1])


def _words(lexer: shlex.shlex) -> Iterator[str]:
    try:
        yield from lexer
    except ValueError:  # a quote or a backslash that is not finished
        yield lexer.token
