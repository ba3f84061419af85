package wire

import "fairlead.dev/fairlead"

// ExplainRequest asks which entry decides about an image.
type ExplainRequest struct {
	ProjectPath
	Image string `query:"image" json:"-" doc:"The image's name, as it would be written in a step."`
}

// DoctorRequest asks why an image can or can't be pulled in a project.
type DoctorRequest struct {
	ProjectPath
	Image string `query:"image" json:"-" doc:"The image's name, as it would be written in a step."`
	Push  bool   `query:"push" json:"-" doc:"Ask about the right to push, too."`
	From  string `query:"from" json:"-" doc:"Look at the network from this worker; default from the server."`
}

// RegistryTestRequest asks what works with a registry entry.
type RegistryTestRequest struct {
	RegistryPath
	Image string `query:"image" json:"-" doc:"An image that the entry should open; default what its pattern names."`
	Push  bool   `query:"push" json:"-" doc:"Ask about the right to push, too."`
	From  string `query:"from" json:"-" doc:"Look at the network from this worker; default from the server."`
}

// DiagnosisLine is one line of a diagnosis as it arrives: a probe that is done, or at the
// end the whole.
type DiagnosisLine struct {
	Probe     *fairlead.Probe     `json:"probe,omitempty"`
	Diagnosis *fairlead.Diagnosis `json:"diagnosis,omitempty"`
	// Error is why there will be none.
	Error *fairlead.Error `json:"error,omitempty"`
}

// The operations that say why an image can or can't be pulled. A diagnosis is a
// [DiagnosisLine] of JSON a line (application/x-ndjson), each as soon as it is known.
var (
	Explain = Operation[ExplainRequest, fairlead.Explanation]{
		ID: "explain-image", Method: "GET", Path: "/projects/{owner}/{project}/explain", Action: fairlead.LeasePull,
		Summary: "Say which registry entry decides about an image, and why no other does",
	}
	DiagnoseImage = Stream[DoctorRequest]{
		ID: "diagnose-image", Method: "POST", Path: "/projects/{owner}/{project}/diagnosis", Action: fairlead.LeasePull,
		Summary: "Say, probe by probe, why an image can or cannot be pulled; a line of JSON each", BytesOut: true,
	}
	TestRegistry = Stream[RegistryTestRequest]{
		ID: "test-registry", Method: "POST", Path: "/organizations/{organization}/registries/{registry}/diagnosis", Action: fairlead.RegistryRead,
		Summary: "Say, probe by probe, what works with a registry entry; a line of JSON each", BytesOut: true,
	}
)
