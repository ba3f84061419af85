package clientlogin

import (
	"path/filepath"
	"strconv"

	"fairlead.dev/fairlead"
)

// file is where a client keeps its logins: the first place in which it looks.
func (p Places) file(c Client) (string, error) {
	at := ""
	switch c {
	case Docker:
		switch {
		case p.DockerConfig != "":
			at = filepath.Join(p.DockerConfig, "config.json")
		case p.Home != "":
			at = filepath.Join(p.Home, ".docker", "config.json")
		}
	case Podman, Skopeo: // containers-auth.json(5)
		switch {
		case p.AuthFile != "":
			at = p.AuthFile
		case p.RuntimeDir != "":
			at = filepath.Join(p.RuntimeDir, "containers", "auth.json")
		default:
			at = filepath.Join("/run/containers", strconv.Itoa(p.UID), "auth.json")
		}
	case Helm:
		switch {
		case p.HelmConfig != "":
			at = p.HelmConfig
		case p.ConfigHome != "":
			at = filepath.Join(p.ConfigHome, "helm", "registry", "config.json")
		case p.Home != "":
			at = filepath.Join(p.Home, ".config", "helm", "registry", "config.json")
		}
	}
	if at == "" {
		return "", &fairlead.Error{Kind: fairlead.Invalid, What: "finding where " + string(c) + " keeps logins", Why: "HOME is not set", Remedy: "set HOME"}
	}
	abs, err := filepath.Abs(at)
	if err != nil {
		return "", fairlead.AsError("finding where "+string(c)+" keeps logins", err)
	}
	return abs, nil
}
