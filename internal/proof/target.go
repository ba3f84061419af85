package proof

import (
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// target is what a connector is tried on: an image, a host alone, or nothing.
type target struct {
	image ref.Image
	// entry is the registry entry of the connector that covers it; if none does, how the
	// host is reached as far as another entry tells.
	entry fairlead.Registry
	// tagged says that somebody named the tag or digest.
	tagged bool
}

func (t target) scope() fairlead.Scope {
	return fairlead.Scope{Resource: t.image.Resource, Verb: fairlead.Pull}
}

func (t target) endpoint() oci.Endpoint {
	return oci.Endpoint{Host: t.image.Host, PlainHTTP: t.entry.PlainHTTP, CABundle: t.entry.CABundle}
}

func (t target) String() string {
	if t.tagged {
		return t.image.String()
	}
	return t.image.Resource.String()
}

// aim chooses the target: the image that is given; else a repository that a pattern of
// the connector's entries names without *; else the host of one; else a host that the
// connector's own fields name.
func aim(family provider.Provider, c fairlead.Connector, all []fairlead.Registry, image string) (target, error) {
	var entries []fairlead.Registry
	for _, r := range all {
		if r.Connector == c.ID {
			entries = append(entries, r)
		}
	}
	if image != "" {
		i, err := ref.Parse(image)
		if err != nil {
			return target{}, fairlead.Misread("image", err)
		}
		entry := covering(entries, i)
		if entry.ID == "" {
			entry = reaching(all, i.Host)
		}
		return target{image: i, entry: entry, tagged: true}, nil
	}
	for _, r := range entries {
		if text := r.Pattern.String(); !strings.Contains(text, "*") {
			if i, err := ref.Parse(text); err == nil {
				return target{image: i, entry: r, tagged: text != i.Resource.String()}, nil
			}
		}
	}
	for _, r := range entries {
		if r.Pattern.HostIsLiteral() {
			return target{image: ref.Image{Resource: ref.Resource{Host: r.Pattern.Host()}}, entry: r}, nil
		}
	}
	host := ownHost(family, c)
	return target{image: ref.Image{Resource: ref.Resource{Host: host}}, entry: reaching(all, host)}, nil
}

// reaching is an entry of another connector, or of none, that says how a host is
// reached: a connector that no entry uses yet is tried in the same way.
func reaching(all []fairlead.Registry, host string) fairlead.Registry {
	for _, r := range all {
		if r.Pattern.HostIsLiteral() && r.Pattern.Host() == host {
			return fairlead.Registry{PlainHTTP: r.PlainHTTP, CABundle: r.CABundle}
		}
	}
	return fairlead.Registry{}
}

// covering is the most specific of the entries that cover an image.
func covering(entries []fairlead.Registry, i ref.Image) fairlead.Registry {
	var best fairlead.Registry
	for _, r := range entries {
		if r.Pattern.Match(i) && (best.ID == "" || pattern.Compare(r.Pattern, best.Pattern) < 0) {
			best = r
		}
	}
	return best
}

// ownHost is the first host that the connector's fields bind it to, or the only one that
// its family has; "" if there is none.
func ownHost(family provider.Provider, c fairlead.Connector) string {
	info := family.Info()
	var hosts []string
	if m, err := provider.MethodOf(info, c.Method); err == nil {
		for _, f := range m.Fields {
			if f.Binds {
				hosts = append(hosts, strings.FieldsFunc(c.Public[f.Name], func(r rune) bool { return r == ',' || r == ' ' })...)
			}
		}
	}
	if len(info.Hosts) == 1 {
		hosts = append(hosts, info.Hosts[0])
	}
	for _, h := range hosts {
		if host, err := ref.CanonicalHost(h); err == nil && family.Accepts(c, host) == nil {
			return host
		}
	}
	return ""
}
