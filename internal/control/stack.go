package control

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/pattern"
)

// StackDraft is a stack that is to be.
type StackDraft struct {
	Name       fairlead.Name
	Registry   fairlead.Name // "" is none
	Repository string        // "" is what the registry's pattern says
	Engine     string        // "" is any
	Queue      string        // "" is the default one
}

// StackChange is what is to be different; what isn't set stays.
type StackChange struct {
	Name                                fairlead.Name
	Registry, Repository, Engine, Queue *string
	Version                             int64 // 0 takes any
}

// Stacks lists an organization's, by name.
func (c *Control) Stacks(ctx context.Context, who fairlead.Caller, org fairlead.Name) ([]fairlead.Stack, error) {
	o, err := c.Organization(ctx, who, org, fairlead.StackRead)
	if err != nil {
		return nil, err
	}
	return c.store.StacksOf(ctx, o.ID)
}

// Stack shows one, and the projects that use it.
func (c *Control) Stack(ctx context.Context, who fairlead.Caller, org, name fairlead.Name) (fairlead.Stack, []fairlead.Name, error) {
	o, s, err := c.stackFor(ctx, who, org, name, fairlead.StackRead)
	if err != nil {
		return s, nil, err
	}
	projects, err := c.store.ProjectsOf(ctx, []fairlead.OrganizationID{o.ID}, "")
	var usedBy []fairlead.Name
	for _, p := range projects {
		if p.Stack == s.ID {
			usedBy = append(usedBy, p.Name)
		}
	}
	return s, usedBy, err
}

func (c *Control) stackFor(
	ctx context.Context, who fairlead.Caller, org, name fairlead.Name, a fairlead.Action,
) (fairlead.Organization, fairlead.Stack, error) {
	o, err := c.Organization(ctx, who, org, a)
	if err != nil {
		return o, fairlead.Stack{}, err
	}
	s, err := c.stack(ctx, o.ID, name)
	return o, s, err
}

func (c *Control) stack(ctx context.Context, org fairlead.OrganizationID, name fairlead.Name) (fairlead.Stack, error) {
	s, err := c.store.StackByName(ctx, org, name)
	if fairlead.KindOf(err) == fairlead.NotFound {
		err = missing("stack", name, fairlead.StackRead)
	}
	return s, err
}

// RegisterStack makes a stack: [fairlead.Invalid] with the field, [fairlead.Conflict]
// for a name that is taken.
func (c *Control) RegisterStack(ctx context.Context, who fairlead.Caller, org fairlead.Name, d StackDraft) (fairlead.Stack, error) {
	none := func(err error) (fairlead.Stack, error) { return fairlead.Stack{}, err }
	o, err := c.Organization(ctx, who, org, fairlead.StackRegister)
	if err != nil {
		return none(err)
	}
	id, err := newID()
	if err != nil {
		return none(err)
	}
	now := c.now()
	s := fairlead.Stack{ID: fairlead.StackID(id), Organization: o.ID, Name: d.Name, Created: now, Updated: now}
	if s, err = c.fillStack(ctx, s, d); err != nil {
		return none(err)
	}
	if _, err := c.store.StackByName(ctx, o.ID, s.Name); err == nil {
		return none(&fairlead.Error{
			Kind: fairlead.Conflict, Field: "name", What: "registering stack", Why: fmt.Sprintf("there is a stack %s already", s.Name),
			Remedy: fmt.Sprintf("change it: `fairlead stack update %s`, or choose another name", s.Name),
		})
	}
	err = c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return stackEvent(who, fairlead.StackRegister, s), w.AddStack(ctx, s)
	})
	if err != nil {
		return none(err)
	}
	s.Version++
	return s, nil
}

// UpdateStack changes a stack. Runs that are there stay where they are.
func (c *Control) UpdateStack(ctx context.Context, who fairlead.Caller, org, name fairlead.Name, ch StackChange) (fairlead.Stack, error) {
	none := func(err error) (fairlead.Stack, error) { return fairlead.Stack{}, err }
	_, old, err := c.stackFor(ctx, who, org, name, fairlead.StackUpdate)
	if err != nil {
		return none(err)
	}
	if ch.Version != 0 && ch.Version != old.Version {
		return none(&fairlead.Error{
			Kind: fairlead.Conflict, Code: fairlead.CodeStale, What: "updating stack " + string(name), Why: "it was changed meanwhile",
			Remedy: "look at it again, then repeat the change",
		})
	}
	s := old
	s.Updated = c.now()
	if s, err = c.fillStack(ctx, s, ch.over(old)); err != nil {
		return none(err)
	}
	err = c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return stackEvent(who, fairlead.StackUpdate, s), w.UpdateStack(ctx, s)
	})
	if err != nil {
		return none(err)
	}
	s.Version++
	return s, nil
}

// over lays the change over a stack. Another registry has another repository, unless one
// is given.
func (ch StackChange) over(s fairlead.Stack) StackDraft {
	d := StackDraft{Name: s.Name, Registry: s.RegistryName, Repository: s.Repository, Engine: s.Engine, Queue: string(s.Queue)}
	if ch.Name != "" {
		d.Name = ch.Name
	}
	if ch.Registry != nil && *ch.Registry != string(s.RegistryName) {
		d.Registry, d.Repository = fairlead.Name(*ch.Registry), ""
	}
	for to, from := range map[*string]*string{&d.Repository: ch.Repository, &d.Engine: ch.Engine, &d.Queue: ch.Queue} {
		if from != nil {
			*to = *from
		}
	}
	return d
}

// fillStack checks what a draft says and gives the stack that it makes of s.
func (c *Control) fillStack(ctx context.Context, s fairlead.Stack, d StackDraft) (fairlead.Stack, error) {
	s.Name, s.Engine, s.Queue = d.Name, d.Engine, ""
	if d.Engine != "" && !slices.Contains(fairlead.Engines(), d.Engine) {
		return s, stackError(s, "engine", "there is no engine "+fairlead.Clip(d.Engine), "use "+strings.Join(fairlead.Engines(), " or ")+", or none for any")
	}
	if d.Queue != "" {
		queue, err := fairlead.ParseName("queue", d.Queue)
		if err != nil {
			return s, err
		}
		s.Queue = queue
	}
	if s.Queue == fairlead.DefaultQueue {
		s.Queue = "" // the two are the same
	}
	s.Registry, s.RegistryName, s.Repository = "", "", ""
	if d.Registry == "" {
		if d.Repository != "" {
			return s, stackError(s, "repository", "it says where to push, but the stack has no registry", "name the registry entry with --registry")
		}
		return s, nil
	}
	r, err := c.store.RegistryByName(ctx, s.Organization, d.Registry)
	if fairlead.KindOf(err) == fairlead.NotFound {
		err = stackError(s, "registry", "there is no registry "+fairlead.Clip(string(d.Registry)),
			"`fairlead registry list` shows those that there are; `fairlead registry add` connects one")
	}
	if err != nil {
		return s, err
	}
	s.Registry, s.RegistryName = r.ID, r.Name
	s.Repository, err = repositoryOf(s, r, d.Repository)
	return s, err
}

// repositoryOf is where a stack pushes: what was said, if the entry covers it, or what
// the entry's pattern says.
func repositoryOf(s fairlead.Stack, r fairlead.Registry, said string) (string, error) {
	if said == "" {
		root, ok := r.Pattern.Root()
		if !ok {
			return "", stackError(s, "repository", fmt.Sprintf("the pattern of registry %s, %s, names no single place to push to", r.Name, r.Pattern),
				"say where to push with --repository")
		}
		return root, nil
	}
	place, err := pattern.ParsePlace(said)
	if err != nil {
		return "", fairlead.Misread("repository", err)
	}
	if !r.Pattern.CoversUnder(place) {
		return "", stackError(s, "repository", fmt.Sprintf("registry %s covers %s, and so nothing at or under %s", r.Name, r.Pattern, place),
			"give a repository that it covers, or another registry")
	}
	return place, nil
}

func stackError(s fairlead.Stack, field, why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, Field: field, What: "saving stack " + string(s.Name), Why: why, Remedy: remedy}
}

// DeleteStack removes a stack that no project uses: [fairlead.Conflict] (CodeInUse)
// names those that do.
func (c *Control) DeleteStack(ctx context.Context, who fairlead.Caller, org, name fairlead.Name) error {
	o, s, err := c.stackFor(ctx, who, org, name, fairlead.StackDelete)
	if err != nil {
		return err
	}
	return c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return stackEvent(who, fairlead.StackDelete, s), w.RemoveStack(ctx, o.ID, s.ID)
	})
}

// SetProjectStack makes a stack of the organization the project's active one, or with
// "" none. Runs that are there stay where they are.
func (c *Control) SetProjectStack(ctx context.Context, who fairlead.Caller, ownerName, name, stack fairlead.Name) (fairlead.Project, error) {
	p, err := c.Project(ctx, who, ownerName, name, fairlead.ProjectUpdate)
	if err != nil {
		return fairlead.Project{}, err
	}
	var s fairlead.Stack
	switch {
	case stack == "":
	case p.Personal():
		return fairlead.Project{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "stack", What: "setting the stack of " + p.FullName(), Why: "the project is personal, and stacks are an organization's",
			Remedy: "give the project to the organization: `fairlead project transfer " + p.FullName() + " --to ORGANIZATION`",
		}
	default:
		if s, err = c.stack(ctx, p.Organization, stack); err != nil {
			return fairlead.Project{}, err
		}
	}
	if p.Stack == s.ID {
		return p, nil
	}
	p.Stack, p.StackName = s.ID, s.Name
	err = c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return projectEvent(who, fairlead.ProjectUpdate, p).With("stack", string(s.Name)), w.SetProjectStack(ctx, p.ID, s.ID)
	})
	return p, err
}

// stillPushed refuses a pattern that no longer covers where a stack pushes.
func (c *Control) stillPushed(ctx context.Context, r fairlead.Registry) error {
	stacks, err := c.store.StacksOf(ctx, r.Organization)
	if err != nil {
		return err
	}
	for _, s := range stacks {
		if s.Registry == r.ID && !r.Pattern.CoversUnder(s.Repository) {
			return &fairlead.Error{
				Kind: fairlead.Conflict, Code: fairlead.CodeInUse, Field: "pattern", What: "saving registry " + string(r.Name),
				Why:    fmt.Sprintf("stack %s pushes under %s, which %s doesn't cover", s.Name, s.Repository, r.Pattern),
				Remedy: fmt.Sprintf("give the stack another registry or repository first: `fairlead stack update %s`", s.Name),
			}
		}
	}
	return nil
}

func stackEvent(who fairlead.Caller, a fairlead.Action, s fairlead.Stack) fairlead.Event {
	ev := who.Event(a, fairlead.Place{Organization: s.Organization}, fairlead.Object{Kind: "stack", ID: string(s.ID), Name: string(s.Name)})
	for key, value := range map[string]string{
		"registry": string(s.RegistryName), "repository": s.Repository, "engine": s.Engine, "queue": string(s.Queue),
	} {
		if value != "" {
			ev = ev.With(key, value)
		}
	}
	return ev
}
