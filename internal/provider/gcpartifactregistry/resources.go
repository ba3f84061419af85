package gcpartifactregistry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// The APIs (docs.cloud.google.com/artifact-registry/docs/reference/rest,
// .../resource-manager/reference/rest/v3/projects/search).
const (
	artifactsURL = "https://artifactregistry.googleapis.com/v1/"
	projectsURL  = "https://cloudresourcemanager.googleapis.com/v3/projects:search"
)

// Bounds of listing.
const (
	together = 8    // requests at a time
	maxPages = 1000 // of one list
)

// Resources lists the Docker repositories of the connector's project, or of all that it
// may see: in every location, to the last page. If a part can't be listed, what could
// be is given beside the error.
func (p Provider) Resources(ctx context.Context, c provider.Opened) ([]fairlead.FoundResource, error) {
	t, err := p.token(ctx, c, fairlead.Scope{Verb: fairlead.Pull}, platformRead)
	if err != nil {
		return nil, err
	}
	projects, err := p.projects(ctx, c, t)
	if err != nil {
		return nil, err
	}
	var places []place
	var errs []error
	for _, project := range projects {
		locations, err := p.locations(ctx, c, t, project)
		errs = append(errs, err)
		for _, l := range locations {
			places = append(places, place{project, l})
		}
	}
	found, err := p.repositories(ctx, c, t, places)
	errs = append(errs, err)
	slices.SortFunc(found, func(a, b fairlead.FoundResource) int { return cmp.Compare(a.Address, b.Address) })
	return found, first(errs)
}

func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// place is a location of a project.
type place struct{ project, location string }

// repositories lists those of many places, a few at a time.
func (p Provider) repositories(ctx context.Context, c provider.Opened, t googleToken, places []place) ([]fairlead.FoundResource, error) {
	var mu sync.Mutex
	var found []fairlead.FoundResource
	var errs []error
	var group errgroup.Group
	group.SetLimit(together)
	for _, at := range places {
		group.Go(func() error {
			list, err := p.repositoriesOf(ctx, c, t, at)
			mu.Lock()
			defer mu.Unlock()
			found, errs = append(found, list...), append(errs, err)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return found, first(errs)
}

// projectOfConnector is the project that the connector names: its field, or its key's.
func projectOfConnector(c provider.Opened) string {
	if id := c.Public[projectField]; id != "" {
		return id
	}
	if k, err := parseKey(c.Secret[keyField].Reveal()); err == nil && c.Method == accountKey {
		return k.project
	}
	return ""
}

// projects gives the connector's project, or all that it may see, or else the one that
// the account to act as is in.
func (p Provider) projects(ctx context.Context, c provider.Opened, t googleToken) ([]string, error) {
	if id := projectOfConnector(c); id != "" {
		return []string{id}, nil
	}
	var ids []string
	err := p.pages(ctx, t, "listing projects", projectsURL, func(r reply) (string, error) {
		if r.status != http.StatusOK {
			return "", r.apiRefused(c, "resourcemanager.projects.get", "")
		}
		var in struct {
			Projects []struct {
				ID    string `json:"projectId"`
				State string `json:"state"`
			} `json:"projects"`
			Next string `json:"nextPageToken"`
		}
		if json.Unmarshal(r.body, &in) != nil {
			return "", r.broken("sent a list that can't be read")
		}
		for _, x := range in.Projects {
			if x.State == "ACTIVE" && isProject(x.ID) {
				ids = append(ids, x.ID)
			}
		}
		return in.Next, nil
	})
	if guess := projectOf(c.Public[emailField]); len(ids) == 0 && guess != unknownProject && (err == nil || fairlead.KindOf(err) == fairlead.Denied) {
		return []string{guess}, nil // that of the account to act as
	}
	if err == nil && len(ids) == 0 {
		err = &fairlead.Error{
			Kind: fairlead.Invalid, Field: projectField, What: "listing projects", Why: "the account may see no project",
			Remedy: "name the project: `fairlead connector update " + string(c.Name) + " --project PROJECT_ID`",
		}
	}
	return ids, err
}

func (p Provider) locations(ctx context.Context, c provider.Opened, t googleToken, project string) ([]string, error) {
	var ids []string
	what := "listing the locations of project " + project
	err := p.pages(ctx, t, what, artifactsURL+"projects/"+url.PathEscape(project)+"/locations", func(r reply) (string, error) {
		if r.status != http.StatusOK {
			return "", r.apiRefused(c, "artifactregistry.locations.list", project)
		}
		var in struct {
			Locations []struct {
				ID string `json:"locationId"`
			} `json:"locations"`
			Next string `json:"nextPageToken"`
		}
		if json.Unmarshal(r.body, &in) != nil {
			return "", r.broken("sent a list that can't be read")
		}
		for _, x := range in.Locations {
			if isLocation(x.ID) {
				ids = append(ids, x.ID)
			}
		}
		return in.Next, nil
	})
	return ids, err
}

// repository is one of Artifact Registry's.
type repository struct {
	Name   string `json:"name"`
	Format string `json:"format"`
	Mode   string `json:"mode"`
}

func (p Provider) repositoriesOf(ctx context.Context, c provider.Opened, t googleToken, at place) ([]fairlead.FoundResource, error) {
	var found []fairlead.FoundResource
	what := "listing the repositories of project " + at.project + " in " + at.location
	to := artifactsURL + "projects/" + url.PathEscape(at.project) + "/locations/" + at.location + "/repositories"
	err := p.pages(ctx, t, what, to, func(r reply) (string, error) {
		if r.status != http.StatusOK {
			return "", r.apiRefused(c, "artifactregistry.repositories.list", at.project)
		}
		var in struct {
			Repositories []repository `json:"repositories"`
			Next         string       `json:"nextPageToken"`
		}
		if json.Unmarshal(r.body, &in) != nil {
			return "", r.broken("sent a list that can't be read")
		}
		for _, x := range in.Repositories {
			if x.Format == "DOCKER" {
				found = append(found, x.resources(at)...)
			}
		}
		return in.Next, nil
	})
	return found, err
}

// resources gives a repository under its names: one that is called like a host of
// Container Registry, and lives where that host leads, has two.
func (r repository) resources(at place) []fairlead.FoundResource {
	id := r.Name[strings.LastIndexByte(r.Name, '/')+1:]
	project := strings.Replace(at.project, ":", "/", 1)
	detail := "standard"
	switch r.Mode {
	case "VIRTUAL_REPOSITORY":
		detail = "virtual: gathers other repositories"
	case "REMOTE_REPOSITORY":
		detail = "remote: caches another registry"
	}
	under := func(address string) fairlead.FoundResource {
		return fairlead.FoundResource{
			Kind: fairlead.RepositoryResource, Address: address, Pattern: address + "/*", Location: at.location, Detail: detail,
		}
	}
	list := []fairlead.FoundResource{under(at.location + "-docker.pkg.dev/" + project + "/" + id)}
	if home, ok := oldHost(id); ok && home == at.location {
		list = append(list, under(id+"/"+project))
	}
	return list
}

// pages gets a list to its last page. each reads a page and gives the next one's token.
func (p Provider) pages(ctx context.Context, t googleToken, what, to string, each func(reply) (string, error)) error {
	query := url.Values{"pageSize": {"100"}}
	for range maxPages {
		r, err := p.send(ctx, authorized(what, http.MethodGet, to+"?"+query.Encode(), t, nil))
		if err != nil {
			return err
		}
		next, err := each(r)
		if err != nil || next == "" {
			return err
		}
		query.Set("pageToken", next)
	}
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: what, Why: "the list has more than " + strconv.Itoa(maxPages) + " pages",
		Remedy: "name one project in the connector",
	}
}

// authorized makes a request with an access token.
func authorized(what, method, to string, t googleToken, body any) request {
	r := request{what: what, method: method, url: to, header: map[string]string{"Authorization": "Bearer " + string(t.value.Reveal())}}
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			panic(errors.New("a body of strings can't be marshalled"))
		}
		r.body, r.header["Content-Type"] = b, "application/json"
	}
	return r
}
