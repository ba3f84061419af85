package e2e

import (
	"testing"

	"fairlead.dev/fairlead"
)

// TestQueue: runs of a project with a stack are performed by a worker of the stack's
// queue, and by no other; who follows one is told that there is none.
func TestQueue(t *testing.T) {
	t.Parallel()
	y := newYard(t, "docker")
	y.hire("plain")
	y.ok("stack", "register", "gpu", "--registry", "main", "--engine", "docker", "--queue", "gpu")
	y.ok("stack", "set", "gpu")
	_, number := y.hold(0)
	y.spawn("Waiting: no worker of queue gpu with engine docker was heard of in the last minute.", "runs", "logs", number, "--follow")
	if run := y.show(number); run.State != fairlead.Queued || run.Waiting == nil {
		t.Fatalf("it is %s, and waits because %+v", run.State, run.Waiting)
	}
	y.ok("stack", "set", "--none")
	_, other := y.hold(0)
	y.ok("runs", "logs", other, "--follow")
	if run := y.show(other); run.State != fairlead.Complete || run.WorkerName != "plain" {
		t.Errorf("without a stack it is %s, by %s", run.State, run.WorkerName)
	}
	y.hire("gpu-1", "--queue", "gpu")
	y.ok("runs", "logs", number, "--follow")
	if run := y.show(number); run.State != fairlead.Complete || run.WorkerName != "gpu-1" || run.Spec.Stack != "gpu" || run.Waiting != nil {
		t.Errorf("it is %s, by %s, of stack %q", run.State, run.WorkerName, run.Spec.Stack)
	}
}
