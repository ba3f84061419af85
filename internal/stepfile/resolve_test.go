package stepfile

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What the control plane stores, and that a worker reads the same.
func TestResolvedThroughJSON(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/all-fields.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, _ := Parse("all-fields.yaml", data, Options{})
	r, err := Resolve(f.Steps[0], Values{
		Parameters: map[string]any{"epochs": "100", "verbose": false},
		Variables:  map[string]string{"TOKEN": "t"},
		Image:      "python:3.13",
	})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/resolved.json"
	if *update {
		if err := os.WriteFile(golden, append(stored, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(stored)+"\n"); diff != "" {
		t.Error(diff)
	}
	var back Resolved
	if err := json.Unmarshal(stored, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestResolvedPlainStepHasNoNulls(t *testing.T) {
	t.Parallel()
	r, err := Resolve(one(t, "description: x"), Values{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"step":"a","image":"python:3.12","interpreter":["/bin/sh"],"script":"run\n","environment_variables":{},"parameters":{},` +
		`"inputs":[],"outputs":[],"time_limit":0,"no_output_timeout":0,"features":[]}`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Error(diff)
	}
}

func TestInputs(t *testing.T) {
	t.Parallel()
	s := one(t, `inputs:
  - {name: a, default: s3://x/a, keep-directories: true, filename: z}
  - {name: b, default: [s3://x/1, s3://x/2], keep-directories: suffix, download: on-demand}
  - {name: c, optional: true}`)
	sum := strings.Repeat("AB", 32)
	r, err := Resolve(s, Values{Inputs: map[string][]string{"b": {" https://x/y#sha256=" + sum, "https://x/z#part"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []ResolvedInput{
		{Name: "a", Sources: []Source{{URL: "s3://x/a"}}, Filename: "z", KeepDirectories: "full", Download: "always"},
		{Name: "b", Sources: []Source{
			{URL: "https://x/y", Checksums: map[string]string{"sha256": strings.ToLower(sum)}}, {URL: "https://x/z#part"},
		}, KeepDirectories: "suffix", Download: "on-demand"},
	}
	if diff := cmp.Diff(want, r.Inputs); diff != "" {
		t.Error(diff)
	}
	for url, want := range map[string]string{
		" ":               `input "c": a URL is empty: give one, or leave it out`,
		"s3://x#sha256=1": `input "c": the checksum "sha256=1" can't be one: ` + checksumRemedy,
	} {
		if _, err := Resolve(s, Values{Inputs: map[string][]string{"c": {url}}}); err == nil || err.Error() != want {
			t.Error(err)
		}
	}
}

func TestParseSource(t *testing.T) {
	t.Parallel()
	hex := strings.Repeat("0", 128)
	for _, row := range []struct {
		text, url string
		sums      map[string]string
		err       string
	}{
		{text: "s3://b/k", url: "s3://b/k"},
		{text: "s3://b/a#b", url: "s3://b/a#b"},
		{text: "s3://b/a#md5", url: "s3://b/a#md5"},
		{text: "s3://b/a#x=1&md5=2", url: "s3://b/a#x=1&md5=2"},
		{text: "u#md5=" + hex[:32], url: "u", sums: map[string]string{"md5": hex[:32]}},
		{text: "u#sha1=" + hex[:40], url: "u", sums: map[string]string{"sha1": hex[:40]}},
		{text: "u#sha512=" + hex, url: "u", sums: map[string]string{"sha512": hex}},
		{text: "u#a#sha256=" + hex[:64], url: "u#a", sums: map[string]string{"sha256": hex[:64]}},
		{text: "u#md5=" + hex[:32] + "&sha1=" + hex[:40], url: "u", sums: map[string]string{"md5": hex[:32], "sha1": hex[:40]}},
		{text: "u#md5=" + hex[:32] + "&md5=" + hex[:32], err: "the checksum md5 is given twice"},
		{text: "u#md5=" + hex[:32] + "&x", err: `the checksum "x" is of no known kind`},
		{text: "u#md5=" + hex[:31], err: `the checksum "md5=` + hex[:31] + `" can't be one`},
		{text: "u#md5=", err: `the checksum "md5=" can't be one`},
		{text: "u#md5=" + strings.Repeat("g", 32), err: `the checksum "md5=` + strings.Repeat("g", 32) + `" can't be one`},
		{text: "#md5=" + hex[:32], err: "the checksum has no URL before it"},
	} {
		t.Run(row.text, func(t *testing.T) {
			t.Parallel()
			got, err := parseSource(row.text)
			if row.err != "" {
				if err == nil || err.Error() != row.err {
					t.Error(err)
				}
				return
			}
			if diff := cmp.Diff(Source{URL: row.url, Checksums: row.sums}, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	if got := Features(one(t, "time-limit: 5\nresources: {}\nmounts: []\ninputs: [{name: a}]")); len(got) != 0 {
		t.Error(got)
	}
	want := []Feature{
		{Name: "environment", Line: 5, Column: 5},
		{Name: "runtime-config-preset", Line: 6, Column: 5},
		{Name: "environment-variable-groups", Line: 7, Column: 5},
		{Name: "upload-store", Line: 8, Column: 5},
		{Name: "mounts", Line: 9, Column: 5},
		{Name: "cache-volumes", Line: 10, Column: 5, Ignorable: true},
		{Name: "resources.cpu", Line: 11, Column: 5, Ignorable: true},
		{Name: "resources.memory", Line: 11, Column: 5, Ignorable: true},
		{Name: "resources.devices", Line: 11, Column: 5},
		{Name: "inputs.download", Line: 12, Column: 5},
		{Name: "stop-condition", Line: 13, Column: 5, Ignorable: true},
	}
	got := Features(one(t, `environment: e
runtime-config-preset: p
environment-variable-groups: [g]
upload-store: s
mounts: [/a:/b]
cache-volumes: [v]
resources: {cpu: {min: 1}, memory: {max: 2}, devices: {gpu: 1}}
inputs: [{name: a, download: on-demand}]
stop-condition: a > 1`))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
