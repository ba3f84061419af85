package engine_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
)

func TestParseCPUs(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		in   string
		want engine.CPULimit
		why  string // a part of the error
	}{
		{"", engine.CPULimit{}, ""},
		{"2", engine.CPULimit{Number: 2}, ""},
		{"0.5", engine.CPULimit{Number: 0.5}, ""},
		{".5", engine.CPULimit{Number: 0.5}, ""},
		{"0.01", engine.CPULimit{Number: 0.01}, ""},
		{"4", engine.CPULimit{}, ""},
		{"1000", engine.CPULimit{}, ""},
		{"0,2", engine.CPULimit{Cores: []int{0, 2}}, ""},
		{"3,1-2,2", engine.CPULimit{Cores: []int{1, 2, 3}}, ""},
		{"2-2", engine.CPULimit{Cores: []int{2}}, ""},
		{"0.009", engine.CPULimit{}, "the least is 0.01"},
		{"0", engine.CPULimit{}, "the least is 0.01"},
		{"1.2.3", engine.CPULimit{}, "neither a number nor a list"},
		{strings.Repeat("9", 400), engine.CPULimit{}, "neither a number nor a list"},
		{"-1", engine.CPULimit{}, "neither a number nor a list"},
		{"1e1", engine.CPULimit{}, "neither a number nor a list"},
		{"NaN", engine.CPULimit{}, "neither a number nor a list"},
		{"0,", engine.CPULimit{}, "neither a number nor a list"},
		{"0,+1", engine.CPULimit{}, "neither a number nor a list"},
		{"2-1", engine.CPULimit{}, "ends before it begins"},
		{"0-1-2", engine.CPULimit{}, "neither a number nor a list"},
		{"0-4294967296", engine.CPULimit{}, "neither a number nor a list"},
		{"0,4", engine.CPULimit{}, "has no core 4: its cores are 0 to 3"},
	} {
		t.Run(row.in, func(t *testing.T) {
			t.Parallel()
			got, err := engine.ParseCPUs(row.in, 4)
			if row.why != "" {
				if fairlead.KindOf(err) != fairlead.Invalid || !strings.Contains(err.Error(), row.why) {
					t.Errorf("%+v %v", got, err)
				}
				return
			}
			if diff := cmp.Diff(row.want, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
}

// FuzzParseCPUs wants a list that is read to be printed and read as the same one.
func FuzzParseCPUs(f *testing.F) {
	for _, s := range []string{"", "2", "0.5", "0,2,4", "1-3", "0-", "-", ",", "1e9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := engine.ParseCPUs(s, 64)
		if err != nil || len(l.Cores) < 2 {
			return
		}
		again, err := engine.ParseCPUs(l.List(), 64)
		if diff := cmp.Diff(l, again); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
}
