package jfrogartifactory

import (
	"net/url"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// rightForm is the form of a pattern, for people.
const rightForm = "write it as in acme.jfrog.io/docker-local/*"

// Read reads addresses of JFrog's cloud, and under any host those of Artifactory's web
// interface (/ui/...), of its own API (/artifactory/...) and of its Docker API.
func (Provider) Read(text string) (string, []string, bool, error) {
	clean, _ := ref.Unpaste(strings.Replace(strings.TrimSpace(text), "/#/", "/", 1))
	host, path, _ := strings.Cut(clean, "/")
	host, bad := ref.CanonicalHost(strings.ReplaceAll(host, "*", "x"))
	if bad != nil || strings.ContainsAny(clean, "<>") {
		return "", nil, false, nil //nolint:nilerr // What isn't an address isn't one of this family.
	}
	own := !strings.Contains(clean, "*") && (strings.HasPrefix(path, "artifactory/") || strings.HasPrefix(path, "ui/"))
	if !isTenant(host) && !own {
		return "", nil, false, nil
	}
	if !own {
		return readName(clean, path)
	}
	key, ok := keyIn(path)
	if !ok {
		return "", nil, true, unread("it is a page of JFrog that isn't of one repository", "open the repository in JFrog and copy the address of that page, or "+rightForm)
	}
	p, err := pattern.Parse(host + "/" + key + "/*")
	if err != nil {
		return "", nil, true, unread("it names the repository "+fairlead.Clip(key)+", which can't be a part of an image's name", rightForm)
	}
	return p.String(), []string{"Images of repository " + key + " are named " + host + "/" + key + "/IMAGE if the platform uses the path method; with another one the host is another."}, true, nil
}

// readName reads what is an image's name, or a pattern, of JFrog's cloud.
func readName(clean, path string) (string, []string, bool, error) {
	var notes []string
	switch {
	case path == "":
		clean = strings.TrimSuffix(clean, "/") + "/*"
		notes = append(notes, "This covers every repository that the connector's user may read: name one to cover less.")
	case strings.HasSuffix(path, "/"):
		clean += "*"
	}
	p, err := pattern.Parse(clean)
	if err != nil {
		return "", nil, true, unread("it isn't the name of a repository or an image", rightForm)
	}
	name := strings.TrimSuffix(p.Host(), cloud)
	if tenant, key, ok := strings.Cut(name, "-"); ok {
		notes = append(notes, "If the platform is "+tenant+cloud+" and "+key+" its repository, the connector's path method is subdomain.")
	}
	return p.String(), notes, true, nil
}

func unread(why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, Field: "pattern", What: "reading address of JFrog", Why: why, Remedy: remedy}
}

// keyIn finds the repository's key in the path of a page or of the API.
func keyIn(path string) (string, bool) {
	for _, form := range []struct {
		prefix string
		skip   int // how many segments stand before the key
	}{
		{"artifactory/api/docker/", 0},
		{"artifactory/webapp/artifacts/browse/tree/", 1}, // General, or another tab
		{"artifactory/api/", -1},
		{"artifactory/webapp/", -1},
		{"artifactory/", 0},
		{"ui/repos/tree/", 1},
		{"ui/native/", 0},
		{"ui/", -1},
	} {
		rest, ok := strings.CutPrefix(path, form.prefix)
		if !ok {
			continue
		}
		parts := strings.Split(rest, "/")
		if form.skip < 0 || len(parts) <= form.skip {
			return "", false
		}
		key, err := url.PathUnescape(parts[form.skip])
		return key, err == nil && isKey(key)
	}
	return "", false
}
