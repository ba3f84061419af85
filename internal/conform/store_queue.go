package conform

import (
	"errors"
	"time"

	"fairlead.dev/fairlead"
)

func testClaims(t tester, h house) {
	a, b, ada := h.newOrganization(t, "a"), h.newOrganization(t, "b"), h.newUser(t, "ada")
	none := fairlead.Organization{}
	ofA, all := h.newWorker(t, a, "k"), h.newWorker(t, none, "k")
	ofB := h.newWorker(t, b, "k")
	claimable := func(k fairlead.Worker, want bool) {
		t.Helper()
		same(t, "Claimable", ok(h.Claimable(t.Context(), k, at(10)))(t), want)
		if !want {
			_, err := h.claim(t, k, 20)
			same(t, "claim of nothing", errors.Is(err, fairlead.ErrUnchanged), true)
		}
	}
	claimable(all, false)
	before := h.events(t)
	r := h.newRun(t, h.newProject(t, a, fairlead.User{}, "p"))
	claimable(ofB, false)
	same(t, "events after nothing was claimed", h.events(t), before+2) // those of the project and the run
	claimable(ofA, true)
	claimable(all, true)
	got := ok(h.claim(t, ofA, 20))(t)
	r.State, r.Worker, r.WorkerName, r.Engine, r.Claimed, r.Until = fairlead.Preparing, ofA.ID, ofA.Name, ofA.Engine, at(10), at(20)
	r.Attempt, r.Fence = 1, 1
	same(t, "ClaimRun", got, r)
	same(t, "Run", ok(h.Run(t.Context(), r.ID))(t), r)
	claimable(ofA, false)
	claimable(all, false)

	mine := h.newRun(t, h.newProject(t, none, ada, "p")) // a personal project's
	claimable(ofA, false)
	claimable(ofB, false)
	same(t, "everybody's worker", ok(h.claim(t, all, 20))(t).ID, mine.ID)

	// A run whose worker is lost can be had by whoever looks.
	for k, want := range map[fairlead.OrganizationID]bool{"": true, a.ID: true, b.ID: false} {
		same(t, "Claimable when the hold ends", ok(h.Claimable(t.Context(), fairlead.Worker{Organization: k}, at(20)))(t), false)
		same(t, "Claimable after that", ok(h.Claimable(t.Context(), fairlead.Worker{Organization: k}, at(21)))(t), want)
	}
}

func testClaimOrder(t tester, h house) {
	a, b := h.newOrganization(t, "a"), h.newOrganization(t, "b")
	k, all := h.newWorker(t, a, "k"), h.newWorker(t, fairlead.Organization{}, "k")
	inA, inB := h.newProject(t, a, fairlead.User{}, "p"), h.newProject(t, b, fairlead.User{}, "p")
	var ids []fairlead.RunID
	for i, minute := range []int{5, 3, 9, 1, 7, 3} {
		p := inA
		if i%2 != 0 {
			p = inB
		}
		ids = append(ids, h.newRun(t, p, func(r *fairlead.Run) { r.Created = at(minute) }).ID)
	}
	var got []fairlead.RunID
	for range 2 {
		got = append(got, ok(h.claim(t, k, 20))(t).ID)
	}
	for range 4 {
		got = append(got, ok(h.claim(t, all, 20))(t).ID)
	}
	same(t, "order", got, []fairlead.RunID{ids[0], ids[4], ids[3], ids[1], ids[5], ids[2]})
}

// testClaimLanes: a worker gets the runs of its queues that ask for its engine or for
// none, the oldest first, whichever lane it waits in.
func testClaimLanes(t tester, h house) {
	o := h.newOrganization(t, "o")
	p := h.newProject(t, o, fairlead.User{}, "p")
	worker := func(name, engine string, queues ...fairlead.Name) fairlead.Worker {
		k := h.newWorker(t, o, fairlead.Name(name))
		k.Engine, k.Queues = engine, queues
		return k
	}
	plain, gpu, both := worker("plain", "docker"), worker("gpu", "runc", "gpu"), worker("both", "docker", "gpu", fairlead.DefaultQueue, "gpu")
	run := func(minute int, queue fairlead.Name, engine string) fairlead.RunID {
		return h.newRun(t, p, func(r *fairlead.Run) { r.Created, r.Spec.Queue, r.Spec.Engine = at(minute), queue, engine }).ID
	}
	first, second := run(5, "gpu", "docker"), run(4, "gpu", "")
	third, fourth := run(3, "", "docker"), run(2, fairlead.DefaultQueue, "runc")
	other := run(1, "defaul", "docker") // a queue that another's name begins with
	claims := func(k fairlead.Worker, want ...fairlead.RunID) {
		t.Helper()
		for _, id := range want {
			same(t, "Claimable of "+string(k.Name), ok(h.Claimable(t.Context(), k, at(10)))(t), true)
			same(t, string(k.Name), ok(h.claim(t, k, 20))(t).ID, id)
		}
		same(t, "Claimable of "+string(k.Name), ok(h.Claimable(t.Context(), k, at(10)))(t), false)
		_, err := h.claim(t, k, 20)
		same(t, "claim of nothing", errors.Is(err, fairlead.ErrUnchanged), true)
	}
	claims(plain, third)
	claims(gpu, second)
	claims(both, first)
	everybody := worker("everybody", "runc")
	everybody.Organization = ""
	claims(everybody, fourth)
	odd := worker("odd", "docker", "defaul")
	claims(odd, other)
	// Back in the queue, a run is in its lane.
	again := h.newRun(t, p, func(r *fairlead.Run) {
		r.Created, r.Spec.Queue, r.Spec.Engine, r.Spec.Retries = at(-1), "gpu", "docker", 1
	})
	same(t, "to lose", ok(h.claim(t, both, 5))(t).ID, again.ID)
	same(t, "lost", ok(h.lose(t, 6))(t).ID, again.ID)
	claims(gpu)
	claims(both, again.ID)
}

func testRenew(t tester, h house) {
	o := h.newOrganization(t, "o")
	p, k := h.newProject(t, o, fairlead.User{}, "p"), h.newWorker(t, o, "k")
	r := h.newRun(t, p)
	renew := func(fence int64, until int, n *fairlead.Progress) (fairlead.Run, error) {
		return h.Renew(t.Context(), r.ID, fence, fine(at(until)), n)
	}
	_, err := renew(0, 30, nil)
	wantKind(t, err, fairlead.Conflict, fairlead.CodeFence) // nobody holds it
	r = ok(h.claim(t, k, 20))(t)
	before := h.events(t)
	r.Progress = &fairlead.Progress{Phase: fairlead.PhasePull, Layers: []fairlead.LayerProgress{{Digest: "sha256:1", State: "done", Done: 1, Size: 2}, {}}}
	r.Until = at(30)
	same(t, "Renew", ok(renew(1, 30, r.Progress))(t), r)
	same(t, "an earlier one that comes later", ok(renew(1, 25, nil))(t), r) // neither shortens nor forgets
	if err := h.update(t, r, func(r *fairlead.Run) { r.State = fairlead.Stopping }); err != nil {
		t.Fatal(err)
	}
	r.State, r.Until = fairlead.Stopping, at(40)
	same(t, "the worker finds that it shall stop", ok(renew(1, 40, nil))(t), r)
	same(t, "Run", ok(h.Run(t.Context(), r.ID))(t), r)
	same(t, "events", h.events(t), before+1) // that of the update
	for _, fence := range []int64{0, 2, -1} {
		_, err := renew(fence, 50, nil)
		wantKind(t, err, fairlead.Conflict, fairlead.CodeFence)
	}
	for _, id := range nowhere() {
		_, err := h.Renew(t.Context(), fairlead.RunID(id), 1, at(50), nil)
		wantKind(t, err, fairlead.NotFound, "")
	}
	if err := h.update(t, r, func(r *fairlead.Run) { r.State = fairlead.Stopped }); err != nil {
		t.Fatal(err)
	}
	_, err = renew(1, 50, nil)
	wantKind(t, err, fairlead.Conflict, fairlead.CodeFence)
}

func testLoseRun(t tester, h house) {
	o := h.newOrganization(t, "o")
	p, k := h.newProject(t, o, fairlead.User{}, "p"), h.newWorker(t, o, "k")
	queued := h.newRun(t, p, func(r *fairlead.Run) { r.Spec.Retries = 1 })
	unchanged := func(now int) {
		t.Helper()
		before := h.events(t)
		_, err := h.lose(t, now)
		same(t, "nothing lost", errors.Is(err, fairlead.ErrUnchanged), true)
		same(t, "events", h.events(t), before)
	}
	unchanged(99)
	first := ok(h.claim(t, k, 20))(t)
	if err := h.update(t, first, func(r *fairlead.Run) {
		r.State, r.Began, r.Pulled = fairlead.Started, at(11), &fairlead.PullRecord{Image: "x"}
	}); err != nil {
		t.Fatal(err)
	}
	ok(h.Renew(t.Context(), first.ID, first.Fence, at(20), &fairlead.Progress{Phase: fairlead.PhaseRun}))(t)
	unchanged(20)

	// The first time it goes back into the queue as it came, but for fence and attempt.
	got := ok(h.lose(t, 21))(t)
	queued.Fence, queued.Attempt = got.Fence, 1
	same(t, "LoseRun", got, queued)
	same(t, "Run", ok(h.Run(t.Context(), got.ID))(t), queued)
	if got.Fence <= first.Fence {
		t.Errorf("the fence is %d after %d", got.Fence, first.Fence)
	}
	_, err := h.Renew(t.Context(), first.ID, first.Fence, at(50), nil)
	wantKind(t, err, fairlead.Conflict, fairlead.CodeFence)
	wantKind(t, h.update(t, first, func(r *fairlead.Run) { r.State = fairlead.Complete }), fairlead.Conflict, fairlead.CodeFence)
	wantKind(t, h.AppendLog(t.Context(), first.ID, first.Fence, linesOf(1, 1)), fairlead.Conflict, fairlead.CodeFence)
	unchanged(99)

	// The second time it was tried often enough.
	second := ok(h.claim(t, k, 30))(t)
	same(t, "second attempt", []any{second.ID, second.Attempt, second.Fence > got.Fence}, []any{first.ID, 2, true})
	got = ok(h.lose(t, 31))(t)
	wantKind(t, got.Failure, fairlead.Unavailable, fairlead.CodeWorkerLost)
	want := second
	want.State, want.Ended, want.Until, want.Fence, want.Failure = fairlead.Failed, at(31), time.Time{}, got.Fence, got.Failure
	same(t, "LoseRun for the last time", got, want)
	same(t, "Run in the end", ok(h.Run(t.Context(), got.ID))(t), want)
	unchanged(99)

	// Somebody who asked for its end gets it.
	h.newRun(t, p, func(r *fairlead.Run) { r.Spec.Retries = 5 })
	stopping := ok(h.claim(t, k, 40))(t)
	by := fairlead.Subject{Kind: fairlead.UserSubject, ID: "ada"}
	if err := h.update(t, stopping, func(r *fairlead.Run) { r.State, r.StopBy = fairlead.Stopping, &by }); err != nil {
		t.Fatal(err)
	}
	got = ok(h.lose(t, 41))(t)
	want = stopping
	want.State, want.Ended, want.Until, want.Fence, want.StopBy = fairlead.Stopped, at(41), time.Time{}, got.Fence, &by
	same(t, "LoseRun of a run that shall stop", got, want)
	unchanged(99)
}
