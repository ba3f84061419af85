package main

import (
	"context"
	"fmt"
	"slices"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/stepfile"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// lintOnline asks the server about the images of a step file, each once.
func (a *app) lintOnline(ctx context.Context, file string, parsed *stepfile.File, project string) ([]stepfile.Problem, error) {
	c, err := a.client()
	if err != nil {
		return nil, err
	}
	at, err := a.project(ctx, c, project)
	if err != nil {
		return nil, err
	}
	known := map[string][]stepfile.Problem{}
	var list []stepfile.Problem
	for _, s := range parsed.Steps {
		i, err := ref.Parse(s.Image)
		if err != nil {
			continue // that is said already
		}
		found, ok := known[s.Image]
		if !ok {
			if found, err = a.lintImage(ctx, c, at, i, s.Image); err != nil {
				return nil, err
			}
			known[s.Image] = found
		}
		for _, p := range found {
			p.File, p.Line, p.Column = file, s.ImageLine, s.ImageColumn
			list = append(list, p)
		}
	}
	return list, nil
}

// lintImage says what is wrong with an image in a project, and what may be.
func (a *app) lintImage(ctx context.Context, c *client.Client, at wire.ProjectPath, i ref.Image, written string) ([]stepfile.Problem, error) {
	var list []stepfile.Problem
	add := func(s stepfile.Severity, rule, text, remedy string) {
		list = append(list, stepfile.Problem{Severity: s, Rule: rule, Text: text, Remedy: remedy})
	}
	x, err := client.Do(ctx, c, wire.Explain, wire.ExplainRequest{ProjectPath: at, Image: written})
	if err != nil {
		return nil, err
	}
	d, err := quietly(ctx, a, c, wire.DoctorRequest{ProjectPath: at, Image: written})
	if err != nil {
		return nil, err
	}
	switch {
	case d.Failed() && fromHere(d.Cause.Code):
		add(stepfile.SeverityWarning, "image-unknown", fmt.Sprintf("image %s couldn't be looked at: %s", written, d.Cause.Why), d.Cause.Remedy)
	case d.Failed():
		add(stepfile.SeverityError, "image-pull", fmt.Sprintf("image %s can't be pulled: %s", written, d.Cause.Why), d.Cause.Remedy)
	case d.Cause != nil:
		add(stepfile.SeverityWarning, "image-pull", fmt.Sprintf("image %s: %s", written, d.Cause.Why), d.Cause.Remedy)
	}
	if x.Note != nil && !d.Failed() {
		add(stepfile.SeverityNote, "image-uncovered", fmt.Sprintf("image %s: %s", written, x.Note.Why), x.Note.Remedy)
	}
	if i.Tag == "latest" && i.Digest == "" {
		add(stepfile.SeverityWarning, "floating-tag", fmt.Sprintf("image %s is whatever is called latest when a run begins", written), "name a tag that stays, or a digest")
	}
	if slices.Contains([]string{"gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io"}, i.Host) {
		add(stepfile.SeverityWarning, "former-gcr", fmt.Sprintf("image %s names Google's Container Registry, which was shut down on 2025-03-18", written),
			"use its name in Artifact Registry: LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE")
	}
	return list, nil
}

// quietly asks for a diagnosis without showing its probes.
func quietly(ctx context.Context, a *app, c *client.Client, in wire.DoctorRequest) (fairlead.Diagnosis, error) {
	silent := *a
	silent.format = "json"
	return diagnosed(ctx, &silent, c, wire.DiagnoseImage, in)
}

// fromHere reports whether an error is of the way from the server to the registry, which
// may be open to a worker.
func fromHere(code fairlead.Code) bool {
	return fairlead.OfHost(code) || code == fairlead.CodeRateLimited
}
