package runs_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

func lines(from, n int) []fairlead.LogLine {
	list := make([]fairlead.LogLine, 0, n)
	for i := range n {
		list = append(list, fairlead.LogLine{Seq: int64(from + i), Stream: fairlead.Stdout, Text: fmt.Sprintf("line %d", from+i)})
	}
	return list
}

func logOf(number int64) wire.LogRequest {
	return wire.LogRequest{RunPath: wire.RunPath{ProjectPath: path(), Number: number}}
}

// TestLongLog writes and pages through 100 000 lines.
func TestLongLog(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	run := y.queue(t)
	h := y.claim(t, y.one)
	const all, each = 100_000, 5000
	for from := 1; from <= all; from += each {
		fairleadtest.Must(t, y.one, wire.AppendLog, wire.LogLines{HeldPath: *h, Lines: lines(from, each)})
	}
	q := logOf(run.Number)
	q.Limit = 7000
	for q.After < all {
		piece := fairleadtest.Must(t, y.Ann, wire.ReadLog, q)
		for i, l := range piece.Lines {
			if want := q.After + int64(i) + 1; l.Seq != want || l.Text != fmt.Sprintf("line %d", want) {
				t.Fatalf("after %d came %+v, want line %d", q.After, l, want)
			}
		}
		if want := min(7000, all-int(q.After)); len(piece.Lines) != want {
			t.Fatalf("after %d came %d lines, want %d", q.After, len(piece.Lines), want)
		}
		q.After += int64(len(piece.Lines))
	}
	if piece := fairleadtest.Must(t, y.Ann, wire.ReadLog, q); len(piece.Lines) != 0 {
		t.Errorf("after the last line come %d", len(piece.Lines))
	}
	piece := fairleadtest.Must(t, y.Ann, wire.ReadLog, logOf(run.Number))
	if len(piece.Lines) != 1000 {
		t.Errorf("without a limit come %d lines, want 1000", len(piece.Lines))
	}
	if a := fairleadtest.Must(t, y.one, wire.Renew, wire.RenewRequest{HeldPath: *h}); a.Hold == 0 {
		t.Error("the hold has gone")
	}
}

// TestLogGaps appends what was lost on its way, and what leaves something out.
func TestLogGaps(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	run := y.queue(t)
	h := y.claim(t, y.one)
	add := func(list []fairlead.LogLine) error {
		return do(t, y.one, wire.AppendLog, wire.LogLines{HeldPath: *h, Lines: list})
	}
	for _, row := range []struct {
		name string
		list []fairlead.LogLine
		want fairlead.Kind
	}{
		{"nothing", []fairlead.LogLine{}, ""},
		{"the first", lines(1, 3), ""},
		{"again", lines(1, 3), ""},
		{"overlapping", lines(2, 4), ""},
		{"a gap", lines(7, 1), fairlead.Conflict},
		{"a gap within", append(lines(6, 1), lines(8, 1)...), fairlead.Conflict},
		{"zero", lines(0, 1), fairlead.Conflict},
		{"negative", lines(-5, 1), fairlead.Conflict},
		{"no such stream", []fairlead.LogLine{{Seq: 6, Stream: "stdin"}}, fairlead.Invalid},
	} {
		err := add(row.list)
		if got := fairlead.KindOf(err); got != row.want {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	got := fairleadtest.Must(t, y.Ann, wire.ReadLog, logOf(run.Number)).Lines
	texts := make([]string, 0, len(got))
	for _, l := range got {
		texts = append(texts, l.Text)
	}
	if diff := cmp.Diff([]string{"line 1", "line 2", "line 3", "line 4", "line 5"}, texts); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestStrangeLines has bytes in lines that no text has.
func TestStrangeLines(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	run := y.queue(t)
	h := y.claim(t, y.one)
	texts := []string{"", "\x1b[31mred\x1b[0m", "<b>&amp;</b>", "nul\x00", "\u2028", strings.Repeat("x", 100_000), "\r progress"}
	var list []fairlead.LogLine
	for i, text := range texts {
		list = append(list, fairlead.LogLine{Seq: int64(i + 1), Stream: fairlead.Stderr, Text: text})
	}
	fairleadtest.Must(t, y.one, wire.AppendLog, wire.LogLines{HeldPath: *h, Lines: list})
	for i, l := range fairleadtest.Must(t, y.Ann, wire.ReadLog, logOf(run.Number)).Lines {
		if l.Text != texts[i] || l.Stream != fairlead.Stderr {
			t.Errorf("line %d is %q, want %q", i+1, l.Text, texts[i])
		}
	}
}

// TestLogWaits follows a run: whatever happens to it wakes the one who waits.
func TestLogWaits(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	run := y.queue(t)
	var h *wire.HeldPath
	zero := 0
	for _, step := range []struct {
		name string
		do   func() error
		ok   func(wire.Log) bool
	}{
		{"claim", func() error { h = y.claim(t, y.one); return nil }, func(l wire.Log) bool { return l.Run.State == fairlead.Preparing }},
		{"progress", func() error {
			return do(t, y.one, wire.Renew, wire.RenewRequest{HeldPath: *h, Progress: &fairlead.Progress{Phase: fairlead.PhasePull}})
		}, func(l wire.Log) bool { return l.Run.Progress != nil && l.Run.Progress.Phase == fairlead.PhasePull }},
		{"layer", func() error {
			p := &fairlead.Progress{Phase: fairlead.PhasePull, Layers: []fairlead.LayerProgress{{Digest: digest("x"), State: "pulling", Done: 1}}}
			return do(t, y.one, wire.Renew, wire.RenewRequest{HeldPath: *h, Progress: p})
		}, func(l wire.Log) bool { return len(l.Run.Progress.Layers) == 1 }},
		{"begin", func() error {
			return do(t, y.one, wire.Begin, wire.BegunRequest{HeldPath: *h, Pulled: fairlead.PullRecord{Image: "i", Lease: fairlead.Anonymous}})
		}, func(l wire.Log) bool { return l.Run.State == fairlead.Started }},
		{"line", func() error {
			return do(t, y.one, wire.AppendLog, wire.LogLines{HeldPath: *h, Lines: lines(1, 1)})
		}, func(l wire.Log) bool { return len(l.Lines) == 1 }},
		{"stop", func() error {
			return do(t, y.Ann, wire.StopRun, wire.RunPath{ProjectPath: path(), Number: run.Number})
		}, func(l wire.Log) bool { return l.Run.State == fairlead.Stopping }},
		{"end", func() error {
			return do(t, y.one, wire.End, wire.EndRequest{HeldPath: *h, ExitCode: &zero, Stopped: true})
		}, func(l wire.Log) bool { return l.Run.State == fairlead.Stopped }},
	} {
		q := logOf(run.Number)
		seen := fairleadtest.Must(t, y.Ann, wire.ReadLog, q)
		q.After, q.Seen, q.Wait = int64(len(seen.Lines)), seen.Mark, 30
		got := make(chan wire.Log, 1)
		go func() {
			l, err := client.Do(t.Context(), y.Ann, wire.ReadLog, q)
			if err != nil {
				t.Error(err)
			}
			got <- l
		}()
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if l := <-got; !step.ok(l) {
			t.Errorf("%s: woken to %+v", step.name, l)
		}
	}
	q := logOf(run.Number)
	q.After, q.Wait = 1, 30
	q.Seen = fairleadtest.Must(t, y.Ann, wire.ReadLog, q).Mark
	if l := fairleadtest.Must(t, y.Ann, wire.ReadLog, q); l.Run.State != fairlead.Stopped || l.Mark != q.Seen {
		t.Errorf("of a run that has ended: %+v", l)
	}
}

// TestLogWaiterLeaves has whoever waits go away: nothing is left of them.
func TestLogWaiterLeaves(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	run := y.queue(t)
	q := logOf(run.Number)
	q.Wait = 30
	q.Seen = fairleadtest.Must(t, y.Ann, wire.ReadLog, q).Mark
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := client.Do(ctx, y.Ann, wire.ReadLog, q)
		done <- err
	}()
	cancel()
	if err := <-done; fairlead.KindOf(err) != fairlead.Unavailable {
		t.Errorf("who has left is told %v", err)
	}
}
