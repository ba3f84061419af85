package diagnose

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// The probes, in the order in which a pull meets what they look at.
const (
	nameProbe      = "name"
	projectProbe   = "project"
	entryProbe     = "entry"
	connectorProbe = "connector"
	proxyProbe     = "proxy"
	dnsProbe       = "dns"
	routeProbe     = "route"
	tlsProbe       = "tls"
	registryProbe  = "registry"
	clockProbe     = "clock"
	tokenProbe     = "token endpoint"
	loginProbe     = "login"
	rightProbe     = "right"
	pushProbe      = "push"
	imageProbe     = "image"
	platformProbe  = "platform"
	sizeProbe      = "size"
	limitProbe     = "rate limit"
)

// nameAnImage is what lets be tried what wasn't for want of an image.
const nameAnImage = "name an image: HOST/REPOSITORY:TAG"

// walk is one way through the probes. One that fails ends it: what lies behind isn't tried.
type walk struct {
	d    *Doctor
	q    Question
	done []fairlead.Probe

	house house
	// tested is the entry that is to be tested, if one is.
	tested *fairlead.Registry
	// image is what is asked for; stood is that nobody named it, and a name below the
	// entry's pattern stands for it.
	image    ref.Image
	misnamed error
	stood    bool
	// entry is the one that decides; zero if none does.
	entry     fairlead.Registry
	connector fairlead.Connector

	looked  bool
	sight   oci.Sight
	lookErr error

	lease    fairlead.Lease
	examined oci.Examined
	layers   []oci.Layer
	// denied is what the registry has against the image or the right, where the login is
	// good or there is none.
	denied error
}

// read reads what is known of the question without asking anybody outside.
func (w *walk) read(ctx context.Context) error {
	if w.q.Image != "" {
		w.image, w.misnamed = ref.Parse(w.q.Image)
	}
	var err error
	if w.house, err = w.d.houseFor(ctx, w.q.Asker.Project, w.image); err != nil {
		return err
	}
	if w.q.Entry != "" {
		for _, e := range w.house.entries {
			if e.Name == w.q.Entry {
				w.tested = &e
			}
		}
		if w.tested == nil {
			return fairlead.Missing(fairlead.RegistryRead)
		}
		if w.q.Image == "" {
			w.image, w.stood = standIn(*w.tested)
		}
	}
	if w.q.Asker.Project.Personal() {
		return nil
	}
	if w.image.Host != "" {
		w.entry, _ = w.house.winner(w.image)
	}
	if w.tested != nil && w.stood {
		w.entry = *w.tested
	}
	w.connector = w.house.connectors[w.entry.Connector]
	return nil
}

// standIn is an image that an entry covers: the one that its pattern names, or one that
// need not be there. Its host is empty if the pattern leaves that open.
func standIn(e fairlead.Registry) (i ref.Image, stood bool) {
	text := e.Pattern.String()
	if !strings.Contains(text, "*") {
		if i, err := ref.Parse(text); err == nil {
			return i, text == i.Resource.String() // no tag was named
		}
	}
	if !e.Pattern.HostIsLiteral() {
		return ref.Image{}, true
	}
	_, path, _ := strings.Cut(text, "/")
	path, _, _ = strings.Cut(path, "*")
	path, _, _ = strings.Cut(path, ":")
	for _, name := range []string{path + "fairlead-probe", path + "/fairlead-probe", "fairlead-probe"} {
		i, err := ref.Parse(e.Pattern.Host() + "/" + strings.TrimPrefix(name, "/"))
		if err == nil && e.Pattern.Match(i) {
			return i, true
		}
	}
	return ref.Image{Resource: ref.Resource{Host: e.Pattern.Host()}}, true
}

func (w *walk) endpoint() oci.Endpoint {
	e := w.entry
	if w.q.Asker.Project.Personal() {
		// How the host is reached is no secret of the organization's.
		e, _ = w.house.winner(w.image)
	}
	return oci.Endpoint{Host: w.image.Host, PlainHTTP: e.PlainHTTP, CABundle: e.CABundle}
}

func (w *walk) steps(ctx context.Context) {
	list := []struct {
		name string
		do   func(context.Context) fairlead.Probe
	}{
		{nameProbe, w.name},
		{projectProbe, w.project},
		{entryProbe, w.entryOf},
		{connectorProbe, w.connectorOf},
		{proxyProbe, w.proxy},
		{dnsProbe, w.dns},
		{routeProbe, w.route},
		{tlsProbe, w.tls},
		{registryProbe, w.registry},
		{clockProbe, w.clock},
		{tokenProbe, w.token},
		{loginProbe, w.login},
		{rightProbe, w.right},
		{pushProbe, w.push},
		{imageProbe, w.imageOf},
		{platformProbe, w.platform},
		{sizeProbe, w.size},
		{limitProbe, w.limit},
	}
	failed := ""
	for _, s := range list {
		if s.name == pushProbe && !w.q.Push {
			continue
		}
		p := notTried("probe " + failed + " failed")
		if failed == "" {
			begun := time.Now() //nolint:forbidigo // It measures how long things take: the clock of dates may stand still.
			p = s.do(ctx)
			if p.Took == 0 {
				p.Took = time.Since(begun) //nolint:forbidigo // as above
			}
		}
		p.Name = s.name
		if p.Verdict == fairlead.ProbeFailed {
			failed = s.name
		}
		w.done = append(w.done, p)
		if w.q.Report != nil {
			w.q.Report(p)
		}
	}
}

// diagnosis sums up.
func (w *walk) diagnosis() fairlead.Diagnosis {
	d := fairlead.Diagnosis{
		Registry: w.entry.Name, Connector: w.connector.Name, From: w.q.From, At: w.d.Now(), Verdict: fairlead.ProbeOK, Probes: w.done,
	}
	if w.q.Asker.Project.Name != "" {
		d.Project = w.q.Asker.Project.FullName()
	}
	if w.q.Image != "" && w.misnamed == nil {
		d.Image = w.image.String()
	} else {
		d.Image = w.q.Image
	}
	for _, p := range w.done {
		switch {
		case p.Verdict == fairlead.ProbeFailed:
			d.Verdict = fairlead.ProbeFailed
		case p.Verdict == fairlead.ProbeWarning && d.Verdict == fairlead.ProbeOK:
			d.Verdict = fairlead.ProbeWarning
		}
	}
	d.Cause = w.cause()
	return d
}

// cause is the first thing to mend: what failed, or the clock where a wrong one explains
// that; without a failure, the first warning.
func (w *walk) cause() *fairlead.Error {
	var failed, warned, clock *fairlead.Probe
	for i, p := range w.done {
		switch {
		case p.Verdict == fairlead.ProbeFailed:
			failed = &w.done[i]
		case p.Verdict == fairlead.ProbeWarning && warned == nil:
			warned = &w.done[i]
		}
		if p.Name == clockProbe && p.Verdict == fairlead.ProbeWarning {
			clock = &w.done[i]
		}
	}
	switch {
	case failed == nil && warned == nil:
		return nil
	case failed == nil:
		return &fairlead.Error{Kind: fairlead.Unavailable, What: "looking at the " + warned.Name, Why: warned.Detail, Remedy: warned.Remedy}
	}
	e := *failed.Error
	if clock != nil && e.Code == fairlead.CodeLoginRefused {
		e.Why = clock.Detail + "; what failed with it: " + e.Why
		e.Remedy = clock.Remedy
	}
	if w.entry.ID == "" && fairlead.OfHost(e.Code) && w.house.organization.ID != "" && !w.q.Asker.Project.Personal() {
		e.Why += "; and no registry entry of " + string(w.house.organization.Name) + " covers the image"
		e.Remedy = "check the image's name; if it is right, " + e.Remedy
	}
	return &e
}

func ok(format string, args ...any) fairlead.Probe {
	return fairlead.Probe{Verdict: fairlead.ProbeOK, Detail: fmt.Sprintf(format, args...)}
}

func warning(detail, remedy string) fairlead.Probe {
	return fairlead.Probe{Verdict: fairlead.ProbeWarning, Detail: detail, Remedy: remedy}
}

func notTried(because string) fairlead.Probe {
	return fairlead.Probe{Verdict: fairlead.ProbeNotTried, Detail: because}
}

func (w *walk) failed(err error) fairlead.Probe {
	e := *fairlead.AsError("diagnosing the pull", err)
	if e.Why == "" {
		e.Why = err.Error()
	}
	e = *e.OfConnector(w.ownConnector(e))
	return fairlead.Probe{Verdict: fairlead.ProbeFailed, Detail: e.Why, Remedy: e.Remedy, Error: &e}
}

// ownConnector names the connector for errors that don't name it yet. Its provider's own
// do, and know better what to do.
func (w *walk) ownConnector(e fairlead.Error) fairlead.Name {
	if strings.HasPrefix(e.What, "opening connector ") || strings.Contains(e.Why+e.Remedy, "connector "+string(w.connector.Name)) || strings.Contains(e.Remedy, "`fairlead connector update") {
		return ""
	}
	return w.connector.Name
}

func (w *walk) name(context.Context) fairlead.Probe {
	switch {
	case w.misnamed != nil:
		e := fairlead.Misread("image", w.misnamed)
		if e == nil {
			return w.failed(w.misnamed)
		}
		return w.failed(e)
	case w.image.Host == "":
		return w.failed(noted("", "testing entry "+string(w.q.Entry), "its pattern "+w.tested.Pattern.String()+" leaves the host open", nameAnImage))
	case w.stood:
		return ok("no image is named: what can be tried without one is tried for %s", w.image.Host)
	}
	if w.q.Image == "" || w.q.Image == w.image.String() {
		return ok("%s", w.image)
	}
	return ok("%s is %s", fairlead.Clip(w.q.Image), w.image)
}

func (w *walk) project(context.Context) fairlead.Probe {
	p := w.q.Asker.Project
	switch {
	case p.Name == "":
		return notTried("an entry is tested, and no project")
	case !p.Personal():
		return ok("project %s belongs to organization %s, whose registry entries count", p.FullName(), w.house.organization.Name)
	}
	winner, covered := w.house.winner(w.image)
	return ok("%s", personal(p, w.house, winner, covered).Why)
}

func (w *walk) entryOf(context.Context) fairlead.Probe {
	if w.q.Asker.Project.Personal() {
		return notTried("the project is personal: the image is pulled without a login")
	}
	if w.tested != nil && w.entry.ID != w.tested.ID {
		return w.shadow()
	}
	if w.entry.ID == "" {
		return ok("%s", w.house.uncovered(w.image))
	}
	detail := fmt.Sprintf("entry %s (%s) decides", w.entry.Name, w.entry.Pattern)
	if w.stood {
		detail = fmt.Sprintf("entry %s covers %s", w.entry.Name, w.entry.Pattern)
	}
	if names := w.house.shadowed(w.image); len(names) > 0 && !w.stood {
		detail += "; it comes before " + strings.Join(names, ", ") + ", which would cover the image too"
	}
	return ok("%s", detail)
}

// shadow is for a tested entry that doesn't decide about the image.
func (w *walk) shadow() fairlead.Probe {
	what := fmt.Sprintf("testing entry %s with %s", w.tested.Name, w.image)
	for _, f := range pattern.Explain(w.image, w.house.patterns()) {
		if w.house.entries[f.At].ID != w.tested.ID {
			continue
		}
		why := fmt.Sprintf("%s of entry %s %s", f.Pattern, w.tested.Name, f.Why)
		if f.Reason == pattern.LessSpecific {
			return w.failed(noted(fairlead.CodeNoEntry, what, fmt.Sprintf("entry %s is shadowed: %s, which is entry %s's", w.tested.Name, why, w.entry.Name),
				fmt.Sprintf("test entry %s, which decides, or make its pattern narrower, or remove it: `fairlead registry remove %s`", w.entry.Name, w.entry.Name)))
		}
		remedy := "name an image that it covers"
		if f.Instead != (pattern.Pattern{}) {
			remedy += fmt.Sprintf(", or let it cover this one: `fairlead registry update %s --pattern '%s'`", w.tested.Name, f.Instead)
		}
		return w.failed(noted(fairlead.CodeNoEntry, what, "the entry doesn't cover the image: "+why, remedy))
	}
	return w.failed(fairlead.Missing(fairlead.RegistryRead))
}

// soon is how long before its end a connector is warned of.
const soon = 14 * 24 * time.Hour

func (w *walk) connectorOf(context.Context) fairlead.Probe {
	c := w.connector
	switch {
	case c.ID == "":
		return notTried("no connector is used: the image is pulled without a login")
	case c.Expired(w.d.Now()):
		return w.failed(expired(c))
	}
	f, err := w.d.Providers.Family(c.Family)
	if err == nil {
		err = f.Accepts(c, w.image.Host)
	}
	if err != nil {
		return w.failed(err)
	}
	detail := fmt.Sprintf("connector %s opens it (%s, %s)", c.Name, f.Info().Title, methodTitle(w.d.Providers, c))
	switch left := c.Expires.Sub(w.d.Now()); {
	case c.Expires.IsZero():
		return ok("%s; no end of its secret is known", detail)
	case left < soon:
		return warning(detail+"; its secret ends at "+c.Expires.UTC().Format(date), "an administrator renews it before: `fairlead connector update "+string(c.Name)+"` with the new secret and --expires")
	default:
		return ok("%s; its secret ends at %s", detail, c.Expires.UTC().Format(date))
	}
}
