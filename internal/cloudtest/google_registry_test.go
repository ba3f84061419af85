package cloudtest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"

	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/registrytest"
)

// TestGoogleRegistry holds the registry's rights apart.
func TestGoogleRegistry(t *testing.T) {
	t.Parallel()
	w := newGoogle(t)
	old := w.g.AddRepository("acme-train", cloudtest.GoogleRepository{Location: "us", ID: "gcr.io"})
	w.g.Grant(old, "roles/artifactregistry.reader", "serviceAccount:"+w.reader)
	w.g.AddProject("example.com:legacy")
	domain := w.g.AddRepository("example.com:legacy", cloudtest.GoogleRepository{Location: "europe-west1", ID: "models"})
	w.g.Grant(domain, "roles/artifactregistry.reader", "serviceAccount:"+w.reader)
	open := w.g.AddRepository("acme-train", cloudtest.GoogleRepository{Location: "us", ID: "open"})
	w.g.Grant(open, "roles/artifactregistry.reader", "allUsers")
	for _, image := range []string{
		"gcr.io/acme-train/app:v1", "europe-west1-docker.pkg.dev/example.com/legacy/models/app:v1", "us-docker.pkg.dev/acme-train/open/app:v1",
	} {
		w.g.Push(t, registrytest.RandomImage(t, 100), image)
	}
	token := bearer(w.g.AccessToken(w.reader, time.Hour, cloudtest.GooglePlatform))
	for _, row := range []struct {
		name, image string
		auth        authn.Authenticator
		want        string
	}{
		{"Container Registry's host", "gcr.io/acme-train/app:v1", token, ""},
		{"the same under Artifact Registry's", "us-docker.pkg.dev/acme-train/gcr.io/app:v1", token, ""},
		{"a domain's project", "europe-west1-docker.pkg.dev/example.com/legacy/models/app:v1", token, ""},
		{"the regional endpoint", "docker.europe-west1.rep.pkg.dev/example.com/legacy/models/app:v1", token, ""},
		{"the wrong region", "europe-docker.pkg.dev/acme-train/models/app:v1", token, "downloadArtifacts"},
		{"a public repository", "us-docker.pkg.dev/acme-train/open/app:v1", authn.Anonymous, ""},
		{"a repository that isn't there", "us-docker.pkg.dev/acme-train/nothing/app:v1", token, "downloadArtifacts"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			checkWords(t, w.pull(t, row.image, row.auth), row.want)
		})
	}
}

// TestGoogleRegistryToken holds that a token of the registry is for its scope alone,
// and that its endpoint knows no POST.
func TestGoogleRegistryToken(t *testing.T) {
	t.Parallel()
	w := newGoogle(t)
	ask := func(method, url, user, password, bearer string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			req.SetBasicAuth(user, password)
		}
		if bearer != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		res, err := w.n.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	const host = "https://us-docker.pkg.dev"
	access := w.g.AccessToken(w.reader, 10*time.Minute, cloudtest.GooglePlatform)
	endpoint := host + "/v2/token?service=us-docker.pkg.dev&scope=" + url.QueryEscape("repository:acme-train/models/app:")
	code, body := ask("GET", endpoint+"pull", "oauth2accesstoken", access, "")
	var reply struct {
		Token   string `json:"token"`
		Expires int    `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(body), &reply); err != nil || code != 200 || reply.Expires > 600 || reply.Expires < 590 {
		t.Fatal(code, body)
	}
	type answer struct {
		Code int
		Word string
	}
	word := func(code int, body string) answer {
		for _, w := range []string{"DENIED", "UNAUTHORIZED", "NAME_UNKNOWN"} {
			if strings.Contains(body, w) {
				return answer{code, w}
			}
		}
		return answer{Code: code}
	}
	got := map[string]answer{
		"pull":           word(ask("GET", host+"/v2/acme-train/models/app/manifests/v1", "", "", reply.Token)),
		"another":        word(ask("GET", host+"/v2/acme-train/models/other/manifests/v1", "", "", reply.Token)),
		"push":           word(ask("POST", host+"/v2/acme-train/models/app/blobs/uploads/", "", "", reply.Token)),
		"no right":       word(ask("GET", endpoint+"pull,push", "oauth2accesstoken", access, "")),
		"wrong password": word(ask("GET", endpoint+"pull", "oauth2accesstoken", "ya29.x", "")),
		"POST":           word(ask("POST", endpoint+"pull", "oauth2accesstoken", access, "")),
		"ping":           word(ask("GET", host+"/v2/", "", "", "")),
	}
	w.g.RevokeTokens()
	got["revoked"] = word(ask("GET", host+"/v2/acme-train/models/app/manifests/v1", "", "", reply.Token))
	want := map[string]answer{
		"pull": {Code: 200}, "another": {403, "DENIED"}, "push": {403, "DENIED"}, "no right": {403, "DENIED"}, "wrong password": {401, "UNAUTHORIZED"},
		"POST": {Code: 404}, "ping": {401, "UNAUTHORIZED"}, "revoked": {401, "UNAUTHORIZED"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestGoogleAPIs looks at what the APIs answer.
func TestGoogleAPIs(t *testing.T) {
	t.Parallel()
	w := newGoogle(t)
	admin := w.g.AddAccount("acme-train", "admin")
	for _, role := range []string{"roles/artifactregistry.admin", "roles/browser", "roles/serviceusage.serviceUsageAdmin"} {
		w.g.Grant("projects/acme-train", role, "serviceAccount:"+admin)
	}
	w.g.SetPageSize(3)
	w.g.SetPolls(1)
	const artifacts = "https://artifactregistry.googleapis.com/v1/projects/acme-train/"
	const usage = "https://serviceusage.googleapis.com/v1/projects/acme-train/services/artifactregistry.googleapis.com"
	all, read := w.g.AccessToken(admin, time.Hour, cloudtest.GooglePlatform), w.g.AccessToken(admin, time.Hour, cloudtest.GooglePlatformRead)
	other := w.g.AccessToken(w.reader, time.Hour, cloudtest.GooglePlatform)
	off := func() { w.g.SetService("acme-train", "artifactregistry.googleapis.com", false) }
	for _, row := range []struct {
		name, method, url, token, body string
		before                         func()
		code                           int
		want                           string
	}{
		{"locations", "GET", artifacts + "locations", read, "", nil, 200, `"nextPageToken": "page-3"`},
		{"the next page", "GET", artifacts + "locations?pageToken=page-6", read, "", nil, 200, `"us-east1"`},
		{"repositories", "GET", artifacts + "locations/us/repositories", read, "", nil, 200, `"us-docker.pkg.dev/acme-train/models"`},
		{"nobody", "GET", artifacts + "locations", "", "", nil, 401, "CREDENTIALS_MISSING"},
		{"no right", "GET", artifacts + "locations", other, "", nil, 403, "IAM_PERMISSION_DENIED"},
		{"read-only", "POST", artifacts + "locations/us/repositories?repositoryId=x", read, `{"format":"DOCKER"}`, nil, 403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"},
		{"no such location", "GET", artifacts + "locations/mars/repositories", all, "", nil, 403, "LOCATION_ACCESS_DENIED"},
		{"create", "POST", artifacts + "locations/us/repositories?repositoryId=x", all, `{"format":"DOCKER"}`, nil, 200, "operations/operation-1"},
		{"the operation", "GET", artifacts + "locations/us/operations/operation-1", all, "", nil, 200, `"done": true`},
		{"again", "POST", artifacts + "locations/us/repositories?repositoryId=x", all, `{"format":"DOCKER"}`, nil, 409, "ALREADY_EXISTS"},
		{"delete", "DELETE", artifacts + "locations/us/repositories/x", all, "", nil, 200, "operation-2"},
		{"gone", "GET", artifacts + "locations/us/repositories/x", all, "", nil, 404, "NOT_FOUND"},
		{"projects", "GET", "https://cloudresourcemanager.googleapis.com/v3/projects:search", read, "", nil, 200, `"projectId": "acme-train"`},
		{"the service is on", "GET", usage, all, "", nil, 200, "ENABLED"},
		{"switched off", "GET", artifacts + "locations", all, "", off, 403, "SERVICE_DISABLED"},
		{"the service is off", "GET", usage, all, "", nil, 200, "DISABLED"},
		{"switch it on", "POST", usage + ":enable", all, "{}", nil, 200, `"done": true`},
		{"it is on again", "GET", artifacts + "locations", all, "", nil, 200, "locations"},
	} {
		if row.before != nil {
			row.before()
		}
		req, err := http.NewRequestWithContext(t.Context(), row.method, row.url, bytes.NewReader([]byte(row.body)))
		if err != nil {
			t.Fatal(err)
		}
		if row.token != "" {
			req.Header.Set("Authorization", "Bearer "+row.token)
		}
		res, err := w.n.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != row.code || !strings.Contains(string(b), row.want) {
			t.Errorf("%s: %d %s, want %d %s", row.name, res.StatusCode, b, row.code, row.want)
		}
	}
}
