package conform

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fairlead.dev/fairlead"
)

// testQueueModel lets the queue and a model of it in memory go the same random way.
func testQueueModel(t *testing.T, h house) {
	t.Helper()
	a, b, ada, everybody := h.newOrganization(t, "a"), h.newOrganization(t, "b"), h.newUser(t, "ada"), fairlead.Organization{}
	special := h.newWorker(t, a, "special")
	special.Queues, special.Engine = []fairlead.Name{"gpu", fairlead.DefaultQueue}, "runc"
	m := queueModel{
		house:    h,
		workers:  []fairlead.Worker{h.newWorker(t, everybody, "all"), h.newWorker(t, a, "a"), h.newWorker(t, b, "b"), special},
		projects: []fairlead.Project{h.newProject(t, everybody, ada, "p"), h.newProject(t, a, fairlead.User{}, "p"), h.newProject(t, b, fairlead.User{}, "p")},
	}
	rapid.Check(t, func(rt *rapid.T) {
		m := m
		defer m.drain(t)
		rt.Repeat(map[string]func(*rapid.T){
			"add":    m.add,
			"claim":  m.claimOne,
			"renew":  m.renew,
			"lose":   m.loseOne,
			"update": m.updateOne,
			"wait":   func(t *rapid.T) { m.now += rapid.IntRange(1, 4).Draw(t, "minutes") },
			"":       m.check,
		})
		for _, r := range m.runs {
			same(rt, "in the end", ok(m.Run(rt.Context(), r.ID))(rt), *r)
		}
	})
}

// queueModel is what the queue should be, and the store in which it is. Times are in
// minutes.
type queueModel struct {
	house
	workers  []fairlead.Worker
	projects []fairlead.Project
	runs     []*fairlead.Run // what should be stored
	now      int
}

// drain ends what a check left, so that the next begins with an empty queue.
func (m *queueModel) drain(t *testing.T) {
	t.Helper()
	for _, r := range m.runs {
		stored := ok(m.Run(t.Context(), r.ID))(t)
		if stored.State.Final() {
			continue
		}
		if err := m.update(t, stored, func(r *fairlead.Run) { r.State = fairlead.Stopped }); err != nil {
			t.Error(err)
		}
	}
}

func (m *queueModel) add(t *rapid.T) {
	p := rapid.SampledFrom(m.projects).Draw(t, "project")
	r := m.newRun(t, p, func(r *fairlead.Run) {
		r.Created = at(-rapid.IntRange(0, 9).Draw(t, "age"))
		r.Spec.Queue = rapid.SampledFrom([]fairlead.Name{"", fairlead.DefaultQueue, "gpu"}).Draw(t, "queue")
		r.Spec.Engine = rapid.SampledFrom([]string{"", "docker", "runc"}).Draw(t, "engine")
		r.Spec.Retries = rapid.IntRange(0, 2).Draw(t, "retries")
	})
	m.runs = append(m.runs, &r)
}

// may tells whether the worker may perform the run.
func may(k fairlead.Worker, r *fairlead.Run) bool {
	if k.Organization != "" && k.Organization != r.Organization || r.Spec.Engine != "" && r.Spec.Engine != k.Engine {
		return false
	}
	queue, takes := cmp.Or(r.Spec.Queue, fairlead.DefaultQueue), k.Queues
	if takes == nil {
		takes = []fairlead.Name{fairlead.DefaultQueue}
	}
	return slices.Contains(takes, queue)
}

// lost tells whether the run's hold ended before now.
func (m *queueModel) lost(r *fairlead.Run) bool { return r.State.Held() && r.Until.Before(at(m.now)) }

// oldest finds the first of those that fit.
func (m *queueModel) oldest(fits func(*fairlead.Run) bool, age func(*fairlead.Run) time.Time) *fairlead.Run {
	var list []*fairlead.Run
	for _, r := range m.runs {
		if fits(r) {
			list = append(list, r)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return slices.MinFunc(list, func(a, b *fairlead.Run) int {
		return cmp.Or(age(a).Compare(age(b)), cmp.Compare(a.ID, b.ID))
	})
}

func (m *queueModel) claimOne(t *rapid.T) {
	k := rapid.SampledFrom(m.workers).Draw(t, "worker")
	until := m.now + rapid.IntRange(0, 6).Draw(t, "hold")
	want := m.oldest(
		func(r *fairlead.Run) bool { return r.State == fairlead.Queued && may(k, r) },
		func(r *fairlead.Run) time.Time { return r.Created })
	got, err := m.claim(t, k, until)
	if want == nil {
		same(t, "claim of nothing", errors.Is(err, fairlead.ErrUnchanged), true)
		return
	}
	want.State, want.Worker, want.WorkerName, want.Engine = fairlead.Preparing, k.ID, k.Name, k.Engine
	want.Claimed, want.Until = at(10), at(until)
	want.Attempt++
	want.Fence++
	same(t, "claim", ok(got, err)(t), *want)
}

// draw picks a run, and a fence that is right more often than not.
func (m *queueModel) draw(t *rapid.T) (r *fairlead.Run, fence int64, right bool) {
	if len(m.runs) == 0 {
		t.Skip("there is no run")
	}
	r = rapid.SampledFrom(m.runs).Draw(t, "run")
	fence = r.Fence + rapid.SampledFrom([]int64{0, 0, 0, -1, 1}).Draw(t, "fence")
	return r, fence, fence == r.Fence
}

func (m *queueModel) renew(t *rapid.T) {
	r, fence, right := m.draw(t)
	until := at(m.now + rapid.IntRange(0, 6).Draw(t, "hold"))
	p := rapid.SampledFrom([]*fairlead.Progress{nil, {Phase: fairlead.PhasePull}, {Phase: fairlead.PhaseRun}}).Draw(t, "progress")
	got, err := m.Renew(t.Context(), r.ID, fence, until, p)
	if !right || !r.State.Held() {
		wantKind(t, err, fairlead.Conflict, fairlead.CodeFence)
		return
	}
	if until.After(r.Until) {
		r.Until = until
	}
	if p != nil {
		r.Progress = p
	}
	same(t, "renew", ok(got, err)(t), *r)
}

func (m *queueModel) loseOne(t *rapid.T) {
	want := m.oldest(m.lost, func(r *fairlead.Run) time.Time { return r.Until })
	got, err := m.lose(t, m.now)
	if want == nil {
		same(t, "nothing lost", errors.Is(err, fairlead.ErrUnchanged), true)
		return
	}
	ok(got, err)(t)
	if i := slices.IndexFunc(m.runs, func(r *fairlead.Run) bool { return r.ID == got.ID }); i >= 0 && m.runs[i].Until.Equal(want.Until) {
		want = m.runs[i] // of those that ended at the same time, any
	}
	want.Fence++
	switch {
	case want.State == fairlead.Stopping:
		want.State, want.Ended = fairlead.Stopped, at(m.now)
	case want.Attempt > want.Spec.Retries:
		want.State, want.Ended, want.Failure = fairlead.Failed, at(m.now), got.Failure
		wantKind(t, got.Failure, fairlead.Unavailable, fairlead.CodeWorkerLost)
	default:
		want.State, want.Worker, want.WorkerName, want.Engine, want.Claimed = fairlead.Queued, "", "", "", time.Time{}
	}
	want.Until, want.Progress = time.Time{}, nil
	same(t, "lose", got, *want)
}

func (m *queueModel) updateOne(t *rapid.T) {
	r, fence, right := m.draw(t)
	state := rapid.SampledFrom([]fairlead.RunState{
		fairlead.Queued, fairlead.Preparing, fairlead.Started, fairlead.Stopping, fairlead.Complete, fairlead.Failed, fairlead.Stopped,
	}).Draw(t, "state")
	changed := *r
	changed.State, changed.Fence = state, fence
	err := m.update(t, changed)
	switch {
	case !right || r.State.Final():
		wantKind(t, err, fairlead.Conflict, fairlead.CodeFence)
	case state.Held() && !r.State.Held():
		wantKind(t, err, fairlead.Conflict, "")
	case err != nil:
		t.Fatal(err)
	default:
		if r.State = state; !state.Held() {
			r.Until, r.Progress = time.Time{}, nil
		}
	}
}

// check asks what each worker would find.
func (m *queueModel) check(t *rapid.T) {
	for _, k := range m.workers {
		want := slices.ContainsFunc(m.runs, func(r *fairlead.Run) bool {
			return may(k, r) && r.State == fairlead.Queued || m.lost(r) && (k.Organization == "" || k.Organization == r.Organization)
		})
		same(t, "Claimable", ok(m.Claimable(t.Context(), k, at(m.now)))(t), want)
	}
}
