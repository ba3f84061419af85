package jfrogartifactory

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

const pathRepositories = "/artifactory/api/repositories"

// repository is an entry of Get Repositories.
type repository struct {
	Key         string `json:"key"`
	Type        string `json:"type"`
	PackageType string `json:"packageType"`
}

// Resources lists the Docker repositories that the login sees. Errors are as those of
// Login.
func (p Provider) Resources(ctx context.Context, c provider.Opened) ([]fairlead.FoundResource, error) {
	cl, err := p.api(ctx, c, call{
		what: "listing repositories of JFrog", method: http.MethodGet,
		path: query(pathRepositories, url.Values{"packageType": {"docker"}}),
	})
	if err != nil {
		return nil, err
	}
	var list []repository
	if _, err := p.ask(ctx, cl, &list); err != nil {
		return nil, err
	}
	pl, err := placeOf(c.Public)
	if err != nil {
		return nil, err
	}
	found := make([]fairlead.FoundResource, 0, len(list))
	for _, r := range list {
		if !isKey(r.Key) || r.PackageType != "" && !strings.EqualFold(r.PackageType, "docker") {
			continue
		}
		address := pl.address(r.Key)
		found = append(found, fairlead.FoundResource{
			Kind: fairlead.RepositoryResource, Address: address, Pattern: address + "/*", Detail: strings.ToLower(r.Type) + " repository",
		})
	}
	slices.SortFunc(found, func(a, b fairlead.FoundResource) int { return strings.Compare(a.Address, b.Address) })
	return found, nil
}

// api logs a call in at Artifactory's REST API.
func (p Provider) api(ctx context.Context, c provider.Opened, cl call) (call, error) {
	login, err := p.Login(ctx, c, fairlead.Scope{})
	if err != nil {
		return call{}, err
	}
	cl.host = c.Public[fieldHost]
	if login.Stored {
		cl.username, cl.password = login.Username, login.Password
	} else {
		cl.bearer = login.Password
	}
	return cl, nil
}

// target gives the key of the repository that an address is of: [fairlead.Invalid] if
// it isn't the address of a whole repository of the connector.
func (p Provider) target(c fairlead.Connector, address string) (string, error) {
	pl, err := placeOf(c.Public)
	if err != nil {
		return "", err
	}
	host, path, _ := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(address, "/*"), "/"), "/")
	if !pl.accepts(host) {
		return "", p.Accepts(c, host)
	}
	key, image := pl.locate(ref.Resource{Host: host, Repository: path})
	if !isKey(key) || image != "" {
		return "", &fairlead.Error{
			Kind: fairlead.Invalid, Field: "address", What: "reading address of repository", Why: "it isn't the address of a whole repository",
			Remedy: "write it as in " + pl.address("docker-local"),
		}
	}
	return key, nil
}

// Plan says in sentences what Deploy will do.
func (p Provider) Plan(c fairlead.Connector, address string) ([]string, error) {
	key, err := p.target(c, address)
	if err != nil {
		return nil, err
	}
	return []string{
		"Create the local Docker repository " + key + " at " + c.Public[fieldHost] + ", with the platform's defaults.",
		"The connector's user has to be an administrator of the platform, or of a project that may create repositories.",
		"Nobody but administrators may read it until a permission in JFrog says so.",
	}, nil
}

// Deploy creates a local Docker repository (Create Repository). [fairlead.Conflict]
// (CodeExists) if there is one of that name.
func (p Provider) Deploy(ctx context.Context, c provider.Opened, address string) error {
	key, err := p.target(c.Connector, address)
	if err != nil {
		return err
	}
	cl, err := p.api(ctx, c, call{
		what: "creating repository " + key + " of JFrog", method: http.MethodPut, path: pathRepositories + "/" + url.PathEscape(key),
		body: map[string]string{"key": key, "rclass": "local", "packageType": "docker"},
	})
	if err != nil {
		return err
	}
	a, err := p.send(ctx, cl)
	switch {
	case err != nil:
		return err
	case a.status == http.StatusOK || a.status == http.StatusCreated:
		return nil
	case a.status == http.StatusBadRequest && strings.Contains(a.message(), "already exists"):
		return &fairlead.Error{
			Kind: fairlead.Conflict, Code: fairlead.CodeExists, What: cl.what, Why: "there is a repository of that name", Remedy: "use it, or choose another name",
		}
	}
	return p.refused(cl, a)
}

// Destroy deletes a repository with all that is in it (Delete Repository).
// [fairlead.NotFound] if there is none.
func (p Provider) Destroy(ctx context.Context, c provider.Opened, address string) error {
	key, err := p.target(c.Connector, address)
	if err != nil {
		return err
	}
	cl, err := p.api(ctx, c, call{
		what: "deleting repository " + key + " of JFrog", method: http.MethodDelete, path: pathRepositories + "/" + url.PathEscape(key),
	})
	if err != nil {
		return err
	}
	a, err := p.send(ctx, cl)
	switch {
	case err != nil:
		return err
	case a.status == http.StatusOK || a.status == http.StatusNoContent:
		return nil
	case a.status == http.StatusNotFound && a.isOwn():
		return &fairlead.Error{Kind: fairlead.NotFound, What: cl.what, Why: "there is no repository of that name", Remedy: "look at `fairlead connector resources " + string(c.Name) + "`"}
	}
	return p.refused(cl, a)
}
