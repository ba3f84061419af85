package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

func (a *app) runsCommand() *cobra.Command {
	var project string
	c := parent("runs", "Runs of a project", nil,
		a.runsList(&project), a.runsShow(&project), a.runsLogs(&project), a.runsStop(&project), a.runsOutputs(&project))
	c.PersistentFlags().StringVarP(&project, "project", "p", "", "project, [OWNER/]NAME (default: the only one that you may see; FAIRLEAD_PROJECT)")
	return c
}

// runNumbered gives a client and the run that a command is about.
func (a *app) runNumbered(ctx context.Context, project, number string) (*client.Client, wire.RunPath, error) {
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 {
		return nil, wire.RunPath{}, usage("%q is not a run's number", number)
	}
	c, err := a.client()
	if err != nil {
		return nil, wire.RunPath{}, err
	}
	at, err := a.project(ctx, c, project)
	return c, wire.RunPath{ProjectPath: at, Number: n}, err
}

func (a *app) runsList(project *string) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List runs, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			at, err := a.project(cmd.Context(), c, *project)
			if err != nil {
				return err
			}
			list, err := client.Do(cmd.Context(), c, wire.ListRuns, wire.RunsRequest{ProjectPath: at, Limit: limit})
			if err != nil {
				return err
			}
			return a.show(list, func(w io.Writer) {
				var lines [][]string
				for _, r := range list.Runs {
					lines = append(lines, []string{fmt.Sprint(r.Number), r.Spec.Step, string(r.State), exitText(r), r.Spec.Image, a.took(r), a.ago(r.Created)})
				}
				rows(w, "There are no runs. Begin one: fairlead run STEP", []string{"RUN", "STEP", "STATE", "EXIT", "IMAGE", "TOOK", "CREATED"}, lines)
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 0, "how many (default 50)")
	return c
}

func exitText(r fairlead.Run) string {
	if r.ExitCode == nil {
		return ""
	}
	return strconv.Itoa(*r.ExitCode)
}

// took is how long a run's command ran, or has run.
func (a *app) took(r fairlead.Run) string {
	switch {
	case r.Began.IsZero():
		return ""
	case r.Ended.IsZero():
		return span(a.now().Sub(r.Began))
	default:
		return span(r.Ended.Sub(r.Began))
	}
}

func (a *app) runsShow(project *string) *cobra.Command {
	return &cobra.Command{
		Use: "show NUMBER", Short: "Show a run: image, digest, registry, connector, outcome", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.runNumbered(cmd.Context(), *project, args[0])
			if err != nil {
				return err
			}
			r, err := client.Do(cmd.Context(), c, wire.ShowRun, at)
			if err != nil {
				return err
			}
			return a.show(r, func(w io.Writer) { a.showRun(w, r) })
		},
	}
}

func (a *app) showRun(w io.Writer, r fairlead.Run) {
	var p fairlead.PullRecord
	if r.Pulled != nil {
		p = *r.Pulled
	}
	failure, remedy, waiting, queue := "", "", "", ""
	if r.Waiting != nil {
		waiting, remedy = r.Waiting.Why, r.Waiting.Remedy
	}
	if r.Spec.Stack != "" || r.Spec.Queue != "" || r.Waiting != nil {
		queue = string(r.Spec.QueueOrDefault())
	}
	if r.Failure != nil {
		failure, remedy = r.Failure.Error(), r.Failure.Remedy
	}
	pulled := ""
	if r.Pulled != nil {
		pulled = fmt.Sprintf("%s in %s", byteCount(p.Bytes), p.Took.Round(time.Millisecond))
	}
	attempt := ""
	if r.Attempt > 1 {
		attempt = strconv.Itoa(r.Attempt)
	}
	facts(w, "Run", strconv.FormatInt(r.Number, 10), "Step", r.Spec.Step, "State", string(r.State), "Exit code", exitText(r), "Waiting", waiting, "Failure", failure, "What to do", remedy,
		"Stack", string(r.Spec.Stack), "Queue", queue, "Asks for engine", r.Spec.Engine,
		"Image", r.Spec.Image, "Digest", string(p.Digest), "Platform", p.Platform, "Registry", string(p.Registry), "Connector", string(p.Connector), "Lease", string(p.Lease),
		"Pulled", pulled, "Worker", string(r.WorkerName), "Engine", r.Engine, "Attempt", attempt, "Creator", r.Creator.Name,
		"Created", a.ago(r.Created), "Took", a.took(r), "ID", string(r.ID))
	if d := r.Diagnosis; d != nil {
		_, _ = fmt.Fprintln(w, "\nDiagnosis of the pull:")
		a.printCause(w, *d)
		for _, p := range d.Probes {
			a.printProbe(w, p)
		}
	}
}

func (a *app) runsLogs(project *string) *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use: "logs NUMBER", Short: "Show a run's log", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.runNumbered(cmd.Context(), *project, args[0])
			if err != nil {
				return err
			}
			if a.format != "table" {
				return a.logLines(cmd.Context(), c, at)
			}
			return a.follow(cmd.Context(), c, at, follow)
		},
	}
	c.Flags().BoolVar(&follow, "follow", false, "go on until the run ends, and exit with its exit code")
	return c
}

// logLines writes the lines that there are, as data.
func (a *app) logLines(ctx context.Context, c *client.Client, at wire.RunPath) error {
	lines := []fairlead.LogLine{}
	q := wire.LogRequest{RunPath: at}
	for {
		piece, err := client.Do(ctx, c, wire.ReadLog, q)
		if err != nil {
			return err
		}
		if len(piece.Lines) == 0 {
			return a.show(map[string]any{"lines": lines}, nil)
		}
		lines = append(lines, piece.Lines...)
		q.After = piece.Lines[len(piece.Lines)-1].Seq
	}
}

func (a *app) runsStop(project *string) *cobra.Command {
	return &cobra.Command{
		Use: "stop NUMBER", Short: "Stop a run", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.runNumbered(cmd.Context(), *project, args[0])
			if err != nil {
				return err
			}
			r, err := client.Do(cmd.Context(), c, wire.StopRun, at)
			if err != nil {
				return err
			}
			return a.show(r, func(w io.Writer) { _, _ = fmt.Fprintf(w, "Run %d is %s.\n", r.Number, r.State) })
		},
	}
}

func (a *app) runsOutputs(project *string) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "outputs NUMBER", Short: "List a run's outputs, or download them", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.runNumbered(cmd.Context(), *project, args[0])
			if err != nil {
				return err
			}
			list, err := client.Do(cmd.Context(), c, wire.ListOutputs, at)
			if err != nil {
				return err
			}
			if dir != "" {
				for _, o := range list.Outputs {
					if err := a.download(cmd.Context(), c, at, o, dir); err != nil {
						return err
					}
				}
			}
			return a.show(list, func(w io.Writer) {
				var lines [][]string
				for _, o := range list.Outputs {
					lines = append(lines, []string{o.Name, byteCount(o.Size), string(o.Digest)})
				}
				rows(w, "The run has no outputs. A command leaves some in /valohai/outputs.", []string{"NAME", "SIZE", "DIGEST"}, lines)
			})
		},
	}
	c.Flags().StringVar(&dir, "download", "", "directory to download them into")
	return c
}

// download fetches an output into a directory; os.Root keeps it in there whatever its
// name is.
func (a *app) download(ctx context.Context, c *client.Client, at wire.RunPath, o fairlead.Output, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // The user's own files.
		return downloadError(o, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return downloadError(o, err)
	}
	defer func() { _ = root.Close() }()
	body, size, err := client.Get(ctx, c, wire.GetOutput, wire.OutputPath{RunPath: at, Name: o.Name})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	name := filepath.FromSlash(o.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return downloadError(o, err)
	}
	f, err := root.Create(name)
	if err != nil {
		return downloadError(o, err)
	}
	bar := a.bar(o.Name, size)
	_, err = io.Copy(f, bar.reader(body))
	bar.done()
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return downloadError(o, err)
	}
	return nil
}

func downloadError(o fairlead.Output, err error) error {
	return &fairlead.Error{Kind: fairlead.Unavailable, What: "downloading " + o.Name, Why: reason(err), Remedy: "try again"}
}
