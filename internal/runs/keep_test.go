package runs

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob"
)

func TestKeep(t *testing.T) {
	t.Parallel()
	const abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	for _, row := range []struct {
		name string
		body io.Reader
		most int64
		want fairlead.Kind
	}{
		{"as much as may be", strings.NewReader("abc"), 3, ""},
		{"more", strings.NewReader("abcd"), 3, fairlead.Invalid},
		{"cut", io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(errors.New("cut"))), 3, fairlead.Invalid},
		{"cut by what stands between", iotest.ErrReader(&fairlead.Error{Kind: fairlead.Unavailable}), 3, fairlead.Unavailable},
		{"other bytes", strings.NewReader("abd"), 3, fairlead.Invalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			disk, err := blob.NewDisk(dir, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			r := New(nil, nil, nil, disk, Options{Now: time.Now})
			size, err := r.keep(t.Context(), abc, row.body, row.most)
			if got := fairlead.KindOf(err); got != row.want || row.want == "" && size != 3 {
				t.Errorf("%d, %v", size, err)
			}
			left, err := os.ReadDir(filepath.Join(dir, "tmp"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestBell rings for those who listen, and forgets those who have left.
func TestBell(t *testing.T) {
	t.Parallel()
	b := newBell()
	one, leave := b.listen("r")
	other, leaveToo := b.listen("r")
	b.ring("s")
	if rung(one) {
		t.Error("the bell of another run was heard")
	}
	b.ring("r")
	if !rung(one) || !rung(other) {
		t.Error("the bell wasn't heard")
	}
	leave()
	again, leaveAgain := b.listen("r")
	leaveToo() // of the bell that has rung: the new one stays
	b.ring("r")
	if !rung(again) {
		t.Error("the bell wasn't heard the second time")
	}
	leaveAgain()
	_, leave = b.listen("t")
	leave()
	if len(b.runs) != 0 {
		t.Errorf("%d bells are left", len(b.runs))
	}
	queue := b.listenQueue()
	b.queued()
	if !rung(queue) || rung(b.listenQueue()) {
		t.Error("the queue's bell rings once for each who listened")
	}
}

func rung(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestMark(t *testing.T) {
	t.Parallel()
	base := fairlead.Run{State: fairlead.Queued}
	marks := map[string]string{"": mark(base)}
	for name, run := range map[string]fairlead.Run{
		"state":    {State: fairlead.Preparing},
		"attempt":  {State: fairlead.Queued, Attempt: 1},
		"pulled":   {State: fairlead.Queued, Pulled: &fairlead.PullRecord{}},
		"progress": {State: fairlead.Queued, Progress: &fairlead.Progress{Phase: fairlead.PhasePull}},
		"layer":    {State: fairlead.Queued, Progress: &fairlead.Progress{Phase: fairlead.PhasePull, Layers: []fairlead.LayerProgress{{Done: 1}}}},
	} {
		m := mark(run)
		if again := mark(run); again != m {
			t.Errorf("%s: the mark of the same run is %s, then %s", name, m, again)
		}
		for other, o := range marks {
			if o == m {
				t.Errorf("%s and %q have the same mark", name, other)
			}
		}
		marks[name] = m
	}
}
