package fairlead

import "time"

// HealthState is how a connector does.
type HealthState string

// The states.
const (
	// Unverified: nothing speaks against it, and nothing has shown that it works.
	Unverified HealthState = "unverified"
	// Working: when it was last tried, its registry took its login.
	Working HealthState = "working"
	// Failing: when it was last tried, a step failed; or it has expired.
	Failing HealthState = "failing"
	// Expiring: its own date is near.
	Expiring HealthState = "expiring"
)

// Health is what is known of a connector from its last trial, and from its use.
type Health struct {
	Connector ConnectorID `json:"-"`
	// Version is that of the connector which was tried: of another one it says nothing.
	Version int64 `json:"-"`
	// Verdict is what the trial came to: working, failing or unverified.
	Verdict HealthState `json:"-"`
	// State is what was last told of it: the verdict, or that it expires.
	State   HealthState `json:"state" enum:"unverified,working,failing,expiring"`
	Checked time.Time   `json:"checked,omitzero" doc:"When it was last tried."`
	Why     string      `json:"why,omitempty" doc:"What failed then, or what is near."`
	Used    time.Time   `json:"used,omitzero" doc:"When a login from it was last handed out, to the minute."`
}

// Of is the health of a connector at a time, where a date counts as near within notice.
func (h Health) Of(c Connector, now time.Time, notice time.Duration) Health {
	if h.Version != c.Version {
		h.Verdict, h.Checked, h.Why = Unverified, time.Time{}, ""
	}
	switch {
	case c.Expired(now):
		h.State, h.Why = Failing, "it expired at "+c.Expires.UTC().Format(time.RFC3339)
	case h.Verdict == Failing:
		h.State = Failing
	case !c.Expires.IsZero() && !now.Before(c.Expires.Add(-notice)):
		h.State, h.Why = Expiring, "it expires at "+c.Expires.UTC().Format(time.RFC3339)
	case h.Verdict == "":
		h.State = Unverified
	default:
		h.State = h.Verdict
	}
	return h
}

// VerdictOf says what a proof comes to, and in one sentence what failed. Working is what
// a registry has taken, and nothing less.
func VerdictOf(p Proof) (verdict HealthState, why string) {
	verdict = Unverified
	for _, s := range p.Steps {
		switch {
		case s.Outcome == StepFailed && s.Error != nil:
			return Failing, Clip("step " + s.Name + " failed: " + s.Error.Error())
		case s.Outcome == StepFailed:
			return Failing, "step " + s.Name + " failed"
		case s.Outcome == StepProved && (s.Name == RegistryStep || s.Name == PullStep):
			verdict = Working
		}
	}
	return verdict, ""
}

// ConnectorUse is that a login from a connector was handed out for a project, or for a
// run of it.
type ConnectorUse struct {
	Organization OrganizationID `json:"-"`
	Connector    ConnectorID    `json:"-"`
	Project      ProjectID      `json:"project_id"`
	ProjectName  string         `json:"project" doc:"The project, as owner/name."`
	Run          RunID          `json:"run_id,omitempty"`
	Number       int64          `json:"run,omitempty" doc:"The run's number; 0 for a pull without a run."`
	At           time.Time      `json:"at"`
}

// Previous is what a connector was before its secret was rotated: all but the secret
// fields, which are kept sealed beside it until its end.
type Previous struct {
	Method   string            `json:"method"`
	Public   map[string]string `json:"public,omitempty"`
	Secrets  []string          `json:"secrets,omitempty" doc:"The names of the secret fields that are kept."`
	Expires  time.Time         `json:"expires,omitzero"`
	Replaced time.Time         `json:"replaced" doc:"When it was replaced."`
	Until    time.Time         `json:"until" doc:"When it is removed; until then \"rollback\" puts it back."`
}
