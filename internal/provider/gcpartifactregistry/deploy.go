package gcpartifactregistry

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// home is where a repository is; image is what an address names in it.
type home struct{ project, location, id, host, image string }

func (h home) name() string {
	return "projects/" + h.project + "/locations/" + h.location + "/repositories/" + h.id
}

// parentURL is where repositories are listed and made.
func (h home) parentURL() string {
	return artifactsURL + "projects/" + url.PathEscape(h.project) + "/locations/" + h.location + "/repositories"
}

// repositoryID is the grammar of IDs
// (docs.cloud.google.com/artifact-registry/docs/repositories/create-repos).
var repositoryID = regexp.MustCompile(`^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

// homeOf reads where an image's name begins.
func homeOf(address string) (home, error) {
	host, path, _ := strings.Cut(strings.TrimSuffix(address, "/*"), "/")
	if !rules.host.MatchString(host) {
		return home{}, badAddress(quoted(host) + " is not a host of Artifact Registry")
	}
	project, rest := cutProject(path)
	h := home{project: strings.Replace(project, "/", ":", 1), location: locationOf(host), host: host}
	if _, old := oldHost(host); old {
		h.id, h.image = host, rest
	} else {
		h.id, h.image, _ = strings.Cut(rest, "/")
		if !repositoryID.MatchString(h.id) {
			return home{}, badAddress(quoted(h.id) + " is not a repository's name: lower-case letters, digits and dashes, a letter first")
		}
	}
	if !isProject(h.project) {
		return home{}, badAddress(quoted(h.project) + " is not a project's ID")
	}
	return h, nil
}

// Plan says what Deploy will do.
func (Provider) Plan(_ fairlead.Connector, address string) ([]string, error) {
	h, err := homeOf(address)
	if err != nil {
		return nil, err
	}
	return []string{
		"make the Docker repository " + h.id + " in location " + h.location + " of project " + h.project,
		"it is a standard repository, encrypted with Google's key, and deletes nothing by itself",
		"the connector's account needs the role Artifact Registry Administrator (roles/artifactregistry.admin) on the project for this, and not for pulling",
	}, nil
}

// Deploy makes a repository: [fairlead.Conflict] (CodeExists) if there is one.
func (p Provider) Deploy(ctx context.Context, c provider.Opened, address string) error {
	h, err := homeOf(address)
	if err != nil {
		return err
	}
	return p.change(ctx, c, h, "making repository "+h.name(), "artifactregistry.repositories.create", func(t googleToken, what string) request {
		return authorized(what, http.MethodPost, h.parentURL()+"?repositoryId="+url.QueryEscape(h.id), t,
			map[string]string{"format": "DOCKER", "mode": "STANDARD_REPOSITORY", "description": "Made by Fairlead"})
	})
}

// Destroy removes a repository with its images: [fairlead.NotFound] if there is none.
func (p Provider) Destroy(ctx context.Context, c provider.Opened, address string) error {
	h, err := homeOf(address)
	if err != nil {
		return err
	}
	if h.image != "" { // all the others would go with it
		return badAddress("it names the image " + quoted(h.image) + ", and what is removed is repository " + quoted(h.id) + " with all of its images")
	}
	return p.change(ctx, c, h, "removing repository "+h.name(), "artifactregistry.repositories.delete", func(t googleToken, what string) request {
		return authorized(what, http.MethodDelete, h.parentURL()+"/"+url.PathEscape(h.id), t, nil)
	})
}

// change sends a request that begins an operation, and waits for its end.
func (p Provider) change(ctx context.Context, c provider.Opened, h home, what, permission string, begin func(googleToken, string) request) error {
	t, err := p.token(ctx, c, fairlead.Scope{Verb: fairlead.Push}, platform)
	if err != nil {
		return err
	}
	r, err := p.send(ctx, begin(t, what))
	for tries := 0; ; tries++ {
		if err != nil {
			return err
		}
		if r.status != http.StatusOK {
			return r.apiRefused(c, permission, h.project)
		}
		name, done, failed := r.operation()
		switch {
		case done:
			return failed
		case tries == maxLooks:
			return &fairlead.Error{
				Kind: fairlead.Unavailable, Code: fairlead.CodeTimeout, What: what, Why: "Google has begun and isn't done yet",
				Remedy: "look again with `fairlead connector resources`",
			}
		}
		if err := p.wait(ctx, time.Second); err != nil {
			return unreachable(what, r.host, err)
		}
		r, err = p.send(ctx, authorized(what, http.MethodGet, artifactsURL+name, t, nil))
	}
}

// maxLooks bounds how often an operation is looked at, a second apart.
const maxLooks = 120

// operation reads a long-running operation (google.longrunning.Operation).
func (r reply) operation() (name string, done bool, err error) {
	var in struct {
		Name  string           `json:"name"`
		Done  bool             `json:"done"`
		Error *json.RawMessage `json:"error"`
	}
	switch {
	case json.Unmarshal(r.body, &in) != nil, !in.Done && !operationName.MatchString(in.Name):
		return "", true, r.broken("sent an operation that can't be read")
	case in.Done && in.Error != nil:
		return "", true, &fairlead.Error{
			Kind: fairlead.Unavailable, What: r.what, Why: "Google began and didn't come to the end", Remedy: "look at the project's activity in Google's console, then try again",
		}
	}
	return in.Name, in.Done, nil
}

var operationName = regexp.MustCompile(`^projects/[^/?#]+/locations/[a-z0-9-]+/operations/[A-Za-z0-9._-]+$`)

// apiRefused says why one of the APIs refused.
func (r reply) apiRefused(c provider.Opened, permission, project string) error {
	e := r.apiError()
	fail := func(kind fairlead.Kind, code fairlead.Code, why, remedy string) error {
		return &fairlead.Error{Kind: kind, Code: code, What: r.what, Why: why, Remedy: remedy}
	}
	if project == "" {
		project = unknownProject
	}
	switch {
	case e.Status == "":
		return r.broken("answers " + r.statusText() + ", and not as Google's APIs do")
	case e.reason("SERVICE_DISABLED"):
		return fail(fairlead.Denied, fairlead.CodeNoRight, "project "+project+" has the API "+r.host+" switched off",
			"switch it on: `gcloud services enable "+r.host+" --project="+project+"`")
	case e.reason("ACCESS_TOKEN_SCOPE_INSUFFICIENT"):
		return fail(fairlead.Denied, fairlead.CodeNoRight, "the token's scopes don't include Google Cloud's APIs", "use a token with the scope cloud-platform, or another method")
	case e.Status == "UNAUTHENTICATED":
		return fail(fairlead.Denied, fairlead.CodeLoginRefused, "Google doesn't take the access token: it has expired, or it was revoked",
			"give another one: `fairlead connector update "+string(c.Name)+"`")
	case e.Status == "ALREADY_EXISTS":
		return fail(fairlead.Conflict, fairlead.CodeExists, "it is there already", "use it as it is, or choose another name")
	case e.Status == "NOT_FOUND":
		return fail(fairlead.NotFound, "", "there is no such repository", "check its name with `fairlead connector resources`")
	case e.reason("LOCATION_ACCESS_DENIED"), strings.HasPrefix(e.Message, "Location "):
		return fail(fairlead.Invalid, "", "Artifact Registry has no such location, or the organization doesn't allow it", "choose one that `gcloud artifacts locations list` shows")
	case e.Status == "PERMISSION_DENIED":
		return fail(fairlead.Denied, fairlead.CodeNoRight, "the account lacks the permission "+permission+" on project "+project+", or there is no such project",
			"give it "+roleFor(permission)+" on the project; pulling from a repository doesn't need that")
	default:
		return fail(fairlead.Invalid, "", "Google refuses the request ("+r.statusText()+")", "check the address")
	}
}

// roleFor is the least role with a permission
// (docs.cloud.google.com/artifact-registry/docs/access-control).
func roleFor(permission string) string {
	switch permission {
	case "artifactregistry.repositories.create", "artifactregistry.repositories.delete":
		return "roles/artifactregistry.admin"
	case "resourcemanager.projects.get":
		return "roles/browser"
	}
	return "roles/artifactregistry.reader"
}
