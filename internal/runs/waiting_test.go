package runs_test

import (
	"fmt"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

// TestStackDecides: a run goes where its project's active stack said when it was made,
// and only workers of that queue and engine get it.
func TestStackDecides(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Start(t)
	acme := wire.OrganizationPath{Organization: "acme"}
	fairleadtest.Must(t, p.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
	fairleadtest.Must(t, p.Ann, wire.RegisterStack, wire.StackRequest{OrganizationPath: acme, Name: "gpu", StackFields: wire.StackFields{Engine: "runc", Queue: "gpu"}})
	queue := func() fairlead.Run {
		return fairleadtest.Must(t, p.Ann, wire.CreateRun, wire.RunRequest{
			ProjectPath: path(), File: "- step:\n    name: train\n    image: busybox\n    command: echo hello\n", Step: "train",
		})
	}
	before := queue()
	fairleadtest.Must(t, p.Ann, wire.SetProjectStack, wire.ProjectStack{ProjectPath: path(), Stack: "gpu"})
	run := queue()
	if run.Spec.Stack != "gpu" || run.Spec.Engine != "runc" || run.Spec.Queue != "gpu" || before.Spec.Stack != "" || before.Spec.QueueOrDefault() != "default" {
		t.Errorf("%+v, %+v", before.Spec, run.Spec)
	}
	other := "other"
	fairleadtest.Must(t, p.Ann, wire.UpdateStack, wire.StackUpdate{StackPath: wire.StackPath{OrganizationPath: acme, Stack: "gpu"}, Queue: &other})
	claim := func(name fairlead.Name, engine string, queues ...string) int64 {
		w := p.Worker(p.Ann, "acme", name)
		a := fairleadtest.Must(t, w, wire.Claim, wire.ClaimRequest{Engine: engine, Platform: "linux/amd64", Version: "test", Queues: queues})
		if a.Run == nil {
			return 0
		}
		return a.Run.Number
	}
	for i, c := range []struct {
		engine string
		queues []string
		want   int64
	}{
		{"docker", []string{"gpu"}, 0},
		{"runc", []string{"other"}, 0},
		{"runc", nil, before.Number},
		{"runc", nil, 0},
		{"runc", []string{"default", "gpu"}, run.Number},
	} {
		if got := claim(fairlead.Name(fmt.Sprintf("w%d", i)), c.engine, c.queues...); got != c.want {
			t.Errorf("a worker of %v with %s got run %d, want %d", c.queues, c.engine, got, c.want)
		}
	}
	bad := p.Worker(p.Ann, "acme", "bad")
	if _, err := client.Do(t.Context(), bad, wire.Claim, wire.ClaimRequest{Engine: "docker", Queues: []string{"No"}}); fairlead.KindOf(err) != fairlead.Invalid {
		t.Errorf("a queue that can't be one: %v", err)
	}
}

// TestWaiting: a run that waits says so while no worker that could take it was heard of
// in the last minute; one that is busy has been.
func TestWaiting(t *testing.T) {
	t.Parallel()
	clock := fairleadtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	p := fairleadtest.Start(t, fairleadtest.WithClock(clock), fairleadtest.WithHold(time.Hour))
	fairleadtest.Must(t, p.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
	file := "- step:\n    name: train\n    image: busybox\n    command: echo hello\n"
	queue := func() wire.RunPath {
		run := fairleadtest.Must(t, p.Ann, wire.CreateRun, wire.RunRequest{ProjectPath: path(), File: file, Step: "train"})
		return wire.RunPath{ProjectPath: path(), Number: run.Number}
	}
	waits := func(at wire.RunPath, want string) {
		t.Helper()
		run := fairleadtest.Must(t, p.Ann, wire.ShowRun, at)
		seen := fairleadtest.Must(t, p.Ann, wire.ReadLog, wire.LogRequest{RunPath: at}).Run
		for _, r := range []fairlead.Run{run, seen} {
			if (r.Waiting == nil) != (want == "") || r.Waiting != nil && (r.Waiting.Why != want || r.Waiting.Remedy == "") {
				t.Errorf("run %d waits because %+v, want %q", at.Number, r.Waiting, want)
			}
		}
	}
	const nobody = "no worker of queue default was heard of in the last minute"
	first := queue()
	waits(first, nobody)
	before := fairleadtest.Must(t, p.Ann, wire.ReadLog, wire.LogRequest{RunPath: first}).Mark
	w := p.Worker(p.Ann, "acme", "w")
	ask := wire.ClaimRequest{Engine: "docker", Platform: "linux/amd64", Version: "test"}
	elsewhere := ask
	elsewhere.Queues = []string{"gpu"}
	fairleadtest.Must(t, p.Worker(p.Ann, "acme", "elsewhere"), wire.Claim, elsewhere)
	waits(first, nobody)
	held := fairleadtest.Must(t, w, wire.Claim, ask).Run
	second := queue()
	waits(first, "")  // it is held
	waits(second, "") // somebody is there
	if mark := fairleadtest.Must(t, p.Ann, wire.ReadLog, wire.LogRequest{RunPath: second}).Mark; mark == before {
		t.Error("who follows the run isn't told that a worker is there")
	}
	clock.Move(2 * time.Minute)
	waits(second, nobody)
	fairleadtest.Must(t, w, wire.Renew, wire.RenewRequest{HeldPath: wire.HeldPath{Run: held.ID, Fence: held.Fence}})
	waits(second, "")

	// What the stack asks for is said.
	acme := wire.OrganizationPath{Organization: "acme"}
	fairleadtest.Must(t, p.Ann, wire.RegisterStack, wire.StackRequest{OrganizationPath: acme, Name: "big", StackFields: wire.StackFields{Engine: "runc", Queue: "big"}})
	fairleadtest.Must(t, p.Ann, wire.SetProjectStack, wire.ProjectStack{ProjectPath: path(), Stack: "big"})
	waits(queue(), "no worker of queue big with engine runc was heard of in the last minute")

	// Another organization's worker doesn't count, nor an organization's for a personal project.
	fairleadtest.Must(t, p.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "ann", Name: "mine"})
	mine := wire.ProjectPath{Owner: "ann", Project: "mine"}
	run := fairleadtest.Must(t, p.Ann, wire.CreateRun, wire.RunRequest{ProjectPath: mine, File: file, Step: "train"})
	waits(wire.RunPath{ProjectPath: mine, Number: run.Number}, nobody)
}
