package main

import (
	"bytes"
	"testing"

	"fairlead.dev/fairlead"
)

// TestFailureIsToldOnce has a run's log say why it failed. A person at a terminal has
// read that; whoever sees only one of the streams hasn't.
func TestFailureIsToldOnce(t *testing.T) {
	t.Parallel()
	failure := &fairlead.Error{Kind: fairlead.NotFound, What: "resolving x", Why: "there is no tag v2", Remedy: "check the tag"}
	for name, row := range map[string]struct {
		out, err bool // are terminals
		line     fairlead.LogLine
		again    bool
	}{
		"terminal":                {true, true, fairlead.LogLine{Stream: fairlead.StatusStream, Text: fairlead.FailureLine + failure.Error()}, false},
		"output in a file":        {false, true, fairlead.LogLine{Stream: fairlead.StatusStream, Text: fairlead.FailureLine + failure.Error()}, true},
		"errors in a file":        {true, false, fairlead.LogLine{Stream: fairlead.StatusStream, Text: fairlead.FailureLine + failure.Error()}, true},
		"the log has another":     {true, true, fairlead.LogLine{Stream: fairlead.StatusStream, Text: fairlead.FailureLine + "something else"}, true},
		"the command's own words": {true, true, fairlead.LogLine{Stream: fairlead.Stdout, Text: fairlead.FailureLine + failure.Error()}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, outTerminal: row.out, errTerminal: row.err}
			view := a.newPullView()
			view.line(row.line)
			err := a.ending(fairlead.Run{State: fairlead.Failed, Failure: failure}, true, view.failure)
			if told := fairlead.KindOf(err) == fairlead.NotFound; told != row.again {
				t.Errorf("told again: %v, want %v (%v)", told, row.again, err)
			}
			if code, silent := err.(exitCode); silent && code != exitFailed { //nolint:errorlint // It is that or the failure itself.
				t.Errorf("the exit code is %d", code)
			}
		})
	}
}
