package runs_test

import (
	"fmt"
	"sync"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/wire"
)

// second opens another plane over the first one's database, with the same keys.
func second(t *testing.T, first *fairleadtest.Plane, url string) *fairleadtest.Plane {
	t.Helper()
	data := t.TempDir()
	fairleadtest.CopyKeys(t, first, data)
	return fairleadtest.Open(t, fairleadtest.WithDatabase(url), fairleadtest.WithData(data))
}

// TestEachOnce has eight workers on two planes perform 200 runs: each is performed once.
func TestEachOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	one := fairleadtest.Start(t, fairleadtest.WithDatabase(url))
	two := second(t, one, url)
	fairleadtest.Must(t, one.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
	const all, workers = 200, 8
	for range all {
		fairleadtest.Must(t, one.Ann, wire.CreateRun, wire.RunRequest{
			ProjectPath: path(), File: "- step:\n    name: train\n    image: busybox\n    command: echo hello\n", Step: "train",
		})
	}
	var mu sync.Mutex
	performed := map[int64]int{}
	var group sync.WaitGroup
	for i := range workers {
		token := fairleadtest.Must(t, one.Ann, wire.AddWorker, wire.WorkerRequest{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Name: fmt.Sprintf("w%d", i)}).Token
		plane := []*fairleadtest.Plane{one, two}[i%2]
		group.Go(func() { perform(t, plane.As(token.Secret), &mu, performed) })
	}
	group.Wait()
	for n := int64(1); n <= all; n++ {
		if performed[n] != 1 {
			t.Errorf("run %d was performed %d times", n, performed[n])
		}
	}
	list := fairleadtest.Must(t, one.Ann, wire.ListRuns, wire.RunsRequest{ProjectPath: path(), Limit: 1000}).Runs
	for _, run := range list {
		if run.State != fairlead.Complete || run.Attempt != 1 {
			t.Errorf("run %d is %s after %d attempts", run.Number, run.State, run.Attempt)
		}
	}
	if len(list) != all {
		t.Errorf("there are %d runs", len(list))
	}
}

// perform claims and ends runs until there are none.
func perform(t *testing.T, c *client.Client, mu *sync.Mutex, performed map[int64]int) {
	t.Helper()
	zero := 0
	for {
		a, err := client.Do(t.Context(), c, wire.Claim, wire.ClaimRequest{Engine: "docker", Platform: "linux/amd64", Version: "test"})
		if err != nil {
			t.Error(err)
			return
		}
		if a.Run == nil {
			return
		}
		mu.Lock()
		performed[a.Run.Number]++
		mu.Unlock()
		if _, err := client.Do(t.Context(), c, wire.End, wire.EndRequest{HeldPath: wire.HeldPath{Run: a.Run.ID, Fence: a.Run.Fence}, ExitCode: &zero}); err != nil {
			t.Error(err)
		}
	}
}

// TestOtherPlane waits on one plane for what happens on another.
func TestOtherPlane(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	one := fairleadtest.Start(t, fairleadtest.WithDatabase(url))
	two := second(t, one, url)
	fairleadtest.Must(t, one.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
	token := fairleadtest.Must(t, one.Ann, wire.AddWorker, wire.WorkerRequest{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Name: "w"}).Token
	worker := two.As(token.Secret)
	claimed := make(chan wire.Assignment, 1)
	go func() {
		a, err := client.Do(t.Context(), worker, wire.Claim, wire.ClaimRequest{Engine: "docker", Platform: "linux/amd64", Version: "test", Wait: 30})
		if err != nil {
			t.Error(err)
		}
		claimed <- a
	}()
	run := fairleadtest.Must(t, one.Ann, wire.CreateRun, wire.RunRequest{
		ProjectPath: path(), File: "- step:\n    name: train\n    image: busybox\n    command: echo hello\n", Step: "train",
	})
	a := <-claimed
	if a.Run == nil || a.Run.ID != run.ID {
		t.Fatalf("the worker on the other plane has %+v", a)
	}
	q := logOf(run.Number)
	q.Seen, q.Wait = fairleadtest.Must(t, one.Ann, wire.ReadLog, q).Mark, 30
	read := make(chan wire.Log, 1)
	go func() {
		l, err := client.Do(t.Context(), one.Ann, wire.ReadLog, q)
		if err != nil {
			t.Error(err)
		}
		read <- l
	}()
	fairleadtest.Must(t, worker, wire.AppendLog, wire.LogLines{HeldPath: wire.HeldPath{Run: a.Run.ID, Fence: a.Run.Fence}, Lines: lines(1, 1)})
	if l := <-read; len(l.Lines) != 1 {
		t.Errorf("the reader on the first plane has %+v", l)
	}
}
