package conform

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// fullSpec sets every field of a spec.
func fullSpec(text string) fairlead.RunSpec {
	return fairlead.RunSpec{
		Step: text, Image: text, Interpreter: []string{"/bin/sh", text}, Script: text, Environment: map[string]string{text: text},
		Parameters: map[string]json.RawMessage{
			"number": raw("5.0"), "great": raw("12345678901234567890.10"), "flag": raw("true"), "list": raw(`["a<b&",1e3]`), "nothing": raw("null"), text: raw(`""`),
		},
		Inputs: []fairlead.Input{{Name: text, Directories: "full", Files: []fairlead.InputFile{
			{URL: text, Name: text, Checksums: map[string]string{"md5": text}}, {URL: text},
		}}},
		TimeLimit: math.MaxInt64, NoOutput: 1, Features: []fairlead.Feature{{Name: text, Ignorable: true}, {Name: text}}, Retries: 3,
	}
}

func testRuns(t tester, h house) {
	o, ada := h.newOrganization(t, "o"), h.newUser(t, "ada")
	p, mine := h.newProject(t, o, fairlead.User{}, "p"), h.newProject(t, fairlead.Organization{}, ada, "p")
	for i, text := range strange() {
		r := runOf(p)
		r.Spec, r.Archive, r.Created = fullSpec(text), fairlead.Digest(text), fine(at(i))
		r.Creator = fairlead.Subject{Kind: fairlead.WorkerSubject, ID: text, Name: text}
		got := h.newRun(t, p, func(n *fairlead.Run) { *n = r })
		r.Number, r.Created = int64(i+1), at(i)
		same(t, "AddRun", got, r)
		same(t, "Run", ok(h.Run(t.Context(), r.ID))(t), r)
		same(t, "RunByNumber", ok(h.RunByNumber(t.Context(), p.ID, r.Number))(t), r)
	}
	personal := h.newRun(t, mine)
	same(t, "personal run", []any{personal.Number, personal.Organization}, []any{int64(1), fairlead.OrganizationID("")})
	same(t, "a run without a state", h.newRun(t, mine, func(r *fairlead.Run) { r.State = "" }).State, fairlead.Queued)

	add := func(with func(*fairlead.Run)) step {
		r := runOf(p)
		with(&r)
		return func(ctx context.Context, w fairlead.Writer) error { _, err := w.AddRun(ctx, r); return err }
	}
	h.refused(t, fairlead.Conflict, "", add(func(r *fairlead.Run) { r.ID = personal.ID }))
	h.refused(t, fairlead.Invalid, "", add(func(r *fairlead.Run) { r.Spec.Parameters = map[string]json.RawMessage{"a": raw("NaN")} }))
	h.refused(t, fairlead.Conflict, fairlead.CodeStale, add(func(r *fairlead.Run) { r.Organization = "" }))
	h.refused(t, fairlead.Conflict, fairlead.CodeStale, add(func(r *fairlead.Run) { r.Organization = fairlead.OrganizationID(newID()) }))
	same(t, "the number after what was refused", h.newRun(t, p).Number, int64(len(strange())+1))
	for _, id := range nowhere() {
		h.refused(t, fairlead.NotFound, "", add(func(r *fairlead.Run) { r.Project = fairlead.ProjectID(id) }))
		r, err := h.Run(t.Context(), fairlead.RunID(id))
		wantMissing(t, r, err)
		r, err = h.RunByNumber(t.Context(), fairlead.ProjectID(id), 1)
		wantMissing(t, r, err)
		same(t, "RunsOf nowhere", ok(h.RunsOf(t.Context(), fairlead.ProjectID(id), 0, 10))(t), []fairlead.Run(nil))
		h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
			_, err := w.LockRun(ctx, fairlead.RunID(id))
			return err
		})
		wantKind(t, h.update(t, fairlead.Run{ID: fairlead.RunID(id), State: fairlead.Failed}), fairlead.NotFound, "")
	}
	for _, number := range []int64{-1, 0, 1 << 40, math.MaxInt64} {
		r, err := h.RunByNumber(t.Context(), p.ID, number)
		wantMissing(t, r, err)
	}
}

// testRunText: what is empty comes back as nil, in whatever way it was empty.
func testRunText(t tester, h house) {
	p := h.newProject(t, h.newOrganization(t, "o"), fairlead.User{}, "p")
	empty := fairlead.RunSpec{
		Interpreter: []string{}, Environment: map[string]string{}, Parameters: map[string]json.RawMessage{}, Features: []fairlead.Feature{},
		Inputs: []fairlead.Input{{Name: "n", Files: []fairlead.InputFile{}}},
	}
	r := h.newRun(t, p, func(r *fairlead.Run) { r.Spec = empty })
	want := fairlead.RunSpec{Inputs: []fairlead.Input{{Name: "n"}}}
	same(t, "AddRun", r.Spec, want)
	same(t, "Run", ok(h.Run(t.Context(), r.ID))(t).Spec, want)

	// The character 0 and what isn't UTF-8 in JSON.
	r = h.newRun(t, p, func(r *fairlead.Run) { r.Spec.Script, r.Spec.Step = "a\x00b", "a\xffb" })
	same(t, "text", []string{r.Spec.Script, r.Spec.Step}, []string{"a\x00b", "a\uFFFDb"})
}

func testRunPages(t tester, h house) {
	p := h.newProject(t, h.newOrganization(t, "o"), fairlead.User{}, "p")
	other := h.newProject(t, h.newOrganization(t, "o2"), fairlead.User{}, "p")
	same(t, "RunsOf none", ok(h.RunsOf(t.Context(), p.ID, 0, 10))(t), []fairlead.Run(nil))
	var all []fairlead.Run
	for range 23 {
		all = slices.Insert(all, 0, h.newRun(t, p))
		h.newRun(t, other)
	}
	list := func(before int64, limit int) []fairlead.Run { return ok(h.RunsOf(t.Context(), p.ID, before, limit))(t) }
	same(t, "all", list(0, 100), all)
	same(t, "the newest", list(0, 3), all[:3])
	same(t, "before 5", list(5, 2), all[19:21])
	same(t, "the last page", list(3, 10), all[21:])
	for _, limit := range []int{0, -1} {
		same(t, "no limit is none", list(0, limit), []fairlead.Run(nil))
	}
	same(t, "before the first", list(1, 10), []fairlead.Run(nil))
}

func testUpdateRun(t tester, h house) {
	o := h.newOrganization(t, "o")
	p, k := h.newProject(t, o, fairlead.User{}, "p"), h.newWorker(t, o, "k")
	h.newRun(t, p)
	r := ok(h.claim(t, k, 20))(t)
	for i, text := range strange() {
		code, exit := fairlead.CodeRateLimited, i-1
		with := func(r *fairlead.Run) {
			r.State, r.Began = fairlead.Started, fine(at(11))
			r.Pulled = &fairlead.PullRecord{Image: text, Digest: "sha256:1", Platform: text, Registry: "r", Connector: "c", Lease: fairlead.ShortLogin, Bytes: math.MaxInt64, Took: time.Second}
			r.ExitCode = &exit
			r.Failure = &fairlead.Error{Kind: fairlead.Limited, Code: code, What: text, Why: text, Remedy: text, Field: text, RetryAt: fine(at(i))}
			r.StopBy = &fairlead.Subject{Kind: fairlead.UserSubject, ID: text, Name: text}
		}
		changed := r
		with(&changed)
		// What an update doesn't store.
		changed.Until, changed.Progress, changed.Number, changed.Spec, changed.Worker, changed.Attempt = at(99), &fairlead.Progress{Phase: "x"}, 99, fullSpec("x"), "x", 99
		if err := h.update(t, changed); err != nil {
			t.Fatal(err)
		}
		with(&r)
		r.Began, r.Failure.RetryAt = at(11), at(i)
		same(t, "after UpdateRun", ok(h.Run(t.Context(), r.ID))(t), r)
	}
	if _, err := h.Renew(t.Context(), r.ID, r.Fence, at(30), &fairlead.Progress{Phase: fairlead.PhaseRun}); err != nil {
		t.Fatal(err)
	}
	for _, fence := range []int64{0, r.Fence - 1, r.Fence + 1} {
		wantKind(t, h.update(t, r, func(r *fairlead.Run) { r.Fence = fence }), fairlead.Conflict, fairlead.CodeFence)
	}
	r.State, r.Ended, r.ExitCode, r.Failure, r.StopBy, r.Pulled = fairlead.Complete, at(12), new(int), nil, nil, nil
	if err := h.update(t, r); err != nil {
		t.Fatal(err)
	}
	r.Until, r.Progress = time.Time{}, nil // an ended run is held by nobody
	same(t, "at its end", ok(h.Run(t.Context(), r.ID))(t), r)
	for _, state := range []fairlead.RunState{fairlead.Queued, fairlead.Started, fairlead.Complete, fairlead.Failed} {
		wantKind(t, h.update(t, r, func(r *fairlead.Run) { r.State = state }), fairlead.Conflict, fairlead.CodeFence)
	}

	queued := h.newRun(t, p)
	for _, state := range []fairlead.RunState{fairlead.Preparing, fairlead.Started, fairlead.Stopping} { // nobody would ever end it
		wantKind(t, h.update(t, queued, func(r *fairlead.Run) { r.State = state }), fairlead.Conflict, "")
	}
	if err := h.update(t, queued, func(r *fairlead.Run) { r.State, r.Ended = fairlead.Stopped, at(13) }); err != nil {
		t.Fatal(err)
	}
	queued.State, queued.Ended = fairlead.Stopped, at(13)
	same(t, "stopped in the queue", ok(h.Run(t.Context(), queued.ID))(t), queued)
	_, err := h.claim(t, k, 20)
	same(t, "claim of nothing", errors.Is(err, fairlead.ErrUnchanged), true)
}

func testOutputs(t tester, h house) {
	o := h.newOrganization(t, "o")
	p, k := h.newProject(t, o, fairlead.User{}, "p"), h.newWorker(t, o, "k")
	h.newRun(t, p)
	r := ok(h.claim(t, k, 20))(t)
	same(t, "OutputsOf none", ok(h.OutputsOf(t.Context(), r.ID))(t), []fairlead.Output(nil))
	add := func(id fairlead.RunID, fence int64, n fairlead.Output) step {
		return func(ctx context.Context, w fairlead.Writer) error { return w.AddOutput(ctx, id, fence, n) }
	}
	var want []fairlead.Output
	for i, text := range strange() {
		if len(text) > 1024 { // more than an index holds
			h.refused(t, fairlead.Invalid, "", add(r.ID, r.Fence, fairlead.Output{Name: text}))
			text = text[:1024]
		}
		n := fairlead.Output{Name: text, Digest: fairlead.Digest(text), Size: int64(i)}
		h.must(t, add(r.ID, r.Fence, n))
		n.Size = math.MaxInt64 // the last one counts
		h.must(t, add(r.ID, r.Fence, n))
		want = append(want, n)
	}
	slices.SortFunc(want, func(a, b fairlead.Output) int { return strings.Compare(a.Name, b.Name) })
	same(t, "OutputsOf", ok(h.OutputsOf(t.Context(), r.ID))(t), want)
	h.refused(t, fairlead.NotFound, "", add(fairlead.RunID(newID()), 1, want[0]))
	h.refused(t, fairlead.Conflict, fairlead.CodeFence, add(r.ID, r.Fence-1, want[0]))
	h.refused(t, fairlead.Conflict, fairlead.CodeFence, add(r.ID, r.Fence+1, want[0]))
	if err := h.update(t, r, func(r *fairlead.Run) { r.State = fairlead.Complete }); err != nil {
		t.Fatal(err)
	}
	h.refused(t, fairlead.Conflict, fairlead.CodeFence, add(r.ID, r.Fence, want[0]))
	same(t, "OutputsOf in the end", ok(h.OutputsOf(t.Context(), r.ID))(t), want)
}

// testDiagnosis: a run's diagnosis is noted whenever it comes, and read as it was noted.
func testDiagnosis(t tester, h house) {
	o := h.newOrganization(t, "o")
	p := h.newProject(t, o, fairlead.User{}, "p")
	for i, text := range strange() {
		d := fairlead.Diagnosis{
			Image: text, Project: "o/p", Registry: "r", Connector: "c", From: "k", At: fine(at(i)), Verdict: fairlead.ProbeFailed,
			Cause: &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeNoRight, What: text, Why: text, Remedy: text, RetryAt: fine(at(i))},
			Probes: []fairlead.Probe{
				{Name: "dns", Verdict: fairlead.ProbeOK, Detail: text, Took: time.Second},
				{Name: "tls", Verdict: fairlead.ProbeFailed, Detail: text, Remedy: text, Error: &fairlead.Error{Kind: fairlead.Limited, What: text, RetryAt: fine(at(i))}},
			},
		}
		r := h.newRun(t, p)
		same(t, "no diagnosis", r.Diagnosis, (*fairlead.Diagnosis)(nil))
		r.State, r.Ended = fairlead.Stopped, at(13)
		if err := h.update(t, r); err != nil {
			t.Fatal(err)
		}
		if err := h.NoteDiagnosis(t.Context(), r.ID, d); err != nil {
			t.Fatal(err)
		}
		with := h.newRun(t, p, func(r *fairlead.Run) { r.Diagnosis = &d }) // noted as it is queued
		d.At, d.Cause.RetryAt, d.Probes[1].Error.RetryAt = at(i), at(i), at(i)
		r.Diagnosis = &d
		same(t, "after NoteDiagnosis", ok(h.Run(t.Context(), r.ID))(t), r)
		same(t, "as it was added", ok(h.Run(t.Context(), with.ID))(t).Diagnosis, &d)
	}
	for _, id := range nowhere() {
		wantKind(t, h.NoteDiagnosis(t.Context(), fairlead.RunID(id), fairlead.Diagnosis{}), fairlead.NotFound, "")
	}
}

// testLookouts: of those that ask for one, one gets it; who took it answers it, once.
func testLookouts(t tester, h house) {
	o := h.newOrganization(t, "o")
	k, other := h.newWorker(t, o, "k"), h.newWorker(t, o, "other")
	take := func(w fairlead.Worker, since int) (fairlead.Lookout, error) {
		return h.TakeLookout(t.Context(), w.ID, at(since))
	}
	none := func(what string, w fairlead.Worker, since int) {
		t.Helper()
		_, err := take(w, since)
		same(t, what, errors.Is(err, fairlead.ErrUnchanged), true)
	}
	none("nothing", k, 0)
	var list []fairlead.Lookout
	for i, text := range strange() {
		l := fairlead.Lookout{ID: newID(), Worker: k.ID, Endpoint: fairlead.LookoutEndpoint{Host: text, PlainHTTP: i%2 == 0, CABundle: text}, Asked: fine(at(10 + i))}
		if err := h.AddLookout(t.Context(), l, at(0)); err != nil {
			t.Fatal(err)
		}
		l.Asked = at(10 + i)
		list = append(list, l)
		same(t, "as it was added", ok(h.Lookout(t.Context(), l.ID))(t), l)
	}
	none("another worker's", other, 0)
	none("asked too long ago", k, 10+len(list))
	wantKind(t, h.AnswerLookout(t.Context(), k.ID, list[0].ID, raw(`{}`)), fairlead.NotFound, "") // not taken
	for _, l := range list {
		same(t, "the oldest", ok(take(k, 0))(t), l)
		wantKind(t, h.AnswerLookout(t.Context(), other.ID, l.ID, raw(`{}`)), fairlead.NotFound, "")
		if err := h.AnswerLookout(t.Context(), k.ID, l.ID, raw(`{"status":200}`)); err != nil {
			t.Fatal(err)
		}
		wantKind(t, h.AnswerLookout(t.Context(), k.ID, l.ID, raw(`{}`)), fairlead.NotFound, "") // answered
		l.Sight = raw(`{"status":200}`)
		same(t, "answered", ok(h.Lookout(t.Context(), l.ID))(t), l)
	}
	none("all are taken", k, 0)
	late := fairlead.Lookout{ID: newID(), Worker: k.ID, Endpoint: fairlead.LookoutEndpoint{Host: "h"}, Asked: at(100)}
	if err := h.AddLookout(t.Context(), late, at(99)); err != nil {
		t.Fatal(err)
	}
	l, err := h.Lookout(t.Context(), list[0].ID)
	wantMissing(t, l, err) // forgotten
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveWorker(ctx, o.ID, k.ID) })
	l, err = h.Lookout(t.Context(), late.ID)
	wantMissing(t, l, err) // gone with its worker
	late.ID = newID()
	wantKind(t, h.AddLookout(t.Context(), late, at(0)), fairlead.NotFound, "")
}
