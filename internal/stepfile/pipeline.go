package stepfile

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// pipelineNodes are the nodes of one pipeline: name -> the step it runs, where it is
// known.
type pipelineNodes struct {
	names []string
	steps map[string]nodeTarget
}

// nodeTarget is what a node runs.
type nodeTarget struct {
	step, task string
	elsewhere  bool // another commit, or no step
}

// pipeline checks a pipeline: nodes, and edges between their sockets.
func (r *reader) pipeline(p *project, n *yaml.Node, path string) {
	o, ok := r.object(n, path)
	if !ok {
		return
	}
	name := o.needText("name")
	r.named(p, "pipeline", name, o)
	o.optBool("reuse-executions", false)
	nodes := &pipelineNodes{steps: map[string]nodeTarget{}}
	if o.need("nodes") != nil {
		o.each("nodes", func(n *yaml.Node, path string) { r.node(p, nodes, n, path) })
	}
	if o.need("edges") != nil {
		o.each("edges", func(n *yaml.Node, path string) { r.edge(nodes, n, path) })
	}
	o.each("parameters", func(n *yaml.Node, path string) { r.pipelineParameter(p, nodes, n, path) })
	o.done()
}

// socketTypes are what an edge can join.
func socketTypes() []string {
	return []string{"dependency", "deployment", "environment-variable", "file", "input", "metadata", "output", "parameter"}
}

// edge checks an edge: [source, target], or a map of both.
func (r *reader) edge(nodes *pipelineNodes, n *yaml.Node, path string) {
	if m := follow(n); m.Kind == yaml.SequenceNode {
		if len(m.Content) != 2 {
			r.add(SeverityError, at(n), path, finding{
				"edge", fmt.Sprintf("%s is a list of %d, not of 2", noun(path), len(m.Content)), "write it as [source, target]",
			})
			return
		}
		for i, end := range m.Content {
			sub := fmt.Sprintf("%s.%d", path, i)
			if s, ok := r.text(end, sub); ok {
				r.edgeEnd(nodes, end, sub, s)
			}
		}
		return
	}
	o, ok := r.object(n, path)
	if !ok {
		return
	}
	for _, key := range []string{"source", "target"} {
		if s := o.needText(key); s != "" {
			r.edgeEnd(nodes, o.entries[key].val, o.sub(key), s)
		}
	}
	o.optTable("configuration")
	o.done()
}

// edgeEnd checks one end: node.type.key.
func (r *reader) edgeEnd(nodes *pipelineNodes, n *yaml.Node, path, s string) {
	parts := strings.SplitN(s, ".", 3)
	if len(parts) != 3 {
		r.add(SeverityError, at(n), path, finding{"edge", show(s) + fmt.Sprintf(" has %d parts, not 3", len(parts)), "write it as node.type.key"})
		return
	}
	r.nodeName(nodes, n, path, parts[0])
	if !slices.Contains(socketTypes(), parts[1]) {
		r.add(SeverityError, at(n), path, finding{"edge", show(parts[1]) + " is not a type of edge", r.suggest(parts[1], socketTypes(), "type")})
	}
}

// nodeName reports a node that isn't there.
func (r *reader) nodeName(nodes *pipelineNodes, n *yaml.Node, path, name string) bool {
	_, ok := nodes.steps[name]
	if !ok && !r.full {
		r.add(SeverityError, at(n), path, finding{"reference", "there is no node " + show(name), r.suggest(name, nodes.names, "node")})
	}
	return ok
}

// pipelineParameter checks a parameter that a pipeline hands to its nodes.
func (r *reader) pipelineParameter(p *project, nodes *pipelineNodes, n *yaml.Node, path string) {
	o, ok := r.object(n, path)
	if !ok {
		return
	}
	o.needText("name")
	o.optText("category")
	o.optText("description")
	o.get("default")
	var targets []string
	if s := o.optText("target"); s != "" {
		targets = []string{s}
	}
	more := o.optTextOrTexts("targets")
	o.done()
	if o.entries["target"] != nil && o.entries["targets"] != nil {
		r.add(SeverityError, at(o.entries["target"].key), o.path, finding{"exclusive", "the parameter has both target and targets", "remove one of them"})
	}
	targets = append(targets, more...)
	if len(targets) == 0 {
		r.add(SeverityWarning, at(o.node), o.path, finding{"target", "the parameter has no targets, so it reaches no node", "add targets"})
	}
	where := o.node
	for _, key := range []string{"target", "targets"} {
		if e := o.entries[key]; e != nil {
			where = e.val
		}
	}
	for _, t := range targets {
		r.parameterTarget(p, nodes, where, o.path, t)
	}
}

// parameterTarget checks one target: node.parameter.name.
func (r *reader) parameterTarget(p *project, nodes *pipelineNodes, n *yaml.Node, path, s string) {
	parts := strings.SplitN(s, ".", 3)
	switch {
	case len(parts) != 3:
		r.add(SeverityError, at(n), path, finding{"edge", "target " + show(s) + fmt.Sprintf(" has %d parts, not 3", len(parts)), "write it as node.parameter.name"})
		return
	case !strings.HasPrefix(parts[1], "parameter"):
		r.add(SeverityError, at(n), path, finding{"edge", "target " + show(s) + " is no parameter", "write it as node.parameter.name"})
	}
	if !r.nodeName(nodes, n, path, parts[0]) {
		return
	}
	target := nodes.steps[parts[0]]
	if target.step == "" || target.elsewhere {
		return
	}
	p.later = append(p.later, func() {
		if step := p.steps[target.step]; step != nil {
			r.hasParameter(step, n, path, parts[2])
		}
	})
}

// hasParameter reports a parameter that a step doesn't have.
func (r *reader) hasParameter(step *Step, n *yaml.Node, path, name string) {
	if !step.declares().parameters[name] && !r.full {
		r.add(SeverityError, at(n), path, finding{
			"reference", "step " + show(step.Name) + " has no parameter " + show(name), r.suggest(name, listNames(step.Parameters), "parameter"),
		})
	}
}

// declared are the names of a step.
type declared struct{ parameters, inputs map[string]bool }

// declares gives the names of a step, and keeps them: many nodes may refer to it.
func (s *Step) declares() *declared {
	if s.names == nil {
		s.names = &declared{parameters: parameterNames(s.Parameters), inputs: map[string]bool{}}
		for _, in := range s.Inputs {
			s.names.inputs[in.Name] = true
		}
	}
	return s.names
}
