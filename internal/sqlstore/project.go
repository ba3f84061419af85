package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// place is the owner of a project as it is stored.
type place struct{ id, kind string }

func placeOf(p fairlead.Project) (place, error) {
	switch {
	case p.Organization != "" && p.User == "":
		return place{string(p.Organization), organizationOwner}, nil
	case p.User != "" && p.Organization == "":
		return place{string(p.User), userOwner}, nil
	default:
		return place{}, &fairlead.Error{
			Kind: fairlead.Invalid, What: "storing project", Why: "a project is owned by an organization or by a user",
			Remedy: "name one of them, not both",
		}
	}
}

func (l place) organization() fairlead.OrganizationID {
	if l.kind != organizationOwner {
		return ""
	}
	return fairlead.OrganizationID(l.id)
}

func scanProject(r row) (p fairlead.Project, err error) {
	var l place
	err = r.Scan(&p.ID, &p.Name, &l.id, &l.kind, &p.Owner, stamp{&p.Created}, &p.Stack, &p.StackName)
	if p.Organization = l.organization(); p.Organization == "" {
		p.User = fairlead.UserID(l.id)
	}
	return p, err
}

// Project reads one: NotFound.
func (q reader) Project(ctx context.Context, id fairlead.ProjectID) (fairlead.Project, error) {
	return one(ctx, q.session, "reading project", "Project", scanProject, id)
}

// ProjectByName reads one: NotFound.
func (q reader) ProjectByName(ctx context.Context, owner, name fairlead.Name) (fairlead.Project, error) {
	return one(ctx, q.session, "reading project", "ProjectByName", scanProject, owner, name)
}

// ProjectsOf lists those of the organizations and of the user, by full name.
func (q reader) ProjectsOf(ctx context.Context, organizations []fairlead.OrganizationID, user fairlead.UserID) ([]fairlead.Project, error) {
	owners := make([]string, 0, len(organizations)+1)
	for _, id := range organizations {
		owners = append(owners, clean(string(id)))
	}
	return many(ctx, q.session, "reading projects", "ProjectsOf", scanProject, document{append(owners, clean(string(user)))})
}

// AddProject adds one: NotFound without its owner, Conflict if the owner has the name.
func (w *writer) AddProject(ctx context.Context, p fairlead.Project) error {
	const doing = "adding project"
	l, err := placeOf(p)
	if err != nil {
		return err
	}
	if err := w.enter(ctx, doing, l); err != nil {
		return err
	}
	return w.run(ctx, doing, "AddProject", p.ID, l.id, p.Name, p.Created)
}

// enter counts a change at a place: NotFound if it isn't there.
func (w *writer) enter(ctx context.Context, doing string, l place) error {
	if l.kind == organizationOwner {
		return w.bump(ctx, doing, fairlead.OrganizationID(l.id))
	}
	_, err := one(ctx, w.session, "finding user", "User", scanUser, l.id)
	return err
}

// lockProject reads where a project is, and keeps others from moving it, removing it
// and adding runs to it.
func (w *writer) lockProject(ctx context.Context, doing string, id fairlead.ProjectID) (place, error) {
	return one(ctx, w.session, doing, "LockProject", func(r row) (l place, err error) {
		err = r.Scan(&l.id, &l.kind)
		return l, err
	}, id)
}

// MoveProject gives a project another owner or name: NotFound without the project or
// the owner, Conflict if the owner has the name.
func (w *writer) MoveProject(ctx context.Context, p fairlead.Project) error {
	const doing = "moving project"
	to, err := placeOf(p)
	if err != nil {
		return err
	}
	from, err := w.lockProject(ctx, doing, p.ID)
	if err != nil {
		return err
	}
	places := []place{from, to}
	slices.SortFunc(places, func(a, b place) int { return strings.Compare(a.id, b.id) }) // whoever moves the other way takes them in the same order
	for _, l := range slices.Compact(places) {
		if err := w.enter(ctx, doing, l); err != nil {
			return err
		}
	}
	if err := w.run(ctx, doing, "LeaveProjectStack", p.ID, to.id); err != nil {
		return err
	}
	return w.run(ctx, doing, "MoveProject", p.ID, to.id, p.Name)
}

// RemoveProject removes a project with its runs, their logs and outputs, and its
// archives: NotFound, and Conflict (CodeInUse) while a run has not ended.
func (w *writer) RemoveProject(ctx context.Context, id fairlead.ProjectID) error {
	const doing = "removing project"
	l, err := w.lockProject(ctx, doing, id)
	if err != nil {
		return err
	}
	if err := w.enter(ctx, doing, l); err != nil {
		return err
	}
	switch number, err := value[int64](ctx, w.session, doing, "LiveRun", id); {
	case err == nil:
		return w.refuse(conflict(doing, fairlead.CodeInUse, fmt.Sprintf("run %d has not ended", number), "wait for its runs or stop them"))
	case !isMissing(err):
		return err
	}
	return w.exactly(ctx, doing, "project", "RemoveProject", id)
}

// HasArchive reports whether the project was given the archive.
func (q reader) HasArchive(ctx context.Context, project fairlead.ProjectID, digest fairlead.Digest) (bool, error) {
	return value[bool](ctx, q.session, "reading archives", "HasArchive", project, digest)
}

// AddArchive notes an archive that the project was given, if it isn't noted already:
// NotFound without the project.
func (w *writer) AddArchive(ctx context.Context, project fairlead.ProjectID, digest fairlead.Digest, size int64, at time.Time) error {
	const doing = "adding archive"
	if _, err := one(ctx, w.session, "finding project", "Project", scanProject, project); err != nil {
		return err
	}
	return w.run(ctx, doing, "AddArchive", project, digest, size, at)
}
