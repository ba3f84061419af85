package stepfile

import (
	"strings"
)

// expand replaces the placeholders {…} of a line: replace gives the text for what is
// between the braces, or false to leave it. What counts as a placeholder is what
// valohai-yaml's expression {(.+?)} finds: a brace, at least one character, and the next
// closing brace of the line. The work is linear in the line.
func expand(s string, replace func(inner string) (string, bool)) string {
	var b strings.Builder
	for line := range strings.SplitAfterSeq(s, "\n") {
		for {
			open := strings.IndexByte(line, '{')
			if open < 0 || open+2 > len(line) {
				break
			}
			// The character after the brace may be a closing one.
			_, width := firstRune(line[open+1:])
			length := strings.IndexByte(line[min(open+1+width, len(line)):], '}')
			if length < 0 {
				break
			}
			end := open + 1 + width + length
			inner := line[open+1 : end]
			b.WriteString(line[:open])
			if text, ok := replace(inner); ok {
				b.WriteString(text)
			} else {
				b.WriteString(line[open : end+1])
			}
			line = line[end+1:]
		}
		b.WriteString(line)
	}
	return b.String()
}

func firstRune(s string) (r rune, width int) {
	for i, c := range s {
		if i > 0 {
			return r, i
		}
		r = c
	}
	return r, len(s)
}

// placeholders warns of placeholders that stay as they are, or that are ones by accident,
// and notes a step whose parameters appear nowhere in its command.
func (r *reader) placeholders(s *Step, o *object) {
	e := o.entries["command"]
	if e == nil {
		return
	}
	names := parameterNames(s.Parameters)
	used := false
	seen := map[string]bool{}
	for i, line := range s.Command {
		where := at(e.val)
		if items := follow(e.val).Content; i < len(items) && len(items) == len(s.Command) {
			where = at(items[i])
		}
		warn := func(text, remedy string) {
			r.add(SeverityWarning, where, o.sub("command"), finding{"placeholder", text, remedy})
		}
		expand(line, func(inner string) (string, bool) {
			used = used || strings.HasPrefix(inner, "param")
			if !seen[inner] {
				seen[inner] = true
				r.placeholder(s, names, inner, warn)
			}
			return "", false
		})
		for _, known := range []string{"${parameters}", "${params}"} {
			if strings.Contains(line, known) {
				warn(known+" is read as a $ and the placeholder "+known[1:], "rename the variable of the shell")
			}
		}
	}
	if len(s.Parameters) > 0 && !used {
		r.notes.add(SeverityNote, at(e.key), o.sub("command"), finding{
			"parameters-unused", "the command has no {parameters}, so they are not on its command line, only in parameters.json", "",
		})
	}
}

// placeholder warns of one placeholder that stays as it is and likely shouldn't.
func (r *reader) placeholder(s *Step, names map[string]bool, inner string, warn func(text, remedy string)) {
	what, name, hasName := strings.Cut(inner, ":")
	switch {
	case inner == "parameters" || inner == "params":
	case hasName && (what == "parameter" || what == "parameter-value"):
		if !names[name] && !r.full {
			warn("the step has no parameter "+show(name)+", so {"+clip(inner)+"} stays as it is",
				r.suggest(name, listNames(s.Parameters), "parameter"))
		}
	case inner == "source-path":
		if s.SourcePath == "" {
			warn("the step has no source-path, so {source-path} stays as it is", "set source-path")
		}
	case strings.Contains(inner, "{param"):
		warn("the placeholder in {"+clip(inner)+"} is not found, since it begins at the first brace", "move it out of the other braces")
	case !r.full:
		if near := r.nearest(inner, []string{"parameters", "params"}); near != "" {
			warn("{"+clip(inner)+"} is no placeholder, and stays as it is", "did you mean {"+near+"}?")
		}
	}
}

func parameterNames(all []Parameter) map[string]bool {
	names := make(map[string]bool, len(all))
	for i := range all {
		names[all[i].Name] = true
	}
	return names
}

func listNames(all []Parameter) []string {
	names := make([]string, 0, min(len(all), maxNearestCandidates))
	for i := range all {
		if i == maxNearestCandidates {
			break
		}
		names = append(names, all[i].Name)
	}
	return names
}
