package stepfile

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Step is one step: what runs, in which image, with which parameters and inputs. The
// fields are those of the public schema (valohai-yaml 0.57.0, step). What is empty was
// not given; a duration of 0 is none.
type Step struct {
	Name        string
	Image       string
	Command     []string // as written, with its placeholders
	Description string
	Category    string
	Icon        string

	Parameters []Parameter
	Inputs     []Input
	Outputs    []Output
	Variables  []Variable

	TimeLimit       time.Duration
	NoOutputTimeout time.Duration
	StopCondition   string
	SourcePath      string
	Placement

	Line, Column int
	// ImageLine and ImageColumn are where the image is named.
	ImageLine, ImageColumn int

	where  map[string]position // of the keys that Features names
	broken int                 // how many errors are in it
	names  *declared
}

// Placement is what a step asks of the place where it runs. [Features] names which
// of it is set, for engines that can't do it.
type Placement struct {
	Environment         string     `json:"environment,omitempty"` // ID, or a part of the name or slug
	RuntimeConfigPreset string     `json:"runtime_config_preset,omitempty"`
	VariableGroups      []string   `json:"environment_variable_groups,omitempty"`
	UploadStore         string     `json:"upload_store,omitempty"`
	Mounts              []Mount    `json:"mounts,omitempty"`
	CacheVolumes        []string   `json:"cache_volumes,omitempty"` // names of persistent volume claims
	Resources           *Resources `json:"resources,omitempty"`
}

// maxStoreName is the length of upload-store and of the name of an input.
const maxName = 64

// step reads one step.
func (r *reader) step(p *project, n *yaml.Node, path string) {
	o, ok := r.object(n, path)
	if !ok {
		return
	}
	s := &Step{Line: n.Line, Column: n.Column, where: map[string]position{}}
	s.Name = o.needText("name")
	r.named(p, "step", s.Name, o)
	s.Image = o.image(true)
	image := o.where("image")
	s.ImageLine, s.ImageColumn = image.line, image.column
	s.Command = o.command(true)
	s.Parameters = o.parameters(true)
	s.Inputs = o.inputs()
	s.Outputs = o.outputs()
	s.Variables = o.variables()
	s.TimeLimit = o.optDuration("time-limit")
	s.NoOutputTimeout = o.optDuration("no-output-timeout")
	s.StopCondition = o.expression("stop-condition")
	s.SourcePath = o.optText("source-path")
	s.Description = o.optText("description")
	s.Category = o.optText("category")
	s.Icon = o.optText("icon")
	s.Placement = o.placement()
	o.done()
	for key, e := range o.entries {
		s.where[key] = at(e.key)
	}
	r.placeholders(s, o)
	s.broken = p.broken + r.errors - p.before
	if s.Name != "" {
		p.steps[s.Name] = s
		p.order = append(p.order, s)
	}
}

func (o *object) placement() Placement {
	p := Placement{
		Environment:         o.optText("environment"),
		RuntimeConfigPreset: o.optText("runtime-config-preset"),
		VariableGroups:      o.optTexts("environment-variable-groups"),
		UploadStore:         o.optText("upload-store"),
		Mounts:              o.mounts(),
		CacheVolumes:        o.optTexts("cache-volumes"),
		Resources:           o.resources(false),
	}
	o.short("upload-store", p.UploadStore, maxName)
	o.preset(p.RuntimeConfigPreset, p.Environment)
	return p
}

// preset reports a preset without the environment that it belongs to.
func (o *object) preset(preset, environment string) {
	if preset != "" && environment == "" {
		o.r.add(SeverityError, o.where("runtime-config-preset"), o.path, finding{
			"preset-environment", "runtime-config-preset is set, and environment isn't", "name the environment that the preset belongs to",
		})
	}
}

// image reads an image name. The schema wants it written as text: 3.10 is a number.
func (o *object) image(required bool) string {
	e := o.get("image")
	if e == nil {
		if required {
			o.r.add(SeverityError, at(o.node), o.path, finding{
				"required", noun(o.path) + " has no image", "name the image that it runs in, like image: python:3.12",
			})
		}
		return ""
	}
	path := o.sub("image")
	name, ok := o.r.text(e.val, path)
	if !ok {
		return ""
	}
	if strings.TrimSpace(name) == "" {
		o.r.add(emptiness(required), at(e.val), path, finding{"empty", "image is empty", "name the image, like python:3.12"})
		return name
	}
	if o.r.checkImage != nil {
		if err := o.r.checkImage(name); err != nil {
			o.r.add(SeverityError, at(e.val), path, finding{
				"image-name", fmt.Sprintf("image %s is not the name of an image (%v)", show(name), err), "write it like registry.example.com/team/name:tag",
			})
		}
	}
	return name
}

// emptiness is how grave an empty text is: in an override it replaces nothing.
func emptiness(required bool) Severity {
	if required {
		return SeverityError
	}
	return SeverityWarning
}

// command reads the command, and reports one that does nothing.
func (o *object) command(required bool) []string {
	get := o.get
	if required {
		get = o.need
	}
	e := get("command")
	if e == nil {
		return nil
	}
	before := o.r.errors
	path := o.sub("command")
	command := o.textOrTexts(e, path)
	if o.r.errors > before {
		return command
	}
	script := join(command)
	if script == "" {
		o.r.add(emptiness(required), at(e.val), path, finding{"command-empty", "command is empty", "give at least one line to run"})
		return command
	}
	first, _, _ := strings.Cut(script, "\n")
	if _, err := interpreter(script); err != nil && !strings.Contains(first, "{") { // a placeholder may give the path
		o.r.add(SeverityError, at(e.val), path, finding{"shebang", err.Error(), shebangRemedy})
	}
	return command
}
