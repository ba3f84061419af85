package fairlead

import (
	"slices"
	"time"
)

// DefaultQueue is the queue of runs whose project has no stack, or one that names none,
// and of workers that name none.
const DefaultQueue = "default"

// Stack is a named set: the registry that a project pushes to, the engine and queue that
// its runs use.
type Stack struct {
	ID           StackID        `json:"id"`
	Organization OrganizationID `json:"organization_id"`
	Name         Name           `json:"name" doc:"Unique in the organization."`
	// Registry is what projects push to; empty means that they push nowhere.
	Registry     RegistryID `json:"registry_id,omitempty"`
	RegistryName Name       `json:"registry,omitempty" doc:"The registry entry that projects push to; empty if they push nowhere."`
	// Repository is where images are pushed: itself, or below it.
	Repository string `json:"repository,omitempty" doc:"The prefix under which images are pushed, such as registry.example.com/team; the registry entry covers it."`
	// Engine is what starts the containers of runs; empty is any.
	Engine string `json:"engine,omitempty" doc:"The engine that runs use: docker or runc; empty is any."`
	// Queue is where runs wait; empty is the default one.
	Queue   Name      `json:"queue,omitempty" doc:"The queue that runs wait in; empty is the queue called default."`
	Version int64     `json:"version"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// Engines are the names that a stack, and a worker, can have for what starts containers.
func Engines() []string { return []string{"docker", "runc"} }

// QueueOrDefault is the queue that the run waits in.
func (s RunSpec) QueueOrDefault() Name {
	if s.Queue == "" {
		return DefaultQueue
	}
	return s.Queue
}

// Lane is where in the queue the run waits: runs of one lane can be performed by the
// same workers. A name has no slash, so no two can be mistaken for each other.
func (s RunSpec) Lane() string { return string(s.QueueOrDefault()) + "/" + s.Engine }

// Lanes are those from which the worker takes runs, sorted.
func (w Worker) Lanes() []string {
	queues := w.Queues
	if len(queues) == 0 {
		queues = []Name{DefaultQueue}
	}
	var lanes []string
	for _, q := range queues {
		lanes = append(lanes, string(q)+"/", string(q)+"/"+w.Engine)
	}
	slices.Sort(lanes)
	return slices.Compact(lanes)
}

// MayPerform reports whether the worker takes runs of that organization with that spec.
func (w Worker) MayPerform(org OrganizationID, s RunSpec) bool {
	return (w.Organization == "" || w.Organization == org) && slices.Contains(w.Lanes(), s.Lane())
}
