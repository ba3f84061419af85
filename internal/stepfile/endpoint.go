package stepfile

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// endpoint checks an endpoint: a server that a deployment consists of.
func (r *reader) endpoint(p *project, n *yaml.Node, path string) {
	o, ok := r.object(n, path)
	if !ok {
		return
	}
	name := o.needText("name")
	r.named(p, "endpoint", name, o)
	if name != "" && !isEndpointName(name) {
		r.add(SeverityError, o.where("name"), o.sub("name"), finding{
			"pattern", "name " + show(name) + " can't be part of a URL", "begin it with a small letter, and use small letters, digits and dashes, at least two",
		})
	}
	o.image(true)
	o.optText("description")
	o.port()
	o.optTextOrTexts("server-command")
	o.optText("wsgi")
	command, wsgi := o.entries["server-command"] != nil, o.entries["wsgi"] != nil
	if command == wsgi {
		f := finding{"required", "endpoint has neither server-command nor wsgi", "add one of them"}
		if command {
			f = finding{"exclusive", "endpoint has both server-command and wsgi", "remove one of them"}
		}
		r.add(SeverityError, at(o.node), o.path, f)
	}
	if s := o.optText("node-selector"); o.entries["node-selector"] != nil && !strings.Contains(s, "=") {
		r.add(SeverityError, o.where("node-selector"), o.sub("node-selector"), finding{"pattern", "node-selector " + show(s) + " has no =", "write it as label=value"})
	}
	o.resources(true)
	o.each("files", func(n *yaml.Node, path string) {
		if i, ok := r.object(n, path); ok {
			i.needText("name")
			i.needText("path")
			i.optText("description")
			i.done()
		}
	})
	o.each("tolerations", r.toleration)
	o.done()
}

// isEndpointName is ^[a-z][a-z0-9-]+$.
func isEndpointName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '-') {
			return false
		}
	}
	return len(s) > 1
}

func (o *object) port() {
	v := o.optNumber("port")
	if v != nil && (v.number() < 1025 || v.number() > 65535) {
		o.r.add(SeverityError, o.where("port"), o.sub("port"), finding{"range", "port is " + clip(v.String()), "use one from 1025 to 65535"})
	}
}

// toleration checks one toleration of Kubernetes: without a key it tolerates all, and
// must say so.
func (r *reader) toleration(n *yaml.Node, path string) {
	o, ok := r.object(n, path)
	if !ok {
		return
	}
	o.optText("key")
	o.optText("value")
	operator, written := o.optChoice("operator", "Equal", "Exists"), o.entries["operator"] != nil
	if o.entries["effect"] != nil {
		o.optChoice("effect", "NoSchedule", "PreferNoSchedule", "NoExecute")
	} else {
		o.get("effect")
	}
	o.done()
	if o.entries["key"] == nil && operator != "Exists" {
		severity := SeverityError
		if !written { // the schema lets it pass; Kubernetes takes it for Equal
			severity = SeverityWarning
		}
		r.add(severity, at(o.node), o.path, finding{"required", noun(o.path) + " has no key", "add the key, or operator: Exists"})
	}
}

// deployment checks a deployment: where endpoints are housed.
func (r *reader) deployment(p *project, n *yaml.Node, path string) {
	o, ok := r.object(n, path)
	if !ok {
		return
	}
	name := o.needText("name")
	r.named(p, "deployment", name, o)
	e := o.get("defaults")
	o.done()
	target := ""
	if e != nil {
		i, ok := r.object(e.val, o.sub("defaults"))
		if !ok {
			return
		}
		if target = i.optText("target"); i.entries["target"] != nil && target == "" {
			return // its type is wrong, or it is empty
		}
	}
	if target == "" {
		r.add(SeverityWarning, at(o.node), o.path, finding{"target", "deployment has no defaults.target, so it can't be created automatically", "set it"})
	}
}
