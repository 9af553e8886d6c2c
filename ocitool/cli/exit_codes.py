"""Exit codes explained: what each means, why there is one of its own, what to do, and an example."""

from typing import Final, NamedTuple

from ocitool.documentation import page


class ExitCode(NamedTuple):
    """An exit code with what its page in the reference says."""

    code: int
    title: str
    reason: str
    advice: str
    example: str

    @property
    def heading(self) -> str:
        """The heading that it has in the reference."""
        return f"{self.code}: {self.title}"


EXIT_CODES: Final = (
    ExitCode(
        0, "done",
        "What was asked for is done, or the answer is yes.",
        "Nothing.",
        "ocitool check oci:out:1",
    ),
    ExitCode(
        1, "the answer is no",
        "Nothing failed: there are findings, two images differ, a signature is missing or does not hold.",
        "Read the answer; in a pipeline this is the code to stop at. `ocitool explain RULE` tells about a finding.",
        "ocitool diff oci:out:1 oci:out:2",
    ),
    ExitCode(
        2, "a wrong command line",
        "A word, a name or a file that says what to do is not as it has to be. Nothing was tried.",
        "Look at the command's `--help`; the message names the word that is wrong.",
        "ocitool inspect UPPER/case:1",
    ),
    ExitCode(
        3, "not found",
        "A tag, digest, blob, file or repository that is not there. Where registries hide what may not be read,"
        " it may be there and private.",
        "Check the name; `ocitool tags REPO` lists what is there, `ocitool login HOST` shows what is private.",
        "ocitool inspect oci:out:gone",
    ),
    ExitCode(
        4, "not allowed",
        "The registry refused the credentials, or there were none to send.",
        "`ocitool login HOST`; `ocitool doctor --registry HOST` tells which credentials would be used and whence.",
        "ocitool push registry.example.com/team/app:1",
    ),
    ExitCode(
        5, "network or registry",
        "No usable answer came, or one that is a refusal. What may pass was tried again before.",
        "Try later; `ocitool doctor --registry HOST` asks the registry step by step, `--verbose` shows its words.",
        "ocitool inspect registry.example.com/team/app:1",
    ),
    ExitCode(
        6, "not what it claims",
        "Bytes that differ from their digest or size, documents that do not hold together, or a program of"
        " another platform. Such content is never passed on.",
        "`ocitool check LOC --deep` tells what is wrong, `ocitool repair REF` what can be mended.",
        "ocitool build --toolchain prebuilt --platform linux/arm64 -o oci:out:1",
    ),
    ExitCode(
        7, "a compiler failed",
        "A compiler, a build system or a command of a Dockerfile ended with an error.",
        "Its last lines are below the message, `--verbose` shows all of them. `ocitool doctor PATH` tells what"
        " compiles.",
        "ocitool build --platform linux/amd64 -o oci:out:1",
    ),
    ExitCode(
        8, "another writer",
        "The tag was changed between our look and our write. What the other one wrote stands.",
        "Look at what is there now with `ocitool inspect REF`, and call the command again.",
        "ocitool index add registry.example.com/team/app:1 registry.example.com/team/app:1-riscv64",
    ),
    ExitCode(
        9, "not supported",
        "This store, registry, format or machine lacks an ability, or has no compiler for the platform.",
        "The hint names another way. `ocitool doctor PATH` tells about this machine, with `--registry HOST` about"
        " a registry.",
        "ocitool build --format docker --annotation a=b -o oci:out:1",
    ),
    ExitCode(
        10, "this machine's disk or files",
        "A disk is full, a file cannot be read or written, or standard output takes nothing.",
        "Free some space, or choose another place with `--cache-dir` or `-o`; the message names the file.",
        "ocitool copy oci:out:1 oci:/read-only/out:1",
    ),
    ExitCode(
        70, "a bug of ours",
        "Something that nobody foresaw.",
        "Please report it with the command line and the message.",
        "ocitool inspect oci:out:1",
    ),
    ExitCode(
        130, "interrupted",
        "The keyboard's interrupt ended it. What was begun is taken up again by the next call.",
        "Call it again.",
        "ocitool copy oci:out:1 registry.example.com/team/app:1",
    ),
    ExitCode(
        141, "nobody reads",
        "Whoever read standard output has enough, as `head` does; it is the code of programs that die of SIGPIPE.",
        "Nothing; nothing is said about it either.",
        "ocitool tags registry.example.com/team/app",
    ),
    ExitCode(
        143, "terminated",
        "SIGTERM ended it. The first signal ends any command within two seconds, and its temporary files go.",
        "Call it again; raise the time limit of the job if that is what ended it.",
        "ocitool copy oci:out:1 registry.example.com/team/app:1",
    ),
)  # fmt: skip


def exit_code_page(code: int) -> str:
    """The link to what the reference says of an exit code."""
    heading = next((one.heading for one in EXIT_CODES if one.code == code), "")
    return page("reference/exit-codes.md", heading)
