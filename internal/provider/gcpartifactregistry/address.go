package gcpartifactregistry

import (
	"net/url"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// Read reads addresses as people paste them: names of images and repositories, resource
// names (projects/.../repositories/...), and addresses of the console's pages.
func (Provider) Read(pasted string) (match string, notes []string, ok bool, err error) {
	s, _ := ref.Unpaste(pasted) // what it takes off is meant to be taken off
	s = strings.TrimRight(s, "/")
	if named, mine, err := fromResource(s); mine || err != nil {
		if err != nil {
			return "", nil, true, err
		}
		s = named
	}
	if shown, mine, err := fromConsole(s); mine || err != nil {
		if err != nil {
			return "", nil, true, err
		}
		s = shown
	}
	host, path, _ := strings.Cut(s, "/")
	host = strings.TrimSuffix(strings.ToLower(host), ":443")
	switch {
	case mayBeHost(host):
	case looksOwn(host):
		return "", nil, true, badAddress(wrongHost(host))
	default:
		return "", nil, false, nil
	}
	return complete(host, path)
}

func badAddress(why string) error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: "pattern", What: "reading Artifact Registry address", Why: why, Remedy: "write " + rightForm,
	}
}

// looksOwn reports whether a host is meant to be one of the family's and isn't.
func looksOwn(host string) bool {
	if _, label, ok := strings.Cut(host, "."); ok && label == "gcr.io" {
		switch host { // these are Google's, public, and no project's
		case "mirror.gcr.io", "k8s.gcr.io", "marketplace.gcr.io":
			return false
		}
		return true
	}
	return host == "pkg.dev" || strings.HasSuffix(host, ".pkg.dev")
}

// wrongHost says what is wrong with a host below pkg.dev or gcr.io.
func wrongHost(host string) string {
	name, _ := strings.CutSuffix(host, ".pkg.dev")
	i := strings.LastIndexByte(name, '-')
	switch {
	case strings.HasSuffix(host, "gcr.io"):
		return quoted(host) + " is not a host: Container Registry had gcr.io, us.gcr.io, eu.gcr.io and asia.gcr.io"
	case host == "pkg.dev", host == "docker.pkg.dev":
		return quoted(host) + " says no region"
	case isLocation(name):
		return quoted(host) + " lacks -docker after the region"
	case i > 0 && isLocation(name[:i]) && name[i+1:] != "docker":
		return quoted(host) + " is not a host for images but for packages of another format (" + name[i+1:] + ")"
	default:
		return quoted(host) + " is not a host of Artifact Registry: there is no such region"
	}
}

// fromResource reads resource names, also with the API's address in front
// (docs.cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories).
func fromResource(s string) (name string, mine bool, err error) {
	own := false
	for _, before := range []string{"artifactregistry.googleapis.com/v1/", "//artifactregistry.googleapis.com/", "artifactregistry.googleapis.com/"} {
		if rest, ok := strings.CutPrefix(s, before); ok {
			s, own = rest, true
			break
		}
	}
	parts := strings.Split(s, "/")
	if parts[0] != "projects" || !own && (len(parts) < 4 || parts[2] != "locations") {
		return "", own, noRepository(own)
	}
	if len(parts) < 6 || parts[2] != "locations" || parts[4] != "repositories" {
		return "", true, noRepository(true)
	}
	return inFull(parts[1], parts[3], parts[5])
}

func noRepository(own bool) error {
	if !own {
		return nil
	}
	return badAddress("it names no repository")
}

// inFull writes a project, location and repository as an image's name begins.
func inFull(project, location, repository string) (name string, mine bool, err error) {
	if !isLocation(location) {
		return "", true, badAddress(quoted(location) + " is not a location of Artifact Registry")
	}
	return location + "-docker.pkg.dev/" + project + "/" + repository, true, nil
}

// fromConsole reads the addresses of the console's pages.
func fromConsole(s string) (name string, mine bool, err error) {
	path, mine := strings.CutPrefix(s, "console.cloud.google.com/")
	if !mine {
		return "", false, nil
	}
	path, _, _ = strings.Cut(path, ";") // matrix parameters
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	parts := strings.Split(path, "/")
	switch {
	case len(parts) >= 5 && parts[0] == "artifacts" && parts[1] == "docker":
		return inFull(parts[2], parts[3], parts[4])
	case len(parts) >= 3 && parts[0] == "gcr" && parts[1] == "images":
		host := "gcr.io"
		if len(parts) > 3 {
			switch region := strings.ToLower(parts[3]); region {
			case "us", "eu", "asia":
				host = region + ".gcr.io"
			}
		}
		return host + "/" + parts[2], true, nil
	}
	return "", true, badAddress("this page of the console is not a Docker repository's")
}

// complete makes a match pattern of a host and a path, which may be one already. What
// can't be an image's name because it is too short stands for what is below it.
func complete(host, path string) (match string, notes []string, ok bool, err error) {
	if name, digest, cut := strings.Cut(path, "@"); cut {
		path, notes = name, []string{"the digest " + quoted(digest) + " is left out: a pattern has none"}
	}
	if project, rest, _ := strings.Cut(path, "/"); strings.Contains(project, ".") && strings.Contains(project, ":") {
		path = strings.TrimRight(strings.Replace(project, ":", "/", 1)+"/"+rest, "/") // docs.cloud.google.com/artifact-registry/docs/docker/names
		notes = append(notes, "the project "+quoted(project)+" is written with a slash in images' names")
	}
	project, rest := cutProject(path)
	home, old := oldHost(host)
	switch {
	case project == "":
		return "", nil, true, badAddress("it names no project")
	case isNumber(project):
		return "", nil, true, badAddress(quoted(project) + " is a project's number, and images' names have its ID")
	case strings.Contains(project, "*"):
	case rest == "":
		path += "/*"
	case !old && !strings.ContainsAny(rest, "/*:"):
		path += "/*"
		notes = append(notes, "it covers all images of repository "+rest)
	case !old && !strings.ContainsAny(rest, "/*"):
		return "", nil, true, badAddress(quoted(rest) + " is a repository with a tag, and an image's name has to follow the repository's")
	}
	p, err := pattern.Parse(host + "/" + path)
	if err != nil {
		if e := fairlead.Misread("pattern", err); e != nil {
			return "", nil, true, e
		}
		return "", nil, true, err
	}
	if old {
		notes = append(notes, "Container Registry was shut down on 18 March 2025; the images of "+host+"/"+project+
			" live in Artifact Registry, in repository "+host+" of location "+home+" ("+home+"-docker.pkg.dev/"+project+"/"+host+")")
	}
	return p.String(), notes, true, nil
}

// cutProject takes the project off a path; one of a domain has two segments.
func cutProject(path string) (project, rest string) {
	project, rest, _ = strings.Cut(path, "/")
	if strings.Contains(project, ".") {
		id, after, _ := strings.Cut(rest, "/")
		if id == "" {
			return "", ""
		}
		return project + "/" + id, after
	}
	return project, rest
}
