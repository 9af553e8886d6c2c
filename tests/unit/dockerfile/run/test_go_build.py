"""Go's command lines in RUN: the package, the output and the flags, or what cannot be known."""

import pytest

from ocitool.dockerfile.run.go_build import GoBuild, go_builds
from ocitool.dockerfile.syntax.parse import parse


def read(run, variables=(), folders=()):
    (stage,) = parse(f"FROM x\nRUN {run}\n".encode()).stages
    return go_builds(stage.body[0], "/src", dict(variables), folders)


@pytest.mark.parametrize(
    ("run", "package", "output"),
    [
        ("go build", ".", "/src/"),
        ("go build -o app .", ".", "/src/app"),
        ("go build -o ./bin/ ./...", "./...", "/src/bin/"),
        ("go build -o /usr/local/bin ./cmd/a", "./cmd/a", "/usr/local/bin/"),
        ("mkdir -p out && go build -o out ./cmd/a", "./cmd/a", "/src/out/"),
        ("go build -o /known ./a", "./a", "/known/"),
        ("cd sub/x && go build -o ../app", ".", "/src/sub/app"),
        ("go build -C sub -o app", ".", "/src/sub/app"),
        ("go install ./cmd/a", "./cmd/a", "/go/bin/"),
        ("GOBIN=/b go install ./cmd/a", "./cmd/a", "/b/"),
        ("go build -o /out/$NAME ./cmd/${NAME}", "./cmd/tool", "/out/tool"),
        ("go build main.go util.go", ".", "/src/"),
        ("xx-go build -o /a", ".", "/a"),
        ('["go", "build", "-o", "/a b"]', ".", "/a b"),
    ],
)
def test_package_and_output(run, package, output):
    (found,) = read(run, {"NAME": "tool"}, ["/known"])

    assert (package, output, frozenset()) == (found.package, found.output, found.unclear)


def test_flags_and_variables():
    (found,) = read(
        "V=2; CGO_ENABLED=0 GOOS=linux GOARCH=$TARGETARCH GOFLAGS=-mod=vendor go build -a -v -installsuffix cgo"
        " -trimpath -race -gcflags 'all=-l -N' -tags 'a,b c' -ldflags \"-s -X main.v=$V -extldflags '-static'\" -o /x .",
        {"GOPROXY": "direct", "GOCACHE": "/c", "HOME": "/root"},
    )

    assert (
        GoBuild(
            "/src",
            ".",
            "/x",
            ("a", "b", "c"),
            "-s -X main.v=2 -extldflags '-static'",
            ("-race", "-gcflags=all=-l -N"),
            (("GOFLAGS", "-mod=vendor"), ("GOPROXY", "direct")),
            cgo=False,
            system="linux",
        )
        == found
    )


@pytest.mark.parametrize(
    ("run", "unclear"),
    [
        ('go build -ldflags "-X main.v=$(git describe)" -o /x .', {"ldflags"}),
        ("V=$(date) && go build -ldflags=-X=main.v=${V} -o /x", {"ldflags"}),
        ("for c in a b; do go build -o /bin/$c ./cmd/$c; done", {"output", "package"}),
        ("go build -gcflags=`x` -o /x", {"flags"}),
    ],
)
def test_what_only_a_shell_could_tell(run, unclear):
    (found,) = read(run)

    assert unclear == found.unclear


@pytest.mark.parametrize("run", ["go mod download", "go install a.b/c@v1", "go test ./...", "echo go build"])
def test_what_compiles_nothing(run):
    assert () == read(run)


def test_several_compiles_of_one_line():
    assert [("./a", "/o/a"), ("./b", "/o/b"), ("./c", "/o/"), ("./d", "/o/")] == [
        (one.package, one.output)
        for one in read("go build -o /o/a ./a && go build -o /o/b ./b && go build -o /o/ ./c ./d")
    ]
