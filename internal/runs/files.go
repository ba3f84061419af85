package runs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"

	"fairlead.dev/fairlead"
)

// The greatest sizes, in bytes.
const (
	MaxArchive = 4 << 30
	MaxOutput  = 64 << 30
)

// HasArchive reports whether the project was given an archive: [fairlead.NotFound] if
// not. That another project has the same one is no answer: bytes are shared, the right
// to them isn't.
func (r *Runs) HasArchive(ctx context.Context, who fairlead.Caller, owner, project fairlead.Name, digest fairlead.Digest) error {
	p, err := r.projects.Project(ctx, who, owner, project, fairlead.RunCreate)
	if err != nil {
		return err
	}
	return r.archiveOf(ctx, p.ID, digest)
}

func (r *Runs) archiveOf(ctx context.Context, p fairlead.ProjectID, digest fairlead.Digest) error {
	ok, err := r.store.HasArchive(ctx, p, digest)
	if err == nil && !ok {
		err = &fairlead.Error{
			Kind: fairlead.NotFound, Field: "archive", What: "finding archive", Why: "the project has no archive " + fairlead.Clip(string(digest)),
			Remedy: "put it first",
		}
	}
	return err
}

// PutArchive keeps the archive of a working directory for a project.
func (r *Runs) PutArchive(
	ctx context.Context, who fairlead.Caller, owner, project fairlead.Name, digest fairlead.Digest, body io.Reader,
) error {
	p, err := r.projects.Project(ctx, who, owner, project, fairlead.RunCreate)
	if err != nil {
		return err
	}
	size, err := r.keep(ctx, digest, body, MaxArchive)
	if err != nil {
		return err
	}
	return r.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		ev := who.Event(fairlead.RunCreate, p.Place(), fairlead.Object{Kind: "archive", ID: string(digest), Name: p.FullName()})
		ev.Project = p.ID
		return ev, w.AddArchive(ctx, p.ID, digest, size, r.opts.Now())
	})
}

// keep stores bytes under their digest, at most max of them.
func (r *Runs) keep(ctx context.Context, digest fairlead.Digest, body io.Reader, most int64) (int64, error) {
	w, err := r.blobs.Create(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = w.Close() }()
	size, err := io.Copy(w, io.LimitReader(body, most+1))
	if err != nil {
		if _, ok := errors.AsType[*fairlead.Error](err); ok {
			return 0, err
		}
		return 0, &fairlead.Error{Kind: fairlead.Invalid, What: "reading the bytes that were sent", Why: "they ended early", Remedy: "send them again"}
	}
	if size > most {
		return 0, &fairlead.Error{Kind: fairlead.Invalid, What: "keeping bytes", Why: "there are more than may be", Remedy: "leave out what isn't needed (.gitignore)"}
	}
	return size, w.Commit(ctx, digest)
}

// Archive opens a held run's archive for its worker.
func (r *Runs) Archive(ctx context.Context, who fairlead.Caller, id fairlead.RunID, fence int64) (io.ReadSeekCloser, error) {
	run, err := r.held(ctx, who, id, fence)
	if err != nil {
		return nil, err
	}
	return r.blobs.Open(ctx, run.Archive)
}

// PutOutput keeps a file that a held run left in its outputs directory.
func (r *Runs) PutOutput(ctx context.Context, who fairlead.Caller, id fairlead.RunID, fence int64, o fairlead.Output, body io.Reader) error {
	run, err := r.held(ctx, who, id, fence)
	if err != nil {
		return err
	}
	if err := checkOutputName(o.Name); err != nil {
		return err
	}
	if o.Size, err = r.keep(ctx, o.Digest, body, MaxOutput); err != nil {
		return err
	}
	return r.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return r.event(who, fairlead.RunPerform, run, "output").With("output", o.Name), w.AddOutput(ctx, id, fence, o)
	})
}

// checkOutputName takes paths below a directory, of characters that can be shown and
// stored as they are.
func checkOutputName(name string) error {
	invalid := func(why, remedy string) error {
		return &fairlead.Error{Kind: fairlead.Invalid, Field: "name", What: "keeping output", Why: why, Remedy: remedy}
	}
	switch {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return invalid("its name has characters that can't be shown", "name the file in UTF-8, without control characters")
	case !fs.ValidPath(name) || name == ".":
		return invalid("its name isn't a path below the outputs directory", "use a relative path without ..")
	}
	return nil
}

// Outputs lists a run's outputs, by name.
func (r *Runs) Outputs(ctx context.Context, who fairlead.Caller, p Path) ([]fairlead.Output, error) {
	run, err := r.find(ctx, who, p, fairlead.RunRead)
	if err != nil {
		return nil, err
	}
	return r.store.OutputsOf(ctx, run.ID)
}

// Output opens one of a run's outputs.
func (r *Runs) Output(ctx context.Context, who fairlead.Caller, p Path, name string) (fairlead.Output, io.ReadSeekCloser, error) {
	list, err := r.Outputs(ctx, who, p)
	if err != nil {
		return fairlead.Output{}, nil, err
	}
	for _, o := range list {
		if o.Name == name {
			body, err := r.blobs.Open(ctx, o.Digest)
			return o, body, err
		}
	}
	return fairlead.Output{}, nil, &fairlead.Error{
		Kind: fairlead.NotFound, Field: "name", What: "opening output", Why: "the run has no output " + fairlead.Clip(name),
		Remedy: "`fairlead runs outputs` lists them",
	}
}
