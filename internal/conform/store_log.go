package conform

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"fairlead.dev/fairlead"
)

// linesOf makes the lines first to last.
func linesOf(first, last int64) []fairlead.LogLine {
	streams := []fairlead.Stream{fairlead.StatusStream, fairlead.Stdout, fairlead.Stderr}
	list := make([]fairlead.LogLine, 0, last-first+1)
	for n := first; n <= last; n++ {
		list = append(list, fairlead.LogLine{Seq: n, At: at(int(n)), Stream: streams[(n+3)%3], Text: fmt.Sprintf("epoch %d loss %f", n, 1/float64(n))})
	}
	return list
}

// logged is a run that the worker holds, with its fence.
func (h house) logged(t tester) fairlead.Run {
	t.Helper()
	o := h.newOrganization(t, "o")
	h.newRun(t, h.newProject(t, o, fairlead.User{}, "p"))
	return ok(h.claim(t, h.newWorker(t, o, "k"), 20))(t)
}

func testLog(t tester, h house) {
	r := h.logged(t)
	before := h.events(t)
	read := func(after int64, limit int) []fairlead.LogLine { return ok(h.Log(t.Context(), r.ID, after, limit))(t) }
	same(t, "Log of nothing", read(0, 10), []fairlead.LogLine(nil))
	same(t, "LastLine of nothing", ok(h.LastLine(t.Context(), r.ID))(t), int64(0))
	lines := linesOf(1, 12)
	for i, text := range append(strange(), "\x00binary\xff\xfe", strings.Repeat("\x80", 1000)) { // a program may print anything
		lines[i].Text, lines[i].At = text, fine(lines[i].At)
	}
	lines[11].At = lines[0].At // clocks may be set back
	for _, part := range [][]fairlead.LogLine{nil, lines[:1], lines[1:5], {}, lines[5:]} {
		if err := h.AppendLog(t.Context(), r.ID, r.Fence, part); err != nil {
			t.Fatal(err)
		}
	}
	for i := range lines {
		lines[i].At = at(i + 1)
	}
	lines[11].At = lines[0].At
	same(t, "Log", read(0, 100), lines)
	same(t, "LastLine", ok(h.LastLine(t.Context(), r.ID))(t), int64(12))
	for after := range int64(14) {
		for _, limit := range []int{1, 3, 100} {
			var want []fairlead.LogLine
			if after < 12 {
				want = lines[after:min(int(after)+limit, 12)]
			}
			same(t, fmt.Sprintf("Log after %d, %d", after, limit), read(after, limit), want)
		}
	}
	same(t, "no limit is none", read(0, 0), []fairlead.LogLine(nil))
	same(t, "before the first", read(-5, 1), lines[:1])
	for _, id := range nowhere() {
		same(t, "Log nowhere", ok(h.Log(t.Context(), fairlead.RunID(id), 0, 10))(t), []fairlead.LogLine(nil))
		same(t, "LastLine nowhere", ok(h.LastLine(t.Context(), fairlead.RunID(id)))(t), int64(0))
		wantKind(t, h.AppendLog(t.Context(), fairlead.RunID(id), 1, linesOf(1, 1)), fairlead.NotFound, "")
	}
	same(t, "events", h.events(t), before)
}

func testLogConflicts(t tester, h house) {
	r := h.logged(t)
	add := func(fence int64, lines []fairlead.LogLine) error { return h.AppendLog(t.Context(), r.ID, fence, lines) }
	twice := append(linesOf(1, 2), linesOf(2, 3)...)
	for name, lines := range map[string][]fairlead.LogLine{
		"not from 1": linesOf(2, 3), "from 0": linesOf(0, 3), "below": linesOf(-1, 3), "twice": twice, "gap": append(linesOf(1, 1), linesOf(3, 3)...),
	} {
		t.Log(name)
		wantKind(t, add(r.Fence, lines), fairlead.Conflict, "")
	}
	for _, part := range [][]fairlead.LogLine{
		linesOf(1, 5), linesOf(1, 5), linesOf(2, 3), // asked for again
		linesOf(3, 8), linesOf(1, 9), linesOf(10, 10), // some are there
	} {
		if err := add(r.Fence, part); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, add(r.Fence, linesOf(12, 13)), fairlead.Conflict, "")
	for _, fence := range []int64{0, r.Fence - 1, r.Fence + 1} {
		wantKind(t, add(fence, linesOf(11, 12)), fairlead.Conflict, fairlead.CodeFence)
		wantKind(t, add(fence, linesOf(1, 2)), fairlead.Conflict, fairlead.CodeFence)
	}
	same(t, "Log", ok(h.Log(t.Context(), r.ID, 0, 100))(t), linesOf(1, 10))

	// The last lines may come after the end, under the last fence.
	if err := h.update(t, r, func(r *fairlead.Run) { r.State = fairlead.Complete }); err != nil {
		t.Fatal(err)
	}
	if err := add(r.Fence, linesOf(11, 12)); err != nil {
		t.Fatal(err)
	}
	same(t, "LastLine", ok(h.LastLine(t.Context(), r.ID))(t), int64(12))
}

// testLogAnywhere reads a log that was written in batches of all sizes, from anywhere.
func testLogAnywhere(t tester, h house) {
	r := h.logged(t)
	const most = 12000
	all := linesOf(1, most)
	random := rand.New(rand.NewPCG(1, 2))
	for n := 0; n < most; {
		size := []int{1, 1, 2, 50, 3000}[random.IntN(5)]
		end := min(n+size, most)
		if err := h.AppendLog(t.Context(), r.ID, r.Fence, all[n:end]); err != nil {
			t.Fatal(err)
		}
		n = end
	}
	for range 100 {
		after, limit := random.Int64N(most), 1+random.IntN(2500)
		same(t, fmt.Sprintf("Log after %d, %d", after, limit),
			ok(h.Log(t.Context(), r.ID, after, limit))(t), all[after:min(int(after)+limit, most)])
	}
	same(t, "Log", ok(h.Log(t.Context(), r.ID, 0, 1<<40))(t), all)
	same(t, "Log to the greatest number", len(ok(h.Log(t.Context(), r.ID, most-1, int(^uint(0)>>1)))(t)), 1)
}
