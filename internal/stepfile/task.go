package stepfile

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// task checks a task: many runs of one step. The types and the keys are those of
// valohai-yaml 0.57.0 (task, variant-param).
func (r *reader) task(p *project, n *yaml.Node, path string) {
	o, ok := r.object(n, path)
	if !ok {
		return
	}
	name := o.needText("name")
	r.named(p, "task", name, o)
	step := o.needText("step")
	p.tasks[name] = step
	if len(p.taskNames) < maxNearestCandidates {
		p.taskNames = append(p.taskNames, name)
	}
	kind := o.foldedChoice("type", "_", "grid_search", "random_search", "bayesian_tpe", "manual_search", "distributed")
	o.foldedChoice("on-child-error", "-", "", "continue-and-complete", "continue-and-error", "stop-all-and-error")
	o.optText("description")
	o.optBool("reuse-children", false)
	o.expression("stop-condition")
	for _, key := range []string{"execution-count", "execution-batch-size", "maximum-queued-executions"} {
		o.optWhole(key)
	}
	o.optText("engine")
	o.optText("optimization-target-metric")
	o.optNumber("optimization-target-value")
	sets := o.variants()
	o.done()
	o.lintTask(kind, sets)
	p.later = append(p.later, func() {
		if step != "" && p.steps[step] == nil {
			r.add(SeverityWarning, o.where("step"), o.sub("step"), finding{"reference", "there is no step " + show(step), r.suggestStep(p, step)})
		}
	})
}

// variants reads what a task varies, and counts the sets of values.
func (o *object) variants() (sets int) {
	o.each("parameters", o.r.variant)
	o.each("parameter-sets", func(n *yaml.Node, path string) {
		if _, ok := o.r.object(n, path); ok {
			sets++
		}
	})
	if o.entries["parameters"] == nil && o.entries["parameter-sets"] == nil {
		o.r.add(SeverityError, at(o.node), o.path, finding{"required", "task has neither parameters nor parameter-sets", "add one of them"})
	}
	return sets
}

// suggestStep is the remedy for the name of a step that isn't there.
func (r *reader) suggestStep(p *project, name string) string {
	if r.full {
		return ""
	}
	var names []string
	for i, s := range p.order {
		if i == maxNearestCandidates {
			break
		}
		names = append(names, s.Name)
	}
	return r.suggest(name, names, "step")
}

// foldedChoice is optChoice for words that Valohai takes in any case, and with - or _.
func (o *object) foldedChoice(key, separator string, words ...string) string {
	e := o.get(key)
	if e == nil {
		return words[0]
	}
	s, ok := o.r.text(e.val, o.sub(key))
	if !ok || s == "" {
		return words[0]
	}
	word := strings.ToLower(s)
	for _, other := range []string{"-", "_"} {
		word = strings.ReplaceAll(word, other, separator)
	}
	for _, w := range words {
		if w == word {
			return w
		}
	}
	if words[0] == "" {
		words = words[1:]
	}
	o.r.add(SeverityError, at(e.val), o.sub(key), finding{"choice", key + " is " + show(s), o.r.suggest(s, words, "choice")})
	return words[0]
}

// lintTask warns of keys that the type of the task doesn't use.
func (o *object) lintTask(kind string, sets int) {
	useless := func(key, why string) {
		if e := o.entries[key]; e != nil {
			o.r.add(SeverityWarning, at(e.key), o.sub(key), finding{"no-effect", key + " has no effect " + why, "remove it, or change the type"})
		}
	}
	if sets > 0 && kind != "manual_search" {
		useless("parameter-sets", "but in a manual_search")
	}
	if kind != "bayesian_tpe" {
		for _, key := range []string{"engine", "optimization-target-metric", "optimization-target-value"} {
			useless(key, "but in a bayesian_tpe task")
		}
	}
}

// variant checks how a task varies one parameter.
func (r *reader) variant(n *yaml.Node, path string) {
	o, ok := r.object(n, path)
	if !ok {
		return
	}
	o.needText("name")
	if o.need("style") != nil {
		o.optChoice("style", "single", "multiple", "linear", "logspace", "random")
	}
	if e := o.need("rules"); e != nil {
		if i, ok := r.object(e.val, o.sub("rules")); ok {
			i.rules()
		}
	}
	o.done()
}

func (o *object) rules() {
	for _, key := range []string{"base", "count", "end", "max", "min", "seed", "start", "step", "value"} {
		o.optNumber(key)
	}
	o.optText("distribution")
	o.optBool("integerify", false)
	o.optBool("numberify", false)
	o.each("items", func(n *yaml.Node, path string) {
		switch o.r.value(n).kind {
		case kindInt, kindFloat, kindBool, kindText, kindDate:
		default:
			o.r.wrong(n, path, "give a number, a text or a boolean")
		}
	})
	o.done()
}
