package fairlead

import (
	"encoding/json"
	"time"
)

// Verdict is what came of a [Probe].
type Verdict string

// The verdicts.
const (
	ProbeOK       Verdict = "ok"
	ProbeWarning  Verdict = "warning" // it works, and may not for long, or not everywhere
	ProbeFailed   Verdict = "failed"
	ProbeNotTried Verdict = "not tried" // the detail says why
)

// Probe is one thing that was looked at on the way of a pull.
type Probe struct {
	Name    string  `json:"name" doc:"What was looked at, in one word."`
	Verdict Verdict `json:"verdict" enum:"ok,warning,failed,not tried"`
	// Detail is a clause: what was found, or why nothing was tried.
	Detail string `json:"detail" doc:"What was found, or why nothing was tried."`
	// Remedy is an imperative, for warnings and failures.
	Remedy string `json:"remedy,omitempty" doc:"What to do about it."`
	Error  *Error `json:"error,omitempty" doc:"What went wrong, if it failed."`
	// Took is how long it took.
	Took time.Duration `json:"took_ns" doc:"How long it took, in nanoseconds."`
}

// Diagnosis is what was found on the way of a pull, probe by probe in the order in which
// a pull meets them.
type Diagnosis struct {
	// Image is the name as it is matched and pulled; "" if none was given.
	Image string `json:"image,omitempty" doc:"The image's full name, if there is one."`
	// Project is the full name of the project that would pull; "" for a test of an entry.
	Project   string `json:"project,omitempty" doc:"The project that would pull, as owner/name."`
	Registry  Name   `json:"registry,omitempty" doc:"The registry entry that decides."`
	Connector Name   `json:"connector,omitempty" doc:"The connector that opens it."`
	// From is where the network was looked at from: a worker, or "" for the server.
	From Name      `json:"from,omitempty" doc:"The worker from which the network was looked at; empty for the server."`
	At   time.Time `json:"at"`
	// Verdict is the worst of the probes'.
	Verdict Verdict `json:"verdict" enum:"ok,warning,failed"`
	// Cause is what stands in the way, or may soon: the first thing to mend.
	Cause  *Error  `json:"cause,omitempty" doc:"What stands in the way: the first thing to mend."`
	Probes []Probe `json:"probes"`
}

// Failed reports whether the image can't be pulled.
func (d Diagnosis) Failed() bool { return d.Verdict == ProbeFailed }

// Explanation says which entry decides about an image, and why no other does. No secret is
// opened for it, and nothing is asked of a registry.
type Explanation struct {
	Image        string `json:"image" doc:"The image's full name, as it is matched."`
	Project      string `json:"project" doc:"The project that would pull, as owner/name."`
	Organization Name   `json:"organization,omitempty" doc:"Whose entries they are; of a personal project, whose entry would cover the image."`
	Personal     bool   `json:"personal" doc:"The project is personal, and no entry counts for it."`
	// Entries are all of the organization's: the winner first, the nearest next.
	Entries []EntryFinding `json:"entries"`
	MayPull []string       `json:"may_pull" doc:"Who may have a login for the image, a sentence each."`
	Lease   LeaseOutlook   `json:"lease"`
	// Note says why the image is pulled without a login, if it is.
	Note *Error `json:"note,omitempty" doc:"Why the image is pulled without a login, if that may be unexpected."`
}

// EntryFinding is what one entry has to do with an image.
type EntryFinding struct {
	Registry  Name   `json:"registry"`
	Pattern   string `json:"pattern"`
	Connector Name   `json:"connector,omitempty"`
	Wins      bool   `json:"wins"`
	Covers    bool   `json:"covers" doc:"Its pattern covers the image."`
	Reason    string `json:"reason" doc:"Why it wins or loses, as a word for programs."`
	// Why is a sentence.
	Why string `json:"why" doc:"Why it wins or loses."`
	// Instead is a pattern with which it would cover the image, if one is near.
	Instead string `json:"instead,omitempty" doc:"The nearest pattern with which it would cover the image."`
}

// LeaseOutlook is what a lease for an image will be, as far as it is known beforehand.
type LeaseOutlook struct {
	// Kind is set where it is certain: anonymous.
	Kind      LeaseKind `json:"kind,omitempty" enum:"anonymous,registry-token,short-login,stored-secret" doc:"Set where it is certain beforehand."`
	Registry  Name      `json:"registry,omitempty"`
	Connector Name      `json:"connector,omitempty"`
	Family    Family    `json:"family,omitempty"`
	Method    string    `json:"method,omitempty"`
	// Power says in a line what the login can do, and for how long.
	Power string `json:"power,omitempty" doc:"What the login can do, and for how long."`
	// Disclosure says whether the stored secret itself may be handed out.
	Disclosure Disclosure `json:"disclosure,omitempty" enum:"scoped,secret"`
	// Ends is when the connector's own secret ends, if that is known.
	Ends time.Time `json:"ends,omitzero" doc:"When the connector's own secret ends, if that is known."`
	// Error says why there will be none, if that is known already.
	Error *Error `json:"error,omitempty" doc:"Why there will be none, if that is known already."`
}

// Lookout is the way to a registry that a worker is asked to look at, since its network
// may be another one. It is shown no login.
type Lookout struct {
	ID       string
	Worker   WorkerID
	Endpoint LookoutEndpoint
	Asked    time.Time
	// Sight is what it has seen, as package oci writes it; nil until then.
	Sight json.RawMessage
}

// LookoutEndpoint is a registry and how it is reached.
type LookoutEndpoint struct {
	Host      string `json:"host"`
	PlainHTTP bool   `json:"plain_http,omitempty"`
	CABundle  string `json:"ca_bundle,omitempty"`
}
