//go:build ignore

// Answers the questions on standard input; README.md tells how it is run.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

type question struct {
	Glob    string   `json:"glob,omitempty"`
	Ignore  string   `json:"ignore,omitempty"`
	Paths   []string `json:"paths"`
	Answers []any    `json:"answers"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		var one question
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			panic(err)
		}
		for _, path := range one.Paths {
			var matches bool
			var err error
			if one.Glob != "" {
				matches, err = filepath.Match(one.Glob, path)
			} else {
				matches, err = ignores(one.Ignore, path)
			}
			if err != nil {
				one.Answers = append(one.Answers, "bad")
			} else {
				one.Answers = append(one.Answers, matches)
			}
		}
		if err := out.Encode(one); err != nil {
			panic(err)
		}
	}
}

func ignores(text, path string) (bool, error) {
	patterns, err := ignorefile.ReadAll(strings.NewReader(text))
	if err != nil {
		return false, err
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return false, err
	}
	// As a client of BuildKit walks a context: from directory to directory.
	var ignored bool
	var info patternmatcher.MatchInfo
	for end := 0; end < len(path); end++ {
		next := strings.IndexByte(path[end:], '/')
		if next < 0 {
			next = len(path) - end
		}
		end += next
		if ignored, info, err = matcher.MatchesUsingParentResults(path[:end], info); err != nil {
			return false, err
		}
	}
	return ignored, nil
}
