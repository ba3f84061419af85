// Package eventfile writes events into files that other programs read: CSV for
// spreadsheets, JSON lines for log collectors.
package eventfile

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// Format is how a file is written.
type Format string

// The formats.
const (
	CSV       Format = "csv"   // RFC 4180, with a heading
	JSONLines Format = "jsonl" // one JSON object a line
)

// ParseFormat reads a format. The error is [fairlead.Invalid].
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case CSV, JSONLines:
		return f, nil
	default:
		return "", &fairlead.Error{
			Kind: fairlead.Invalid, Field: "format", What: "reading format", Why: fmt.Sprintf("%q is none", fairlead.Clip(s)),
			Remedy: "give csv or jsonl",
		}
	}
}

// MediaType is what a file of the format is sent as (RFC 4180; JSON lines have no
// registered type).
func (f Format) MediaType() string {
	if f == CSV {
		return "text/csv; charset=utf-8; header=present"
	}
	return "application/x-ndjson"
}

// Writer writes events.
type Writer struct {
	csv  *csv.Writer
	json *json.Encoder
}

// NewWriter begins a file.
func NewWriter(w io.Writer, f Format) (*Writer, error) {
	if f == JSONLines {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return &Writer{json: e}, nil
	}
	c := csv.NewWriter(w)
	return &Writer{csv: c}, c.Write([]string{
		"id", "at", "organization_id", "project_id", "by_kind", "by_id", "by_name", "from", "request", "action", "on_kind", "on_id", "on_name", "allowed", "detail",
	})
}

// Write adds events. What it has buffered is written, too.
func (w *Writer) Write(list []fairlead.Event) error {
	for _, e := range list {
		var err error
		if w.json != nil {
			err = w.json.Encode(e)
		} else {
			err = w.csv.Write(line(e))
		}
		if err != nil {
			return err
		}
	}
	if w.csv != nil {
		w.csv.Flush()
		return w.csv.Error()
	}
	return nil
}

func line(e fairlead.Event) []string {
	cells := []string{
		string(e.ID), e.At.Format(time.RFC3339Nano), string(e.Organization), string(e.Project), string(e.By.Kind), e.By.ID, e.By.Name,
		e.From, e.Request, string(e.Action), e.On.Kind, e.On.ID, e.On.Name, fmt.Sprint(e.Allowed), Details(e.Detail),
	}
	for i, c := range cells {
		cells[i] = inert(c)
	}
	return cells
}

// inert keeps a spreadsheet from taking foreign text for a formula (OWASP, CSV injection).
func inert(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// Details is an event's detail in one line, by name.
func Details(d map[string]string) string {
	list := make([]string, 0, len(d))
	for k, v := range d {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
