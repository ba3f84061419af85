package eventfile_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/eventfile"
)

func events() []fairlead.Event {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC)
	return []fairlead.Event{
		{ID: "2", At: at, By: fairlead.Subject{Kind: fairlead.UserSubject, Name: "=cmd()"}, Action: fairlead.RegistryAdd, On: fairlead.Object{Kind: "registry", Name: "a,\"b\"\nc"}, Allowed: true},
		{ID: "1", At: at, Action: fairlead.LeasePull, Detail: map[string]string{"b": "<2>", "a": "1"}},
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := eventfile.NewWriter(&b, eventfile.CSV)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(events()); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3 || len(rows[0]) != 15 {
		t.Fatal(rows)
	}
	got := [][]string{}
	for _, r := range rows[1:] {
		got = append(got, []string{r[0], r[1], r[6], r[12], r[13], r[14]})
	}
	want := [][]string{
		{"2", "2026-03-01T12:00:00.000005Z", "'=cmd()", "a,\"b\"\nc", "true", ""},
		{"1", "2026-03-01T12:00:00.000005Z", "", "", "false", "a=1 b=<2>"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestJSONLines(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := eventfile.NewWriter(&b, eventfile.JSONLines)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(events()); err != nil {
		t.Fatal(err)
	}
	var got []fairlead.Event
	for line := range bytes.Lines(b.Bytes()) {
		var e fairlead.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if diff := cmp.Diff(events(), got); diff != "" {
		t.Error(diff)
	}
}

func TestParseFormat(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"csv", "jsonl"} {
		if f, err := eventfile.ParseFormat(s); err != nil || string(f) != s {
			t.Error(f, err)
		}
	}
	if _, err := eventfile.ParseFormat("xls"); fairlead.KindOf(err) != fairlead.Invalid {
		t.Error(err)
	}
}
