package stepfile

// Feature is something that a step needs beyond the plain job: an engine that can't do
// it refuses the step before the run starts, by this name.
type Feature struct {
	Name   string `json:"name"` // the key in the step file: "mounts", "resources.devices"
	Line   int    `json:"line"`
	Column int    `json:"column"`
	// Ignorable: without it the step is still right, only slower or longer. An engine may
	// leave it out, and says so in the run's log.
	Ignorable bool `json:"ignorable,omitempty"`
}

// Features gives what a step needs beyond the plain job, in the order of this list.
func Features(s *Step) []Feature {
	out := []Feature{}
	add := func(name, key string, set, ignorable bool) {
		if set {
			p := s.where[key]
			out = append(out, Feature{Name: name, Line: p.line, Column: p.column, Ignorable: ignorable})
		}
	}
	add("environment", "environment", s.Environment != "", false)
	add("runtime-config-preset", "runtime-config-preset", s.RuntimeConfigPreset != "", false)
	add("environment-variable-groups", "environment-variable-groups", len(s.VariableGroups) > 0, false)
	add("upload-store", "upload-store", s.UploadStore != "", false)
	add("mounts", "mounts", len(s.Mounts) > 0, false)
	add("cache-volumes", "cache-volumes", len(s.CacheVolumes) > 0, true)
	if r := s.Resources; r != nil {
		add("resources.cpu", "resources", r.CPU != nil, true)
		add("resources.memory", "resources", r.Memory != nil, true)
		add("resources.devices", "resources", len(r.Devices) > 0, false)
	}
	for _, in := range s.Inputs {
		if in.Download == "on-demand" {
			add("inputs.download", "inputs", true, false)
			break
		}
	}
	add("stop-condition", "stop-condition", s.StopCondition != "", true)
	return out
}
