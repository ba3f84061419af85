package dockerhub

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// maxPages bounds what is asked for: 100 repositories each.
const maxPages = 100

// Resources lists the namespaces that the token's owner has, and their repositories.
// [fairlead.Invalid], [fairlead.Denied], [fairlead.Limited], [fairlead.Unavailable].
func (p Provider) Resources(ctx context.Context, c provider.Opened) ([]fairlead.FoundResource, error) {
	if err := p.whole(c); err != nil {
		return nil, err
	}
	bearer, err := p.logIn(ctx, c)
	if err != nil {
		return nil, err
	}
	namespaces, err := p.namespaces(ctx, bearer, strings.ToLower(c.Public[fieldUsername]))
	if err != nil {
		return nil, err
	}
	ofOrganization := strings.HasPrefix(string(c.Secret[fieldToken].Reveal()), organization)
	var found []fairlead.FoundResource
	for _, ns := range namespaces {
		space := fairlead.FoundResource{Kind: fairlead.RegistryResource, Address: Host + "/" + ns, Pattern: Host + "/" + ns + "/*", Detail: "namespace"}
		if ofOrganization {
			space.Detail = "namespace; Docker Hub leaves private repositories out unless the token has the scope to list them"
		}
		repositories, err := p.repositories(ctx, bearer, ns)
		if err != nil {
			return nil, err
		}
		found = append(append(found, space), repositories...)
	}
	return found, nil
}

// logIn trades the access token for a bearer of the web API, which doesn't take the
// token itself (Create access token).
func (p Provider) logIn(ctx context.Context, c provider.Opened) (fairlead.Secret, error) {
	var reply struct {
		AccessToken fairlead.Secret `json:"access_token"`
	}
	cl := call{
		what: "logging in to the API of Docker Hub", method: http.MethodPost, path: "/v2/auth/token",
		body: map[string]string{"identifier": c.Public[fieldUsername], "secret": string(c.Secret[fieldToken].Reveal())},
	}
	if _, err := p.ask(ctx, cl, &reply); err != nil {
		return fairlead.Secret{}, err
	}
	if reply.AccessToken.IsZero() {
		return fairlead.Secret{}, broken(cl)
	}
	return reply.AccessToken, nil
}

// namespaces gives the owner's own, and those of its organizations. An organization's
// token may not ask for them and has its own alone.
func (p Provider) namespaces(ctx context.Context, bearer fairlead.Secret, own string) ([]string, error) {
	list := []string{own}
	rows, status, err := p.pages(ctx, call{what: "listing organizations of Docker Hub", method: http.MethodGet, path: "/v2/user/orgs", bearer: bearer})
	if err != nil && status != http.StatusForbidden && status != http.StatusNotFound {
		return nil, err
	}
	for _, raw := range rows {
		var row struct {
			Name string `json:"orgname"`
		}
		if json.Unmarshal(raw, &row) == nil && isNamespace(row.Name) && !slices.Contains(list, row.Name) {
			list = append(list, row.Name)
		}
	}
	return list, nil
}

func isNamespace(s string) bool { return s != "" && !strings.ContainsAny(s, "/:@*?# ") }

// repositories lists a namespace (List repositories in a namespace).
func (p Provider) repositories(ctx context.Context, bearer fairlead.Secret, namespace string) ([]fairlead.FoundResource, error) {
	rows, status, err := p.pages(ctx, call{
		what: "listing repositories of Docker Hub", method: http.MethodGet, bearer: bearer,
		path: "/v2/namespaces/" + url.PathEscape(namespace) + "/repositories",
	})
	if err != nil && status != http.StatusNotFound {
		return nil, err
	}
	var found []fairlead.FoundResource
	for _, raw := range rows {
		var row struct {
			Name    string `json:"name"`
			Private bool   `json:"is_private"`
		}
		if json.Unmarshal(raw, &row) != nil || !isNamespace(row.Name) {
			continue
		}
		address := Host + "/" + namespace + "/" + row.Name
		detail := "public repository"
		if row.Private {
			detail = "private repository"
		}
		found = append(found, fairlead.FoundResource{Kind: fairlead.RepositoryResource, Address: address, Pattern: address, Detail: detail})
	}
	return found, nil
}

// pages gives the rows of all pages. They are asked for by number: where a reply says
// that the next one is isn't followed.
func (p Provider) pages(ctx context.Context, c call) (rows []json.RawMessage, status int, err error) {
	path := c.path
	for n := 1; n <= maxPages; n++ {
		var page struct {
			Next    *string           `json:"next"`
			Results []json.RawMessage `json:"results"`
		}
		c.path = path + "?page_size=100&page=" + strconv.Itoa(n)
		if status, err = p.ask(ctx, c, &page); err != nil {
			return rows, status, err
		}
		rows = append(rows, page.Results...)
		if page.Next == nil || *page.Next == "" || len(page.Results) == 0 {
			break
		}
	}
	return rows, status, nil
}
