package stepfile

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// node checks one node of a pipeline.
func (r *reader) node(p *project, nodes *pipelineNodes, n *yaml.Node, path string) {
	o, ok := r.object(n, path)
	if !ok {
		return
	}
	name := o.needText("name")
	kind := ""
	if o.need("type") != nil {
		kind = o.optChoice("type", "execution", "task", "deployment")
	}
	target := nodeTarget{elsewhere: true}
	switch kind {
	case "execution", "task":
		target = o.runNode(kind)
		r.checkNode(p, o, target)
	case "deployment":
		o.needText("deployment")
		o.optTexts("endpoints")
		o.optTexts("aliases")
	}
	words := []string{"stop-all", "stop-next", "continue", "retry"}
	if kind == "deployment" {
		words = words[:3]
	}
	o.optChoice("on-error", words...)
	o.each("actions", r.action)
	if kind != "" {
		o.done()
	}
	if name == "" {
		return
	}
	_, twice := nodes.steps[name]
	nodes.steps[name] = target
	if twice {
		r.add(SeverityError, o.where("name"), o.sub("name"), finding{"duplicate-name", "the pipeline has two nodes " + show(name), "rename one of them"})
	} else if len(nodes.names) < maxNearestCandidates {
		nodes.names = append(nodes.names, name)
	}
}

// runNode reads what a node runs: a step, or a task.
func (o *object) runNode(kind string) nodeTarget {
	t := nodeTarget{}
	o.optChoice("edge-merge-mode", "replace", "append")
	if kind == "execution" {
		t.step = o.needText("step")
	} else {
		t.step, t.task = o.optText("step"), o.optText("task")
		step, task := o.entries["step"] != nil, o.entries["task"] != nil
		if step == task {
			f := finding{"required", "task node has neither step nor task", "add one of them"}
			if step {
				f = finding{"exclusive", "task node has both step and task", "remove one of them"}
			}
			o.r.add(SeverityError, at(o.node), o.path, f)
		}
	}
	t.elsewhere = o.optText("commit") != ""
	return t
}

// checkNode reads the override of a node, and checks it against the step, when all steps
// are known. With a commit the step is in another file.
func (r *reader) checkNode(p *project, o *object, t nodeTarget) {
	e := o.get("override")
	var v override
	if e != nil {
		v = r.override(e.val, o.sub("override"))
	}
	if t.elsewhere {
		return
	}
	p.later = append(p.later, func() {
		name, where, path := t.step, o.where("step"), o.sub("step")
		if t.task != "" {
			step, ok := p.tasks[t.task]
			if !ok {
				r.add(SeverityError, o.where("task"), o.sub("task"), finding{"reference", "there is no task " + show(t.task), r.suggestTask(p, t.task)})
				return
			}
			name, where, path = step, o.where("task"), o.sub("task")
		}
		if name == "" {
			return
		}
		step := p.steps[name]
		if step == nil {
			r.add(SeverityError, where, path, finding{"reference", "there is no step " + show(name), r.suggestStep(p, name)})
			return
		}
		for _, in := range v.inputs {
			if !step.declares().inputs[in.name] {
				r.add(SeverityError, in.at, o.sub("override"), finding{"reference", "step " + show(name) + " has no input " + show(in.name), "name an input of the step"})
			}
		}
		for _, in := range v.parameters {
			if !step.declares().parameters[in.name] {
				r.add(SeverityError, in.at, o.sub("override"), finding{"reference", "step " + show(name) + " has no parameter " + show(in.name), "name a parameter of the step"})
			}
		}
	})
}

// suggestTask is the remedy for the name of a task that isn't there.
func (r *reader) suggestTask(p *project, name string) string {
	if r.full {
		return ""
	}
	return r.suggest(name, p.taskNames, "task")
}

// reference is a name, and where it stands.
type reference struct {
	name string
	at   position
}

// override is what a node replaces in its step.
type override struct{ inputs, parameters []reference }

// override reads the fields that a node may replace.
func (r *reader) override(n *yaml.Node, path string) override {
	o, ok := r.object(n, path)
	if !ok {
		return override{}
	}
	o.image(false)
	o.command(false)
	o.mounts()
	o.variables()
	o.preset(o.optText("runtime-config-preset"), o.optText("environment"))
	var v override
	for _, in := range o.inputs() {
		v.inputs = append(v.inputs, reference{in.Name, in.at})
	}
	for _, in := range o.parameters(false) {
		v.parameters = append(v.parameters, reference{in.Name, in.at})
	}
	o.done()
	return v
}

// action checks what a node does when something happens to it.
func (r *reader) action(n *yaml.Node, path string) {
	o, ok := r.object(n, path)
	if !ok {
		return
	}
	known := func(key string, words ...string) {
		if o.need(key) == nil {
			return
		}
		for _, s := range o.optTextOrTexts(key) {
			if key == "when" {
				s = strings.ToLower(s)
			}
			if !slices.Contains(words, s) {
				r.add(SeverityWarning, o.where(key), o.sub(key), finding{"action", key + " " + show(s) + " is not known, and may do nothing", r.suggest(s, words, "word")})
			}
		}
	}
	known("when", "node-complete", "node-starting", "node-error")
	known("then", "noop", "stop-pipeline", "error-pipeline")
	o.optTextOrTexts("if")
	o.done()
}
