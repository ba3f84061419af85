package fairlead

import "time"

// Outcome is what came of a step of a [Proof].
type Outcome string

// The outcomes.
const (
	StepProved    Outcome = "proved"
	StepFailed    Outcome = "failed"
	StepNotProved Outcome = "not proved" // nothing speaks against it, and nothing has shown it
)

// The steps of a [Proof], in their order.
const (
	FieldsStep   = "fields"
	LoginStep    = "login"
	RegistryStep = "registry"
	PullStep     = "pull"
)

// Proof is what was tried with a connector, step by step, and what of it was shown. A
// step says no more than what has happened.
type Proof struct {
	Connector Name `json:"connector"`
	// Image is what the steps were tried with: host, repository and tag as far as known.
	Image string      `json:"image,omitempty" doc:"What the steps were tried with, as far as it is known."`
	At    time.Time   `json:"at"`
	Steps []ProofStep `json:"steps"`
}

// ProofStep is one thing that was tried, or couldn't be.
type ProofStep struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome" enum:"proved,failed,not proved"`
	// Detail is a clause: what has happened, or why nothing has.
	Detail string `json:"detail,omitempty"`
	// Remedy is an imperative: what would prove the step.
	Remedy string `json:"remedy,omitempty"`
	Error  *Error `json:"error,omitempty"`
}

// Failed reports whether a step has failed.
func (p Proof) Failed() bool {
	for _, s := range p.Steps {
		if s.Outcome == StepFailed {
			return true
		}
	}
	return false
}

// Reached is what one connector reaches at its provider, or why that isn't known.
type Reached struct {
	Connector Name            `json:"connector"`
	Family    Family          `json:"family"`
	Resources []FoundResource `json:"resources"`
	Error     *Error          `json:"error,omitempty" doc:"Why the resources are not known, or not all."`
}
