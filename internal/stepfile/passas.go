package stepfile

import (
	"errors"
	"fmt"
	"strings"
)

// fill puts a name and a value into one word of a template, by the rules of Python's
// str.format: {name}, {value} and {v} are known, {{ and }} stand for braces. Conversions
// and formats ({v:.3f}) are refused.
func fill(word, name, value string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		c := word[i]
		doubled := i+1 < len(word) && word[i+1] == c
		switch {
		case c != '{' && c != '}':
			b.WriteByte(c)
		case doubled:
			b.WriteByte(c)
			i++
		case c == '}':
			return "", errors.New("a } has no { before it")
		default:
			field, _, closed := strings.Cut(word[i+1:], "}")
			if !closed {
				return "", errors.New("a { has no } after it")
			}
			switch field {
			case "name":
				b.WriteString(name)
			case "value", "v":
				b.WriteString(value)
			default:
				return "", fmt.Errorf("%s is not known here", show("{"+field+"}"))
			}
			i += len(field) + 1
		}
	}
	return b.String(), nil
}

// words gives the command-line words of a parameter that has the value v, unquoted.
func (p *Parameter) words(v Value) ([]string, error) {
	if v.IsNull() {
		return nil, nil
	}
	template := p.passAs
	if p.Type == "flag" {
		template = p.passTrue
		if v.falsy() {
			template = p.passFalse
		}
	}
	switch {
	case len(template) == 0:
		return nil, nil
	case p.Multiple == "repeat":
		var out []string
		for _, one := range atoms(v) {
			words, err := p.fillAll(template, one)
			if err != nil {
				return nil, err
			}
			out = append(out, words...)
		}
		return out, nil
	case p.Multiple == "separate":
		all := atoms(v)
		if len(all) == 0 {
			return nil, nil
		}
		texts := make([]string, len(all))
		for i, one := range all {
			texts[i] = one.String()
		}
		return p.fillAll(template, textValue(strings.Join(texts, p.Separator)))
	default:
		return p.fillAll(template, v)
	}
}

// fillAll fills in every word of a template.
func (p *Parameter) fillAll(template []string, v Value) ([]string, error) {
	if v.kind == kindList {
		return nil, fmt.Errorf("parameter %s has a list of values, and takes one", show(p.Name))
	}
	out := make([]string, len(template))
	for i, word := range template {
		var err error
		if out[i], err = fill(word, p.Name, v.String()); err != nil {
			return nil, fmt.Errorf("parameter %s: pass-as: %w", show(p.Name), err)
		}
	}
	return out, nil
}
