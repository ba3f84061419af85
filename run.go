package fairlead

import (
	"encoding/json"
	"time"
)

// RunState is where a run is in its life. The words are Valohai's.
type RunState string

// The states. A run moves down this list, or back from preparing or started to queued
// when its worker is lost and it may be tried again.
const (
	Queued    RunState = "queued"    // waits for a worker
	Preparing RunState = "preparing" // a worker pulls its image and fetches its inputs
	Started   RunState = "started"   // its command runs
	Stopping  RunState = "stopping"  // somebody asked for its end
	Complete  RunState = "complete"  // ended with exit code 0
	Failed    RunState = "error"     // ended otherwise
	Stopped   RunState = "stopped"   // ended because somebody asked for it
)

// Final reports whether the run has ended.
func (s RunState) Final() bool { return s == Complete || s == Failed || s == Stopped }

// Held reports whether a worker holds the run.
func (s RunState) Held() bool { return s == Preparing || s == Started || s == Stopping }

// Run is one execution of a step.
type Run struct {
	ID           RunID          `json:"id"`
	Number       int64          `json:"number" doc:"Counts the runs of the project, from 1."`
	Project      ProjectID      `json:"project_id"`
	Organization OrganizationID `json:"organization_id,omitempty" doc:"That of the project when the run was made; empty for a personal project."`
	State        RunState       `json:"state" enum:"queued,preparing,started,stopping,complete,error,stopped"`
	Spec         RunSpec        `json:"spec"`
	// Archive is the digest of the working directory's archive, "" for none.
	Archive Digest    `json:"archive,omitempty"`
	Creator Subject   `json:"creator"`
	Created time.Time `json:"created"`
	// Began is when the command began, Ended when the run reached its final state.
	Claimed time.Time `json:"claimed,omitzero"`
	Began   time.Time `json:"began,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`

	Pulled   *PullRecord `json:"pulled,omitempty" doc:"The image that was pulled, and how."`
	ExitCode *int        `json:"exit_code,omitempty"`
	Failure  *Error      `json:"failure,omitempty" doc:"Why the run ended in error."`
	Progress *Progress   `json:"progress,omitempty" doc:"What the worker is doing, while it does."`
	// Diagnosis is what was found on the way of the pull, if that failed, or if something
	// was uncertain when the run was queued.
	Diagnosis *Diagnosis `json:"diagnosis,omitempty" doc:"What was found on the way of the pull, if it failed or is uncertain."`

	Worker     WorkerID `json:"worker_id,omitempty"`
	WorkerName Name     `json:"worker,omitempty"`
	Engine     string   `json:"engine,omitempty"`
	// Attempt counts the workers that claimed it.
	Attempt int `json:"attempt"`
	// Fence is the number under which the present worker writes; a lower one is
	// refused.
	Fence int64 `json:"fence"`
	// Until is when the worker's hold ends unless it is renewed.
	Until time.Time `json:"-"`
	// Waiting says why nobody takes the run, if no worker that could was heard of. It is
	// found out for whoever looks at the run, and not stored.
	Waiting *Error `json:"waiting,omitempty" doc:"Why no worker takes the run, where that can be told."`
	// StopBy asked for the run's end.
	StopBy *Subject `json:"stop_by,omitempty"`
}

// Digest is an OCI digest: algorithm, colon, lower-case hex.
type Digest string

// RunSpec is a step made ready: what a worker needs to know to perform it.
type RunSpec struct {
	Step string `json:"step"`
	// Image is the name as it was written; empty never.
	Image string `json:"image"`
	// Interpreter is the program and its arguments that run Script, such as ["/bin/sh"].
	Interpreter []string          `json:"interpreter"`
	Script      string            `json:"script"`
	Environment map[string]string `json:"environment,omitempty"`
	// Parameters are JSON values, as a program finds them in parameters.json: 5.0 stays
	// 5.0.
	Parameters map[string]json.RawMessage `json:"parameters,omitempty"`
	Inputs     []Input                    `json:"inputs,omitempty"`
	// TimeLimit and NoOutput are in seconds; 0 is no limit.
	TimeLimit Seconds `json:"time_limit,omitempty" doc:"Seconds; 0 is no limit."`
	NoOutput  Seconds `json:"no_output_timeout,omitempty" doc:"Seconds without a line of output; 0 is no limit."`
	// Features names what the step asks for beyond the plain job. An engine that can't
	// do one of them refuses the run before it starts.
	Features []Feature `json:"features,omitempty"`
	// Stack is the name that the project's active stack had when the run was made.
	Stack Name `json:"stack,omitempty" doc:"The project's active stack when the run was made."`
	// Engine and Queue are the stack's: which workers may take the run.
	Engine string `json:"engine,omitempty" doc:"The engine that the run asks for; empty is any."`
	Queue  Name   `json:"queue,omitempty" doc:"The queue that the run waits in; empty is the queue called default."`
	// Retries is how often the run may be tried again when its worker is lost.
	Retries int `json:"retries"`
}

// Seconds is a duration in whole seconds, as it stands in JSON.
type Seconds int64

// Duration gives it as the standard library has it.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

// Feature is something that a step asks for and not every engine has.
type Feature struct {
	Name string `json:"name" doc:"The key in the step file, such as mounts."`
	// Ignorable: without it the step is still right, only slower or longer.
	Ignorable bool `json:"ignorable,omitempty" doc:"Without it the step is still right, only slower or longer."`
}

// Input is a named set of files that are fetched before the command begins.
type Input struct {
	Name string `json:"name"`
	// Directories keeps the directories of the URL: none, suffix or full.
	Directories string      `json:"keep_directories,omitempty" enum:"none,suffix,full"`
	Files       []InputFile `json:"files"`
}

// InputFile is one file of an input.
type InputFile struct {
	URL string `json:"url"`
	// Name is the file's name; empty is the URL's last part.
	Name string `json:"name,omitempty"`
	// Checksums maps md5, sha1, sha256 or sha512 to lower-case hex.
	Checksums map[string]string `json:"checksums,omitempty"`
}

// Output is a file that a run left in its outputs directory.
type Output struct {
	Name   string `json:"name" doc:"The path below the outputs directory."`
	Digest Digest `json:"digest"`
	Size   int64  `json:"size" doc:"Bytes."`
}

// PullRecord is how a run's image was opened.
type PullRecord struct {
	// Image is the full name, as the log has it.
	Image string `json:"image"`
	// Digest is that of the manifest or index which the registry served for the name.
	Digest Digest `json:"digest"`
	// Platform is what was taken from an index, as os/arch[/variant].
	Platform  string        `json:"platform,omitempty"`
	Registry  Name          `json:"registry,omitempty" doc:"The registry entry that matched; empty if none did."`
	Connector Name          `json:"connector,omitempty" doc:"The connector that opened it."`
	Lease     LeaseKind     `json:"lease" enum:"anonymous,registry-token,short-login,stored-secret,gateway"`
	Bytes     int64         `json:"bytes" doc:"Bytes that were fetched, layers that were there already not counted."`
	Took      time.Duration `json:"took_ns" doc:"How long the pull took, in nanoseconds."`
}

// Phase is what a worker is busy with.
type Phase string

// The phases of a run.
const (
	PhaseResolve  Phase = "resolving" // finding the image's digest
	PhasePull     Phase = "pulling"
	PhaseFetch    Phase = "fetching" // code and inputs
	PhaseRun      Phase = "running"
	PhaseUpload   Phase = "uploading" // outputs
	PhaseWaitPull Phase = "waiting"   // for the next try of a pull
)

// Progress is what a worker is doing just now. It is for people: nothing is decided
// by it.
type Progress struct {
	Phase  Phase           `json:"phase"`
	Layers []LayerProgress `json:"layers,omitempty"`
}

// LayerProgress is one layer's way.
type LayerProgress struct {
	Digest Digest `json:"digest"`
	// State is waiting, pulling, unpacking, done or there (it was there already).
	State string `json:"state" enum:"waiting,pulling,unpacking,done,there"`
	Done  int64  `json:"done" doc:"Bytes."`
	Size  int64  `json:"size,omitempty" doc:"Bytes; 0 while it isn't known."`
}

// Stream is where a log line comes from.
type Stream string

// The streams. Status lines are the worker's own.
const (
	StatusStream Stream = "status"
	Stdout       Stream = "stdout"
	Stderr       Stream = "stderr"
)

// FailureLine is what the status line that says why a run failed begins with.
const FailureLine = "Error: "

// LogLine is one line of a run's log, without its line break.
type LogLine struct {
	// Seq counts the lines of the run, from 1, without a gap.
	Seq    int64     `json:"seq"`
	At     time.Time `json:"at"`
	Stream Stream    `json:"stream" enum:"status,stdout,stderr"`
	Text   string    `json:"text"`
}
