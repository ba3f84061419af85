package diagnose_test

import (
	"maps"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
)

// broken is a set-up that doesn't work, and how it is mended.
type broken struct {
	ask ask
	// probe is the one that fails, or warns.
	probe   string
	verdict fairlead.Verdict // "" is failed
	code    fairlead.Code
	says    []string // parts of the cause
	remedy  string   // part of what to do
	// mend does what the remedy says. after is what is asked then, if not the same.
	mend  func()
	after *ask
}

// TestBrokenSetUps has the doctor look at set-ups of which one thing is broken: that is
// the cause which it names first; and when what it says is done, nothing is left.
func TestBrokenSetUps(t *testing.T) {
	t.Parallel()
	all := map[string]func(*testing.T, *world) broken{}
	for _, table := range []map[string]func(*testing.T, *world) broken{networkRows(), entryRows(), loginRows(), imageRows(), cloudRows()} {
		maps.Copy(all, table)
	}
	if len(all) < 40 {
		t.Errorf("there are only %d rows", len(all))
	}
	for name, row := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := row(t, w)
			check(t, b, w.diagnose(t, b.ask))
			b.mend()
			next := b.ask
			if b.after != nil {
				next = *b.after
			}
			if d := w.diagnose(t, next); d.Verdict != fairlead.ProbeOK || d.Cause != nil {
				t.Errorf("after the remedy: %s", show(d))
			}
		})
	}
}

func check(t *testing.T, b broken, d fairlead.Diagnosis) {
	t.Helper()
	want := b.verdict
	if want == "" {
		want = fairlead.ProbeFailed
	}
	if d.Verdict != want || d.Cause == nil {
		t.Fatalf("verdict %s, want %s: %s", d.Verdict, want, show(d))
	}
	found := ""
	for _, p := range d.Probes {
		switch {
		case p.Detail == "":
			t.Errorf("probe %s says nothing", p.Name)
		case p.Verdict == want && found == "":
			found = p.Name
			if p.Remedy == "" {
				t.Errorf("probe %s has no remedy", p.Name)
			}
		case found != "" && want == fairlead.ProbeFailed && (p.Verdict != fairlead.ProbeNotTried || !strings.Contains(p.Detail, found)):
			t.Errorf("after %s, probe %s is %s: %s", found, p.Name, p.Verdict, p.Detail)
		}
	}
	if found != b.probe || d.Cause.Code != b.code {
		t.Errorf("probe %s with code %q, want %s with %q: %s", found, d.Cause.Code, b.probe, b.code, show(d))
	}
	for _, s := range b.says {
		if !strings.Contains(d.Cause.Error(), s) {
			t.Errorf("the cause doesn't say %q: %s", s, d.Cause)
		}
	}
	if !strings.Contains(d.Cause.Remedy, b.remedy) || b.remedy == "" {
		t.Errorf("the remedy doesn't say %q: %s", b.remedy, d.Cause.Remedy)
	}
}

func show(d fairlead.Diagnosis) string {
	var b strings.Builder
	for _, p := range d.Probes {
		b.WriteString("\n" + string(p.Verdict) + " " + p.Name + ": " + p.Detail)
	}
	if d.Cause != nil {
		b.WriteString("\ncause: " + d.Cause.Error() + "\nremedy: " + d.Cause.Remedy)
	}
	return b.String()
}
