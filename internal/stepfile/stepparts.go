package stepfile

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Input is a set of files that a step reads below /valohai/inputs/<name>.
type Input struct {
	Name            string
	Description     string
	Default         []string // URLs, each with its checksums
	Optional        bool
	Filename        string
	KeepDirectories string // none, suffix or full
	Download        string // always or on-demand
	at              position
}

// Output is a file that a step is expected to write; it has no effect.
type Output struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// Variable is an environment variable of a step.
type Variable struct {
	Name        string
	Default     *string
	Optional    bool
	Description string
}

// Mount is a directory of the machine, or a volume, that a step sees.
type Mount struct {
	Source      string           `json:"source"`
	Destination string           `json:"destination"`
	ReadOnly    bool             `json:"readonly,omitempty"`
	Type        string           `json:"type,omitempty"`
	Options     map[string]Value `json:"options,omitempty"`
}

// inputs reads the list of inputs; of two with one name the last wins.
func (o *object) inputs() []Input {
	var out []Input
	u := newUnique("input")
	o.each("inputs", func(n *yaml.Node, path string) {
		i, ok := o.r.object(n, path)
		if !ok {
			return
		}
		in := Input{
			Name:            i.needText("name"),
			Description:     i.optText("description"),
			Default:         i.optTextOrTexts("default"),
			Optional:        i.optBool("optional", false),
			Filename:        i.optText("filename"),
			KeepDirectories: i.keepDirectories(),
			Download:        i.optChoice("download", "always", "on-demand"),
			at:              i.where("name"),
		}
		i.done()
		i.short("name", in.Name, maxName)
		i.fileName("name", in.Name)
		i.fileName("filename", in.Filename)
		for _, url := range in.Default {
			if _, err := parseSource(url); err != nil {
				o.r.add(SeverityError, i.where("default"), i.sub("default"), finding{"checksum", err.Error(), checksumRemedy})
			}
		}
		out = put(out, u.add(i, in.Name), in)
	})
	return out
}

// keepDirectories reads a boolean or a word; true is full.
func (o *object) keepDirectories() string {
	const key = "keep-directories"
	if e := o.entries[key]; e != nil {
		if v := o.r.value(e.val); v.kind == kindBool {
			if o.optBool(key, false) {
				return "full"
			}
			return "none"
		}
	}
	return o.optChoice(key, "none", "suffix", "full")
}

// fileName reports a name that would leave the directory it is for.
func (o *object) fileName(key, name string) {
	if name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		o.r.add(SeverityError, o.where(key), o.sub(key), finding{
			"file-name", fmt.Sprintf("%s %s can't be the name of a file or directory", key, show(name)), "leave out slashes",
		})
	}
}

// outputs reads the list of outputs.
func (o *object) outputs() []Output {
	var out []Output
	o.each("outputs", func(n *yaml.Node, path string) {
		if i, ok := o.r.object(n, path); ok {
			out = append(out, Output{Name: i.needText("name"), Description: i.optText("description")})
			i.done()
		}
	})
	return out
}

// variables reads the list of environment variables; of two with one name the last wins.
func (o *object) variables() []Variable {
	var out []Variable
	u := newUnique("variable")
	o.each("environment-variables", func(n *yaml.Node, path string) {
		i, ok := o.r.object(n, path)
		if !ok {
			return
		}
		v := Variable{
			Name:        i.needText("name"),
			Optional:    i.optBool("optional", true),
			Description: i.optText("description"),
		}
		if i.entries["default"] != nil {
			s := i.optText("default")
			v.Default = &s
		}
		i.get("default")
		i.done()
		if why := variableName(v.Name); why != "" && v.Name != "" {
			o.r.add(SeverityError, i.where("name"), i.sub("name"), finding{"variable-name", why, "use letters, digits and _"})
		}
		out = put(out, u.add(i, v.Name), v)
	})
	return out
}

// variableName says why a name can't be set in an environment, or "".
func variableName(name string) string {
	if name == "" || strings.ContainsAny(name, "=\x00") {
		return show(name) + " can't be the name of an environment variable"
	}
	return ""
}

// mounts reads the list of mounts.
func (o *object) mounts() []Mount {
	var out []Mount
	o.each("mounts", func(n *yaml.Node, path string) {
		if m, ok := o.r.mount(n, path); ok {
			out = append(out, m)
		}
	})
	return out
}

// mount reads "/source:/destination" or the long form.
func (r *reader) mount(n *yaml.Node, path string) (Mount, bool) {
	if follow(n).Kind == yaml.ScalarNode {
		s, ok := r.text(n, path)
		if !ok {
			return Mount{}, false
		}
		source, destination, _ := strings.Cut(s, ":")
		if !absolute(source) || !absolute(destination) {
			r.add(SeverityError, at(n), path, finding{"mount", "mount " + show(s) + " is not two absolute paths", "write it as /source:/destination"})
			return Mount{}, false
		}
		return Mount{Source: source, Destination: destination}, true
	}
	o, ok := r.object(n, path)
	if !ok {
		return Mount{}, false
	}
	m := Mount{
		Source:      o.mountSource(),
		Destination: o.needText("destination"),
		ReadOnly:    o.optBool("readonly", false),
		Type:        strings.ToLower(o.optText("type")),
		Options:     o.optTable("options"),
	}
	o.done()
	if m.Destination != "" && !absolute(m.Destination) {
		r.add(SeverityError, o.where("destination"), o.sub("destination"), finding{
			"mount", "destination " + show(m.Destination) + " is not an absolute path", "begin it with a slash",
		})
	}
	return m, true
}

// mountSource reads the source of a mount, which may be empty for some types.
func (o *object) mountSource() string {
	o.need("source")
	return o.optText("source")
}

// absolute tells whether a path begins at the root, and isn't the root.
func absolute(path string) bool { return len(path) > 1 && path[0] == '/' }

// optTable reads a key that may hold a map of anything.
func (o *object) optTable(key string) map[string]Value {
	e := o.get(key)
	if e == nil {
		return nil
	}
	t, ok := o.r.object(e.val, o.sub(key))
	if !ok {
		return nil
	}
	out := map[string]Value{}
	for _, name := range t.order {
		out[name] = o.r.value(t.entries[name].val)
	}
	return out
}
