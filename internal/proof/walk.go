package proof

import (
	"context"
	"errors"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
)

// nameAnImage is what proves what wasn't for want of an image.
const nameAnImage = "name an image that the connector should open: --image HOST/REPOSITORY:TAG"

// walk is one way through the steps. A step that fails ends it: what lies behind is not
// proved.
type walk struct {
	p      *Prover
	family provider.Provider
	opened provider.Opened
	target target
	done   []fairlead.ProofStep

	login provider.Login
	lease fairlead.Lease
}

func (w *walk) steps(ctx context.Context) {
	list := []struct {
		name string
		do   func(context.Context) fairlead.ProofStep
	}{{fairlead.FieldsStep, w.fields}, {fairlead.LoginStep, w.getLogin}, {fairlead.RegistryStep, w.registry}, {fairlead.PullStep, w.pull}}
	for i, s := range list {
		step := s.do(ctx)
		step.Name = s.name
		w.done = append(w.done, step)
		if step.Outcome != fairlead.StepFailed {
			continue
		}
		for _, rest := range list[i+1:] {
			w.done = append(w.done, fairlead.ProofStep{Name: rest.name, Outcome: fairlead.StepNotProved, Detail: "it wasn't tried: step " + s.name + " failed"})
		}
		return
	}
}

func proved(detail string) fairlead.ProofStep {
	return fairlead.ProofStep{Outcome: fairlead.StepProved, Detail: detail}
}

func open(detail, remedy string) fairlead.ProofStep {
	return fairlead.ProofStep{Outcome: fairlead.StepNotProved, Detail: detail, Remedy: remedy}
}

func (w *walk) failed(err error) fairlead.ProofStep {
	e := *fairlead.AsError("verifying connector "+string(w.opened.Name), err)
	return fairlead.ProofStep{Outcome: fairlead.StepFailed, Error: e.OfConnector(w.opened.Name)}
}

// fields shows that the connector is whole, and that its secrets have the form of what
// they should be.
func (w *walk) fields(context.Context) fairlead.ProofStep {
	now := w.p.now()
	if w.opened.Expired(now) {
		return w.failed(&fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeConnectorExpired, What: "opening connector " + string(w.opened.Name),
			Why:    "it expired at " + w.opened.Expires.UTC().Format(time.RFC3339),
			Remedy: "renew it: `fairlead connector update " + string(w.opened.Name) + "` with the new secret and --expires",
		})
	}
	m, err := provider.MethodOf(w.family.Info(), w.opened.Method)
	if err != nil {
		return w.failed(err)
	}
	facts, err := provider.Examine(w.family, m, provider.Given{Public: w.opened.Public, Secret: w.opened.Secret}, now)
	if err != nil {
		return w.failed(err)
	}
	detail := []string{"all that method " + m.Name + " needs is there"}
	for _, f := range facts {
		detail = append(detail, f.Name+": "+f.Value)
	}
	return proved(strings.Join(detail, "; "))
}

// getLogin asks the provider for a login. One that is the stored secret itself proves
// nothing: nobody was asked.
func (w *walk) getLogin(ctx context.Context) fairlead.ProofStep {
	if w.target.image.Host == "" {
		return open("no registry is known to ask a login for: no registry entry uses the connector", nameAnImage)
	}
	if err := w.family.Accepts(w.opened.Connector, w.target.image.Host); err != nil {
		return w.failed(err)
	}
	login, err := w.family.Login(ctx, w.opened, w.target.scope())
	if err != nil {
		return w.failed(err)
	}
	w.login = login
	what := described(login)
	if login.Stored {
		return open("the login is the stored secret itself ("+what+"): nobody was asked for one", "")
	}
	return proved("the provider gave " + what + until(login.Expires))
}

func described(l provider.Login) string {
	switch {
	case !l.Bearer.IsZero():
		return "a bearer token"
	case !l.Identity.IsZero():
		return "an identity token"
	default:
		return "a password for user " + l.Username
	}
}

func until(t time.Time) string {
	if t.IsZero() {
		return ", which doesn't say when it ends"
	}
	return ", good until " + t.UTC().Format(time.RFC3339)
}

func (w *walk) haveLogin() bool {
	return !w.login.Bearer.IsZero() || !w.login.Identity.IsZero() || !w.login.Password.IsZero()
}

// registry has the registry take the login: its token endpoint gives a token for the
// repository, or it takes the login itself.
func (w *walk) registry(ctx context.Context) fairlead.ProofStep {
	host := w.target.image.Host
	if !w.haveLogin() {
		return open("there is no login to try", nameAnImage)
	}
	w.lease = fairlead.Lease{
		For: w.target.scope(), Username: w.login.Username, Password: w.login.Password, Bearer: w.login.Bearer,
		PlainHTTP: w.target.entry.PlainHTTP, CABundle: w.target.entry.CABundle,
	}
	if !w.login.Bearer.IsZero() {
		return open("a bearer token is presented as it is: "+host+" sees it first when an image is asked for", "")
	}
	login := oci.Login{Username: w.login.Username, Password: w.login.Password, Identity: w.login.Identity}
	if w.target.image.Repository == "" {
		return w.host(ctx, login)
	}
	bearer, err := w.p.registries.Trade(ctx, w.target.endpoint(), login, w.target.scope())
	switch {
	case errors.Is(err, oci.ErrNoTokenEndpoint):
		return w.host(ctx, login)
	case err != nil:
		return w.failed(err)
	case bearer.Lacks(w.target.scope()):
		return w.failed(&fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeNoRight, What: "logging in to " + host,
			Why: "its token endpoint takes the login and gives no right to " + w.target.scope().String(), Remedy: "give the account that right",
		})
	}
	w.lease.Bearer, w.lease.Username, w.lease.Password = bearer.Token, "", fairlead.Secret{}
	return proved("the token endpoint of " + host + " takes the login and gave a token for " + w.target.scope().String() + until(bearer.Expires))
}

// host tries the login on the host alone.
func (w *walk) host(ctx context.Context, l oci.Login) fairlead.ProofStep {
	err := w.p.registries.Verify(ctx, w.target.endpoint(), l)
	switch {
	case errors.Is(err, oci.ErrNoLogin):
		return open(w.target.image.Host+" asks for no login at its front door, so that it wasn't tried", nameAnImage)
	case err != nil:
		return w.failed(err)
	}
	if w.target.image.Repository == "" {
		return proved(w.target.image.Host + " takes the login; nothing was asked about a repository")
	}
	return proved(w.target.image.Host + " takes the login; it has no token endpoint that would limit it")
}

// pull reads a manifest's digest with the login, and sees that it can't be had without.
func (w *walk) pull(ctx context.Context) fairlead.ProofStep {
	i := w.target.image
	switch {
	case i.Repository == "":
		return open("no repository is known to pull from: no pattern of the connector's registry entries names one without *", nameAnImage)
	case !w.haveLogin():
		return open("there is no login to try", nameAnImage)
	case !w.login.Identity.IsZero() && w.lease.Bearer.IsZero():
		return open("an identity token can only be traded, and "+i.Host+" has no token endpoint", "use method basic")
	}
	d, err := w.p.registries.Resolve(ctx, fixed(w.lease), i)
	if fairlead.CodeOf(err) == fairlead.CodeNoImage {
		e := fairlead.AsError("", err)
		return open("there is nothing to read: "+e.Why, "name a tag that is there: --image "+i.Resource.String()+":TAG")
	}
	if err != nil {
		return w.failed(err)
	}
	read := "manifest " + string(d.Digest) + " of " + i.String()
	nobody := fairlead.Lease{For: w.target.scope(), Kind: fairlead.Anonymous, PlainHTTP: w.lease.PlainHTTP, CABundle: w.lease.CABundle}
	if _, err := w.p.registries.Resolve(ctx, fixed(nobody), i); err == nil {
		return open(read+" was read, and anybody can read it: that says nothing about the connector's right", "name a private image: --image HOST/REPOSITORY:TAG")
	}
	return proved("with the login, and not without it, " + read + " can be read")
}

// fixed is a keychain that has one lease.
type fixed fairlead.Lease

// Lease gives it.
func (f fixed) Lease(context.Context, fairlead.Scope) (fairlead.Lease, error) {
	return fairlead.Lease(f), nil
}
