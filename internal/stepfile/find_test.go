package stepfile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Step names match as in valohai-cli (match_from_list_with_error).
func TestFind(t *testing.T) {
	t.Parallel()
	f, _ := Parse("f", []byte(`
- step: {name: train, image: b, command: c}
- step: {name: train-big, image: b, command: c}
- step: {name: Preprocess data, image: b, command: c}
- step: {name: evaluate, image: b, command: c}
`), Options{})
	for _, row := range []struct {
		name, want string
		err        *ValueError
	}{
		{name: "train", want: "train"},
		{name: "train-", want: "train-big"},
		{name: "TRAIN-BIG", want: "train-big"},
		{name: "prep", want: "Preprocess data"},
		{name: "E", want: "evaluate"},
		{name: "tr", err: &ValueError{Field: "step", Why: `"tr" is ambiguous`, Remedy: `name one of "train", "train-big"`}},
		{name: "TRAIN", err: &ValueError{Field: "step", Why: `"TRAIN" is ambiguous`, Remedy: `name one of "train", "train-big"`}},
		{name: "evalaute", err: &ValueError{
			Field: "step", Why: `there is no step "evalaute"`, Remedy: `did you mean "evaluate"? The steps are "Preprocess data", "evaluate", "train", "train-big"`,
		}},
		{name: "deploy", err: &ValueError{
			Field: "step", Why: `there is no step "deploy"`, Remedy: `the steps are "Preprocess data", "evaluate", "train", "train-big"`,
		}},
		{name: "", err: &ValueError{
			Field: "step", Why: "no step is named", Remedy: `name one of "Preprocess data", "evaluate", "train", "train-big"`,
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s, err := f.Find(row.name)
			if row.err != nil {
				if diff := cmp.Diff([]*ValueError{row.err}, ValueErrors(err)); diff != "" {
					t.Error(diff)
				}
				return
			}
			if err != nil || s.Name != row.want {
				t.Error(s, err)
			}
		})
	}
	empty := &File{}
	if _, err := empty.Find("x"); err == nil || err.Error() != "the step file has no step: add one: - step: ..." {
		t.Error(err)
	}
}
