package stepfile

import (
	"errors"
	"path"
	"strings"
)

// Command is what a worker runs: it writes Script to a file, and runs Interpreter with
// the name of that file as the last argument, in /valohai/repository. The first element
// of Interpreter is an absolute path in the image; the exit code is the run's.
type Command struct {
	Interpreter []string `json:"interpreter"`
	// Script ends in a newline. It begins with the #! line, where the step has one.
	Script string `json:"script"`
}

// maxScript bounds what placeholders may unfold to.
const maxScript = 1 << 20

// StrictVariable is the environment variable by which a step asks for strict: 1, yes or
// true, the words that Valohai's agent takes for its own variables.
const StrictVariable = "FAIRLEAD_STRICT"

// join makes one script of the items of a command: each is stripped, the empty ones are
// dropped, each begins a line (valohai-yaml, build_command and join_command, with a
// newline as the joiner).
func join(items []string) string {
	var b strings.Builder
	for _, item := range items {
		if item = strings.TrimSpace(item); item != "" {
			b.WriteString(item)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

const shebangRemedy = "begin it with #! and an absolute path, like #!/bin/bash or #!/usr/bin/env python3"

// interpreter gives the program that runs a script: that of its #! line, else /bin/sh.
// The line is read as Linux does (execve(2)): all after the program is one argument.
func interpreter(script string) ([]string, error) {
	first, _, _ := strings.Cut(script, "\n")
	line, ok := strings.CutPrefix(first, "#!")
	if !ok {
		return []string{"/bin/sh"}, nil
	}
	line = strings.Trim(line, " \t\r")
	program, argument := line, ""
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		program, argument = line[:i], strings.Trim(line[i:], " \t")
	}
	if !path.IsAbs(program) {
		return nil, errors.New("the line " + show(first) + " names no program by its path")
	}
	if argument == "" {
		return []string{program}, nil
	}
	return []string{program, argument}, nil
}

// isShell tells whether an interpreter understands set -e.
func isShell(interpreter []string) bool {
	name := path.Base(interpreter[0])
	if name == "env" || name == "busybox" {
		name = ""
		for word := range strings.FieldsSeq(strings.Join(interpreter[1:], " ")) {
			if !strings.HasPrefix(word, "-") && !strings.Contains(word, "=") {
				name = path.Base(word)
				break
			}
		}
	}
	switch name {
	case "sh", "bash", "dash", "ash", "ksh", "mksh", "zsh":
		return true
	}
	return false
}

// newCommand makes the command of a script. Strict concerns shells alone: other
// interpreters have their own rules for failures.
func newCommand(script string, strict bool) (Command, error) {
	program, err := interpreter(script)
	if err != nil {
		return Command{}, &ValueError{Field: "command", Why: err.Error(), Remedy: shebangRemedy}
	}
	if strict && isShell(program) {
		head := ""
		if strings.HasPrefix(script, "#!") {
			end := strings.IndexByte(script, '\n') + 1
			head, script = script[:end], script[end:]
		}
		script = head + "set -e\n" + script
	}
	return Command{Interpreter: program, Script: script}, nil
}
