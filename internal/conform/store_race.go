package conform

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"fairlead.dev/fairlead"
)

// race runs f n times at once and gives what each came to.
func race[T any](n int, f func(i int) T) []T {
	begin, results := make(chan struct{}), make([]T, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-begin
			results[i] = f(i)
		})
	}
	close(begin)
	all.Wait()
	return results
}

// oneWins asks that one had no error, and all others one of the kind and code.
func oneWins(t tester, results []error, kind fairlead.Kind, code fairlead.Code) {
	t.Helper()
	wins := 0
	for _, err := range results {
		if err == nil {
			wins++
			continue
		}
		wantKind(t, err, kind, code)
	}
	same(t, "those who won", wins, 1)
}

// testRaceClaims: many workers claim many runs; each run is claimed once, by a worker
// that may.
func testRaceClaims(t tester, h house) {
	const runs, workers = 1000, 8
	a, ada, none := h.newOrganization(t, "a"), h.newUser(t, "ada"), fairlead.Organization{}
	projects := []fairlead.Project{h.newProject(t, a, fairlead.User{}, "p"), h.newProject(t, none, ada, "p")}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		for i := range runs {
			r := runOf(projects[i%2])
			if r.Created = at(i); i%10 == 0 {
				r.State = fairlead.Stopped
			}
			if _, err := w.AddRun(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
	var k [workers]fairlead.Worker
	for i := range k {
		k[i] = h.newWorker(t, []fairlead.Organization{none, a}[i%2], nameOf("k", i))
	}
	claims := race(workers, func(i int) (list []fairlead.Run) {
		for {
			r, err := h.claim(t, k[i], 20)
			if err != nil {
				if !errors.Is(err, fairlead.ErrUnchanged) {
					t.Error(err)
				}
				return list
			}
			if list = append(list, r); !may(k[i], &r) || r.Fence != 1 || r.Worker != k[i].ID {
				t.Errorf("the worker of %q has %+v", k[i].Organization, r)
			}
		}
	})
	seen := map[fairlead.RunID]bool{}
	for _, list := range claims {
		for i, r := range list {
			if seen[r.ID] {
				t.Errorf("run %d was claimed twice", r.Number)
			}
			if seen[r.ID] = true; i > 0 && r.Created.Before(list[i-1].Created) {
				t.Errorf("a worker had a run of %v after one of %v", r.Created, list[i-1].Created)
			}
		}
	}
	same(t, "claimed", len(seen), runs-runs/10)
}

// testRaceHold: a worker renews and ends a run while others take it for lost.
func testRaceHold(t tester, h house) {
	o := h.newOrganization(t, "o")
	p, k := h.newProject(t, o, fairlead.User{}, "p"), h.newWorker(t, o, "k")
	for range 60 {
		h.newRun(t, p, func(r *fairlead.Run) { r.Spec.Retries = 5 })
		r := ok(h.claim(t, k, 20))(t)
		results := race(4, func(i int) (err error) {
			switch i {
			case 0:
				_, err = h.Renew(t.Context(), r.ID, r.Fence, at(40), nil)
			case 1:
				err = h.update(t, r, func(r *fairlead.Run) { r.State = fairlead.Complete })
			default:
				if _, err = h.lose(t, 30); errors.Is(err, fairlead.ErrUnchanged) {
					err = fairlead.ErrUnchanged
				}
			}
			return err
		})
		got := ok(h.Run(t.Context(), r.ID))(t)
		lost := results[2] == nil || results[3] == nil
		switch {
		case results[2] == nil && results[3] == nil:
			t.Error("it was lost twice")
		case lost:
			same(t, "a lost run", []any{got.State, got.Fence > r.Fence}, []any{fairlead.Queued, true})
			wantKind(t, results[0], fairlead.Conflict, fairlead.CodeFence)
			wantKind(t, results[1], fairlead.Conflict, fairlead.CodeFence)
			if err := h.update(t, got, func(r *fairlead.Run) { r.State = fairlead.Stopped }); err != nil {
				t.Fatal(err)
			}
		default:
			same(t, "a run that was ended", []any{got.State, got.Fence, results[1]}, []any{fairlead.Complete, r.Fence, error(nil)})
		}
	}
}

// testRaceNumbers: the runs of a project are counted without a gap, also when some of
// those who add them give up.
func testRaceNumbers(t tester, h house) {
	const adders, each = 8, 25
	p := h.newProject(t, h.newOrganization(t, "o"), fairlead.User{}, "p")
	giveUp := errors.New("given up")
	numbers := slices.Concat(race(adders, func(i int) (list []int64) {
		for n := range each {
			var r fairlead.Run
			err := h.do(t, func(ctx context.Context, w fairlead.Writer) (err error) {
				if r, err = w.AddRun(ctx, runOf(p)); (n+i)%5 == 0 {
					return cmp.Or(err, giveUp)
				}
				return err
			})
			switch {
			case err == nil:
				list = append(list, r.Number)
			case !errors.Is(err, giveUp):
				t.Error(err)
			}
		}
		return list
	})...)
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != int64(i+1) {
			t.Fatalf("the numbers are %v", numbers)
		}
	}
	same(t, "runs", len(ok(h.RunsOf(t.Context(), p.ID, 0, 1000))(t)), len(numbers))
}

// testRaceLog: several send the same lines at once, as when an answer was slow.
func testRaceLog(t tester, h house) {
	r := h.logged(t)
	all := linesOf(1, 300)
	for i, err := range race(6, func(i int) error {
		for n := 0; n < len(all); {
			end := min(n+1+(7*i+n)%23, len(all))
			if err := h.AppendLog(t.Context(), r.ID, r.Fence, all[n:end]); err != nil {
				return err
			}
			n = end
		}
		return nil
	}) {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	same(t, "Log", ok(h.Log(t.Context(), r.ID, 0, 1000))(t), all)
}

// testRaceMoves: a project is moved here and there while runs are added and it is
// removed. Whoever is refused is told why; nobody is told to report it.
func testRaceMoves(t tester, h house) {
	orgs := []fairlead.Organization{h.newOrganization(t, "a"), h.newOrganization(t, "b")}
	for range 10 {
		p := h.newProject(t, orgs[0], fairlead.User{}, "p")
		results := race(8, func(i int) error {
			return h.do(t, func(ctx context.Context, w fairlead.Writer) error {
				switch moved := p; {
				case i == 7:
					return w.RemoveProject(ctx, p.ID)
				case i%2 == 0:
					_, err := w.AddRun(ctx, runOf(p))
					return err
				default:
					moved.Organization = orgs[i/2%2].ID
					return w.MoveProject(ctx, moved)
				}
			})
		})
		for i, err := range results {
			if kind := fairlead.KindOf(err); kind != "" && kind != fairlead.NotFound && kind != fairlead.Conflict {
				t.Errorf("%d: %v", i, err)
			}
		}
		for _, r := range ok(h.RunsOf(t.Context(), p.ID, 0, 100))(t) {
			same(t, "the run's organization", r.Organization, orgs[0].ID)
			if err := h.update(t, r, func(r *fairlead.Run) { r.State = fairlead.Stopped }); err != nil {
				t.Fatal(err)
			}
		}
		if results[7] != nil {
			h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveProject(ctx, p.ID) })
		}
	}
}
