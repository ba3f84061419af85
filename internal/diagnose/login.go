package diagnose

import (
	"context"
	"errors"
	"fmt"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
)

// token asks the token endpoint without a login: whether it answers at all, and may be
// shown one.
func (w *walk) token(ctx context.Context) fairlead.Probe {
	if w.sight.Challenge.Scheme != "bearer" {
		return notTried("the registry's front door names none")
	}
	_, err := w.d.Registries.Trade(ctx, w.endpoint(), oci.Login{}, fairlead.Scope{})
	switch fairlead.CodeOf(err) {
	case fairlead.CodeLoginRefused, fairlead.CodeNoRight:
		return ok("%s answers, and gives nothing without a login", w.sight.Realm)
	default:
	}
	if err != nil && !errors.Is(err, oci.ErrNoTokenEndpoint) {
		return w.failed(err)
	}
	return ok("%s answers", w.sight.Realm)
}

func (w *walk) scope(v fairlead.Verb) fairlead.Scope {
	return fairlead.Scope{Resource: w.image.Resource, Verb: v}
}

func (w *walk) asker() fairlead.Asker {
	a := w.q.Asker
	a.Image = w.image
	return a
}

// login has the connector's provider give a login and the registry take it. What the
// registry has against the image or the right is kept for the probes of those.
func (w *walk) login(ctx context.Context) fairlead.Probe {
	if w.image.Repository == "" {
		return notTried("no repository is known to log in for: " + nameAnImage)
	}
	a := w.asker()
	a.Inside = w.d.Gateway
	lease, err := w.d.Leases.Try(ctx, a, w.scope(fairlead.Pull))
	if err != nil {
		return w.loginFailed(err)
	}
	w.lease = lease
	w.examined, err = w.d.Registries.Examine(ctx, fixed(lease), w.image)
	switch {
	case fairlead.CodeOf(err) == fairlead.CodeLoginRefused:
		return w.failed(err)
	case err != nil && fairlead.OfHost(fairlead.CodeOf(err)):
		return w.failed(err)
	}
	w.denied = err
	if lease.Kind == fairlead.Anonymous {
		return notTried("there is none: the image is pulled without a login")
	}
	detail := fmt.Sprintf("the login of connector %s is taken (%s)", lease.ConnectorName, lease.Kind)
	if !lease.Expires.IsZero() {
		detail += ", good until " + lease.Expires.UTC().Format(date)
	}
	if lease.Kind == fairlead.SecretItself && w.entry.Disclosure != fairlead.StoredSecret {
		detail += "; it stays in the server, so the image is pulled through its gateway, and not directly"
	}
	return ok("%s", detail)
}

// loginFailed tells a refused login from a good one without a right.
func (w *walk) loginFailed(err error) fairlead.Probe {
	switch fairlead.CodeOf(err) {
	case fairlead.CodeNoRight, fairlead.CodeNoImage:
		w.denied = err
		return ok("the login of connector %s is taken", w.connector.Name)
	default:
		return w.failed(err)
	}
}

// right is whether the login, or nobody's, may read the repository.
func (w *walk) right(context.Context) fairlead.Probe {
	switch fairlead.CodeOf(w.denied) {
	case fairlead.CodeNoRight, fairlead.CodeNoEntry, fairlead.CodePersonalProject:
		if w.stood {
			return notTried("no image is named")
		}
		p := w.failed(w.denied)
		if doubt := unknowable(w.connector.Family, w.image.Host); doubt != "" && fairlead.CodeOf(w.denied) == fairlead.CodeNoRight {
			p.Error.Why += "; " + doubt
			p.Error.Remedy += "; and check that the repository's name is right"
			p.Detail, p.Remedy = p.Error.Why, p.Error.Remedy
		}
		return p
	default:
	}
	switch {
	case w.image.Repository == "" || w.stood:
		return notTried("no image is named")
	case w.denied != nil:
		return notTried("nothing was found that could be read")
	case w.lease.Kind == fairlead.Anonymous:
		return ok("anybody may pull %s", w.image.Repository)
	default:
		return ok("the login may pull %s", w.image.Repository)
	}
}

// unknowable says what a registry doesn't let one tell apart; "" if it does, or nothing
// is known of it.
func unknowable(f fairlead.Family, host string) string {
	switch {
	case f == "docker-hub" || host == "docker.io":
		return "Docker Hub doesn't tell a repository that doesn't exist from one that the login may not read"
	case f == "gcp-artifact-registry":
		return "Artifact Registry doesn't tell a repository that doesn't exist from one that the login may not read"
	case f == "azure-container-registry":
		return "Azure doesn't tell a repository that doesn't exist from one that the login may not read"
	case host == "ghcr.io":
		return "GitHub doesn't tell a package that doesn't exist from one that the login may not read"
	case f == "docker", f == "":
		return "some registries answer so for a repository that doesn't exist, too"
	default:
		return ""
	}
}

// push asks for a login that may push, and begins an upload that it takes back.
func (w *walk) push(ctx context.Context) fairlead.Probe {
	switch {
	case w.image.Repository == "" || w.stood:
		return notTried("no image is named")
	case w.lease.Kind == fairlead.Anonymous && w.denied == nil && w.connector.ID == "":
		return w.failed(noted(fairlead.CodeNoEntry, "asking to push to "+w.image.Resource.String(), "there is no login to push with",
			"an administrator connects the registry: `fairlead registry add NAME --pattern '"+namespace(w.image.Resource)+"/*'`"))
	}
	lease, err := w.d.Leases.Try(ctx, w.asker(), w.scope(fairlead.Push))
	if err == nil {
		err = w.d.Registries.MayPush(ctx, fixed(lease), w.image.Resource)
	}
	if err != nil {
		return w.failed(err)
	}
	return ok("the login may push to %s: an upload was begun, and taken back", w.image.Repository)
}
