"""Functions of HCL: each row is what buildx answers."""

import re

import pytest

from ocitool.bake.functions import ABSENT, FUNCTIONS, LAZY
from ocitool.errors import OcitoolError, Unsupported, UsageError
from tests.unit.bake.test_definition import chosen, value

pytestmark = pytest.mark.slow  # the grammar is read before the first file

ANSWERS = [
    ("absolute(-1.5)", "1.5"),
    ("add(1,2)", "3"),
    ('add("1",2)', "3"),
    ("subtract(1,3)", "-2"),
    ('multiply(2,"3")', "6"),
    ("divide(1,4)", "0.25"),
    ("modulo(7,4)", "3"),
    ("modulo(-7,4)", "-3"),
    ("negate(2)", "-2"),
    ("ceil(1.2)", "2"),
    ("ceil(-1.2)", "-1"),
    ("ceil(3)", "3"),
    ("floor(1.8)", "1"),
    ("floor(-1.2)", "-2"),
    ("int(1.9)", "1"),
    ("int(-1.9)", "-1"),
    ('int("7.5")', "7"),
    ("max(1,3,2)", "3"),
    ("min(3,1,2)", "1"),
    ("signum(-5)", "-1"),
    ("signum(0)", "0"),
    ('parseint("ff",16)', "255"),
    ('parseint("-z",36)', "-35"),
    ('parseint("012",10)', "12"),
    ('parseint("12",3)', "5"),
    ("greaterthanorequalto(1,1)", "true"),
    ("lessthanorequalto(2,1)", "false"),
    ("range(3)[2]", "2"),
    ("length(range(0))", "0"),
    ('join(",",range(5))', "0,1,2,3,4"),
    ('join(",",range(-3))', "0,-1,-2"),
    ('join(",",range(1,4))', "1,2,3"),
    ('join(",",range(4,1))', "4,3,2"),
    ('join(",",range(0,1,0.25))', "0,0.25,0.5,0.75"),
    ('join(",",range(5,0,-2))', "5,3,1"),
    ("length(range(1024))", "1024"),
    ('join(",",slice(["a","b","c"],1,3))', "b,c"),
    ('join(",",slice(["a","b","c"],1,1))', ""),
    ('slice(["a","b"],0,"1")[0]', "a"),
    ('element(["a","b","c"],4)', "b"),
    ('element(["a","b","c"],-1)', "c"),
    ('hasindex(["a"],0)', "true"),
    ('hasindex(["a"],1)', "false"),
    ('hasindex(["a"],"0")', "false"),
    ('index(["a","b"],1)', "b"),
    ('indexof(["a","b"],"b")', "1"),
    ('join("|",[for p in setproduct(["a","b"],["x","y"]): join("",p)])', "ax|ay|bx|by"),
    ('join("|",[for p in setproduct(["a","b"],[1,2]): "${p[0]}${p[1]}"])', "a1|a2|b1|b2"),
    ('length(setproduct(["a"],[]))', "0"),
    ('join("|",[for p in setproduct(["b","a"],["x"],["1","2"]): join("",p)])', "bx1|bx2|ax1|ax2"),
    ('join("|",[for p in chunklist(["a","b","c"],2): join("",p)])', "ab|c"),
    ('length(chunklist(["a","b","c"],0))', "1"),
    ("length(chunklist([],2))", "0"),
    ('join(",",coalescelist([],["a"]))', "a"),
    ('join(",",coalescelist(["a"],["b"]))', "a"),
    ('zipmap(["a","b"],[1,2])["b"]', "2"),
    ('zipmap(["a","a"],["x","y"])["a"]', "y"),
    ('join(",",setunion(["b","a"],["c","a"]))', "a,b,c"),
    ('join(",",setunion(["b","a"]))', "a,b"),
    ('join(",",setunion([2,1],["a"]))', "1,2,a"),
    ('join(",",setintersection(["b","a"],["c","a"]))', "a"),
    ('join(",",setsubtract(["b","a"],["c","a"]))', "b"),
    ('join(",",setsymmetricdifference(["b","a"],["c","a"]))', "b,c"),
    ('join(",",setsymmetricdifference(["b","a"],["c","a"],["a"]))', "a,b,c"),
    ('join(",",setunion([],[]))', ""),
    ('join(",",setunion([3,1],[2,1]))', "1,2,3"),
    ('sethaselement(["a"],"a")', "true"),
    ('sethaselement(["1"],1)', "false"),
    ('sethaselement([1],"1")', "false"),
    ('sethaselement([],"1")', "false"),
    ('join(",",sort(["b","a","C"]))', "C,a,b"),
    ('join(",",sort([2,10,1]))', "1,10,2"),
    ('join(",",reverselist(["a","b"]))', "b,a"),
    ('join(",",reverselist([1,"b"]))', "b,1"),
    ('reverse("abc")', "cba"),
    ('substr("hello",1,3)', "ell"),
    ('substr("hello",0,-1)', "hello"),
    ('substr("hello",-3,2)', "ll"),
    ('substr("hello",-3,-1)', "llo"),
    ('substr("hello",10,2)', ""),
    ('substr("hello",0,0)', ""),
    ('substr("hello",-3,0)', "llo"),
    ('substr("hello",5,1)', ""),
    ('substr("hello",4,10)', "o"),
    ('substr("",0,1)', ""),
    ('substr("",1,1)', ""),
    ('substr("hello",-10,2)', "he"),
    ('substr("hello",-10,-1)', "hello"),
    ('substr("abc",-2,-1)', "bc"),
    ('indent(2,"a\\nb\\n")', "a\n  b\n  "),
    ('indent(0,"a\\nb")', "a\nb"),
    ('title("hello world")', "Hello World"),
    ('title("hello-world foo_bar it\'s 1st a.b")', "Hello-World Foo_bar It'S 1st A.B"),
    ('title("ÉCOLE été")', "ÉCOLE Été"),
    ('title("ǆ")', "ǅ"),
    ('title("")', ""),
    ('base64encode("héllo")', "aMOpbGxv"),
    ('base64decode("aGk=")', "hi"),
    ('md5("a")', "0cc175b9c0f1b6a831c399e269772661"),
    ('sha1("a")', "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
    ('sha256("a")', "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    (
        'sha512("a")',
        "1f40fc92da241694750979ee6cf582f2d5d7d28e18335de05abc54d0560e0f5302860c652bf08d560252aa5e74210546f369fbbbce8c12cfc7957b2652fe9a75",
    ),
    ('sha1("é")', "bf15be717ac1b080b4f1c456692825891ff5073d"),
    ('urlencode("a b/c?d=é~*!\'()-_.")', "a+b%2Fc%3Fd%3D%C3%A9~%2A%21%27%28%29-_."),
    ('dirname("a/b/c")', "a/b"),
    ('dirname("a")', "."),
    ('dirname("/")', "/"),
    ('dirname("/a")', "/"),
    ('dirname("a/")', "a"),
    ('dirname("")', "."),
    ('dirname("a//b")', "a"),
    ('dirname("a/../b/c")', "b"),
    ('dirname("./a")', "."),
    ('dirname("//a/b")', "/a"),
    ('jsonencode({b=1,a="x"})', '{"a":"x","b":1}'),
    ('jsonencode(["a",1,true,null,1.50])', '["a",1,true,null,1.5]'),
    ('jsonencode("<&>é\\u2028\\n\\"")', '"\\u003c\\u0026\\u003eé\\u2028\\n\\""'),
    ("jsonencode(null)", "null"),
    ("jsonencode({})", "{}"),
    (
        "jsonencode(1/3)",
        "0.33333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333335",
    ),
    ('jsonencode("\\u007f\\u0001")', '"\x7f\\u0001"'),
    ('jsondecode("{\\"a\\":[1,\\"b\\"]}").a[1]', "b"),
    ('jsondecode("1.50")', "1.5"),
    ('jsondecode("null") == null', "true"),
    ('jsondecode("\\"x\\"")', "x"),
    ('regex("[a-z]+","12ab3")', "ab"),
    ('regex("([a-z]+)(\\\\d)","ab3")[1]', "3"),
    ('regex("(?P<n>[a-z]+)","ab3").n', "ab"),
    ('regex("(a)|(b)","b")[0] == null', "true"),
    ('join(",",regexall("[0-9]+","1a22b333"))', "1,22,333"),
    ('length(regexall("x","abc"))', "0"),
    ('regexall("(a)(b)","abab")[1][0]', "a"),
    ('regex_replace("linux/amd64","^(darwin)","linux")', "linux/amd64"),
    ('regex_replace("darwin/amd64","^(darwin)","linux")', "linux/amd64"),
    ('regex_replace("v1.2.3","^v?(\\\\d+)\\\\.(\\\\d+).*$","$1-$2")', "1-2"),
    ('regex_replace("abc","b","[$0]")', "a[b]c"),
    ('regex_replace("abc","(?P<x>b)","<$${x}>")', "a<b>c"),
    ('regex_replace("abc","(b)","$1x")', "ac"),
    ('regex_replace("abc","(b)","$${1}x")', "abxc"),
    ('regex_replace("abc","b","$$")', "a$c"),
    ('regex_replace("abc","","-")', "-a-b-c-"),
    ('regex_replace("a.b.c","\\\\.","")', "abc"),
    ('regex_replace("a/b:c","[/:]","-")', "a-b-c"),
    ('regex_replace("feature/foo_bar","[^a-zA-Z0-9]+","-")', "feature-foo-bar"),
    ('regex_replace("a\\n","$","x")', "a\nx"),
    ('regex_replace("a\\nb","^b","x")', "a\nb"),
    ('regex_replace("aéb","\\\\w","x")', "xéx"),
    ('regex_replace("a b","\\\\s","_")', "a_b"),
    ('regex_replace("a\\u000bb","\\\\s","_")', "a\x0bb"),
    ('regex_replace("refs/heads/main","refs/(heads|tags)/","")', "main"),
    ('regex_replace("1.2.3-rc.1","^(\\\\d+\\\\.\\\\d+)\\\\..*","$1")', "1.2"),
    ('regex_replace("aaa","a{2}","b")', "ba"),
    ('regex_replace("aaa","a*?","b")', "bababab"),
    ('regex_replace("aaab","a*","-")', "-b-"),
    ('regex_replace("abab","b*","-")', "-a-a-"),
    ('regex("\\\\bfoo\\\\b","a foo b")', "foo"),
    ('regex("[\\\\d.]+","v1.2")', "1.2"),
    ('regex("[a\\\\-z]+","-az")', "-az"),
    ('regex("[]a]+","]a")', "]a"),
    ('regex("[^]a]+","b")', "b"),
    ('regex("a|b|","c")', ""),
    ('formatdate("YYYY-MM-DD","2025-01-02T03:04:05Z")', "2025-01-02"),
    (
        'formatdate("YY M D EEE EEEE MMM MMMM h hh H HH AA aa m mm s ss Z ZZZ ZZZZ ZZZZZ","2025-01-02T13:04:05Z")',
        "25 1 2 Thu Thursday Jan January 13 13 1 01 PM pm 4 04 5 05 Z UTC +0000 +00:00",
    ),
    ('formatdate("Z ZZZ ZZZZ ZZZZZ","2025-01-02T13:04:05+02:30")', "+02:30 +0230 +0230 +02:30"),
    ('formatdate("Z ZZZ ZZZZ ZZZZZ","2025-01-02T13:04:05-00:30")', "-00:30 -0030 -0030 -00:30"),
    ('formatdate("YYYYMMDDhhmmss","2025-01-02T13:04:05Z")', "20250102130405"),
    ('formatdate("","2025-01-02T13:04:05Z")', ""),
    ('formatdate("H","2025-02-03T00:00:00Z")', "12"),
    ('formatdate("ss","2025-02-03T00:00:05.123456789Z")', "05"),
    ('formatdate("YYYY","0001-02-03T00:00:00Z")', "0001"),
    ('formatdate("-/.: ","2025-02-03T00:00:00Z")', "-/.: "),
    ('timeadd("2025-01-01T00:00:00Z","1h")', "2025-01-01T01:00:00Z"),
    ('timeadd("2025-01-01T00:00:00Z","-1h30m")', "2024-12-31T22:30:00Z"),
    ('timeadd("2025-01-01T00:00:00+02:00","36h")', "2025-01-02T12:00:00+02:00"),
    ('timeadd("2025-01-01T00:00:00Z","1.5s")', "2025-01-01T00:00:01Z"),
    ('timeadd("2025-01-01T00:00:00Z","0")', "2025-01-01T00:00:00Z"),
    ("can(nope)", "false"),
    ('can(upper("a"))', "true"),
    ('can(["a"][3])', "false"),
    ('try(["a"][3],"b")', "b"),
    ('try(nope,["a"][9],"c")', "c"),
    ('try({a=1}.b, "d")', "d"),
    ('convert("1",number) + 1', "2"),
    ('convert(1,string) == "1"', "true"),
    ('convert(["a"],set(string)) == null', "false"),
    ('convert({a=1},map(string))["a"] == "1"', "true"),
    ('join(",",convert(["b","a"],set(string)))', "a,b"),
]
REFUSED = [
    "max()",
    "signum(1.5)",
    'parseint("1_0",10)',
    'parseint("",10)',
    'parseint("9",8)',
    "range(1,5,-1)",
    "range(0,10,0)",
    "length(range(1025))",
    'slice(["a"],1,0)',
    'slice(["a"],0,2)',
    'slice(["a"],-1,1)',
    'slice("abc",0,1)',
    "element([],0)",
    'element(["a"],0.5)',
    'index(["a"],1)',
    'index(["a","b"],"1")',
    'indexof(["a"],"x")',
    'indexof([],"x")',
    'indexof(["1"],1)',
    "setproduct()",
    'chunklist(["a"],-1)',
    "coalescelist([],[])",
    'zipmap(["a"],[1,2])',
    'sort(["a",null])',
    'substr("hello",1.5,1)',
    'indent(-1,"a\\nb")',
    'base64decode("aGk")',
    'base64decode("!")',
    'base64decode("/w==")',
    'jsondecode("[1")',
    'regex("x","ab3")',
    'regex_replace("abc","(?P<x>b)","<${x}>")',
    'regex_replace("abc","(","x")',
    'regex_replace("abc","[z-a]","x")',
    'jsondecode("NaN")',
    "flatten(null)",
    "flatten(1)",
    'jsondecode("1e9999")',
    "formatdate(\"'T'hh ''x'' 'it''s'\",\"2025-01-02T13:04:05Z\")",
    'formatdate("YYY","2025-01-02T13:04:05Z")',
    'formatdate("\'abc","2025-01-02T13:04:05Z")',
    'formatdate("q","2025-01-02T13:04:05Z")',
    'formatdate("YYYY","2025-02-30T13:04:05Z")',
    'formatdate("YYYY","2025-02-03")',
    'timeadd("2025-01-01T00:00:00Z","1d")',
    'timeadd("2025-01-01T00:00:00Z","")',
    "try(nope)",
    "try()",
    'convert("a",number)',
]


@pytest.mark.parametrize(("expression", "expected"), ANSWERS)
def test_what_functions_answer(expression, expected):
    assert expected == chosen(f'target "default" {{ args = {{ x = {expression}, y = "" }} }}')["default"][
        "args"
    ].get("x")


@pytest.mark.parametrize("expression", REFUSED)
def test_what_has_no_answer_is_refused(expression):
    with pytest.raises(UsageError):
        value(expression)


@pytest.mark.parametrize(
    "pattern",
    [r"\\x41", r"\\Aa", "(?i)a", "[[:alpha:]]", r"\\p{L}", "(a)+", "(?:a)*", "(a){2}", "a++", "[a--b]", "a{,2}"],
)
def test_patterns_that_may_mean_something_else_are_refused(pattern):
    with pytest.raises(Unsupported):
        value(f'regex("{pattern}", "a")')


@pytest.mark.parametrize("pattern", ["a?" * 30 + "a" * 30, "(a|a)" * 30 + "b", "a*" * 8 + "b"])
def test_a_pattern_that_tries_without_end_is_refused(pattern):
    with pytest.raises(Unsupported, match="too long for this pattern"):
        value(f'regex("{pattern}", "{"a" * 60}")')


def test_many_patterns_are_refused_before_they_take_long():
    text = f'[for n in range(1000) : regex_replace("{"a" * 100}", "a*a*b", "")]'

    with pytest.raises(OcitoolError, match="asks for too much"):
        value(f"length({text})")


def test_the_time_is_a_date_of_this_form():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value("timestamp()"))


def test_signs_that_may_be_one_are_not_taken_apart():
    for expression in (r'reverse("x\u0323\u0307")', r'substr("a\u200db", 0, 1)'):
        with pytest.raises(Unsupported):
            value(expression)


def test_a_set_and_a_list_are_both_a_set():
    assert "a,b" == value('join(",", true ? ["b", "a"] : setunion(["x"]))')
    assert "b,a" == value('join(",", true ? ["b", "a"] : ["x"])')


def test_no_function_is_here_and_absent():
    assert not ABSENT & {*FUNCTIONS, *LAZY}
    assert not {*FUNCTIONS} & {*LAZY}
