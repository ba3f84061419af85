package jfrogartifactory

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// cloud is what follows a tenant's name in JFrog's cloud.
const cloud = ".jfrog.io"

// place is where a connector's platform is, and where its images are.
type place struct {
	platform, docker, method string
	// ports are the ports of repositories by their keys; with subdomains in JFrog's
	// cloud, the keys alone.
	ports map[string]string
}

// Owns is true of JFrog's cloud: <name>.jfrog.io, where with the subdomain method the
// repository is a part of the name.
func (Provider) Owns(host string) bool { return isTenant(host) }

func isTenant(host string) bool {
	name, ok := strings.CutSuffix(host, cloud)
	return ok && isLabel(name)
}

// isLabel reports whether s can be one label of a host (RFC 1035, 2.3.1, with digits in
// front as RFC 1123 allows them).
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, r := range s {
		if r != '-' && (r < '0' || '9' < r) && (r < 'a' || 'z' < r) {
			return false
		}
	}
	return true
}

// placeOf reads the fields that say where: [fairlead.Invalid] with the field.
func placeOf(public map[string]string) (place, error) {
	p := place{
		platform: public[fieldHost], docker: cmp.Or(public[fieldDockerHost], public[fieldHost]),
		method: cmp.Or(public[fieldPathMethod], byPath), ports: map[string]string{},
	}
	for _, f := range []string{fieldHost, fieldDockerHost} {
		if err := checkHost(f, public[f]); err != nil {
			return place{}, err
		}
	}
	list := public[fieldRepositories]
	switch {
	case p.method == byPath && list != "":
		return place{}, misplaced(fieldRepositories, "with the path method images' names hold the repository", "leave repositories out, or name another path method")
	case p.method == byPort && list == "":
		return place{}, misplaced(fieldRepositories, "with the port method every repository has a port, and none is given", "write each with its port and commas between: docker-local=5001")
	case p.method == bySubdomain && list == "" && isTenant(p.docker):
		return place{}, misplaced(fieldRepositories,
			"in JFrog's cloud anybody can have a name that begins with "+strings.TrimSuffix(p.docker, cloud)+"-, so the login is sent to repositories that are named, and none is",
			"write the repositories with commas between: docker-local,docker-remote")
	}
	if list == "" {
		return p, nil
	}
	for entry := range strings.SplitSeq(list, ",") {
		if err := p.add(strings.TrimSpace(entry)); err != nil {
			return place{}, err
		}
	}
	return p, nil
}

func misplaced(field, why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, Field: field, What: "reading where the platform is", Why: why, Remedy: remedy}
}

// checkHost refuses what isn't a host in its one spelling.
func checkHost(field, host string) error {
	if host == "" && field == fieldDockerHost {
		return nil
	}
	canonical, err := ref.CanonicalHost(host)
	switch {
	case err != nil:
		return misplaced(field, strconv.Quote(fairlead.Clip(host))+" is not a host", "write the host alone, without https:// and without a path: acme.jfrog.io")
	case canonical != host:
		return misplaced(field, strconv.Quote(fairlead.Clip(host))+" is another way to write "+canonical, "write "+canonical)
	}
	return nil
}

// add takes one entry of the repositories.
func (p *place) add(entry string) error {
	key, port, hasPort := strings.Cut(entry, "=")
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case !isKey(key):
		return misplaced(fieldRepositories, strconv.Quote(fairlead.Clip(key))+" is not the key of a repository", "write keys as they stand in Artifactory, with commas between: docker-local")
	case p.method == byPort && (err != nil || n == 0 || port[0] == '0'):
		return misplaced(fieldRepositories, "repository "+key+" has no port", "write its port behind it: "+key+"=5001")
	case p.method == bySubdomain && hasPort:
		return misplaced(fieldRepositories, "repository "+key+" has a port, and the path method is subdomain", "write the key alone, or name the port method")
	case p.method == bySubdomain && !isLabel(key):
		return misplaced(fieldRepositories, strconv.Quote(key)+" can't be a part of a host's name", "use the path method for this repository")
	}
	p.ports[key] = port
	return nil
}

// isKey reports whether s can be a repository's key: 64 characters at most, none of
// those that Artifactory refuses.
func isKey(s string) bool { return s != "" && len(s) <= 64 && isPlain(s) && s != "." && s != ".." }

// accepts reports whether a registry's host is one of the place's: literally, or a
// pattern's host that covers hosts of the place and no others.
func (p place) accepts(host string) bool {
	if host == p.platform {
		return true
	}
	switch p.method {
	case bySubdomain:
		if isTenant(p.docker) {
			key, ok := strings.CutPrefix(strings.TrimSuffix(host, cloud), strings.TrimSuffix(p.docker, cloud)+"-")
			_, known := p.ports[key]
			return ok && strings.HasSuffix(host, cloud) && (known || key == "*")
		}
		key, ok := strings.CutSuffix(host, "."+p.docker)
		_, known := p.ports[key]
		return ok && isLabel(strings.ReplaceAll(key, "*", "x")) && (known || len(p.ports) == 0 || strings.Contains(key, "*"))
	case byPort:
		name, port := cutPort(host)
		own, _ := cutPort(p.docker)
		return name == own && slices.Contains(slices.Collect(maps.Values(p.ports)), port)
	default:
		return host == p.docker
	}
}

// cutPort takes a host apart; the colons of an IPv6 address are in brackets.
func cutPort(host string) (name, port string) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.HasSuffix(host, "]") {
		return host, ""
	}
	return host[:i], host[i+1:]
}

// forms lists the hosts, for people.
func (p place) forms() []string {
	list := []string{p.platform}
	switch p.method {
	case bySubdomain:
		if len(p.ports) == 0 {
			list = append(list, "*."+p.docker)
		}
		for _, key := range slices.Sorted(maps.Keys(p.ports)) {
			list = append(list, p.hostOf(key))
		}
	case byPort:
		for _, key := range slices.Sorted(maps.Keys(p.ports)) {
			list = append(list, p.hostOf(key))
		}
	default:
		if p.docker != p.platform {
			list = append(list, p.docker)
		}
	}
	return list
}

// hostOf gives the host of a repository; empty if it has none that is known.
func (p place) hostOf(key string) string {
	switch p.method {
	case bySubdomain:
		if !isLabel(key) {
			return ""
		}
		if isTenant(p.docker) {
			return strings.TrimSuffix(p.docker, cloud) + "-" + key + cloud
		}
		return key + "." + p.docker
	case byPort:
		if port := p.ports[key]; port != "" {
			name, _ := cutPort(p.docker)
			return name + ":" + port
		}
		return ""
	default:
		return p.docker
	}
}

// address is as the name of an image in the repository begins.
func (p place) address(key string) string {
	host := p.hostOf(key)
	switch {
	case p.method == byPath:
		return host + "/" + key
	case host == "" || !p.accepts(host):
		return p.platform + "/" + key // every platform answers by path under its own host
	default:
		return host
	}
}

// locate gives the repository's key and the image's name in it.
func (p place) locate(r ref.Resource) (key, image string) {
	if r.Host == p.platform || p.method == byPath {
		key, image, _ = strings.Cut(r.Repository, "/")
		return key, image
	}
	for key := range p.ports {
		if p.hostOf(key) == r.Host {
			return key, r.Repository
		}
	}
	key, _ = strings.CutSuffix(r.Host, "."+p.docker)
	return key, r.Repository
}
