package sqlstore

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Queries are a dialect's statements, by name.
type Queries map[string]string

// ParseQueries reads the files *.sql in files. A file is a row of blocks. A block
// begins with a line
//
//	-- name: Registry
//
// which names the statement that follows, or with
//
//	-- part: registry
//
// which names a piece of text (a list of columns, say) that takes the place of
// {registry} in all statements and parts. Lines of comment alone belong to nothing. Parameters
// are $1, $2 and so on.
func ParseQueries(files fs.FS) (Queries, error) {
	paths, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("reading queries: %w", err)
	}
	names, parts := Queries{}, Queries{}
	for _, path := range paths {
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, fmt.Errorf("reading queries: %w", err)
		}
		if err := sortBlocks(string(text), names, parts); err != nil {
			return nil, fmt.Errorf("reading queries: %s: %w", path, err)
		}
	}
	for name, query := range names {
		for range len(parts) { // a part may use another
			for part, text := range parts {
				query = strings.ReplaceAll(query, "{"+part+"}", strings.TrimSpace(text))
			}
			if !strings.Contains(query, "{") {
				break
			}
		}
		if names[name] = strings.TrimSpace(query); names[name] == "" || strings.ContainsAny(query, "{}") {
			return nil, fmt.Errorf("reading queries: %s is empty, or uses a part that isn't there", name)
		}
	}
	return names, nil
}

func sortBlocks(text string, names, parts Queries) error {
	var into Queries
	var current string
	for line := range strings.Lines(text) {
		part, isPart := strings.CutPrefix(line, "-- part: ")
		name, isName := strings.CutPrefix(line, "-- name: ")
		switch {
		case isPart:
			into, current = parts, strings.TrimSpace(part)
		case isName:
			into, current = names, strings.TrimSpace(name)
		case strings.HasPrefix(line, "--"), strings.TrimSpace(line) == "":
			continue
		case into == nil:
			return fmt.Errorf("%q stands before the first name", strings.TrimSpace(line))
		default:
			into[current] += line
			continue
		}
		if _, twice := into[current]; twice {
			return fmt.Errorf("%s is there twice", current)
		}
		into[current] = ""
	}
	return nil
}

// Names lists the names, sorted.
func (q Queries) Names() []string {
	names := make([]string, 0, len(q))
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Parameters counts the parameters of the named statement.
func (q Queries) Parameters(name string) int {
	most := 0
	for _, p := range regexp.MustCompile(`\$(\d+)`).FindAllStringSubmatch(q[name], -1) {
		n, _ := strconv.Atoi(p[1]) // digits only; too many of them are caught by the database
		most = max(most, n)
	}
	return most
}
