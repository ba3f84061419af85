package diagnose_test

import (
	"encoding/json"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/diagnose"
	"fairlead.dev/fairlead/internal/oci"
)

// FuzzReadSight reads what any worker may send.
func FuzzReadSight(f *testing.F) {
	for _, r := range []oci.Report{
		{},
		{Sight: oci.Sight{Stage: oci.StageArrived, Host: "registry.test:443", Status: 401}},
		{Sight: oci.Sight{Stage: oci.StageTLS}, Error: &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeTLS, Why: "it expired"}},
		{Sight: oci.Sight{Stage: oci.StageArrived}, Error: &fairlead.Error{Kind: fairlead.Unavailable}},
		{Sight: oci.Sight{Stage: 99}},
	} {
		b, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("null"))
	f.Add([]byte(`{"sight":{"Stage":-1}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := diagnose.ReadSight(raw, "one")
		if (err == nil) != (s.Stage == oci.StageArrived) || s.Stage < oci.StageProxy || s.Stage > oci.StageArrived {
			t.Errorf("%q: stage %d, %v", raw, s.Stage, err)
		}
	})
}
