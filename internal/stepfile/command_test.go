package stepfile

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// perform runs a command as a worker does: the script in a file, the interpreter before
// it. It gives what the script writes, and its exit code.
func perform(t *testing.T, c Command) (output string, code int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(c.Script), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), c.Interpreter[0], append(c.Interpreter[1:len(c.Interpreter):len(c.Interpreter)], file)...)
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// Each piece of evidence in platforms.md 1.8, with a real shell.
func TestJoinedCommands(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, row := range []struct {
		name, lines string
		strict      *bool
		output      string
		code        int
	}{
		{"the exit code is that of the last", "command: ['exit_with() { return $1; }', exit_with 3, exit_with 0]", nil, "", 0},
		{"the last one fails", "command: ['true', 'false']", nil, "", 1},
		{"an export carries over", "command: [export X=1, echo $X]", nil, "1\n", 0},
		{"an ampersand", "command: ['sleep 0 &', export TAG=t, echo $TAG, wait]", nil, "t\n", 0},
		{"a change of directory carries over", "command: [cd /, pwd]", nil, "/\n", 0},
		{"a heredoc over items", "command: [cat <<EOF, hello, EOF, echo end]", nil, "hello\nend\n", 0},
		{"a comment at the end of an item", "command: ['echo a # comment', echo b]", nil, "a\nb\n", 0},
		{"a loop over items", "command: [for i in 1 2; do, echo $i, done]", nil, "1\n2\n", 0},
		{"blanks and empty items go", "command: ['  echo a  ', '', '   ', echo b]", nil, "a\nb\n", 0},
		{"one text", "command: echo a", nil, "a\n", 0},
		{"a block", "command: |\n      echo a\n      echo b", nil, "a\nb\n", 0},
		{"a #! line", "command: ['#!/bin/bash', 'echo ${BASH_VERSION:+bash}', 'a=(1 2); echo ${a[1]}']", nil, "bash\n2\n", 0},
		{"a #! line in the first item", "command: [\"#!/bin/bash\\nx=(7)\", 'echo ${x[0]}']", nil, "7\n", 0},
		{"a #! line with an argument", "command: ['#!/bin/sh -e', 'false', echo never]", nil, "", 1},
		{"a #! line through env", "command: ['#!/usr/bin/env bash', 'x=(8); echo ${x[0]}']", nil, "8\n", 0},
		{"a later #! line is a comment", "command: [echo a, '#!/bin/none', echo b]", nil, "a\nb\n", 0},
		{"not strict goes on", "command: ['false', echo on]", nil, "on\n", 0},
		{"strict stops", "command: ['false', echo on]", &yes, "", 1},
		{"strict stops below a #! line", "command: ['#!/bin/bash', 'false', echo on]", &yes, "", 1},
		{"strict by the step", "command: ['false', echo on]\nenvironment-variables: [{name: FAIRLEAD_STRICT, default: 'yes'}]", nil, "", 1},
		{"strict by the step, and the caller says no", "command: ['false', echo on]\nenvironment-variables: [{name: FAIRLEAD_STRICT, default: '1'}]", &no, "on\n", 0},
		{"set -e as the first item", "command: [set -e, 'false', echo on]", nil, "", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c, err := Build(one(t, row.lines), Values{Strict: row.strict})
			if err != nil {
				t.Fatal(err)
			}
			output, code := perform(t, c)
			if output != row.output || code != row.code {
				t.Errorf("%q, exit %d; want %q, exit %d, of\n%s", output, code, row.output, row.code, c.Script)
			}
		})
	}
}

func TestInterpreters(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		first string
		want  []string
		shell bool
		err   string
	}{
		{first: "echo", want: []string{"/bin/sh"}, shell: true},
		{first: "#!/bin/bash", want: []string{"/bin/bash"}, shell: true},
		{first: "#! /bin/bash \r", want: []string{"/bin/bash"}, shell: true},
		{first: "#!/bin/bash -e -x", want: []string{"/bin/bash", "-e -x"}, shell: true},
		{first: "#!/usr/bin/env python3", want: []string{"/usr/bin/env", "python3"}},
		{first: "#!/usr/bin/env -S A=b bash -x", want: []string{"/usr/bin/env", "-S A=b bash -x"}, shell: true},
		{first: "#!/bin/busybox sh", want: []string{"/bin/busybox", "sh"}, shell: true},
		{first: "#!/usr/bin/env", want: []string{"/usr/bin/env"}},
		{first: "#!/usr/bin/perl", want: []string{"/usr/bin/perl"}},
		{first: "#!", err: `the line "#!" names no program by its path`},
		{first: "#!python3", err: `the line "#!python3" names no program by its path`},
	} {
		t.Run(row.first, func(t *testing.T) {
			t.Parallel()
			got, err := interpreter(row.first + "\nrest\n")
			if row.err != "" {
				if err == nil || err.Error() != row.err {
					t.Error(err)
				}
				return
			}
			if diff := cmp.Diff(row.want, got); diff != "" || isShell(got) != row.shell {
				t.Errorf("shell %v, %s", isShell(got), diff)
			}
		})
	}
}

func TestStrictLeavesOtherInterpretersAlone(t *testing.T) {
	t.Parallel()
	yes := true
	c, err := Build(one(t, "command: ['#!/usr/bin/env python3', print(1)]"), Values{Strict: &yes})
	if err != nil {
		t.Fatal(err)
	}
	want := Command{Interpreter: []string{"/usr/bin/env", "python3"}, Script: "#!/usr/bin/env python3\nprint(1)\n"}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
}

func TestCommandThatIsEmptyWithItsValues(t *testing.T) {
	t.Parallel()
	s := one(t, "command: '{parameters}'\nparameters: [{name: p, optional: true}, {name: q, optional: true}]")
	_, err := Build(s, Values{})
	if err == nil || err.Error() != "the command is empty with these values: give the parameters that it consists of" {
		t.Error(err)
	}
	_, err = Build(s, Values{Parameters: map[string]any{"p": "a\x00b"}})
	if err == nil || err.Error() != "the command holds a NUL character: remove it from the parameters" {
		t.Error(err)
	}
	_, err = Build(one(t, "command: '#!{parameter-value:p}'\nparameters: [{name: p}]"), Values{Parameters: map[string]any{"p": "sh"}})
	if err == nil || !strings.HasPrefix(err.Error(), `the line "#!sh" names no program by its path: `) {
		t.Error(err)
	}
}
