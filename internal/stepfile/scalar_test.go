package stepfile

import (
	"testing"

	"go.yaml.in/yaml/v3"
)

// What PyYAML 6.0.3 makes of a plain scalar, and how Python prints it.
func TestPlainScalars(t *testing.T) {
	t.Parallel()
	s := newScalars()
	for _, row := range []struct {
		raw  string
		kind kind
		text string
	}{
		// platforms.md 1.7, last row
		{"1e-5", kindText, "1e-5"},
		{"1.0e-5", kindFloat, "1e-05"},
		{"on", kindBool, "True"},
		{"1:30", kindInt, "90"},
		{"3.10", kindFloat, "3.1"},
		// booleans
		{"On", kindBool, "True"},
		{"oN", kindText, "oN"},
		{"yes", kindBool, "True"},
		{"NO", kindBool, "False"},
		{"off", kindBool, "False"},
		{"y", kindText, "y"},
		{"n", kindText, "n"},
		{"true", kindBool, "True"},
		{"FALSE", kindBool, "False"},
		// null
		{"", kindNull, "None"},
		{"~", kindNull, "None"},
		{"null", kindNull, "None"},
		{"Null", kindNull, "None"},
		{"nULL", kindText, "nULL"},
		{"none", kindText, "none"},
		// integers
		{"017", kindInt, "15"},
		{"-017", kindInt, "-15"},
		{"0o17", kindText, "0o17"},
		{"08", kindText, "08"},
		{"0b101", kindInt, "5"},
		{"0x1F", kindInt, "31"},
		{"-0x1f", kindInt, "-31"},
		{"0x_", kindText, "0x_"},
		{"1_000", kindInt, "1000"},
		{"+5", kindInt, "5"},
		{"-0", kindInt, "0"},
		{"00", kindInt, "0"},
		{"190:20:30", kindInt, "685230"},
		{"1:60", kindText, "1:60"},
		{"01:30", kindText, "01:30"},
		{"-1:30", kindInt, "-90"},
		{"100000000000000000000000", kindInt, "100000000000000000000000"},
		// floats
		{"1e5", kindText, "1e5"},
		{"1.0e5", kindText, "1.0e5"},
		{"1.0e+5", kindFloat, "100000.0"},
		{"1.0e+16", kindFloat, "1e+16"},
		{"0.0001", kindFloat, "0.0001"},
		{"0.00001", kindFloat, "1e-05"},
		{"1.", kindFloat, "1.0"},
		{".5", kindFloat, "0.5"},
		{"-.5", kindText, "-.5"},
		{"5.0", kindFloat, "5.0"},
		{"-0.0", kindFloat, "-0.0"},
		{".inf", kindFloat, "inf"},
		{"-.INF", kindFloat, "-inf"},
		{".iNF", kindText, ".iNF"},
		{".nan", kindFloat, "nan"},
		{"1.0e+400", kindFloat, "inf"},
		{"1:30.5", kindFloat, "90.5"},
		{"123456789.123456789", kindFloat, "123456789.12345679"},
		// dates stay as they are written
		{"2020-01-01", kindDate, "2020-01-01"},
		{"2020-1-1", kindText, "2020-1-1"},
		{"2001-12-14t21:59:43.10-05:00", kindDate, "2001-12-14t21:59:43.10-05:00"},
		{"2020-01-01 00:00:00", kindDate, "2020-01-01 00:00:00"},
		{"2020-01-01T00:00", kindText, "2020-01-01T00:00"},
		// what remains
		{"=", kindText, "="},
		{"<<", kindText, "<<"},
		{"python:3.10", kindText, "python:3.10"},
	} {
		t.Run(row.raw, func(t *testing.T) {
			t.Parallel()
			if v := s.plain(row.raw); v.kind != row.kind || v.String() != row.text {
				t.Errorf("kind %d %q, want kind %d %q", v.kind, v, row.kind, row.text)
			}
		})
	}
}

func TestQuotedAndTaggedScalars(t *testing.T) {
	t.Parallel()
	s := newScalars()
	for _, row := range []struct {
		yaml, text string
		kind       kind
		fails      bool
	}{
		{`"on"`, "on", kindText, false},
		{`'3.10'`, "3.10", kindText, false},
		{"|-\n  12", "12", kindText, false},
		{">-\n  12", "12", kindText, false},
		{`!!str 3.10`, "3.10", kindText, false},
		{`!!int "12"`, "12", kindInt, false},
		{`!!int x`, "x", kindText, true},
		{`!!float 3`, "3.0", kindFloat, false},
		{`!!float 1e5`, "100000.0", kindFloat, false},
		{`!!bool "yes"`, "True", kindBool, false},
		{`!!null ""`, "None", kindNull, false},
		{`!!timestamp 2020-01-01`, "2020-01-01", kindDate, false},
		{`!!binary aGk=`, "aGk=", kindText, true},
		{`!mine x`, "x", kindText, true},
	} {
		t.Run(row.yaml, func(t *testing.T) {
			t.Parallel()
			var n yaml.Node
			if err := yaml.Unmarshal([]byte(row.yaml), &n); err != nil {
				t.Fatal(err)
			}
			v, err := s.read(n.Content[0])
			if v.kind != row.kind || v.String() != row.text || (err != nil) != row.fails {
				t.Errorf("kind %d %q %v", v.kind, v, err)
			}
		})
	}
}
