package localcredentials

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// The families of what docker login leaves.
const (
	familyDocker fairlead.Family = "docker"
	familyHub    fairlead.Family = "docker-hub"
)

// docker is Docker's own client, podman all that has its logins in containers' auth.json
// (podman, skopeo, buildah).
type (
	docker struct{}
	podman struct{}
)

// Find reads the client's file, and asks the credential helpers that it names.
func (docker) Find(ctx context.Context, m Machine) []Found {
	f, text, there := where("docker login", m.under("DOCKER_CONFIG", ".docker", "config.json"))
	return m.logins(ctx, f, text, there)
}

// Find reads the first file that there is, as containers/image looks for it.
func (podman) Find(ctx context.Context, m Machine) []Found {
	paths := []string{m.Env("REGISTRY_AUTH_FILE")}
	if paths[0] == "" {
		run := m.Env("XDG_RUNTIME_DIR")
		if run == "" {
			run = filepath.Join("/run/containers", strconv.Itoa(m.UID))
			paths = append(paths, filepath.Join(run, "auth.json"))
		} else {
			paths = append(paths, filepath.Join(run, "containers/auth.json"))
		}
		paths = append(paths, m.under("XDG_CONFIG_HOME", ".config", "containers/auth.json"))
	}
	for _, path := range paths {
		if path == "" {
			continue
		}
		if f, text, there := where("podman login", path); there {
			return m.logins(ctx, f, text, there)
		}
	}
	return nil
}

func (m Machine) logins(ctx context.Context, f Found, text []byte, there bool) []Found {
	f.Family = familyDocker
	switch {
	case !there:
		return nil
	case f.Why != nil:
		return []Found{f}
	}
	c, err := readDocker(text)
	if err != nil {
		return []Found{f.no("it can't be read as JSON", "log in again")}
	}
	var all []Found
	for _, l := range c.logins(ctx, m) {
		one := f
		one.Where += " (" + fairlead.Clip(l.key) + ")"
		if l.helper != "" {
			one.Where = "docker-credential-" + l.helper + " (" + fairlead.Clip(l.key) + ")"
		}
		one.Notes = slices.Clone(f.Notes)
		all = append(all, one.login(m, l))
	}
	return all
}

// dockerFile is what config.json and auth.json hold (docs.docker.com, "docker login";
// containers-auth.json(5)).
type dockerFile struct {
	Auths map[string]struct {
		Auth          string `json:"auth"`
		Username      string `json:"username"`
		Password      string `json:"password"`
		IdentityToken string `json:"identitytoken"`
		RegistryToken string `json:"registrytoken"`
	} `json:"auths"`
	Helpers map[string]string `json:"credHelpers"`
	Store   string            `json:"credsStore"`
}

func readDocker(text []byte) (dockerFile, error) {
	var c dockerFile
	return c, json.Unmarshal(text, &c)
}

// dockerLogin is one of its logins, under its key.
type dockerLogin struct {
	key, helper              string
	user, password           string
	identity, registry, fail string
}

// identityUser is what a helper gives as the user name of an identity token
// (docker/cli, cli/config/credentials).
const identityUser = "<token>"

// logins are those of the file and of the helpers that it names, by their keys.
func (c dockerFile) logins(ctx context.Context, m Machine) []dockerLogin {
	all := map[string]dockerLogin{}
	for key, a := range c.Auths {
		l := dockerLogin{key: key, user: a.Username, password: a.Password, identity: a.IdentityToken, registry: a.RegistryToken}
		if a.Auth != "" {
			l.user, l.password = decodeAuth(a.Auth)
		}
		if l.password != "" || l.identity != "" || l.registry != "" {
			all[key] = l
		}
	}
	if isHelper(c.Store) {
		for _, key := range listHelper(ctx, m, c.Store) {
			all[key] = askHelper(ctx, m, c.Store, key)
		}
	}
	for key, helper := range c.Helpers {
		if isHelper(helper) {
			all[key] = askHelper(ctx, m, helper, key)
		}
	}
	var list []dockerLogin
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if len(list) == mostEntries {
			break
		}
		// Docker Desktop keeps its own tokens below Docker Hub's key.
		if strings.HasSuffix(key, "/access-token") || strings.HasSuffix(key, "/refresh-token") {
			continue
		}
		list = append(list, all[key])
	}
	return list
}

// decodeAuth reads USER:PASSWORD in base64.
func decodeAuth(auth string) (user, password string) {
	b, err := base64.StdEncoding.DecodeString(auth)
	if err != nil {
		return "", ""
	}
	user, password, _ = strings.Cut(strings.TrimRight(string(b), "\x00"), ":")
	return user, password
}

// isHelper reports whether it can be the name of a helper: a file's name, and no path.
func isHelper(name string) bool {
	return name != "" && len(name) < 64 && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || '9' < r) && (r < 'a' || 'z' < r) && (r < 'A' || 'Z' < r)
	})
}

// minting are the helpers that make a login of hours at each call: their login is none
// that can be kept, so they aren't asked.
func minting(helper string) bool {
	return slices.Contains([]string{"ecr-login", "gcloud", "gcr", "acr-env", "acr-login", "fairlead"}, helper)
}

func listHelper(ctx context.Context, m Machine, helper string) (keys []string) {
	if minting(helper) {
		return nil
	}
	out, err := m.Run(ctx, "docker-credential-"+helper, []string{"list"}, "")
	var users map[string]string
	if err != nil || json.Unmarshal(out, &users) != nil {
		return nil
	}
	keys = slices.Sorted(maps.Keys(users))
	return keys[:min(len(keys), mostEntries)]
}

// askHelper gets a login of a helper (docker/docker-credential-helpers).
func askHelper(ctx context.Context, m Machine, helper, key string) dockerLogin {
	l := dockerLogin{key: key, helper: helper}
	if minting(helper) {
		return l
	}
	out, err := m.Run(ctx, "docker-credential-"+helper, []string{"get"}, key)
	var answer struct{ Username, Secret string }
	if err != nil || json.Unmarshal(out, &answer) != nil || answer.Secret == "" {
		l.fail = "docker-credential-" + helper + " gave no login"
		return l
	}
	l.user, l.password = answer.Username, answer.Secret
	if l.user == identityUser {
		l.user, l.password, l.identity = "", "", answer.Secret
	}
	return l
}

// hostOfKey is the host that a key stands for: https://index.docker.io/v1/ is docker.io,
// and containers' keys may go on with a path.
func hostOfKey(key string) (host, path string) {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, path, _ = strings.Cut(key, "/")
	switch path = strings.Trim(path, "/"); path {
	case "v1", "v2":
		path = ""
	}
	canonical, err := ref.CanonicalHost(host)
	if err != nil {
		return "", ""
	}
	return canonical, path
}

// login makes of it what the registry's family takes.
func (f Found) login(m Machine, l dockerLogin) Found {
	host, path := hostOfKey(l.key)
	if host == "" {
		return f.no("its key is no registry's host", "log in again")
	}
	f.Family, f.Account = m.Providers.Owner(host), fairlead.Clip(l.user)
	if path != "" {
		f.Notes = append(f.Notes, "it is the login for "+host+"/"+fairlead.Clip(path)+" alone: give the registry entry that pattern")
	}
	switch {
	case l.fail != "":
		return f.no(l.fail, "log in again")
	case minting(l.helper):
		return f.no("docker-credential-"+l.helper+" makes a new login at each pull, from an account that this machine is logged in with",
			"connect that account: "+guide(f.Family, ""))
	}
	switch f.Family {
	case familyHub:
		return f.hub(l)
	case familyAWS:
		return f.no("it is a login of 12 hours, as `aws ecr get-login-password` makes it", "take the AWS profile that it was made with, or "+guide(familyAWS, "federation"))
	case familyGoogle:
		return f.pkg(l)
	case familyAzure:
		return f.acr(host, l)
	case familyJFrog:
		return f.artifactory(host, l)
	default:
		return f.plain(host, l)
	}
}

func (f Found) hub(l dockerLogin) Found {
	f.Method = "access-token"
	if l.password == "" {
		return f.no("it is a login of Docker Desktop or in a browser, bound to that person", "make an access token at hub.docker.com: "+guide(familyHub, "access-token"))
	}
	f.keep(map[string]string{"username": l.user}, map[string]string{"token": l.password})
	return f
}

// pkg tells Google's key files, which people log in with, from tokens of an hour.
func (f Found) pkg(l dockerLogin) Found {
	f.Method = "service-account"
	if l.user != "_json_key" && l.user != "_json_key_base64" {
		return f.no("it is a token that ends within an hour", "connect an account of its own: "+guide(familyGoogle, "federation"))
	}
	f.Account = ""
	f.keep(nil, map[string]string{"key": l.password})
	return f
}

// nobody is the user name that `az acr login` writes beside an identity token.
const nobody = "00000000-0000-0000-0000-000000000000"

func (f Found) acr(host string, l dockerLogin) Found {
	switch {
	case l.identity != "" || l.user == nobody:
		return f.no("it is a login of 3 hours that `az acr login` has made for a person", "give Fairlead an account of its own: "+guide(familyAzure, "federation"))
	case len(l.user) == len(nobody) && strings.Count(l.user, "-") == strings.Count(nobody, "-"):
		f.Method = "service-principal"
		return f.no("it is a service principal, and a login to the registry doesn't say of which tenant",
			"`fairlead connector register NAME --family azure-container-registry --method service-principal --tenant-id TENANT --client-id "+fairlead.Clip(l.user)+"`")
	}
	f.Method = "repository-token"
	f.keep(map[string]string{"login_server": host, "username": l.user}, map[string]string{"password": l.password})
	return f
}

func (f Found) artifactory(host string, l dockerLogin) Found {
	switch secret := first(l.identity, l.password); {
	case strings.HasPrefix(secret, "eyJ"), strings.HasPrefix(secret, "cmVmdGtuO"):
		f.Method, f.Expires = "access-token", jwtEnd(secret)
		f.keep(map[string]string{"host": host}, map[string]string{"access_token": secret})
	default:
		f.Method = "basic"
		f.keep(map[string]string{"host": host, "username": l.user}, map[string]string{"password": l.password})
	}
	return f
}

func (f Found) plain(host string, l dockerLogin) Found {
	public := map[string]string{"hosts": host}
	switch {
	case l.registry != "":
		f.Method, public["token_use"] = "bearer", "present"
		f.keep(public, map[string]string{"token": l.registry})
	case l.identity != "":
		f.Method, public["token_use"] = "bearer", "trade"
		f.keep(public, map[string]string{"token": l.identity})
	default:
		f.Method, public["username"] = "basic", l.user
		f.keep(public, map[string]string{"password": l.password})
	}
	return f
}
