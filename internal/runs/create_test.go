package runs_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

const stepFile = `
- step:
    name: train
    image: registry.example.com/team/train:v1
    command: python train.py {parameters}
    parameters:
      - name: rate
        type: float
        default: 5.0
      - name: rounds
        type: integer
        min: 1
    inputs:
      - name: data
        default: https://example.com/data.csv
    environment-variables:
      - name: MODE
        default: fast
`

func TestCreate(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	three := 3
	run := fairleadtest.Must(t, y.Ann, wire.CreateRun, wire.RunRequest{
		ProjectPath: path(), File: stepFile, Step: "tr", Image: "registry.example.com/team/other@" + string(digest("image")),
		Parameters: map[string][]string{"rounds": {"7"}}, Inputs: map[string][]string{"data": {"https://example.com/b.csv"}},
		Environment: map[string]string{"MODE": "slow"}, Strict: true, Retries: &three,
	})
	stored := y.show(t, run.Number)
	if stored.State != fairlead.Queued || stored.Number != 1 || stored.Creator.Name != "ann" || stored.Fence != 0 {
		t.Errorf("the run is %+v", stored)
	}
	s := stored.Spec
	if s.Step != "train" || !strings.HasPrefix(s.Image, "registry.example.com/team/other@") || s.Retries != 3 || !strings.Contains(s.Script, "set -e") {
		t.Errorf("its spec is %+v", s)
	}
	if string(s.Parameters["rate"]) != "5.0" || string(s.Parameters["rounds"]) != "7" {
		t.Errorf("its parameters are %s", s.Parameters)
	}
	if diff := cmp.Diff(map[string]string{"MODE": "slow"}, s.Environment); diff != "" {
		t.Errorf("its environment (-want +got):\n%s", diff)
	}
	if len(s.Inputs) != 1 || s.Inputs[0].Files[0].URL != "https://example.com/b.csv" {
		t.Errorf("its inputs are %+v", s.Inputs)
	}
}

func TestCreateRefused(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	base := func(change func(*wire.RunRequest)) wire.RunRequest {
		r := wire.RunRequest{ProjectPath: path(), File: stepFile, Step: "train", Parameters: map[string][]string{"rounds": {"7"}}}
		change(&r)
		return r
	}
	eleven, minus := 11, -1
	for name, req := range map[string]wire.RunRequest{
		"no file":          base(func(r *wire.RunRequest) { r.File = "" }),
		"no YAML":          base(func(r *wire.RunRequest) { r.File = "\t- {" }),
		"no such step":     base(func(r *wire.RunRequest) { r.Step = "tain" }),
		"no image":         base(func(r *wire.RunRequest) { r.Image = "UPPER/case" }),
		"no such value":    base(func(r *wire.RunRequest) { r.Parameters["rounds"] = []string{"many"} }),
		"below the least":  base(func(r *wire.RunRequest) { r.Parameters["rounds"] = []string{"0"} }),
		"no parameter":     base(func(r *wire.RunRequest) { r.Parameters["speed"] = []string{"1"} }),
		"no input":         base(func(r *wire.RunRequest) { r.Inputs = map[string][]string{"x": {"https://example.com/x"}} }),
		"too many retries": base(func(r *wire.RunRequest) { r.Retries = &eleven }),
		"minus retries":    base(func(r *wire.RunRequest) { r.Retries = &minus }),
		"too long a file":  base(func(r *wire.RunRequest) { r.File = strings.Repeat("# x\n", 300_000) }),
	} {
		_, err := client.Do(t.Context(), y.Ann, wire.CreateRun, req)
		e := fairlead.AsError("", err)
		if e.Kind != fairlead.Invalid || e.What == "" || e.Why == "" || e.Remedy == "" {
			t.Errorf("%s: %+v", name, e)
		}
		if r, ok := errors.AsType[*client.Refusal](err); name == "no YAML" && (!ok || len(r.Reply.Problems) == 0 || r.Reply.Problems[0].Line == 0) {
			t.Errorf("%s: the reply names no place: %+v", name, r)
		}
	}
	if list := fairleadtest.Must(t, y.Ann, wire.ListRuns, wire.RunsRequest{ProjectPath: path()}); len(list.Runs) != 0 {
		t.Errorf("there are runs: %+v", list.Runs)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	for range 7 {
		y.queue(t)
	}
	for _, row := range []struct {
		before int64
		limit  int
		want   []int64
	}{
		{0, 0, []int64{7, 6, 5, 4, 3, 2, 1}},
		{0, 3, []int64{7, 6, 5}},
		{5, 3, []int64{4, 3, 2}},
		{1, 3, nil},
		{99, 1, []int64{7}},
	} {
		var got []int64
		for _, r := range fairleadtest.Must(t, y.Ann, wire.ListRuns, wire.RunsRequest{ProjectPath: path(), Before: row.before, Limit: row.limit}).Runs {
			got = append(got, r.Number)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("below %d at most %d (-want +got):\n%s", row.before, row.limit, diff)
		}
	}
}

// TestLeaseOfAnotherImage asks with a held run for what the run doesn't name.
func TestLeaseOfAnotherImage(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.queue(t)
	h := y.claim(t, y.one)
	for _, at := range []struct{ host, repository string }{
		{"docker.io", "library/alpine"},
		{"registry.example.com", "library/busybox"},
		{"docker.io", ""},
		{"", ""},
		{"index.docker.io", "library/busybox"},
		{"docker.io", "busybox"},
		{"docker.io", "library/busybox/../alpine"},
	} {
		err := do(t, y.one, wire.LeaseHeld, wire.HeldLeaseRequest{HeldPath: *h, Host: at.host, Repository: at.repository})
		if fairlead.KindOf(err) != fairlead.Denied {
			t.Errorf("%+v: %v", at, err)
		}
	}
	if l := fairleadtest.Must(t, y.one, wire.LeaseHeld, wire.HeldLeaseRequest{HeldPath: *h, Host: "docker.io", Repository: "library/busybox"}); l.Kind != fairlead.Anonymous {
		t.Errorf("the lease is %+v", l)
	}
}
