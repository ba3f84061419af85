package stepfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says what a [Problem] stops.
type Severity string

// The severities. An error stops the step that it is in; a warning and a note don't.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityNote    Severity = "note" // only in [File.Notes]
)

// maxProblems bounds the list: a broken file says the same thing many times.
const maxProblems = 1000

// Problem is one thing that is wrong in a step file.
type Problem struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`   // from 1; 0 = the file as a whole
	Column   int      `json:"column"` // from 1, in characters; 0 = the line as a whole
	Severity Severity `json:"severity"`
	// Rule is a stable word: "type", "required", "unknown-key", ...
	Rule string `json:"rule"`
	// Path is where it is, as Valohai's lint writes it: 0.step.image.
	Path string `json:"path,omitempty"`
	// Text is a clause: "image is the number 3.1".
	Text string `json:"text"`
	// Remedy is an imperative: "put it in quotes".
	Remedy string `json:"remedy,omitempty"`
}

// String is "file:line:column: severity: text: remedy (path) [rule]", the form that
// editors know how to jump to.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Column > 0 {
		fmt.Fprintf(&b, ":%d", p.Column)
	}
	fmt.Fprintf(&b, ": %s: %s", p.Severity, p.Text)
	if p.Remedy != "" {
		b.WriteString(": " + p.Remedy)
	}
	if p.Path != "" {
		b.WriteString(" (" + p.Path + ")")
	}
	b.WriteString(" [" + p.Rule + "]")
	return b.String()
}

// Errors counts the problems that are errors.
func Errors(list []Problem) int {
	n := 0
	for _, p := range list {
		if p.Severity == SeverityError {
			n++
		}
	}
	return n
}

// position is a place in the file, both from 1.
type position struct{ line, column int }

// finding is a Problem before it is known where and how grave it is.
type finding struct{ rule, text, remedy string }

// collector gathers problems: each once, in the order of the file, up to maxProblems.
type collector struct {
	file string
	list []Problem
	seen map[Problem]struct{}
	full bool
	// errors counts every error, those too that aren't listed: it tells whether
	// what was just read is sound.
	errors int
}

func newCollector(file string) *collector {
	return &collector{file: file, seen: map[Problem]struct{}{}}
}

func (c *collector) add(s Severity, at position, path string, f finding) {
	if s == SeverityError {
		c.errors++
	}
	if c.full {
		return
	}
	p := Problem{
		File: c.file, Line: at.line, Column: at.column,
		Severity: s, Rule: f.rule, Path: path, Text: f.text, Remedy: f.remedy,
	}
	if _, ok := c.seen[p]; ok {
		return // an alias shows the same node again
	}
	if len(c.list) == maxProblems {
		c.full = true
		return
	}
	c.seen[p] = struct{}{}
	c.list = append(c.list, p)
}

func (c *collector) sorted() []Problem {
	slices.SortFunc(c.list, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			strings.Compare(string(a.Severity), string(b.Severity)),
			strings.Compare(a.Rule, b.Rule), strings.Compare(a.Path, b.Path), strings.Compare(a.Text, b.Text),
		)
	})
	if c.full {
		last := c.list[len(c.list)-1]
		c.list = append(c.list, Problem{
			File: c.file, Line: last.Line, Column: last.Column, Severity: SeverityError, Rule: "too-many",
			Text: fmt.Sprintf("there are more than %d problems", maxProblems), Remedy: "correct these first",
		})
	}
	return c.list
}

// show quotes what a user wrote, and cuts it when it is long.
func show(s string) string {
	const limit = 60
	n := 0
	for i := range s {
		if n == limit {
			return fmt.Sprintf("%q", s[:i]+"…")
		}
		n++
	}
	return fmt.Sprintf("%q", s)
}
