package docker

import (
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// rightForm is the form of a pattern, for people.
const rightForm = "write it as in registry.example.com/team/*"

// Read reads the pages of GitHub, GitLab, Quay, NGC, Harbor and DigitalOcean, and any
// other address with a host. It takes whatever no other family takes.
func (Provider) Read(text string) (string, []string, bool, error) {
	trimmed := strings.TrimSpace(text)
	clean, _ := ref.Unpaste(trimmed)
	host, path, _ := strings.Cut(clean, "/")
	if _, bad := ref.CanonicalHost(strings.ReplaceAll(host, "*", "x")); bad != nil || strings.ContainsAny(clean, "<>") {
		return "", nil, false, nil //nolint:nilerr // What isn't an address isn't one of this family.
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if name, notes, page, err := readPage(strings.ToLower(host), parts); page {
		if err != nil {
			return "", nil, true, err
		}
		p, bad := pattern.Parse(name)
		if bad != nil {
			return "", nil, true, wrong("pattern", "it is a page of which no image's name can be made", rightForm)
		}
		return p.String(), notes, true, nil
	}
	switch {
	case path == "":
		clean = strings.TrimSuffix(clean, "/") + "/*"
	case strings.HasSuffix(clean, "/"):
		clean += "*"
	}
	p, bad := pattern.Parse(clean)
	if bad != nil {
		if e := fairlead.Misread("pattern", bad); e != nil {
			return "", nil, true, e // it says which part is wrong, and what may have been meant
		}
		return "", nil, true, wrong("pattern", "it has a host, and isn't the name of a repository or an image", rightForm)
	}
	return p.String(), nil, true, nil
}

// readPage makes an image's name of the address of a web page, if it is one of those
// that are known.
func readPage(host string, parts []string) (name string, notes []string, page bool, err error) {
	at := func(i int) string {
		if i < len(parts) {
			return strings.ToLower(parts[i])
		}
		return ""
	}
	unknown := func(form string) (string, []string, bool, error) {
		return "", nil, true, wrong("pattern", "it is a page of "+host+" that isn't of images", "write it as in "+form)
	}
	switch host {
	case "github.com", "www.github.com":
		switch {
		case (at(0) == "orgs" || at(0) == "users") && at(2) == "packages" && at(3) == "container" && at(5) != "": // /orgs/acme/packages/container/package/train
			return "ghcr.io/" + at(1) + "/" + at(5), nil, true, nil
		case at(2) == "pkgs" && at(3) == "container" && at(4) != "": // /acme/repository/pkgs/container/train
			return "ghcr.io/" + at(0) + "/" + at(4), nil, true, nil
		}
		return unknown("ghcr.io/acme/*")
	case "gitlab.com", "www.gitlab.com":
		for i, p := range parts {
			if i >= 2 && (p == "-" || p == "container_registry") { // /acme/project/-/container_registry
				return "registry.gitlab.com/" + strings.ToLower(strings.Join(parts[:i], "/")) + "/*", nil, true, nil
			}
		}
		return unknown("registry.gitlab.com/acme/project/*")
	case "quay.io":
		switch at(0) {
		case "repository":
			return "quay.io/" + at(1) + "/" + at(2), nil, at(2) != "", nil
		case "organization", "user":
			return "quay.io/" + at(1) + "/*", nil, at(1) != "", nil
		}
	case "catalog.ngc.nvidia.com", "ngc.nvidia.com", "registry.ngc.nvidia.com", "org.ngc.nvidia.com":
		switch {
		case at(0) == "orgs" && at(2) == "containers" && at(3) != "":
			return "nvcr.io/" + at(1) + "/" + at(3), nil, true, nil
		case at(0) == "orgs" && at(2) == "teams" && at(4) == "containers" && at(5) != "":
			return "nvcr.io/" + at(1) + "/" + at(3) + "/" + at(5), nil, true, nil
		}
		return unknown("nvcr.io/nvidia/*")
	case "cloud.digitalocean.com":
		return unknown("registry.digitalocean.com/REGISTRY/*")
	}
	if at(0) == "harbor" && at(1) == "projects" {
		return "", nil, true, wrong("pattern", "it is a page of Harbor, which has the project's number and not its name", "write "+host+"/PROJECT/*")
	}
	return "", nil, false, nil
}
