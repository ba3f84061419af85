package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/stepfile"
	"fairlead.dev/fairlead/wire"
)

// runFlags are what `fairlead run` is told.
type runFlags struct {
	project, file, image   string
	params, inputs, env    []string
	strict, noCode, detach bool
	noPreflight            bool
	retries                int
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use: "run STEP", Short: "Run a step of valohai.yaml and follow its log", Args: cobra.ExactArgs(1),
		Long: `Run a step of valohai.yaml: the working directory (but for what .gitignore names) is sent
along, the log is followed, and the exit code is the step's own. STEP is the step's name
or a beginning of it that no other step shares.`,
		Example: `  fairlead run train --param epochs=5 --param learning-rate=0.1
  fairlead run train --image registry.example.com/team/train:v2`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runStep(cmd.Context(), cmd, args[0], f)
		},
	}
	fl := c.Flags()
	fl.StringVarP(&f.project, "project", "p", "", "project, [OWNER/]NAME (default: the only one that you may see; FAIRLEAD_PROJECT)")
	fl.StringVarP(&f.file, "file", "f", defaultStepFile, "the step file; its directory is what is sent")
	fl.StringVar(&f.image, "image", "", "image, instead of the step's own")
	fl.StringArrayVar(&f.params, "param", nil, "parameter, NAME=VALUE (may be given often; several times for one that is multiple)")
	fl.StringArrayVar(&f.inputs, "input", nil, "input, NAME=URL (may be given often)")
	fl.StringArrayVar(&f.env, "env", nil, "environment variable, NAME=VALUE (may be given often)")
	fl.BoolVar(&f.strict, "strict", false, "end at the first command that fails")
	fl.BoolVar(&f.noCode, "no-code", false, "send no files along")
	fl.BoolVar(&f.noPreflight, "no-preflight", false, "queue it without looking whether its image can be pulled")
	fl.BoolVar(&f.detach, "detach", false, "don't follow the log")
	fl.IntVar(&f.retries, "retries", 2, "how often to try again when a worker is lost")
	return c
}

func (a *app) runStep(ctx context.Context, cmd *cobra.Command, step string, f runFlags) error {
	req, err := a.runRequest(step, f)
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("retries") {
		req.Retries = &f.retries
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	if req.ProjectPath, err = a.project(ctx, c, f.project); err != nil {
		return err
	}
	if !f.noCode {
		if req.Archive, err = a.sendCode(ctx, c, req.ProjectPath, filepath.Dir(f.file)); err != nil {
			return err
		}
	}
	run, err := client.Do(ctx, c, wire.CreateRun, req)
	if err != nil {
		return err
	}
	if d := run.Diagnosis; d != nil && d.Cause != nil {
		a.hint("Note: %s. The run is queued all the same: it may be otherwise from a worker.", printable(d.Cause.Error()))
	}
	at := wire.RunPath{ProjectPath: req.ProjectPath, Number: run.Number}
	if f.detach {
		return a.show(run, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "Queued run %d of %s/%s. Follow it: fairlead runs logs %d --follow -p %s/%s\n", run.Number, at.Owner, at.Project, run.Number, at.Owner, at.Project)
		})
	}
	a.hint("Run %d of step %s in %s/%s.", run.Number, run.Spec.Step, at.Owner, at.Project)
	return a.follow(ctx, c, at, true)
}

// runRequest reads the flags and the step file, and finds what can be found wrong here
// before anything is sent.
func (a *app) runRequest(step string, f runFlags) (wire.RunRequest, error) {
	data, err := readStepFile(f.file)
	if err != nil {
		return wire.RunRequest{}, err
	}
	parsed, problems := stepfile.Parse(f.file, data, stepfile.Options{CheckImage: checkImage})
	for _, p := range problems {
		a.hint("%s", printable(p.String()))
	}
	if n := stepfile.Errors(problems); n > 0 {
		return wire.RunRequest{}, &fairlead.Error{Kind: fairlead.Invalid, What: "reading " + f.file, Why: fmt.Sprintf("it has %d mistakes", n), Remedy: "correct the places above"}
	}
	if _, err := parsed.Find(step); err != nil {
		return wire.RunRequest{}, usageError{err}
	}
	req := wire.RunRequest{File: string(data), FileName: f.file, Step: step, Image: f.image, Strict: f.strict, NoPreflight: f.noPreflight}
	if req.Parameters, err = lists("--param", f.params); err != nil {
		return req, err
	}
	if req.Inputs, err = lists("--input", f.inputs); err != nil {
		return req, err
	}
	env, err := lists("--env", f.env)
	for name, values := range env {
		if req.Environment == nil {
			req.Environment = map[string]string{}
		}
		req.Environment[name] = values[len(values)-1]
	}
	return req, err
}

// lists reads NAME=VALUE pairs.
func lists(flag string, pairs []string) (map[string][]string, error) {
	var all map[string][]string
	for _, p := range pairs {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, usage("%s %q: write it as NAME=VALUE", flag, p)
		}
		if all == nil {
			all = map[string][]string{}
		}
		all[name] = append(all[name], value)
	}
	return all, nil
}

// sendCode packs the working directory and sends it, unless the project has the same
// archive already.
func (a *app) sendCode(ctx context.Context, c *client.Client, at wire.ProjectPath, dir string) (fairlead.Digest, error) {
	f, err := os.CreateTemp("", "fairlead-*.tar.gz")
	if err != nil {
		return "", &fairlead.Error{Kind: fairlead.Unavailable, What: "packing " + dir, Why: reason(err)}
	}
	defer func() { _, _ = f.Close(), os.Remove(f.Name()) }()
	h := sha256.New()
	packed, err := client.Pack(ctx, dir, io.MultiWriter(f, h))
	if err != nil {
		return "", err
	}
	digest := fairlead.Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
	path := wire.ArchivePath{ProjectPath: at, Digest: digest}
	_, err = client.Do(ctx, c, wire.HasArchive, path)
	if fairlead.KindOf(err) != fairlead.NotFound {
		return digest, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return "", &fairlead.Error{Kind: fairlead.Unavailable, What: "packing " + dir, Why: reason(err)}
	}
	a.hint("Sending %s (%s).", counted(packed.Files, "file"), byteCount(size))
	bar := a.bar("code", size)
	err = client.Put(ctx, c, wire.PutArchive, path, io.NopCloser(bar.reader(f)), size)
	bar.done()
	return digest, err
}

// follow shows a run's log as it grows, and gives the run's own exit code. When the
// person leaves, the run goes on.
func (a *app) follow(ctx context.Context, c *client.Client, at wire.RunPath, wait bool) error {
	view := a.newPullView()
	defer view.close()
	q := wire.LogRequest{RunPath: at, Wait: 5}
	if !wait {
		q.Wait = 0
	}
	run := fmt.Sprintf("%d -p %s/%s", at.Number, at.Owner, at.Project)
	lost, waiting := patience{now: a.now}, a.now()
	for {
		piece, err := client.Do(ctx, c, wire.ReadLog, q)
		if ctx.Err() != nil {
			view.close()
			a.hint("\nThe run goes on. Follow it: fairlead runs logs --follow %s. Stop it: fairlead runs stop %s", run, run)
			return exitCode(128 + 2) // as a shell says of what Ctrl-C ended
		}
		if again, first := lost.again(ctx, err); again {
			if first {
				view.close()
				a.hint("The server doesn't answer; trying again: %s", printable(err.Error()))
			}
			continue
		}
		if err != nil {
			view.close()
			a.hint("The run may go on. Follow it: fairlead runs logs --follow %s", run)
			return err
		}
		if wait && piece.Run.State == fairlead.Queued && !waiting.IsZero() && a.now().Sub(waiting) > tellQueued {
			waiting = time.Time{}
			a.sayWaiting(piece.Run.Waiting)
		}
		view.progress(piece.Run.Progress)
		for _, line := range piece.Lines {
			view.line(line)
			q.After = line.Seq
		}
		q.Seen = piece.Mark
		more := len(piece.Lines) > 0
		if piece.Run.State.Final() && !more || !wait && !more {
			view.close()
			return a.ending(piece.Run, wait, view.failure)
		}
	}
}

// sayWaiting says why nothing happens, if it is known.
func (a *app) sayWaiting(why *fairlead.Error) {
	if why == nil {
		a.hint("Waiting for a worker. Which there are: fairlead worker list")
		return
	}
	a.hint("Waiting: %s.\nWhat to do: %s", printable(why.Why), printable(why.Remedy))
}

// tellQueued is how long a run may be queued before a person is told why nothing happens.
const tellQueued = 4 * time.Second

// patience tries again what a server's restart broke.
type patience struct {
	now   func() time.Time
	since time.Time // of the first failure in a row
}

// How long a server may be away, and how often it is asked meanwhile.
const (
	restartTime = time.Minute
	restartStep = time.Second
)

// again waits and reports whether to try again; first is true of the first time in a row.
func (p *patience) again(ctx context.Context, err error) (again, first bool) {
	if fairlead.KindOf(err) != fairlead.Unavailable {
		p.since = time.Time{}
		return false, false
	}
	if first = p.since.IsZero(); first {
		p.since = p.now()
	}
	if p.now().Sub(p.since) > restartTime {
		return false, false
	}
	t := time.NewTimer(restartStep)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return true, first
}

// ending says how a run ended, and gives its exit code. shown is the failure as the log
// had it: whoever sees both streams isn't told twice.
func (a *app) ending(run fairlead.Run, tell bool, shown string) error {
	if !tell {
		return nil
	}
	switch run.State {
	case fairlead.Complete:
		return nil
	case fairlead.Stopped:
		a.hint("The run was stopped.")
		return exitCode(exitFailed)
	case fairlead.Queued, fairlead.Preparing, fairlead.Started, fairlead.Stopping, fairlead.Failed:
	}
	if run.ExitCode != nil && *run.ExitCode != 0 {
		return exitCode(*run.ExitCode)
	}
	switch {
	case run.Failure == nil:
		return errors.New("the run ended in error")
	case a.outTerminal && a.errTerminal && shown == fairlead.FailureLine+run.Failure.Error():
		return exitCode(exitFailed)
	default:
		return run.Failure
	}
}
