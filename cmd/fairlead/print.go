package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

func (a *app) checkFormat() error {
	switch a.format {
	case "table", "json", "yaml":
		return nil
	default:
		return usage("there is no output %q: use table, json or yaml", a.format)
	}
}

// show writes v as JSON or YAML if that was asked for, and otherwise as table does.
func (a *app) show(v any, table func(w io.Writer)) error {
	if a.format == "table" {
		table(a.out)
		return nil
	}
	return a.encode(a.out, v)
}

// encode writes v as JSON or YAML. The YAML has the JSON's names and order.
func (a *app) encode(w io.Writer, v any) error {
	if a.format == "json" {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var n yaml.Node // JSON is YAML; a node keeps the order
	if err := yaml.Unmarshal(b, &n); err != nil {
		return err
	}
	plain(&n)
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	return errors.Join(e.Encode(&n), e.Close())
}

// plain takes JSON's style out of a YAML tree.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}

// rows writes a table: a heading and its lines, or a word on what to do first when
// there are none.
func rows(w io.Writer, empty string, heading []string, lines [][]string) {
	if len(lines) == 0 {
		_, _ = fmt.Fprintln(w, empty)
		return
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, strings.Join(heading, "\t"))
	for _, line := range lines {
		for i, cell := range line {
			if cell == "" {
				line[i] = "-"
			}
			line[i] = printable(line[i])
		}
		_, _ = fmt.Fprintln(t, strings.Join(line, "\t"))
	}
	_ = t.Flush()
}

// facts writes names and values, leaving out those without one.
func facts(w io.Writer, pairs ...string) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			_, _ = fmt.Fprintf(t, "%s:\t%s\n", pairs[i], printable(pairs[i+1]))
		}
	}
	_ = t.Flush()
}

// printable keeps foreign text from moving the cursor or changing the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

// ago is a time as people say it, empty for none.
func (a *app) ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := a.now().Sub(t)
	if d < 0 {
		return "in " + span(-d)
	}
	if d < time.Second {
		return "now"
	}
	return span(d) + " ago"
}

// span is a length of time in its largest unit.
func span(d time.Duration) string {
	for _, u := range []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= u.d {
			return fmt.Sprintf("%d %s", d/u.d, u.name)
		}
	}
	return d.Round(time.Millisecond).String()
}

// done writes a sentence on what was done, where a table would have been written.
func (a *app) done(format string, args ...any) {
	if a.format == "table" {
		_, _ = fmt.Fprintf(a.out, format+"\n", args...)
	}
}

// hint writes what helps a person, beside the output.
func (a *app) hint(format string, args ...any) { _, _ = fmt.Fprintf(a.err, format+"\n", args...) }

// complain writes an error: what happened, why, what to do. Programs that asked for JSON
// or YAML get it as the API tells errors.
func (a *app) complain(cmd *cobra.Command, err error) {
	if a.format == "json" || a.format == "yaml" {
		_ = a.encode(a.err, replyOf(err))
		return
	}
	if u, ok := errors.AsType[usageError](err); ok {
		a.hint("%s %s", a.red("Error:"), printable(u.Error()))
		a.hint("See `%s --help`.", cmd.CommandPath())
		return
	}
	if r, ok := errors.AsType[*client.Refusal](err); ok {
		for _, p := range r.Reply.Problems {
			a.hint("%s:%d:%d: %s: %s", p.File, p.Line, p.Column, p.Severity, printable(p.Text))
		}
	}
	if e := fairlead.Misread("", err); e != nil {
		err = e // a name or a pattern, read here
	}
	a.hint("%s %s", a.red("Error:"), printable(err.Error()))
	if e, ok := errors.AsType[*fairlead.Error](err); ok && e.Remedy != "" {
		a.hint("What to do: %s", printable(e.Remedy))
	}
}

// replyOf is an error such as the API tells it.
func replyOf(err error) wire.ErrorReply {
	if r, ok := errors.AsType[*client.Refusal](err); ok {
		return r.Reply
	}
	if u, ok := errors.AsType[usageError](err); ok {
		return wire.ErrorReply{Error: fairlead.Error{Kind: fairlead.Invalid, What: "reading the command line", Why: u.Error()}}
	}
	e := *fairlead.AsError("", err)
	if e.Why == "" {
		e.Why = strings.TrimPrefix(err.Error(), e.What+": ")
	}
	return wire.ErrorReply{Error: e}
}

// red colours text, if a person sees it and doesn't mind (no-color.org).
func (a *app) red(s string) string {
	if !a.errTerminal || a.env("NO_COLOR") != "" {
		return s
	}
	return "\x1b[31;1m" + s + "\x1b[0m"
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
