package wire

import (
	"encoding/json"
	"time"

	"fairlead.dev/fairlead"
)

// RunRequest asks for a run of a step.
type RunRequest struct {
	ProjectPath
	// File is the text of the step file, and FileName what it is called in messages.
	File     string `json:"file" maxLength:"1048576" doc:"The text of the valohai.yaml."`
	FileName string `json:"file_name,omitempty" doc:"What messages call the file; default valohai.yaml."`
	Step     string `json:"step" doc:"The step's name, or a beginning of it that no other step shares."`
	// Archive is the digest of an archive that was put before; "" runs without code.
	Archive     fairlead.Digest     `json:"archive,omitempty" doc:"The digest of the working directory's archive, put before."`
	Image       string              `json:"image,omitempty" doc:"Instead of the step's own."`
	Parameters  map[string][]string `json:"parameters,omitempty" doc:"By name; several values for a multiple parameter."`
	Inputs      map[string][]string `json:"inputs,omitempty" doc:"URLs by the input's name, instead of the defaults."`
	Environment map[string]string   `json:"environment,omitempty"`
	Strict      bool                `json:"strict,omitempty" doc:"End at the first command that fails (set -e)."`
	Retries     *int                `json:"retries,omitempty" minimum:"0" maximum:"10" doc:"How often to try again when a worker is lost; default 2."`
	// NoPreflight queues the run without looking at its image before.
	NoPreflight bool `json:"no_preflight,omitempty" doc:"Queue it without looking whether its image can be pulled."`
}

// RunPath names a run.
type RunPath struct {
	ProjectPath
	Number int64 `path:"number" json:"-" minimum:"1"`
}

// RunsRequest chooses runs.
type RunsRequest struct {
	ProjectPath
	Before int64 `query:"before" json:"-" minimum:"0" doc:"Continue below this number."`
	Limit  int   `query:"limit" json:"-" minimum:"0" maximum:"1000" doc:"0 is 50."`
}

// Runs is a list of runs, newest first.
type Runs struct {
	Runs []fairlead.Run `json:"runs"`
}

// LogRequest asks for a run's log.
type LogRequest struct {
	RunPath
	After int64 `query:"after" json:"-" minimum:"0" doc:"The last line that the caller has."`
	Limit int   `query:"limit" json:"-" minimum:"0" maximum:"10000" doc:"0 is 1000."`
	// Wait is in seconds: with no new line, wait that long for one, for another
	// progress or for the end.
	Wait int `query:"wait" json:"-" minimum:"0" maximum:"30" doc:"Seconds to wait for something new."`
	// Seen is the mark of the last reply; a run whose mark is another one is answered
	// at once.
	Seen string `query:"seen" json:"-" doc:"The mark of the last reply."`
}

// Log is a piece of a run's log and the run's state with it.
type Log struct {
	Lines []fairlead.LogLine `json:"lines"`
	Run   fairlead.Run       `json:"run"`
	// Mark changes with the run.
	Mark string `json:"mark" doc:"Changes with the run; give it back as seen."`
}

// Outputs is a list of outputs.
type Outputs struct {
	Outputs []fairlead.Output `json:"outputs"`
}

// ArchivePath names an archive of a project.
type ArchivePath struct {
	ProjectPath
	Digest fairlead.Digest `path:"digest" json:"-"`
}

// OutputPath names an output of a run.
type OutputPath struct {
	RunPath
	Name string `path:"name" json:"-"`
}

// The operations on runs.
var (
	HasArchive = Operation[ArchivePath, None]{
		ID: "has-archive", Method: "GET", Path: "/projects/{owner}/{project}/archives/{digest}", Action: fairlead.RunCreate,
		Summary: "Whether the project has an archive already",
	}
	PutArchive = Stream[ArchivePath]{
		ID: "put-archive", Method: "PUT", Path: "/projects/{owner}/{project}/archives/{digest}", Action: fairlead.RunCreate,
		Summary: "Put the archive (tar, gzip) of a working directory", BytesIn: true,
	}
	CreateRun = Operation[RunRequest, fairlead.Run]{
		ID: "create-run", Method: "POST", Path: "/projects/{owner}/{project}/runs", Action: fairlead.RunCreate, Summary: "Queue a run of a step",
	}
	ListRuns = Operation[RunsRequest, Runs]{
		ID: "list-runs", Method: "GET", Path: "/projects/{owner}/{project}/runs", Action: fairlead.RunRead, Summary: "List runs",
	}
	ShowRun = Operation[RunPath, fairlead.Run]{
		ID: "show-run", Method: "GET", Path: "/projects/{owner}/{project}/runs/{number}", Action: fairlead.RunRead, Summary: "Show a run",
	}
	StopRun = Operation[RunPath, fairlead.Run]{
		ID: "stop-run", Method: "POST", Path: "/projects/{owner}/{project}/runs/{number}/stop", Action: fairlead.RunStop, Summary: "Stop a run",
	}
	ReadLog = Operation[LogRequest, Log]{
		ID: "read-log", Method: "GET", Path: "/projects/{owner}/{project}/runs/{number}/log", Action: fairlead.RunRead,
		Summary: "Read a run's log, and follow it by waiting", Long: true,
	}
	ListOutputs = Operation[RunPath, Outputs]{
		ID: "list-outputs", Method: "GET", Path: "/projects/{owner}/{project}/runs/{number}/outputs", Action: fairlead.RunRead,
		Summary: "List a run's outputs",
	}
	GetOutput = Stream[OutputPath]{
		ID: "get-output", Method: "GET", Path: "/projects/{owner}/{project}/runs/{number}/outputs/{name...}", Action: fairlead.RunRead,
		Summary: "Download an output", BytesOut: true,
	}
)

// ClaimRequest asks for a run to perform.
type ClaimRequest struct {
	Engine   string `json:"engine"`
	Platform string `json:"platform"`
	Version  string `json:"version"`
	// Queues are those from which the worker takes runs; none is the default one.
	Queues []string `json:"queues,omitempty" doc:"The queues from which it takes runs; none is the queue called default."`
	Wait   int      `json:"wait" minimum:"0" maximum:"30" doc:"Seconds to wait for a run."`
}

// Assignment is a run to perform, if there is one.
type Assignment struct {
	Run *fairlead.Run `json:"run,omitempty"`
	// Project is the project's full name.
	Project string `json:"project,omitempty"`
	// Hold is how long the run is the worker's, counted from when the worker sent the
	// request: it must have renewed by then, or have stopped.
	Hold Milliseconds `json:"hold_ms,omitempty" doc:"Milliseconds that the worker holds the run, from its request on, unless it renews."`
	// NextLine is the number of the log's next line.
	NextLine int64 `json:"next_line,omitempty"`
	// Lookout is the way to a registry that the worker is asked to look at instead of
	// performing a run.
	Lookout *Lookout `json:"lookout,omitempty" doc:"The way to a registry to look at, without a login, if there is no run."`
}

// HeldPath names a run that the worker holds.
type HeldPath struct {
	Run   fairlead.RunID `path:"run" json:"-"`
	Fence int64          `query:"fence" json:"-" minimum:"1" doc:"The number under which the worker holds the run."`
}

// RenewRequest renews the hold.
type RenewRequest struct {
	HeldPath
	Progress *fairlead.Progress `json:"progress,omitempty"`
	// Release ends the hold instead: the worker has stopped the run.
	Release bool `json:"release,omitempty" doc:"End the hold: the worker has stopped and another may have the run."`
}

// Renewed tells the worker how long it has, and whether it shall stop.
type Renewed struct {
	Hold Milliseconds `json:"hold_ms"`
	Stop bool         `json:"stop" doc:"Somebody asked for the run's end."`
}

// LogLines are lines for the log.
type LogLines struct {
	HeldPath
	Lines []fairlead.LogLine `json:"lines"`
}

// HeldLeaseRequest asks for a login for the run's image.
type HeldLeaseRequest struct {
	HeldPath
	Host       string `json:"host"`
	Repository string `json:"repository"`
	Refused    string `json:"refused,omitempty"`
	// Through asks for a login to the server's own gateway instead of to the registry.
	Through string `json:"through,omitempty" enum:"gateway" doc:"For a login to the server's own gateway instead of to the registry."`
}

// Gateway is what [HeldLeaseRequest] says for a login to the server's own gateway.
const Gateway = "gateway"

// BegunRequest says that the command begins.
type BegunRequest struct {
	HeldPath
	Pulled fairlead.PullRecord `json:"pulled"`
}

// EndRequest says how the run ended.
type EndRequest struct {
	HeldPath
	ExitCode *int                 `json:"exit_code,omitempty"`
	Failure  *fairlead.Error      `json:"failure,omitempty"`
	Pulled   *fairlead.PullRecord `json:"pulled,omitempty"`
	Stopped  bool                 `json:"stopped,omitempty"`
}

// HeldOutputPath names an output of a run that the worker holds.
type HeldOutputPath struct {
	HeldPath
	Name string `path:"name" json:"-"`
	// Digest and Size are of the bytes that follow.
	Digest fairlead.Digest `query:"digest" json:"-"`
	Size   int64           `query:"size" json:"-" minimum:"0"`
}

// Milliseconds is a duration in whole milliseconds, as it stands in JSON.
type Milliseconds int64

// Duration gives it as the standard library has it.
func (m Milliseconds) Duration() time.Duration { return time.Duration(m) * time.Millisecond }

// Waits gives a wait in seconds as a duration.
func Waits(seconds int) time.Duration { return time.Duration(seconds) * time.Second }

// Lookout asks a worker to look at the way to a registry.
type Lookout struct {
	ID string `json:"id"`
	fairlead.LookoutEndpoint
}

// LookoutReport is what a worker has seen.
type LookoutReport struct {
	Lookout string `path:"lookout" json:"-"`
	// Sight is as package oci writes it.
	Sight json.RawMessage `json:"sight" doc:"What was seen, as the worker of the same version writes it."`
}

// The operations of workers.
var (
	ReportLookout = Operation[LookoutReport, None]{
		ID: "report-lookout", Method: "POST", Path: "/work/lookouts/{lookout}", Action: fairlead.RunPerform, Summary: "Say what was seen on the way to a registry",
	}
	Claim = Operation[ClaimRequest, Assignment]{
		ID: "claim-run", Method: "POST", Path: "/work/claim", Action: fairlead.RunPerform, Summary: "Claim a run to perform", Long: true,
	}
	Renew = Operation[RenewRequest, Renewed]{
		ID: "renew-run", Method: "POST", Path: "/work/runs/{run}/renew", Action: fairlead.RunPerform, Summary: "Renew the hold on a run",
	}
	AppendLog = Operation[LogLines, None]{
		ID: "append-log", Method: "POST", Path: "/work/runs/{run}/log", Action: fairlead.RunPerform, Summary: "Add lines to a run's log",
	}
	LeaseHeld = Operation[HeldLeaseRequest, Lease]{
		ID: "lease-for-run", Method: "POST", Path: "/work/runs/{run}/lease", Action: fairlead.RunPerform, Summary: "Lease a login for a run's image",
	}
	Begin = Operation[BegunRequest, None]{
		ID: "begin-run", Method: "POST", Path: "/work/runs/{run}/begin", Action: fairlead.RunPerform, Summary: "Say that a run's command begins",
	}
	End = Operation[EndRequest, None]{
		ID: "end-run", Method: "POST", Path: "/work/runs/{run}/end", Action: fairlead.RunPerform, Summary: "Say how a run ended",
	}
	GetHeldArchive = Stream[HeldPath]{
		ID: "get-run-archive", Method: "GET", Path: "/work/runs/{run}/archive", Action: fairlead.RunPerform,
		Summary: "Download a run's code", BytesOut: true,
	}
	PutOutput = Stream[HeldOutputPath]{
		ID: "put-output", Method: "PUT", Path: "/work/runs/{run}/outputs/{name...}", Action: fairlead.RunPerform,
		Summary: "Upload an output of a run", BytesIn: true,
	}
)
