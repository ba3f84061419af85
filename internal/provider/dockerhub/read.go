package dockerhub

import (
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// rightForm is the form of a pattern, for people.
const rightForm = "write it as in docker.io/acme/* or docker.io/acme/train"

// Read reads names under all hosts of Docker Hub, and addresses of its web site.
func (Provider) Read(text string) (string, []string, bool, error) {
	clean, _ := ref.Unpaste(strings.TrimSpace(text))
	host, path, _ := strings.Cut(clean, "/")
	switch host = strings.ToLower(host); host {
	case "hub.docker.com", "www.hub.docker.com":
		return readPage(strings.Trim(path, "/"))
	case "registry-1.docker.io", "index.docker.io", "registry.hub.docker.com", "docker.io", "www.docker.io":
		return readName(path)
	case "dockerhub.io", "hub.docker.io", "docker.com", "dockerhub.com", "registry.docker.io", "auth.docker.io":
		return "", nil, true, unread(host+" isn't the registry of Docker Hub", rightForm)
	}
	return "", nil, false, nil
}

// readName reads what follows the host of a name or a pattern.
func readName(path string) (string, []string, bool, error) {
	for _, old := range []string{"v1/", "v2/"} { // https://index.docker.io/v1/ is the key of `docker login`
		path = strings.TrimPrefix(path, old)
	}
	switch {
	case path == "":
		return Host + "/*", []string{"This covers all of Docker Hub, public images too: name a namespace to cover less."}, true, nil
	case strings.HasSuffix(path, "/"):
		path += "*"
	}
	p, err := pattern.Parse(Host + "/" + path)
	if err != nil {
		return "", nil, true, unread("it isn't the name of a namespace or a repository", rightForm)
	}
	return p.String(), nil, true, nil
}

// readPage reads the path of a page of the web site.
func readPage(path string) (string, []string, bool, error) {
	parts := strings.Split(path, "/")
	at := func(i int) string {
		if i < len(parts) {
			return parts[i]
		}
		return ""
	}
	name := ""
	switch parts[0] {
	case "r":
		name = at(1) + "/" + at(2)
	case "_":
		name = "library/" + at(1)
	case "u", "repositories", "orgs":
		name = at(1) + "/*"
	case "repository":
		if at(1) == "docker" {
			name = at(2) + "/" + at(3)
		}
	case "layers", "search", "settings", "billing", "explore", "":
	default:
		if len(parts) == 2 { // hub.docker.com/acme/train
			name = path
		}
	}
	p, err := pattern.Parse(Host + "/" + name)
	if name == "" || strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") || err != nil {
		return "", nil, true, unread("it is a page of Docker Hub that isn't of a namespace or a repository", rightForm)
	}
	return p.String(), nil, true, nil
}

func unread(why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, Field: "pattern", What: "reading address of Docker Hub", Why: why, Remedy: remedy}
}
