package localcredentials

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// familyJFrog is the family of Artifactory.
const familyJFrog fairlead.Family = "jfrog-artifactory"

// jfrog is jf (github.com/jfrog/jfrog-cli-core, utils/config).
type jfrog struct{}

const sourceJFrog = "JFrog CLI"

// Find reads jf's servers.
func (jfrog) Find(_ context.Context, m Machine) []Found {
	f, text, there := where(sourceJFrog, m.under("JFROG_CLI_HOME_DIR", ".jfrog", "jfrog-cli.conf.v6"))
	f.Family = familyJFrog
	switch {
	case !there:
		return nil
	case f.Why != nil:
		return []Found{f}
	}
	return readServers(f, text)
}

func readServers(f Found, text []byte) []Found {
	var c struct {
		Encrypted bool `json:"enc"`
		Servers   []struct {
			URL         string `json:"url"`
			Artifactory string `json:"artifactoryUrl"`
			ID          string `json:"serverId"`
			User        string `json:"user"`
			Password    string `json:"password"`
			Access      string `json:"accessToken"`
			Refresh     string `json:"refreshToken"`
		} `json:"servers"`
	}
	if json.Unmarshal(text, &c) != nil {
		return []Found{f.no("it can't be read as JSON", "look at it with `jf config show`")}
	}
	var all []Found
	for _, s := range c.Servers[:min(len(c.Servers), mostEntries)] {
		one := f
		one.Notes = append([]string(nil), f.Notes...)
		one.Where += " (" + fairlead.Clip(s.ID) + ")"
		one.Account = fairlead.Clip(s.User)
		host := hostOf(first(s.URL, s.Artifactory))
		switch {
		case c.Encrypted:
			one = one.no("jf keeps it encrypted with a key of its own", "give Fairlead a token of its own: "+guide(familyJFrog, "access-token"))
		case host == "":
			one = one.no("it has no URL", "add it again with `jf config add`")
		case s.Access != "":
			one.Method, one.Expires = "access-token", jwtEnd(s.Access)
			one.keep(map[string]string{"host": host}, map[string]string{"access_token": s.Access})
			if s.Refresh != "" {
				one.Notes = append(one.Notes, "the refresh token beside it stays with jf: of two who renew one pair, the first locks the other out")
			}
		case s.User != "" && s.Password != "":
			one.Method = "basic"
			one.keep(map[string]string{"host": host, "username": s.User}, map[string]string{"password": s.Password})
		default:
			one = one.no("it logs in with a client certificate or SSH key, or not at all", "make an access token: "+guide(familyJFrog, "access-token"))
		}
		all = append(all, one)
	}
	return all
}

// hostOf is a URL's host with its port.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// jwtEnd is when a token says that it ends (RFC 7519, section 4.1.4), zero if it doesn't.
func jwtEnd(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var c struct {
		Exp float64 `json:"exp"`
	}
	const year10000 = 253402300800
	if err != nil || json.Unmarshal(b, &c) != nil || !(c.Exp > 0 && c.Exp < year10000) {
		return time.Time{}
	}
	return time.Unix(int64(c.Exp), 0).UTC()
}
