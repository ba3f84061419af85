package client

import (
	"net/url"
	"path"

	"fairlead.dev/fairlead"
)

// LinkServer gives the URL of the server that a one-time link leads to, "" if it
// doesn't say.
func LinkServer(link fairlead.Secret) string {
	u, err := url.Parse(string(link.Reveal()))
	if err != nil || u.Host == "" {
		return ""
	}
	u.Fragment, u.RawQuery, u.Path = "", "", path.Dir(u.Path)
	if u.Path == "/" || u.Path == "." {
		u.Path = ""
	}
	return u.String()
}
